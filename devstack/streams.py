"""How far consumers are behind, asked at the stream itself: no process has to answer for it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mesh import deadline
from mesh.events.stream import open_stream
from mesh.stores.redis import open_redis

ASK_S = 2.0


@dataclass(frozen=True, slots=True)
class GroupLag:
    """How far one consumer group is behind."""

    group: str
    topics: tuple[str, ...]
    waiting: int
    """Events that are published and not yet acknowledged."""
    oldest_ms: int
    """How long the oldest of them waits, in milliseconds; 0 when none does."""


async def waiting(socket: Path) -> list[GroupLag]:
    """Every consumer group that ever read, by name. Raises StreamUnavailable, RedisUnavailable."""
    redis = open_redis(f"unix://{socket}")
    stream = open_stream("", redis=redis)
    try:
        with deadline.scope(ASK_S):
            found = []
            for group, topics in (await stream.groups()).items():
                lags = await stream.lag(topics, group=group)
                oldest_ms = max((lag.oldest_ms for lag in lags), default=0)
                found.append(GroupLag(group, tuple(topics), sum(lag.records for lag in lags), oldest_ms))
            return found
    finally:
        await stream.close()
        await redis.close()
