"""What can be asked about affinities."""

from __future__ import annotations

import asyncio

from mesh.clock import Clock
from svc_feed.affinities import rules
from svc_feed.affinities.store import AffinityStore
from svc_feed.affinities.tables import ViewerComment, ViewerEngagement
from svc_feed.consents.actions import Withdrawals
from svc_feed.viewers import Watcher


class Affinities:
    """How much a person engages with creators."""

    def __init__(self, *, store: AffinityStore, withdrawals: Withdrawals, clock: Clock) -> None:
        self._store = store
        self._withdrawals = withdrawals
        self._clock = clock

    async def strengths(self, watcher: Watcher) -> dict[int, float]:
        """Engagement strength by creator of a consenting person; empty for everybody else."""
        if not watcher.history_id:
            return {}
        acts, comments, until_ms = await asyncio.gather(
            self._store.of_viewer(watcher.history_id),
            self._store.comments_of_viewer(watcher.history_id),
            self._withdrawals.until_ms(watcher.history_id),
        )
        rows: list[ViewerEngagement | ViewerComment] = [*acts, *comments]
        return rules.strengths([row for row in rows if row.acted_at_ms > until_ms], now_ms=self._clock.now_ms())

    async def forget(self, viewer_id: int, *, until_ms: int) -> None:
        """Drop what a person did until a moment; safe to repeat."""
        await self._store.forget_until(viewer_id, until_ms=until_ms)
