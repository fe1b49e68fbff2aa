"""How far consumers are behind, asked at the stream itself: no process has to answer for it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mesh import deadline
from mesh.events.stream import StreamSettings, open_stream
from mesh.events.stream.keys import Keys
from mesh.stores.redis import Redis, open_redis

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
            for group, topics in sorted((await _groups(redis)).items()):
                lags = await stream.lag(sorted(topics), group=group)
                oldest_ms = max((lag.oldest_ms for lag in lags), default=0)
                found.append(GroupLag(group, tuple(sorted(topics)), sum(lag.records for lag in lags), oldest_ms))
            return found
    finally:
        await stream.close()
        await redis.close()


async def _groups(redis: Redis) -> dict[str, set[str]]:
    prefix = Keys(StreamSettings().prefix).hold("", "", 0).removesuffix("::0")
    groups: dict[str, set[str]] = {}
    cursor = b"0"
    while True:
        cursor, keys = await redis.call("SCAN", cursor, "MATCH", f"{prefix}*", "COUNT", 1_000)
        for key in keys:
            group, topic, _ = key.decode().removeprefix(prefix).split(":")
            groups.setdefault(group, set()).add(topic)
        if cursor == b"0":
            return groups
