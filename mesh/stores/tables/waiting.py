"""Who waits for the outbox to grow, and who has something left to read."""

from __future__ import annotations

import asyncio

_PACE_S = 0.02
"""Pause for a waiter who was woken already for what is still unread: it may belong to a shard that nobody reads any more."""


class OutboxWaiters:
    """Knows the last entry of each shard and how far each was read, so that no wake-up is lost between a read and the wait after it."""

    def __init__(self, tails: list[int]) -> None:
        self._tails = tails
        self._read = list(tails)
        self._commits = 0
        self._woken = 0
        self._grown = asyncio.Event()

    def has_after(self, shard: int, sequence: int) -> bool:
        """True when the shard has entries behind a sequence."""
        return self._tails[shard] > sequence

    def was_read(self, shard: int, sequence: int) -> None:
        """Note how far a shard was read."""
        self._read[shard] = sequence

    def committed(self, grown: dict[int, int]) -> None:
        """Note new entries and wake everybody."""
        for shard, sequence in grown.items():
            self._tails[shard] = sequence
        self._commits += 1
        self._grown.set()
        self._grown = asyncio.Event()

    async def wait(self, timeout_s: float) -> None:
        """Return when something came, when something is unread, or when the time is over."""
        if any(tail > read for tail, read in zip(self._tails, self._read, strict=True)):
            if self._woken != self._commits:
                self._woken = self._commits
                return
            timeout_s = min(timeout_s, _PACE_S)
        try:
            async with asyncio.timeout(timeout_s):
                await self._grown.wait()
        except TimeoutError:
            return
