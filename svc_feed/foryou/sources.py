"""Sources: each finds candidates in its own way, up to a quota."""

from __future__ import annotations

from typing import Protocol

from svc_feed.foryou.corpus import Corpus
from svc_feed.foryou.query import IntArray, Query

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

    async def candidates(self, query: Query, quota: int) -> IntArray:
        """At most `quota` rows of the corpus, best first, none twice."""
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

    async def candidates(self, query: Query, quota: int) -> IntArray:
        """Newest first."""
        return self._corpus.newest(quota)


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

    async def candidates(self, query: Query, quota: int) -> IntArray:
        """Largest decayed watch share first; clips that nobody watched are not popular."""
        return self._corpus.hottest(quota)
