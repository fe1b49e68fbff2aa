"""What is special about protected Redis, streams and objects."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from redis.exceptions import ResponseError

from mesh.events.stream import open_stream
from mesh.events.stream.port import Record, StreamUnavailable
from mesh.stores.blobs import open_blobs, upload_door
from mesh.stores.blobs.port import BlobNotFound, BlobsUnavailable
from mesh.stores.protected import blobs as protected
from mesh.stores.protected.blobs import ProtectedBlobs, protected_blobs
from mesh.stores.protected.faults import Fault, Faults
from mesh.stores.protected.metrics import STORE_BREAKER, STORE_SHARED
from mesh.stores.protected.redis import ProtectedRedis
from mesh.stores.protected.settings import BLOBS, REDIS, STREAM
from mesh.stores.protected.stream import ProtectedStream
from mesh.stores.redis import Redis, RedisUnavailable, Script
from mesh.telemetry import Telemetry
from mesh.testing.clock import FakeClock


@pytest.fixture
def telemetry() -> Telemetry:
    return Telemetry(service="video")


@pytest.fixture
def faults() -> Faults:
    return Faults()


async def test_redis_answers_as_without_protection(redis: Redis, telemetry: Telemetry) -> None:
    client: Redis = ProtectedRedis(redis, telemetry=telemetry)
    assert await client.call("SET", "n", 1) == b"OK"
    assert await client.call("GET", "n") == b"1"
    assert await client.many([("INCR", "n"), ("GET", "n")], atomic=True) == [2, b"2"]
    assert await client.many([]) == []
    assert await client.run(Script("return redis.call('INCRBY', KEYS[1], ARGV[1])"), keys=["n"], arguments=[5]) == 7
    await client.ping()
    async with client.subscribe("news") as subscription:
        await client.call("PUBLISH", "news", "hello")
        assert await anext(subscription.messages()) == ("news", b"hello")
    for _ in range(30):
        with pytest.raises(ResponseError):
            await client.call("HGET", "n", "field")
    assert telemetry.value(STORE_BREAKER, store="redis", lane="read") == 0


async def test_equal_reads_of_redis_are_shared_and_their_lists_are_not(redis: Redis, telemetry: Telemetry, faults: Faults) -> None:
    client = ProtectedRedis(redis, telemetry=telemetry, faults=faults)
    await client.call("RPUSH", "l", "a", "b")
    await client.call("SET", "1", "int")
    await client.call("SET", "1.0", "float")
    faults.calls.clear()
    lists = await asyncio.gather(*(client.call("LRANGE", "l", 0, -1) for _ in range(9)))
    assert faults.calls["call"] == 2
    lists[8].clear()
    assert lists[:8] == [[b"a", b"b"]] * 8
    assert telemetry.value(STORE_SHARED, store="redis") == 8
    assert await asyncio.gather(*(client.call("GET", key) for key in (1, 1.0, 1, 1.0))) == [b"int", b"float", b"int", b"float"]
    # Each on a connection of its own, in whatever order they come there.
    assert sorted(await asyncio.gather(*(client.call("INCR", "counter") for _ in range(5)))) == [1, 2, 3, 4, 5]


async def test_a_full_redis_refuses_writes_and_still_reads(redis: Redis, telemetry: Telemetry) -> None:
    settings = replace(REDIS, least_calls=7)
    client = ProtectedRedis(redis, telemetry=telemetry, settings=settings)
    await client.call("SET", "k", "v")
    await redis.call("CONFIG", "SET", "maxmemory", 1)
    full = Script("return redis.call('SET', KEYS[1], 'w')")
    for _ in range(2):
        for write in (
            lambda: client.call("SET", "k", "w"),
            lambda: client.run(full, keys=["k"]),
            lambda: client.many([("SET", "k", "w")], atomic=True),
        ):
            with pytest.raises(RedisUnavailable, match="takes no writes now"):
                await write()
    with pytest.raises(RedisUnavailable, match="none are made for a moment"):
        await client.call("SET", "k", "w")
    assert await client.call("GET", "k") == b"v"


async def test_a_stream_that_fails_is_left_alone_and_hints_are_let_go(redis: Redis, telemetry: Telemetry, faults: Faults) -> None:
    settings = replace(STREAM, least_calls=5)
    engine = open_stream("", redis=redis)
    stream = ProtectedStream(engine, telemetry=telemetry, settings=settings, faults=faults)
    faults.put("publish", Fault(error=lambda: StreamUnavailable("away")))
    for _ in range(5):
        with pytest.raises(StreamUnavailable):
            await stream.publish([Record("video", "k", b"v")])
    with pytest.raises(StreamUnavailable, match="none are made for a moment"):
        await stream.generation()
    await stream.publish_hint("video.progress", "k", 1)
    await stream.publish([])
    assert faults.calls == {"publish": 5}
    assert sum(lag.records for lag in await stream.lag(["video"], group="g")) == 0
    await stream.close()


async def test_a_partition_that_stays_is_the_same_object(redis: Redis, telemetry: Telemetry) -> None:
    stream = ProtectedStream(open_stream("", redis=redis), telemetry=telemetry)
    await stream.publish([Record("video", "k", b"v")])
    async with stream.consume(["video"], group="g", member="a") as consumption:
        before = await consumption.next_assignment()
        async with stream.consume(["video"], group="g", member="b"):
            kept = await consumption.next_assignment()
    assert len(kept) < len(before)
    assert {id(partition) for partition in kept} < {id(partition) for partition in before}
    await stream.close()


async def test_bytes_that_do_not_come_count_though_the_object_was_opened(
    tmp_path: Path, telemetry: Telemetry, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = open_blobs(f"file://{tmp_path}/store", clock=FakeClock(), url_key=b"")
    blobs = ProtectedBlobs(engine, telemetry=telemetry, settings=replace(BLOBS, least_calls=10))
    await blobs.put("clip", b"bytes")

    async def fail(_: object) -> bytes:
        raise BlobsUnavailable("the disk is gone")

    opened = [await blobs.get("clip") for _ in range(6)]
    monkeypatch.setattr("mesh.stores.blobs.stretch.Stretch.__anext__", fail)
    for stretch in opened:
        with pytest.raises(BlobsUnavailable, match="the disk is gone"):
            await stretch.read()
    with pytest.raises(BlobsUnavailable, match="none are made for a moment"):
        await blobs.get("clip")
    await blobs.close()


async def test_absent_objects_are_no_failures(tmp_path: Path, telemetry: Telemetry) -> None:
    blobs = protected_blobs(open_blobs(f"file://{tmp_path}/store", clock=FakeClock(), url_key=b""), telemetry=telemetry)
    for _ in range(30):
        with pytest.raises(BlobNotFound):
            await blobs.head("absent")
    assert telemetry.value(STORE_BREAKER, store="blobs", lane="read") == 0
    await blobs.close()


async def test_there_is_an_upload_door_if_the_engine_has_one(tmp_path: Path, telemetry: Telemetry) -> None:
    engine = open_blobs(f"file://{tmp_path}/store", clock=FakeClock(), url_key=b"")
    assert upload_door(protected_blobs(engine, telemetry=telemetry)) is not None
    without_door = ProtectedBlobs(engine, telemetry=telemetry)
    assert upload_door(protected_blobs(without_door, telemetry=telemetry)) is None
    assert isinstance(protected_blobs(engine, telemetry=telemetry), protected.ProtectedDoor)
    await engine.close()
