"""What every engine of the stream port promises; an engine's tests subclass `StreamContract` and supply the `engine` fixture."""

from __future__ import annotations

import asyncio
import contextlib
from itertools import pairwise

import pytest
from clipmesh.common.v1.envelope_pb2 import ChangeHint

from mesh import deadline
from mesh.events.stream.port import Delivery, PartitionLost, StreamUnavailable
from mesh.testing.stream_readers import (
    LONG_LEASE_MS,
    PATIENCE_S,
    Reader,
    StreamEngine,
    drain,
    eventually,
    first_sights,
    owned_by,
    records,
    running,
    values,
)


class StreamContract:
    """The suite."""

    partitions = 8

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

    async def test_partitions_are_shared_evenly_and_never_twice(self, engine: StreamEngine) -> None:
        logs: list[Delivery] = []
        readers = [Reader(log=logs) for _ in range(3)]
        work = [reader.run(engine.open(), ["video", "social"], group="g", member=f"m{n}") for n, reader in enumerate(readers)]
        async with running(*work):
            await eventually(lambda: sorted(len(reader.owned) for reader in readers) in ([5, 5, 6], [4, 6, 6]))
            everything = [place for reader in readers for place in reader.owned]
            assert len(everything) == len(set(everything)) == 2 * self.partitions

    async def test_a_member_that_leaves_hands_over_without_waiting_for_its_lease(self, engine: StreamEngine) -> None:
        first, second = Reader(log=[]), Reader(log=[])
        leaving, staying = engine.open(lease_ms=LONG_LEASE_MS), engine.open(lease_ms=LONG_LEASE_MS)
        async with running(second.run(staying, ["video"], group="g", member="b")):
            async with running(first.run(leaving, ["video"], group="g", member="a")):
                await eventually(lambda: len(first.owned) == len(second.owned) == self.partitions // 2)
            await eventually(lambda: len(second.owned) == self.partitions)

    async def test_each_key_stays_in_order_when_a_reader_dies_in_the_middle(self, engine: StreamEngine) -> None:
        log: list[Delivery] = []

        async def work() -> None:
            await asyncio.sleep(0.001)

        async def nothing_waits() -> bool:
            return not any(entry.records for entry in await publisher.lag(["video"], group="g"))

        dying, survivor, publisher = engine.open(), engine.open(), engine.open()
        first, second = Reader(log=log, before=work), Reader(log=log, before=work)
        async with running(first.run(dying, ["video"], group="g", member="a"), second.run(survivor, ["video"], group="g", member="b")) as (
            death,
            _,
        ):
            await eventually(lambda: len(first.owned) == len(second.owned) == self.partitions // 2)
            for begin in range(0, 600, 50):
                await publisher.publish(records(50, keys=40, first=begin))
                if begin == 200:
                    await eventually(lambda: len(log) > 100)
                    engine.cut(dying)
                if begin == 400:
                    death.cancel()
            await eventually(lambda: len({int(delivery.value) for delivery in log}) == 600)
            await eventually(lambda: len(second.owned) == self.partitions)
            await eventually(nothing_waits)
        seen = first_sights(log)
        assert {key: sorted(numbers) for key, numbers in seen.items()} == dict(seen)

    async def test_after_a_takeover_what_was_not_acknowledged_comes_first(self, engine: StreamEngine) -> None:
        first, second = engine.open(), engine.open()
        await first.publish(records(6, keys=1))
        async with contextlib.AsyncExitStack() as stack:
            consumption = await stack.enter_async_context(first.consume(["video"], group="g", member="a"))
            owned = await owned_by(consumption, self.partitions)
            read = [(partition, batch) for partition in owned if (batch := await partition.read(limit=4, wait_ms=0))]
            ((partition, batch),) = read
            await partition.acknowledge(batch[:1])
            engine.cut(first)
            await second.publish(records(2, keys=1, first=6))
            heir = await stack.enter_async_context(second.consume(["video"], group="g", member="b"))
            rest = await drain(await owned_by(heir, self.partitions), acknowledge=True)
            engine.mend(first)
        assert values(batch) == [0, 1, 2, 3]
        assert values(rest) == [1, 2, 3, 4, 5, 6, 7]

    async def test_a_reader_that_lost_its_lease_may_not_acknowledge(self, engine: StreamEngine) -> None:
        first, second = engine.open(), engine.open()
        await first.publish(records(6, keys=1))
        async with contextlib.AsyncExitStack() as stack:
            consumption = await stack.enter_async_context(first.consume(["video"], group="g", member="a"))
            owned = await owned_by(consumption, self.partitions)
            ((partition, batch),) = [(p, batch) for p in owned if (batch := await p.read(limit=4, wait_ms=0))]
            engine.cut(first)
            heir = await stack.enter_async_context(second.consume(["video"], group="g", member="b"))
            taken = await owned_by(heir, self.partitions)
            before = await second.lag(["video"], group="g")
            engine.mend(first)
            with pytest.raises(PartitionLost):
                await partition.acknowledge(batch)
            with pytest.raises(PartitionLost):
                await partition.read(limit=4, wait_ms=0)
            assert [entry.records for entry in await second.lag(["video"], group="g")] == [entry.records for entry in before]
            assert sum(entry.records for entry in before) == 6
            assert values(await drain(taken, acknowledge=True)) == [0, 1, 2, 3, 4, 5]

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

    async def test_a_tail_starts_in_the_past_and_goes_on(self, engine: StreamEngine) -> None:
        stream = engine.open()
        await stream.publish(records(5))
        tail = stream.tail(["video"], since_ms=60_000)
        async with asyncio.timeout(PATIENCE_S):
            past = [await anext(tail) for _ in range(5)]
            waiting = asyncio.ensure_future(anext(tail))
            await asyncio.sleep(0.05)
            await engine.open().publish(records(1, first=5))
            news = await waiting
        assert sorted(values(past)) == [0, 1, 2, 3, 4]
        assert values([news]) == [5]

    async def test_a_tail_without_past_gives_only_what_comes(self, engine: StreamEngine) -> None:
        stream = engine.open()
        await stream.publish(records(5))
        seen: list[Delivery] = []

        async def tail() -> None:
            async for delivery in stream.tail(["video"]):
                seen.append(delivery)

        async with running(tail()):
            number = 5
            async with asyncio.timeout(PATIENCE_S):
                while not seen:
                    await stream.publish(records(1, first=number))
                    number += 1
                    await asyncio.sleep(0.02)
            await stream.publish(records(1, first=1_000))
            await eventually(lambda: 1_000 in values(seen))
        assert min(values(seen)) >= 5

    async def test_a_hint_reaches_every_tail(self, engine: StreamEngine) -> None:
        publisher = engine.open()
        await publisher.publish_hint("video.progress", "42", 7)
        for _ in range(2):
            async with asyncio.timeout(PATIENCE_S):
                delivery = await anext(engine.open().tail(["video.progress"], since_ms=60_000))
            assert delivery.key == "42"
            assert ChangeHint.FromString(delivery.value) == ChangeHint(topic="video.progress", key="42", version=7)

    async def test_nothing_that_was_published_is_lost_when_the_server_is_killed(self, engine: StreamEngine) -> None:
        stream = engine.open()
        marker = await stream.generation()
        published: list[int] = []
        unsure: set[int] = set()

        async def publish() -> None:
            number = 0
            while True:
                batch = records(5, first=number)
                try:
                    await stream.publish(batch)
                    published.extend(range(number, number + 5))
                except StreamUnavailable:
                    unsure.update(range(number, number + 5))
                number += 5
                await asyncio.sleep(0.001)

        async with running(publish()):
            await eventually(lambda: len(published) > 200)
            await engine.crash()
            count = len(published)
            await eventually(lambda: len(published) > count + 50)
        async with stream.consume(["video"], group="g", member="a") as consumption:
            read = set(values(await drain(await owned_by(consumption, self.partitions), acknowledge=True)))
        assert set(published) <= read
        assert read <= set(published) | unsure | set(range(max(published) + 1, max(published) + 6))
        assert await stream.generation() == marker

    async def test_the_generation_tells_that_contents_were_lost(self, engine: StreamEngine) -> None:
        stream = engine.open()
        await stream.publish(records(20))
        before = await stream.generation()
        assert await engine.open().generation() == before
        async with stream.consume(["video"], group="g", member="a") as consumption:
            await drain(await owned_by(consumption, self.partitions), acknowledge=True)
        await engine.lose_contents()
        assert await stream.generation() != before
        await stream.publish(records(3))
        async with stream.consume(["video"], group="g", member="a") as consumption:
            read = await drain(await owned_by(consumption, self.partitions), acknowledge=True)
        assert sorted(values(read)) == [0, 1, 2]

    async def test_a_server_that_is_away_is_told_by_name_and_within_the_deadline(self, engine: StreamEngine) -> None:
        stream = engine.open()
        await stream.publish(records(1))
        await engine.stop()
        begun_at = asyncio.get_running_loop().time()
        with deadline.scope(0.5):
            for call in (
                lambda: stream.publish(records(1)),
                stream.generation,
                lambda: stream.lag(["video"], group="g"),
                lambda: stream.rewind(["video"], group="g", to_ms=0),
                lambda: anext(stream.tail(["video"])),
            ):
                with pytest.raises(StreamUnavailable):
                    await call()
            await stream.publish_hint("video.progress", "1", 1)
        assert asyncio.get_running_loop().time() - begun_at < 5

    async def test_positions_grow_within_a_partition(self, engine: StreamEngine) -> None:
        stream = engine.open()
        await stream.publish(records(30, keys=3))
        async with stream.consume(["video"], group="g", member="a") as consumption:
            read = await drain(await owned_by(consumption, self.partitions), acknowledge=True)
        for number in {delivery.partition for delivery in read}:
            mine = [delivery for delivery in read if delivery.partition == number]
            assert all(a.published_at_ms <= b.published_at_ms and a.position != b.position for a, b in pairwise(mine))
