"""The edge's copy of the revocation epochs: at most 5 seconds old, or of no use."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType

from mesh import deadline
from mesh.clock import Clock
from mesh.grants import GRANT_LIFE_MS, GRANT_SKEW_MS

MAX_AGE_MS = 5_000
"""Older copies close the edge (spec/platform.md)."""
POLL_MS = 1_000
POLL_TIMEOUT_S = 2.0
KEEP_MS = 3 * (GRANT_LIFE_MS + GRANT_SKEW_MS)
"""How long an epoch is remembered: every grant that it revokes has expired long before."""

ListRevocations = Callable[[int], Awaitable[tuple[Sequence[tuple[int, int]], int]]]
"""After a position: (video id, lowest epoch that still plays) in order, and the position that continues the list; nothing means up to date."""

log = logging.getLogger("clipmesh.gateway.media")


class RevocationCopy:
    """Which grants were revoked. `async with` keeps it fresh by polling in a task."""

    def __init__(self, *, list_revocations: ListRevocations, clock: Clock, poll_ms: int = POLL_MS) -> None:
        self._list = list_revocations
        self._clock = clock
        self._poll_ms = poll_ms
        self._epochs: dict[int, tuple[int, int]] = {}
        self._position = 0
        self._fresh_at_ms: int | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def fresh(self) -> bool:
        """True when the copy is complete and at most 5 seconds old; counted from before the question, so that no answer counts as newer than it is."""
        return self._fresh_at_ms is not None and self._clock.monotonic_ms() - self._fresh_at_ms <= MAX_AGE_MS

    def revoked(self, video_id: int, epoch: int) -> bool:
        """True when grants of this epoch play no more."""
        lowest, _ = self._epochs.get(video_id, (0, 0))
        return epoch < lowest

    async def poll(self) -> None:
        """Read what is new, page by page to the end. Raises what the question raises; the copy then only grows older."""
        asked_at_ms = self._clock.monotonic_ms()
        while True:
            revocations, position = await self._list(self._position)
            for video_id, epoch in revocations:
                # Taken out and put in again, so that the copy stays ordered by when an epoch was learned.
                lowest, _ = self._epochs.pop(video_id, (0, 0))
                self._epochs[video_id] = (max(lowest, epoch), asked_at_ms)
            if not revocations:
                break
            if position <= self._position:
                # The list is another one than before: nothing is known of what it holds below this position.
                self._position = 0
                raise ValueError(f"the list of revocations went back to position {position}")
            self._position = position
        self._fresh_at_ms = asked_at_ms
        self._forget(asked_at_ms)

    def _forget(self, now_ms: int) -> None:
        while self._epochs:
            video_id, (_, learned_at_ms) = next(iter(self._epochs.items()))
            if now_ms - learned_at_ms <= KEEP_MS:
                break
            del self._epochs[video_id]

    async def __aenter__(self) -> RevocationCopy:
        self._task = asyncio.create_task(self._keep_fresh(), name="revocations")
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _keep_fresh(self) -> None:
        while True:
            try:
                with deadline.scope(POLL_TIMEOUT_S):
                    async with asyncio.timeout(POLL_TIMEOUT_S):
                        await self.poll()
            except Exception as error:
                # Whatever the failure, the answer is the same: ask again, and stay closed when that takes too long.
                log.warning("revocations cannot be read", extra={"error_type": type(error).__name__})
            await asyncio.sleep(self._poll_ms / 1000)
