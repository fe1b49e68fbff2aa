"""Hydrators: what has to be known of the viewer before candidates are looked for."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable
from typing import Protocol

from svc_feed.foryou.columns import feature_names
from svc_feed.foryou.query import Query, Watched
from svc_feed.signals.actions import SignalActions, WatchedVideo

TASTE_EVENTS = 100
"""Latest watches that shape tastes (spec: last 100 events)."""
TASTE_PRIOR = 2.0
"""Imagined indifferent watches of every taste: one skip says little."""


class Hydrator(Protocol):
    """Fills a part of the query; a failed one leaves it empty and is named in `degraded`."""

    name: str

    def enabled(self, query: Query) -> bool:
        """Whether the query needs it."""
        ...

    async def hydrate(self, query: Query) -> int:
        """Fill the query; returns how many facts were found."""
        ...


class History:
    """What the person watched, and the tastes in it."""

    name = "hydrate.history"

    def __init__(self, *, signals: SignalActions) -> None:
        self._signals = signals

    def enabled(self, query: Query) -> bool:
        """Only with consent."""
        return query.watcher.personal

    async def hydrate(self, query: Query) -> int:
        """Read the history and derive tastes."""
        rows = await self._signals.history(query.watcher)
        last_at_ms: dict[int, int] = {}
        for row in rows:
            last_at_ms[row.video_id] = max(row.watched_at_ms, last_at_ms.get(row.video_id, 0))
        query.watched = Watched.of(last_at_ms)
        query.tastes = tastes_of(heapq.nlargest(TASTE_EVENTS, rows, key=lambda row: (row.watched_at_ms, row.token_id)))
        return len(rows)


def tastes_of(history: Iterable[WatchedVideo]) -> dict[str, float]:
    """Mean watch share of each category, creator and hashtag minus one half, shrunk towards 0 by TASTE_PRIOR imagined watches."""
    sums: dict[str, float] = defaultdict(float)
    counts: dict[str, int] = defaultdict(int)
    for row in history:
        for name in feature_names(row.category, row.creator_id, row.hashtags):
            sums[name] += row.share - 0.5
            counts[name] += 1
    return {name: total / (counts[name] + TASTE_PRIOR) for name, total in sums.items()}
