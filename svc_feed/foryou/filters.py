"""Filters: what must not be shown. They are never skipped, late or degraded: one that fails ends the call."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from svc_feed.foryou.corpus import Corpus
from svc_feed.foryou.query import BoolArray, IntArray, Query


class Filter(Protocol):
    """Decides by itself."""

    name: str
    hard: bool
    """True when it is asked again on every answer, also for pages that were made before."""

    def enabled(self, query: Query) -> bool:
        """Whether it has anything to remove for this query."""
        ...

    def keeps(self, query: Query, rows: IntArray) -> BoolArray:
        """For each row of the corpus whether it may be shown."""
        ...


class NotVisible:
    """Withdrawn, limited, hidden or unknown clips."""

    name = "filter.not_visible"
    hard = True

    def __init__(self, *, corpus: Corpus) -> None:
        self._corpus = corpus

    def enabled(self, query: Query) -> bool:
        """Always."""
        return True

    def keeps(self, query: Query, rows: IntArray) -> BoolArray:
        """Only recommendable clips; an unknown one has row -1."""
        return self._corpus.columns.recommendable[rows] & (rows >= 0)


class Own:
    """The viewer's own clips."""

    name = "filter.own"
    hard = True

    def __init__(self, *, corpus: Corpus) -> None:
        self._corpus = corpus

    def enabled(self, query: Query) -> bool:
        """For signed-in people."""
        return query.watcher.user_id != 0

    def keeps(self, query: Query, rows: IntArray) -> BoolArray:
        """Other people's clips."""
        kept: BoolArray = self._corpus.columns.creators[rows] != query.watcher.user_id
        return kept


class Barred:
    """Clips of people whom a block parts from the viewer, or whom the viewer muted."""

    name = "filter.barred"
    hard = True

    def __init__(self, *, corpus: Corpus) -> None:
        self._corpus = corpus

    def enabled(self, query: Query) -> bool:
        """Once somebody was found to be kept away."""
        return bool(query.barred)

    def keeps(self, query: Query, rows: IntArray) -> BoolArray:
        """Clips of others."""
        return ~np.isin(self._corpus.columns.creators[rows], np.fromiter(query.barred, np.int64))


class Played:
    """What was shown in this session: never twice."""

    name = "filter.played"
    hard = False

    def __init__(self, *, corpus: Corpus) -> None:
        self._corpus = corpus

    def enabled(self, query: Query) -> bool:
        """From the second page on."""
        return bool(query.played)

    def keeps(self, query: Query, rows: IntArray) -> BoolArray:
        """Clips that this session has not shown."""
        return ~np.isin(rows, self._corpus.rows(query.played))


class Seen:
    """What the person watched before."""

    name = "filter.seen"
    hard = False

    def __init__(self, *, corpus: Corpus) -> None:
        self._corpus = corpus

    def enabled(self, query: Query) -> bool:
        """With a history, unless everything there is was seen."""
        return len(query.watched.ids) > 0 and not query.rewatch

    def keeps(self, query: Query, rows: IntArray) -> BoolArray:
        """Clips that are not in the history."""
        there, _ = query.watched.find(self._corpus.columns.ids[rows])
        return ~there
