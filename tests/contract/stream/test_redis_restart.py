"""A Redis that comes back with less than it acknowledged: readers notice that it is another process, and start where it stands."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from mesh.events.stream.keys import Keys
from mesh.events.stream.port import Mark, PartitionLost, StreamMoved, StreamUnavailable
from mesh.events.stream.redis_group import Membership
from mesh.testing.stream_readers import LONG_LEASE_MS, drain, owned_by, records, values
from tests.contract.stream.conftest import RedisEngine

AN_HOUR_MS = 3_600_000


def the_file(engine: RedisEngine) -> Path:
    return engine.server.folder / "appendonly.aof"


async def put_positions_ahead(engine: RedisEngine) -> None:
    """Positions tell the time, so this is what a server whose clock is an hour ahead leaves behind."""
    _, client = engine.clients[0]
    keys = Keys(engine.settings.prefix)
    for partition in range(engine.settings.partitions):
        head = (await client.call("GET", keys.head("video", partition)) or b"0-0").decode()
        ms, _, number = head.partition("-")
        await client.call("SET", keys.head("video", partition), f"{int(ms) + AN_HOUR_MS}-{number}")


async def test_what_was_lost_and_published_again_is_read_though_positions_went_back(engine: RedisEngine, tmp_path: Path) -> None:
    stream = engine.open(lease_ms=LONG_LEASE_MS)
    await stream.publish(records(10, keys=1))
    async with stream.consume(["video"], group="g", member="a") as consumption:
        owned = await owned_by(consumption, 8)
        ((partition, batch),) = [(p, batch) for p in owned if (batch := await p.read(limit=50, wait_ms=0))]
        await partition.acknowledge(batch)
        shutil.copy(the_file(engine), tmp_path / "before.aof")
        await put_positions_ahead(engine)
        await stream.publish(records(10, keys=1, first=10))
        ahead = await partition.read(limit=50, wait_ms=0)
        assert values(ahead) == list(range(10, 20))
        await engine.server.kill()
        shutil.copy(tmp_path / "before.aof", the_file(engine))
        await engine.server.start()
        with pytest.raises(PartitionLost):
            await partition.acknowledge(ahead)
        await stream.publish(records(10, keys=1, first=10))
        with pytest.raises((PartitionLost, StreamUnavailable)):
            await partition.read(limit=50, wait_ms=0)
        again = await owned_by(consumption, 8)
        assert not set(again) & set(owned)
        assert values(await drain(again, acknowledge=True)) == list(range(10, 20))


async def test_a_tail_ends_when_another_process_answers(engine: RedisEngine) -> None:
    stream = engine.open()
    await stream.publish(records(5))
    tail = stream.tail(["video"], since_ms=60_000)
    assert sorted(values([await anext(tail) for _ in range(5)])) == [0, 1, 2, 3, 4]
    await engine.crash()
    with pytest.raises(StreamUnavailable):
        await anext(tail)


async def test_a_publisher_is_told_what_a_torn_file_cost(engine: RedisEngine) -> None:
    stream = engine.open()
    await stream.publish(records(3), mark=Mark(name="m", after="", until="1:a"))
    await engine.server.kill()
    size = the_file(engine).stat().st_size
    await engine.server.start()
    await stream.publish(records(3, first=3), mark=Mark(name="m", after="1:a", until="2:b"))
    await engine.server.kill()
    with the_file(engine).open("r+b") as file:
        file.truncate(size + 40)
    await engine.server.start()
    assert await stream.marked("m") == "1:a"
    with pytest.raises(StreamMoved) as moved:
        await stream.publish(records(3, first=6), mark=Mark(name="m", after="2:b", until="3:c"))
    assert moved.value.at == "1:a"


async def test_a_hold_that_another_process_gave_acknowledges_nothing(engine: RedisEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = engine.open(lease_ms=LONG_LEASE_MS)
    _, client = engine.clients[0]
    await stream.publish(records(10, keys=1))
    async with stream.consume(["video"], group="g", member="a") as consumption:
        owned = await owned_by(consumption, 8)
        ((partition, batch),) = [(p, batch) for p in owned if (batch := await p.read(limit=50, wait_ms=0))]
        await partition.acknowledge(batch[:4])

        async def unheard(_: Membership) -> None:
            """No heartbeat takes the partition anew, under a fence of the new process."""

        with monkeypatch.context() as silent:
            silent.setattr(Membership, "beat", unheard)
            await engine.crash()
            hold = Keys(engine.settings.prefix).hold("g", "video", partition.partition)
            before = await client.call("HGETALL", hold)
            with pytest.raises(PartitionLost):
                await partition.acknowledge(batch)
            assert await client.call("HGETALL", hold) == before
        again = await owned_by(consumption, 8)
        assert values(await drain(again, acknowledge=True)) == list(range(4, 10))
