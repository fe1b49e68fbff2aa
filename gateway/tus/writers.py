"""One writer at a time for each upload: in this process for certain, among all gateways through Redis while it is there.

Two writers who slipped past each other while Redis was away do no harm but their own: both are the owner, and a part is replaced whole.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator

from gateway.media.problems import overloaded
from gateway.tus.body import Body
from gateway.tus.problems import Interrupted, Locked
from mesh.stores.redis import Redis, RedisUnavailable, Script

QUIET_S = 2.0
"""A writer whose client was silent for this gives way to the next one: most likely the same client, come back on another connection."""
GIVES_WAY_S = 5.0
"""How long a writer that gives way may take to keep what it has."""
HELD_MS = 5_000
"""How long the lock of a gateway that died stands in the way of others."""
RENEW_S = 1.5

_RENEW = Script("if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end return 0")
_RELEASE = Script("if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0")


class _Hold:
    def __init__(self, body: Body) -> None:
        self.body = body
        self.released = asyncio.Event()


class Writers:
    """Who writes to what."""

    def __init__(self, *, redis: Redis, max_open: int) -> None:
        self._redis = redis
        self._max_open = max_open
        self._holds: dict[int, _Hold] = {}
        self._closing = False

    @property
    def open(self) -> int:
        """Writers of this process."""
        return len(self._holds)

    @contextlib.asynccontextmanager
    async def hold(self, upload_id: int, body: Body) -> AsyncIterator[None]:
        """Be the one writer of an upload. Raises Problem while there is another one, or too many in all."""
        await self.settle(upload_id)
        if self._closing:
            raise Interrupted
        if upload_id in self._holds:
            raise Locked
        if len(self._holds) >= self._max_open:
            raise overloaded()
        hold = self._holds[upload_id] = _Hold(body)
        try:
            async with self._among_gateways(upload_id, body):
                yield
        finally:
            del self._holds[upload_id]
            hold.released.set()

    async def settle(self, upload_id: int, *, at_once: bool = False) -> bool:
        """Let a writer of this process whose client is silent (or, `at_once`, any) keep what it has and end; True when there was one."""
        hold = self._holds.get(upload_id)
        if hold is None:
            return False
        silent_s = asyncio.get_running_loop().time() - hold.body.heard_at_s
        if at_once or silent_s >= QUIET_S:
            await self._end(hold)
        return True

    async def close(self) -> None:
        """Let every writer keep what it has; no new one begins."""
        self._closing = True
        await asyncio.gather(*(self._end(hold) for hold in list(self._holds.values())))

    async def _end(self, hold: _Hold) -> None:
        hold.body.give_way()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GIVES_WAY_S):
                await hold.released.wait()

    @contextlib.asynccontextmanager
    async def _among_gateways(self, upload_id: int, body: Body) -> AsyncIterator[None]:
        key, mine = f"tus:writer:{upload_id}", secrets.token_hex(16)
        try:
            if await self._redis.call("SET", key, mine, "NX", "PX", HELD_MS) is None:
                raise Locked
        except RedisUnavailable:
            yield
            return
        renewing = asyncio.create_task(self._renew(key, mine, body))
        try:
            yield
        finally:
            renewing.cancel()
            with contextlib.suppress(RedisUnavailable):
                await self._redis.run(_RELEASE, keys=[key], arguments=[mine])

    async def _renew(self, key: str, mine: str, body: Body) -> None:
        while True:
            await asyncio.sleep(RENEW_S)
            with contextlib.suppress(RedisUnavailable):
                if not await self._redis.run(_RENEW, keys=[key], arguments=[mine, HELD_MS]):
                    # Another gateway took it over while this one was frozen or Redis was emptied.
                    body.give_way()
                    return
