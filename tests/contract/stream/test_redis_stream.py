"""Redis Streams keep what the stream port promises."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from mesh.events.stream import StreamSettings, open_stream
from mesh.events.stream.partitions import partition_of
from mesh.events.stream.port import Delivery, PartitionLost
from mesh.settings import InvalidSetting
from mesh.stores.redis import Redis
from mesh.testing.stream import StreamContract
from mesh.testing.stream_readers import LONG_LEASE_MS, Reader, drain, eventually, owned_by, records, running, values
from tests.contract.stream.conftest import RedisEngine

PARTITIONS_OF_KEYS = [7, 5, 0, 1, 6]
"""CRC-32 modulo 8; another answer would tear keys apart that are in a stream already."""


class TestRedisStream(StreamContract):
    """The contract on a real redis-server."""


async def test_a_rewind_takes_the_partitions_from_who_reads_now(engine: RedisEngine) -> None:
    stream = engine.open()
    await stream.publish(records(20))
    log: list[Delivery] = []
    reader = Reader(log=log)
    async with running(reader.run(stream, ["video"], group="g", member="a")):
        await eventually(lambda: len(log) == 20)
        await engine.open().rewind(["video"], group="g", to_ms=0)
        await eventually(lambda: len(log) == 40)
    assert sorted(values(log[:20])) == sorted(values(log[20:])) == list(range(20))


async def test_a_member_that_comes_back_takes_over_from_its_former_self_at_once(engine: RedisEngine) -> None:
    former, present = (engine.open(lease_ms=LONG_LEASE_MS) for _ in range(2))
    await former.publish(records(4, keys=1))
    async with former.consume(["video"], group="g", member="a") as consumption:
        ((partition, batch),) = [(p, batch) for p in await owned_by(consumption, 8) if (batch := await p.read(limit=4, wait_ms=0))]
        engine.cut(former)
        async with present.consume(["video"], group="g", member="a") as successor:
            assert values(await drain(await owned_by(successor, 8), acknowledge=True)) == [0, 1, 2, 3]
            engine.mend(former)
            with pytest.raises(PartitionLost):
                await partition.acknowledge(batch)
            engine.cut(former)


async def test_a_member_that_joins_gets_its_share_without_waiting_for_a_lease(engine: RedisEngine) -> None:
    first, second = Reader(log=[]), Reader(log=[])
    async with running(first.run(engine.open(lease_ms=LONG_LEASE_MS), ["video"], group="g", member="a")):
        await eventually(lambda: len(first.owned) == 8)
        async with running(second.run(engine.open(lease_ms=LONG_LEASE_MS), ["video"], group="g", member="b")):
            await eventually(lambda: len(first.owned) == len(second.owned) == 4)


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


@pytest.mark.parametrize(("url", "named"), [("kafka://localhost:9092", "not supported by this version"), ("nats://x", "not understood")])
async def test_other_streams_are_refused_by_name(redis: Redis, url: str, named: str) -> None:
    with pytest.raises(InvalidSetting, match=named):
        open_stream(url, redis=redis)
