"""Event streams: one port, an engine on Redis Streams and one on Kafka."""

from __future__ import annotations

from mesh.events.stream.port import Stream
from mesh.events.stream.redis import RedisStream
from mesh.events.stream.settings import StreamSettings
from mesh.settings import InvalidSetting
from mesh.stores.redis import Redis

__all__ = ["Stream", "StreamSettings", "open_stream"]


def open_stream(url: str, *, redis: Redis, settings: StreamSettings | None = None) -> Stream:
    """The stream that `CLIPMESH_EVENTS` names: empty for Redis Streams on the given Redis. The caller closes stream and Redis, in that order."""
    if not url:
        return RedisStream(redis=redis, settings=settings or StreamSettings())
    if url.startswith("kafka://"):
        raise InvalidSetting("CLIPMESH_EVENTS=kafka://... is not supported by this version: leave it empty to use Redis Streams")
    raise InvalidSetting(f"CLIPMESH_EVENTS={url!r} is not understood: leave it empty to use Redis Streams on CLIPMESH_REDIS")
