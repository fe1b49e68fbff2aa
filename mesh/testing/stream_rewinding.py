"""What a rewind promises: everything from its moment on once more, nothing skipped, whoever reads meanwhile."""

from __future__ import annotations

import asyncio

import pytest

from mesh.events.stream.port import Delivery, PartitionLost
from mesh.testing.stream_readers import PATIENCE_S, Reader, StreamEngine, drain, eventually, lost, owned_by, records, running, values


class RewindingContract:
    """What a rewind promises: everything from its moment on once more, nothing skipped, whoever reads meanwhile."""

    partitions: int

    async def test_a_group_can_be_rewound_to_the_start_and_to_a_moment(self, engine: StreamEngine) -> None:
        stream = engine.open()
        await stream.publish(records(10))
        await asyncio.sleep(0.03)
        await stream.publish(records(10, first=10))

        async def read_all() -> list[Delivery]:
            async with stream.consume(["video"], group="g", member="a") as consumption:
                return await drain(await owned_by(consumption, self.partitions), acknowledge=True)

        everything = await read_all()
        moment_ms = min(delivery.published_at_ms for delivery in everything if int(delivery.value) >= 10)
        nothing = await read_all()
        await stream.rewind(["video"], group="g", to_ms=moment_ms)
        later = await read_all()
        await stream.rewind(["video"], group="g", to_ms=0)
        again = await read_all()
        assert sorted(values(everything)) == sorted(values(again)) == list(range(20))
        assert nothing == []
        assert sorted(values(later)) == list(range(10, 20))

    async def test_a_rewind_never_skips_what_a_group_did_not_read(self, engine: StreamEngine) -> None:
        stream = engine.open()
        await stream.publish(records(10))
        async with stream.consume(["video"], group="g", member="a") as consumption:
            await drain(await owned_by(consumption, self.partitions), acknowledge=True)
        await stream.publish(records(10, first=10))
        for group in ("g", "newcomer"):
            await stream.rewind(["video"], group=group, to_ms=2**42)
        async with stream.consume(["video"], group="g", member="a") as consumption:
            unread = await drain(await owned_by(consumption, self.partitions), acknowledge=True)
        async with stream.consume(["video"], group="newcomer", member="a") as consumption:
            everything = await drain(await owned_by(consumption, self.partitions), acknowledge=True)
        assert sorted(values(unread)) == list(range(10, 20))
        assert sorted(values(everything)) == list(range(20))

    async def test_a_rewind_takes_the_partitions_from_who_reads_now(self, engine: StreamEngine) -> None:
        stream = engine.open()
        await stream.publish(records(20))
        log: list[Delivery] = []
        reader = Reader(log=log)
        async with running(reader.run(stream, ["video"], group="g", member="a")):
            await eventually(lambda: len(log) == 20)
            await engine.open().rewind(["video"], group="g", to_ms=0)
            await eventually(lambda: len(log) == 40)
        assert sorted(values(log[:20])) == sorted(values(log[20:])) == list(range(20))

    async def test_a_rewind_reaches_back_before_what_is_being_worked_on(self, engine: StreamEngine) -> None:
        stream = engine.open()
        await stream.publish(records(30, keys=1))
        async with stream.consume(["video"], group="g", member="a") as consumption:
            ((partition, batch),) = [
                (p, batch) for p in await owned_by(consumption, self.partitions) if (batch := await p.read(limit=20, wait_ms=0))
            ]
            await partition.acknowledge(batch[:10])
            await stream.rewind(["video"], group="g", to_ms=0)
            await lost(partition)
            with pytest.raises(PartitionLost):
                await partition.acknowledge(batch)
            async with asyncio.timeout(PATIENCE_S):
                while partition in (owned := list(await consumption.next_assignment())) or len(owned) != self.partitions:
                    pass
            assert values(await drain(owned, acknowledge=True)) == list(range(30))

    async def test_a_rewind_is_followed_once(self, engine: StreamEngine) -> None:
        stream = engine.open()
        await stream.publish(records(20))

        async def read_all() -> list[Delivery]:
            async with engine.open().consume(["video"], group="g", member="a") as consumption:
                return await drain(await owned_by(consumption, self.partitions), acknowledge=True)

        counts = [len(await read_all())]
        await stream.rewind(["video"], group="g", to_ms=0)
        counts += [len(await read_all()), len(await read_all())]
        assert counts == [20, 20, 0]

    async def test_of_two_rewinds_the_earlier_moment_counts(self, engine: StreamEngine) -> None:
        stream = engine.open()
        await stream.publish(records(20))
        async with stream.consume(["video"], group="g", member="a") as consumption:
            await drain(await owned_by(consumption, self.partitions), acknowledge=True)
        await stream.rewind(["video"], group="g", to_ms=0)
        await stream.rewind(["video"], group="g", to_ms=2**42)
        assert sum(entry.records for entry in await stream.lag(["video"], group="g")) == 20
        async with stream.consume(["video"], group="g", member="a") as consumption:
            read = await drain(await owned_by(consumption, self.partitions), acknowledge=True)
        assert sorted(values(read)) == list(range(20))

    async def test_a_rewind_leaves_other_groups_and_topics_alone(self, engine: StreamEngine) -> None:
        stream = engine.open()
        await stream.publish([*records(10), *records(10, topic="social")])
        for group in ("one", "two"):
            async with stream.consume(["video", "social"], group=group, member="a") as consumption:
                await drain(await owned_by(consumption, 2 * self.partitions), acknowledge=True)
        await stream.rewind(["video"], group="one", to_ms=0)
        waiting = {
            (group, topic): sum(entry.records for entry in await stream.lag([topic], group=group))
            for group in ("one", "two")
            for topic in ("video", "social")
        }
        assert waiting == {("one", "video"): 10, ("one", "social"): 0, ("two", "video"): 0, ("two", "social"): 0}
