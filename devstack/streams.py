"""How far consumers are behind, asked at the stream itself: no process has to answer for it."""

from __future__ import annotations

from pathlib import Path

from mesh import deadline
from mesh.events.stream import StreamSettings, open_stream
from mesh.events.stream.keys import Keys
from mesh.stores.redis import Redis, open_redis

ASK_S = 2.0


async def waiting(socket: Path) -> dict[str, int]:
    """Events that are published and not yet acknowledged, for each consumer group. Raises StreamUnavailable, RedisUnavailable."""
    redis = open_redis(f"unix://{socket}")
    stream = open_stream("", redis=redis)
    try:
        with deadline.scope(ASK_S):
            found: dict[str, int] = {}
            for group, topics in (await _groups(redis)).items():
                found[group] = sum(lag.records for lag in await stream.lag(sorted(topics), group=group))
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
