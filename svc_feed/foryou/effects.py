"""Side effects: what a page leaves behind besides itself. They are events, written in one step with the page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from clipmesh.feed.v1 import events_pb2

from mesh.events.event import Event, EventMaker
from svc_feed.foryou.query import Query, Slot
from svc_feed.foryou.tables import ServedPage


class SideEffect(Protocol):
    """Tells others of a page; a failed one tells nothing and is named in the counts."""

    name: str

    def enabled(self, query: Query) -> bool:
        """Whether there is anything to tell of this query."""
        ...

    def events(self, query: Query, page: ServedPage, slots: Sequence[Slot]) -> list[Event]:
        """Events of a page; `slots` are those to be shown, without the reserve."""
        ...


class Impressions:
    """Tells what the page holds, by ImpressionServed."""

    name = "effect.impressions"

    def __init__(self, *, events: EventMaker) -> None:
        self._events = events

    def enabled(self, query: Query) -> bool:
        """Always."""
        return True

    def events(self, query: Query, page: ServedPage, slots: Sequence[Slot]) -> list[Event]:
        """One event; without consent it names nobody."""
        history_id = query.watcher.history_id
        served = events_pb2.ImpressionServed(
            feed_session_id=page.session_id,
            viewer_id=history_id,
            policy=page.policy,
            impressions=[
                events_pb2.Impression(
                    video_id=slot.video_id,
                    slot=page.played_count + number,
                    source_mask=slot.source_mask,
                    selection_probability=1.0,
                )
                for number, slot in enumerate(slots)
            ],
        )
        return [self._events.make(served, key=f"{page.session_id}.{page.page_id}", subject_ids=(history_id,) if history_id else ())]
