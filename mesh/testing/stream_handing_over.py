"""What a group promises several members: an even share, one reader at a time, order and nothing lost when they come, leave and die."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from mesh.events.stream.partitions import partition_of
from mesh.events.stream.port import Delivery, PartitionLost
from mesh.testing.stream_readers import (
    LONG_LEASE_MS,
    Reader,
    StreamEngine,
    drain,
    eventually,
    first_sights,
    lost,
    owned_by,
    records,
    running,
    values,
)


class HandingOverContract:
    """What a group promises several members: an even share, one reader at a time, order and nothing lost when they come, leave and die."""

    partitions: int

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

    async def test_a_member_that_joins_gets_its_share_without_waiting_for_a_lease(self, engine: StreamEngine) -> None:
        first, second = Reader(log=[]), Reader(log=[])
        async with running(first.run(engine.open(lease_ms=LONG_LEASE_MS), ["video"], group="g", member="a")):
            await eventually(lambda: len(first.owned) == self.partitions)
            async with running(second.run(engine.open(lease_ms=LONG_LEASE_MS), ["video"], group="g", member="b")):
                await eventually(lambda: len(first.owned) == len(second.owned) == self.partitions // 2)

    async def test_a_member_that_comes_back_takes_over_from_its_former_self_at_once(self, engine: StreamEngine) -> None:
        former, present = (engine.open(lease_ms=LONG_LEASE_MS) for _ in range(2))
        await former.publish(records(4, keys=1))
        async with former.consume(["video"], group="g", member="a") as consumption:
            ((partition, batch),) = [
                (p, batch) for p in await owned_by(consumption, self.partitions) if (batch := await p.read(limit=4, wait_ms=0))
            ]
            engine.cut(former)
            async with present.consume(["video"], group="g", member="a") as successor:
                assert values(await drain(await owned_by(successor, self.partitions), acknowledge=True)) == [0, 1, 2, 3]
                engine.mend(former)
                with pytest.raises(PartitionLost):
                    await partition.acknowledge(batch)
                engine.cut(former)

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
            await owned_by(heir, self.partitions)
            before = await second.lag(["video"], group="g")
            engine.mend(first)
            with pytest.raises(PartitionLost):
                await partition.acknowledge(batch)
            with pytest.raises(PartitionLost):
                await partition.read(limit=4, wait_ms=0)
            assert [entry.records for entry in await second.lag(["video"], group="g")] == [entry.records for entry in before]
            assert sum(entry.records for entry in before) == 6
        # Whoever was cut off joins again, and partitions may move once more: only one who is alone reads them all.
        log: list[Delivery] = []
        async with running(Reader(log=log).run(second, ["video"], group="g", member="c")):
            await eventually(lambda: len(log) >= 6)
        assert values(log) == [0, 1, 2, 3, 4, 5]

    async def test_work_in_hand_is_finished_before_a_partition_changes_hands(self, engine: StreamEngine) -> None:
        first, second = (engine.open(lease_ms=LONG_LEASE_MS) for _ in range(2))
        await first.publish(records(80, keys=40))
        log: list[Delivery] = []
        late = Reader(log=log)
        async with first.consume(["video"], group="g", member="a") as consumption:
            held = [(p, await p.read(limit=100, wait_ms=0)) for p in await owned_by(consumption, self.partitions)]
            async with running(late.run(second, ["video"], group="g", member="b")):
                kept = await owned_by(consumption, self.partitions // 2)
                for partition, batch in held:
                    await partition.acknowledge(batch)
                    if partition not in kept:
                        await lost(partition)
                await eventually(lambda: len(late.owned) == self.partitions // 2)
                fresh = records(80, keys=40, first=80)
                await first.publish(fresh)
                wanted = [r for r in fresh if ("video", partition_of(r.key, self.partitions)) in late.owned]
                await eventually(lambda: len(log) >= len(wanted))
        assert sorted(values(log)) == sorted(int(record.value) for record in wanted)
