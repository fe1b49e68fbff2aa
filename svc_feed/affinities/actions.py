"""What can be asked about affinities."""

from __future__ import annotations

from mesh.clock import Clock
from svc_feed.affinities import rules
from svc_feed.affinities.store import AffinityStore
from svc_feed.viewers import Watcher


class Affinities:
    """How much a person engages with creators."""

    def __init__(self, *, store: AffinityStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def strengths(self, watcher: Watcher) -> dict[int, float]:
        """Engagement strength by creator of a consenting person; empty for everybody else."""
        if not watcher.history_id:
            return {}
        return rules.strengths(await self._store.of_viewer(watcher.history_id), now_ms=self._clock.now_ms())
