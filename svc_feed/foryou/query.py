"""What a pipeline works on: the question with what hydrators found, and the candidates."""

from __future__ import annotations

from dataclasses import dataclass, field

from svc_feed.foryou.tables import FeedVideo, ServedPage
from svc_feed.signals.tables import WatchedVideo
from svc_feed.viewers import Watcher


@dataclass(slots=True, kw_only=True)
class Query:
    """One question; hydrators fill the second half."""

    watcher: Watcher
    page_size: int
    session_id: str
    now_ms: int
    played: frozenset[int] = frozenset()
    """Videos played in this session."""
    slot: int = 0
    """Slot of the next item, counted over the session."""
    history: dict[int, WatchedVideo] = field(default_factory=dict)
    """What the person watched, by video; empty without consent."""
    tastes: dict[str, float] = field(default_factory=dict)
    """Liking of `category:N`, `creator:ID`, `tag:WORD`: mean watch share minus 0.5, from -0.5 to 0.5, shrunk towards 0."""
    rewatch: bool = False
    """True when everything was seen before this session began: then seen clips may come again."""


@dataclass(slots=True, kw_only=True)
class Candidate:
    """One video on its way to the page."""

    video: FeedVideo
    sources: set[str] = field(default_factory=set)
    score: float = 0.0


@dataclass(slots=True)
class Count:
    """What one stage did."""

    stage: str
    count_in: int = 0
    count_out: int = 0
    took_us: int = 0
    failed: bool = False


@dataclass(slots=True, kw_only=True)
class Slate:
    """What a pipeline answers."""

    items: list[Candidate]
    reserve: list[Candidate]
    has_more: bool
    policy: str
    degraded: list[str]
    counts: list[Count]


def played_before(pages: list[ServedPage], cursor_key: str) -> list[tuple[ServedPage, int]]:
    """The pages that lead to a cursor, oldest first, each with the index of its last played item; empty when the chain is broken."""
    by_page = {page.page_id: page for page in pages}
    chain: list[tuple[ServedPage, int]] = []
    while cursor_key:
        page_id, _, index = cursor_key.rpartition(":")
        page = by_page.get(page_id)
        if page is None or len(chain) > len(pages):
            return []
        chain.append((page, int(index)))
        cursor_key = page.cursor_key
    return chain[::-1]
