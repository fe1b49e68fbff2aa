"""Sources: each finds candidates in its own way, up to a quota."""

from __future__ import annotations

import heapq
from typing import Protocol

from svc_feed.foryou.corpus import Corpus
from svc_feed.foryou.query import Query
from svc_feed.foryou.tables import FeedVideo

FRESH_QUOTA = 5_000
POPULAR_QUOTA = 5_000
"""Quotas before de-duplication: together the 10,000 of the specification."""


class Source(Protocol):
    """Finds candidates; a failed or late one gives none and is named in `degraded`."""

    name: str
    bit: int
    quota: int

    def enabled(self, query: Query) -> bool:
        """Whether it has anything to say to this query."""
        ...

    async def candidates(self, query: Query, quota: int) -> list[FeedVideo]:
        """At most `quota` videos, best first."""
        ...


class Fresh:
    """The newest clips."""

    name = "fresh"
    bit = 1
    quota = FRESH_QUOTA

    def __init__(self, *, corpus: Corpus) -> None:
        self._corpus = corpus

    def enabled(self, query: Query) -> bool:
        """Always."""
        return True

    async def candidates(self, query: Query, quota: int) -> list[FeedVideo]:
        """Newest first."""
        return heapq.nlargest(quota, self._corpus.recommendable(), key=lambda video: (video.published_at_ms, video.video_id))


class Popular:
    """Clips by watch share over time."""

    name = "popular"
    bit = 2
    quota = POPULAR_QUOTA

    def __init__(self, *, corpus: Corpus) -> None:
        self._corpus = corpus

    def enabled(self, query: Query) -> bool:
        """Always."""
        return True

    async def candidates(self, query: Query, quota: int) -> list[FeedVideo]:
        """Largest decayed watch share first; clips that nobody watched are not popular."""
        scored = (
            (self._corpus.popularity(video.video_id).score(query.now_ms), video.video_id, video) for video in self._corpus.recommendable()
        )
        return [video for _, _, video in heapq.nlargest(quota, (entry for entry in scored if entry[0] > 0))]
