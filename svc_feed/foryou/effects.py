"""Side effects: what a page leaves behind besides itself. They are events, written in one step with the page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from mesh.events.event import Event
from svc_feed.foryou.query import Query
from svc_feed.foryou.tables import ServedPage
from svc_feed.signals.actions import Offer, SignalActions


class SideEffect(Protocol):
    """Tells others of a page; a failed one tells nothing and is named in the counts."""

    name: str

    def enabled(self, query: Query) -> bool:
        """Whether there is anything to tell of this query."""
        ...

    def events(self, query: Query, page: ServedPage, offers: Sequence[Offer]) -> list[Event]:
        """Events of a page; `offers` are its slots in the order to show, the spare ones last."""
        ...


class Impressions:
    """Tells what the page offers, by ImpressionServed.

    The spare slots too: whether one of them steps in is known only to whoever shows the page, at any time after this one event.
    """

    name = "effect.impressions"

    def __init__(self, *, signals: SignalActions) -> None:
        self._signals = signals

    def enabled(self, query: Query) -> bool:
        """Always."""
        return True

    def events(self, query: Query, page: ServedPage, offers: Sequence[Offer]) -> list[Event]:
        """One event, none for an empty page."""
        return [self._signals.impressions(query.watcher, offers, key=f"{page.session_id}.{page.page_id}")] if offers else []
