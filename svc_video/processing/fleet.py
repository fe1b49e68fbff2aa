"""Which recipes workers follow, as far as one process can tell: a plan goes on with workers that make the bytes it was begun with, and is begun anew
by others only when there are none of those left."""

from __future__ import annotations

from mesh.clock import Clock
from svc_video.processing.queue import ANY_RECIPE, JobQueue

SEEN_MS = 60_000
"""Workers with room ask every few seconds; who has not asked for so long, and holds nothing, is gone."""
_MOST_SEEN = 1_000


class Fleet:
    """Workers that asked for jobs lately, by recipe."""

    def __init__(self, *, clock: Clock, queue: JobQueue) -> None:
        self._clock = clock
        self._queue = queue
        self._asked_at_ms: dict[str, int] = {}

    def asked(self, recipe: str) -> None:
        """A worker that follows this recipe asks for a job."""
        if len(self._asked_at_ms) >= _MOST_SEEN:
            self._asked_at_ms = {recipe: at_ms for recipe, at_ms in self._asked_at_ms.items() if self._is_recent(at_ms)}
        self._asked_at_ms[recipe] = self._clock.now_ms()

    def may_take(self, mine: str, recipe: str) -> bool:
        """Whether a worker that follows `mine` may have a job of a plan that follows `recipe`: of its own, and of those that nobody else goes on with. For a
        while after a start nobody had the time to ask."""
        if mine == ANY_RECIPE or recipe in {ANY_RECIPE, mine}:
            return True
        is_new = self._clock.now_ms() < self._queue.grace_until_ms
        return not (is_new or self._is_recent(self._asked_at_ms.get(recipe, 0)) or self._queue.is_leased(recipe))

    def _is_recent(self, at_ms: int) -> bool:
        return at_ms > self._clock.now_ms() - SEEN_MS
