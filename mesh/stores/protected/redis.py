"""The Redis client behind its protection: the same calls, each in the lane of reads or of writes."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

from redis.exceptions import ResponseError

from mesh.stores.protected.faults import Faults
from mesh.stores.protected.lane import Operation, PortErrors
from mesh.stores.protected.protection import Protection
from mesh.stores.protected.settings import REDIS, ProtectionSettings
from mesh.stores.redis import CALL_TIMEOUT_S, READS, Argument, Redis, RedisUnavailable, Script, Subscription
from mesh.telemetry import Telemetry

ERRORS: Final = PortErrors(unavailable=RedisUnavailable, failures=(RedisUnavailable,), answers=(ResponseError,))

SHARED: Final = frozenset(
    {"EXISTS", "GET", "MGET", "GETRANGE", "STRLEN", "TTL", "PTTL", "TYPE", "HGET", "HMGET", "HGETALL", "HLEN", "HEXISTS"}
) | {
    *("SMEMBERS", "SISMEMBER", "SMISMEMBER", "SCARD", "LRANGE", "LLEN", "ZSCORE", "ZMSCORE", "ZCARD", "ZCOUNT", "ZRANK"),
}
"""Reads whose answer is one value or a flat list, which can be copied for each who shares it."""

_CALL = Operation("call")
_MANY = Operation("many")
_RUN = Operation("run")
_SUBSCRIBE = Operation("subscribe")


class ProtectedRedis(Redis):
    """A `Redis` that asks another one. What one subscription hears is no call and passes by."""

    def __init__(
        self,
        engine: Redis,
        *,
        telemetry: Telemetry,
        settings: ProtectionSettings = REDIS,
        faults: Faults | None = None,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.engine = engine
        self._protection = Protection(store="redis", settings=settings, errors=ERRORS, telemetry=telemetry, faults=faults, now_s=now_s)

    async def call(self, *command: Argument, repeat: bool = False, timeout_s: float = CALL_TIMEOUT_S) -> Any:
        """See `Redis`."""
        name = str(command[0]).upper()
        if name in SHARED:
            # 1, 1.0 and True are equal here, and three different keys to Redis.
            asked = (command, tuple(map(type, command)), timeout_s)
            return await self._protection.share(
                _CALL, asked, lambda: self.engine.call(*command, timeout_s=timeout_s), copy=_copied, limit_s=timeout_s
            )
        lane = self._protection.reads if name in READS else self._protection.writes
        return await lane.run(_CALL, self.engine.call, *command, repeat=repeat, timeout_s=timeout_s)

    async def many(
        self, commands: Sequence[Sequence[Argument]], *, atomic: bool = False, repeat: bool = False, timeout_s: float = CALL_TIMEOUT_S
    ) -> list[Any]:
        """See `Redis`."""
        if not commands:
            return []
        reads = all(str(command[0]).upper() in READS for command in commands)
        lane = self._protection.reads if reads else self._protection.writes
        return await lane.run(_MANY, self.engine.many, commands, atomic=atomic, repeat=repeat, timeout_s=timeout_s)

    async def run(
        self,
        script: Script,
        *,
        keys: Sequence[str | bytes] = (),
        arguments: Sequence[Argument] = (),
        repeat: bool = False,
        timeout_s: float = CALL_TIMEOUT_S,
    ) -> Any:
        """See `Redis`."""
        return await self._protection.writes.run(
            _RUN, self.engine.run, script, keys=keys, arguments=arguments, repeat=repeat, timeout_s=timeout_s
        )

    @asynccontextmanager
    async def subscribe(self, *channels: str) -> AsyncIterator[Subscription]:
        """See `Redis`."""
        async with AsyncExitStack() as stack:
            yield await self._protection.reads.run(_SUBSCRIBE, stack.enter_async_context, self.engine.subscribe(*channels))

    async def close(self) -> None:
        """See `Redis`."""
        await self.engine.close()


def _copied(answer: Any) -> Any:
    return list(answer) if isinstance(answer, list) else answer
