"""What a group promises its only member: everything, in order, and again what was not acknowledged."""

from __future__ import annotations

import asyncio
from itertools import pairwise

from mesh.events.stream.port import Delivery
from mesh.testing.stream_readers import StreamEngine, drain, first_sights, owned_by, records, values


class ConsumingContract:
    """What a group promises its only member: everything, in order, and again what was not acknowledged."""

    partitions: int

    async def test_a_group_reads_everything_from_the_oldest_record_and_each_key_in_order(self, engine: StreamEngine) -> None:
        stream = engine.open()
        await stream.publish(records(500, keys=23))
        async with stream.consume(["video"], group="g", member="a") as consumption:
            read = await drain(await owned_by(consumption, self.partitions), acknowledge=True)
        assert sorted(values(read)) == list(range(500))
        assert all(numbers == sorted(numbers) for numbers in first_sights(read).values())
        assert {delivery.topic for delivery in read} == {"video"}
        assert len({delivery.partition for delivery in read}) > 1
        assert all(len({d.partition for d in read if d.key == key}) == 1 for key in first_sights(read))

    async def test_what_was_acknowledged_does_not_come_again_and_the_rest_does(self, engine: StreamEngine) -> None:
        stream = engine.open()
        await stream.publish(records(40, keys=1))
        async with stream.consume(["video"], group="g", member="a") as consumption:
            owned = await owned_by(consumption, self.partitions)
            first = [d for partition in owned for d in await partition.read(limit=15, wait_ms=0)]
            holder = next(partition for partition in owned if partition.partition == first[0].partition)
            await holder.acknowledge(first[:10])
        other = engine.open()
        async with other.consume(["video"], group="g", member="b") as consumption:
            read = await drain(await owned_by(consumption, self.partitions), acknowledge=True)
        assert values(first) == list(range(15))
        assert values(read) == list(range(10, 40))

    async def test_groups_do_not_disturb_one_another(self, engine: StreamEngine) -> None:
        stream = engine.open()
        await stream.publish(records(30))
        for group in ("one", "two"):
            async with stream.consume(["video"], group=group, member="a") as consumption:
                read = await drain(await owned_by(consumption, self.partitions), acknowledge=True)
            assert sorted(values(read)) == list(range(30))

    async def test_a_waiting_reader_gets_a_record_soon_after_it_was_published(self, engine: StreamEngine) -> None:
        stream, publisher = engine.open(), engine.open()
        async with stream.consume(["video"], group="g", member="a") as consumption:
            owned = await owned_by(consumption, self.partitions)
            waiting = [asyncio.create_task(partition.read(limit=10, wait_ms=5_000)) for partition in owned]
            await asyncio.sleep(0.05)
            begun_at = asyncio.get_running_loop().time()
            await publisher.publish(records(1))
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            took_s = asyncio.get_running_loop().time() - begun_at
            for task in waiting:
                task.cancel()
            answers = await asyncio.gather(*waiting, return_exceptions=True)
        assert [values(answer) for answer in answers if not isinstance(answer, BaseException)] == [[0]]
        assert took_s < 4

    async def test_lag_counts_what_is_not_acknowledged(self, engine: StreamEngine) -> None:
        stream = engine.open()
        assert [entry.records for entry in await stream.lag(["video"], group="g")] == [0] * self.partitions
        await stream.publish(records(30, keys=1))
        await asyncio.sleep(0.02)
        (waiting,) = [entry for entry in await stream.lag(["video"], group="g") if entry.records]
        async with stream.consume(["video"], group="g", member="a") as consumption:
            owned = await owned_by(consumption, self.partitions)
            (partition,) = [partition for partition in owned if partition.partition == waiting.partition]
            await partition.acknowledge((await partition.read(limit=50, wait_ms=0))[:12])
            (rest,) = [entry for entry in await stream.lag(["video"], group="g") if entry.records]
            await partition.acknowledge(await partition.read(limit=50, wait_ms=0))
        assert (waiting.records, rest.records, rest.partition) == (30, 18, waiting.partition)
        assert 20 <= waiting.oldest_ms < 60_000

    async def test_positions_grow_within_a_partition(self, engine: StreamEngine) -> None:
        stream = engine.open()
        await stream.publish(records(30, keys=3))
        async with stream.consume(["video"], group="g", member="a") as consumption:
            read = await drain(await owned_by(consumption, self.partitions), acknowledge=True)
        for number in {delivery.partition for delivery in read}:
            mine = [delivery for delivery in read if delivery.partition == number]
            assert all(a.published_at_ms <= b.published_at_ms and a.position != b.position for a, b in pairwise(mine))

    async def test_a_long_backlog_is_read_in_small_steps_without_a_gap(self, engine: StreamEngine) -> None:
        stream = engine.open()
        for begin in range(0, 6_000, 1_000):
            await stream.publish(records(1_000, keys=1, first=begin))
        read: list[Delivery] = []
        async with stream.consume(["video"], group="g", member="a") as consumption:
            for partition in await owned_by(consumption, self.partitions):
                while batch := await partition.read(limit=150, wait_ms=0):
                    read += batch
        assert values(read) == list(range(6_000))

    async def test_a_read_that_is_given_up_loses_nothing(self, engine: StreamEngine) -> None:
        stream = engine.open()
        async with stream.consume(["video"], group="g", member="a") as consumption:
            owned = await owned_by(consumption, self.partitions)
            reading = [asyncio.create_task(partition.read(limit=10, wait_ms=10_000)) for partition in owned]
            await asyncio.sleep(0.02)
            for task in reading:
                task.cancel()
            await asyncio.gather(*reading, return_exceptions=True)
            await stream.publish(records(20))
            assert sorted(values(await drain(owned, acknowledge=True))) == list(range(20))

    async def test_groups_are_named_with_what_they_read(self, engine: StreamEngine) -> None:
        stream = engine.open()
        assert await stream.groups() == {}
        await stream.publish([*records(8), *records(8, topic="social")])
        for group, topics in (("one", ["video"]), ("two", ["video", "social"])):
            async with stream.consume(topics, group=group, member="a") as consumption:
                await drain(await owned_by(consumption, len(topics) * self.partitions), acknowledge=True)
        assert await stream.groups() == {"one": ["video"], "two": ["social", "video"]}
