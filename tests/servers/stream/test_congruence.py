"""Both engines show the same in random sequences of publishing, reading, acknowledging, rewinding, leaving and coming back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from urllib.parse import urlencode, urlsplit, urlunsplit

import pytest

from mesh.events.stream import StreamSettings, open_stream
from mesh.events.stream.port import Stream
from mesh.stores.redis import open_redis
from tests.servers import fresh
from tests.servers.stream.sequences import Actor, sequence

PARTITIONS = 2
AT_ONCE = 6


@asynccontextmanager
async def both(kafka_url: str, redis_url: str) -> AsyncIterator[tuple[Stream, Stream]]:
    """A stream on Redis and one on Kafka, both empty."""
    settings = StreamSettings(prefix=f"{fresh.name()}:", partitions=PARTITIONS, lease_ms=6_000, heartbeat_ms=200)
    redis = open_redis(redis_url)
    streams = open_stream("", redis=redis, settings=settings), open_stream(kafka_url, redis=redis, settings=settings)
    try:
        yield streams
    finally:
        for stream in streams:
            await stream.close()
        await redis.close()


async def compare(kafka_url: str, redis_url: str, count: int, *, first: int) -> None:
    """So many sequences, some at once, each on a topic of its own."""
    seeds = iter(range(first, first + count))
    async with both(kafka_url, redis_url) as (redis, kafka):

        async def some() -> None:
            for seed in seeds:
                steps = sequence(Random(seed))
                sights = [await Actor(stream, topic=f"t{seed}", partitions=PARTITIONS).run(steps) for stream in (redis, kafka)]
                assert sights[0] == sights[1], f"seed {seed}: {steps}"

        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(some())


@pytest.mark.timeout(240)
async def test_both_engines_show_the_same(own_kafka_url: str, own_redis_url: str) -> None:
    await compare(own_kafka_url, own_redis_url, 200, first=1)


@pytest.mark.long
@pytest.mark.timeout(3_600)
async def test_both_engines_show_the_same_2_000_times(own_kafka_url: str, own_redis_url: str) -> None:
    for part in range(10):
        # A prefix for each part: a broker with thousands of topics is another test.
        parts = urlsplit(own_kafka_url)
        url = urlunsplit(parts._replace(query=urlencode({"prefix": f"{parts.query.rpartition('=')[2]}-{part}"})))
        await compare(url, own_redis_url, 200, first=1_000 + 200 * part)
