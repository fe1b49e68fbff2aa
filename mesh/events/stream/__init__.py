"""Event streams: one port, an engine on Redis Streams and one on Kafka."""

from __future__ import annotations

from mesh.events.stream.kafka.url import parse
from mesh.events.stream.port import Stream
from mesh.events.stream.redis import RedisStream
from mesh.events.stream.settings import StreamSettings
from mesh.settings import InvalidSetting
from mesh.stores.redis import Redis

__all__ = ["Stream", "StreamSettings", "connect_stream", "open_stream"]


def open_stream(url: str, *, redis: Redis, settings: StreamSettings | None = None) -> Stream:
    """The stream that `CLIPMESH_EVENTS` names: empty for Redis Streams on the given Redis. The caller closes stream and Redis, in that order.

    It connects with its first call. Raises InvalidSetting for what no call could mend.
    """
    settings = settings or StreamSettings()
    if not url:
        return RedisStream(redis=redis, settings=settings)
    scheme = url.partition(":")[0]
    if scheme != "kafka":
        raise InvalidSetting(
            f"CLIPMESH_EVENTS={scheme}:... is not understood: write kafka://host:9092, or leave it empty to use Redis Streams"
        )
    address = parse(url)
    try:
        from mesh.events.stream.kafka.stream import KafkaStream  # noqa: PLC0415 (its driver is an extra)
    except ModuleNotFoundError as error:
        if error.name != "confluent_kafka":
            raise
        raise InvalidSetting("CLIPMESH_EVENTS=kafka://... needs a driver; install it with `pip install 'clipmesh[cluster]'`") from error
    return KafkaStream(address, settings=settings)


async def connect_stream(url: str, *, redis: Redis, settings: StreamSettings | None = None) -> Stream:
    """The same for a process that starts: credentials, certificates and topics that do not fit are refused now. Raises InvalidSetting.

    A server that is away is no refusal: events wait for it.
    """
    stream = open_stream(url, redis=redis, settings=settings)
    try:
        await stream.check()
    except BaseException:
        await stream.close()
        raise
    return stream
