"""Wakes waiting readers of a process as soon as Redis has something for them: one subscription instead of many blocked connections."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final

from mesh.stores.redis import Redis, RedisUnavailable

POLL_S: Final = 0.25
"""How often waiting readers look by themselves while the subscription is broken, in seconds."""


class Bell:
    """One reader's bell: look, wait, look again; a ring between look and wait is not lost."""

    def __init__(self, doorbell: Doorbell) -> None:
        self._doorbell = doorbell
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """Wake the reader."""
        self._rung.set()

    @property
    def rung(self) -> bool:
        """True when it rang since the last reset."""
        return self._rung.is_set()

    def reset(self) -> None:
        """Forget earlier rings; call it before looking."""
        self._rung.clear()

    async def wait(self, timeout_s: float) -> None:
        """Return when the bell rings, when time is over, or soon when rings may be missed."""
        limit_s = timeout_s if self._doorbell.connected else min(timeout_s, POLL_S)
        with suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                await self._rung.wait()


class Doorbell:
    """Listens on one channel whose messages are the keys that changed."""

    def __init__(self, *, redis: Redis, channel: str) -> None:
        self._redis = redis
        self._channel = channel
        self._bells: dict[str, set[Bell]] = {}
        self._task: asyncio.Task[None] | None = None
        self.connected = False

    @contextmanager
    def listen(self, keys: Sequence[str]) -> Iterator[Bell]:
        """A bell that rings when one of `keys` changes."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), context=contextvars.Context())
        bell = Bell(self)
        for key in keys:
            self._bells.setdefault(key, set()).add(bell)
        try:
            yield bell
        finally:
            for key in keys:
                waiting = self._bells[key]
                waiting.discard(bell)
                if not waiting:
                    del self._bells[key]

    def ring(self, key: str) -> None:
        """Wake this process's readers of one key."""
        for bell in self._bells.get(key, ()):
            bell.ring()

    async def close(self) -> None:
        """Stop listening; safe to repeat."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            try:
                async with self._redis.subscribe(self._channel) as subscription:
                    self.connected = True
                    self._ring_all()
                    async for _, key in subscription.messages():
                        self.ring(key.decode(errors="replace"))
            except RedisUnavailable:
                pass
            finally:
                self.connected = False
                self._ring_all()
            await asyncio.sleep(POLL_S)

    def _ring_all(self) -> None:
        for bells in self._bells.values():
            for bell in bells:
                bell.ring()
