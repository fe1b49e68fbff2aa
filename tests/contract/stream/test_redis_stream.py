"""Redis Streams keep what the stream port promises."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from mesh.events.stream import StreamSettings, open_stream
from mesh.events.stream.partitions import partition_of
from mesh.settings import InvalidSetting
from mesh.stores.redis import Redis
from mesh.testing.stream import StreamContract
from mesh.testing.stream_readers import drain, owned_by, records, values
from tests.contract.stream.conftest import RedisEngine

PARTITIONS_OF_KEYS = [7, 5, 0, 1, 6]
"""CRC-32 modulo 8; another answer would tear keys apart that are in a stream already."""


class TestRedisStream(StreamContract):
    """The contract on a real redis-server."""


async def test_old_records_are_trimmed_and_a_group_that_missed_some_says_so(engine: RedisEngine, caplog: pytest.LogCaptureFixture) -> None:
    engine.settings = replace(engine.settings, max_records=200, partitions=1)
    stream = engine.open()
    await stream.publish(records(10, keys=1))
    async with stream.consume(["video"], group="g", member="a") as consumption:
        (partition,) = await owned_by(consumption, 1)
        await partition.acknowledge(await partition.read(limit=10, wait_ms=0))
        await stream.publish(records(1_000, keys=1, first=10))
        read = values(await drain([partition], acknowledge=True))
    assert read == list(range(read[0], 1_010))
    assert 200 <= len(read) < 400
    (warning,) = [entry for entry in caplog.records if "trimmed before a group" in entry.message]
    assert warning.__dict__["count"] == read[0] - 10


async def test_records_go_after_their_time(engine: RedisEngine) -> None:
    engine.settings = replace(engine.settings, retention_ms=30, partitions=1)
    stream = engine.open()
    await stream.publish(records(300, keys=1))
    await asyncio.sleep(0.05)
    await stream.publish(records(1, keys=1, first=300))
    async with stream.consume(["video"], group="g", member="a") as consumption:
        read = values(await drain(await owned_by(consumption, 1), acknowledge=False))
    assert read[-1] == 300
    assert len(read) <= 101


async def test_a_key_has_the_same_partition_for_ever() -> None:
    assert [partition_of(key, 8) for key in ("1", "2", "42", "1234567890123456789", "é")] == PARTITIONS_OF_KEYS


@pytest.mark.parametrize(
    "wrong", [{"partitions": 0}, {"heartbeat_ms": 4_000}, {"heartbeat_ms": 0}, {"max_records": 0}, {"retention_ms": -1}], ids=str
)
def test_settings_that_do_not_go_together_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        StreamSettings(**wrong)


@pytest.mark.parametrize(("url", "named"), [("kafka://localhost:9092?x=1", "x= is not known"), ("nats://x", "not understood")])
async def test_other_streams_are_refused_by_name(redis: Redis, url: str, named: str) -> None:
    with pytest.raises(InvalidSetting, match=named):
        open_stream(url, redis=redis)
