"""A consumer that gathers gets many events at once and may hold some; nothing is acknowledged before everything ahead of it is recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from clipmesh.video.v1.events_pb2 import UploadCompleted

from mesh.errors import InvalidArgument, Unavailable
from mesh.events.consumers import ConsumerSettings, Gathered
from mesh.events.dead_letters import DeadLetters
from mesh.events.incoming import Incoming
from mesh.stores.tables.port import Tables
from mesh.testing.clock import FakeClock
from tests.unit.mesh.events.world import Size, World, completed, running, unknown, until

SETTINGS = ConsumerSettings(backoff_ms=1, longest_backoff_ms=5, wait_ms=500, held_wait_ms=20, careful_batch=1, most_held=50)


class Refused(InvalidArgument):
    """What a consumer may answer."""

    reason = "TOO_STRANGE"


class GatheredSizes(Gathered):
    """Keeps sizes; holds videos from 100 on until it is told to let go."""

    name = "sizes"
    topics = ("video",)

    def __init__(self, tables: Tables) -> None:
        self.tables = tables
        self.holding = True
        self.batches: list[int] = []
        self.failures: list[Exception] = []
        self.bad = 0
        self.handlers = {UploadCompleted: self.alone}

    async def gather(self, events: Sequence[Incoming[Any]], *, last: bool) -> Sequence[Incoming[Any]]:
        if self.failures:
            raise self.failures.pop()
        if any(event.message.video_id == self.bad for event in events):
            raise Refused("no such size")
        held = [event for event in events if event.message.video_id >= 100] if self.holding and not last else []
        done = [event for event in events if event not in held]
        self.batches.append(len(done))
        rows = [Size(video_id=one.message.video_id, size_bytes=one.message.size_bytes, version=one.envelope.key_version) for one in done]
        if rows:
            await self.tables.put(*rows)
        return held


@pytest.fixture
def sizes(tables: Tables) -> GatheredSizes:
    return GatheredSizes(tables)


async def test_many_events_come_at_once_and_are_acknowledged_together(world: World, sizes: GatheredSizes) -> None:
    group = world.group(sizes, settings=SETTINGS)
    sizes.holding = False
    first = completed(1, 1)
    await world.publish(first)
    async with running(group.run()):
        await until(lambda: group.status().handled == 1)
        # All of one partition: the same key.
        await world.publish(*(completed(1, version, size_bytes=version) for version in range(2, 32)), unknown(1, 32))
        await until(lambda: group.status().handled == 31 and group.status().skipped == 1)
        await until(lambda: _nothing_waits(world))
    assert len(sizes.batches) < 31
    assert await world.tables.get(Size, 1) == Size(video_id=1, size_bytes=31, version=31)


async def _nothing_waits(world: World) -> bool:
    return await world.lag() == 0


async def _settled(world: World, sizes: GatheredSizes, group: Any) -> None:
    """Past the careful beginning of every partition that the test uses."""
    await world.publish(*(completed(video_id, 1) for video_id in (1, 101)))
    await until(lambda: group.status().handled == 2)
    await until(lambda: _nothing_waits(world))


async def test_what_is_held_is_not_acknowledged_and_others_do_not_wait(world: World, sizes: GatheredSizes) -> None:
    group = world.group(sizes, settings=SETTINGS)
    async with running(group.run()):
        await _settled(world, sizes, group)
        await world.publish(completed(101, 2, size_bytes=5), completed(1, 2, size_bytes=7))
        await until(lambda: group.status().handled == 3)
        assert await world.tables.get(Size, 1) == Size(video_id=1, size_bytes=7, version=2)
        assert await world.tables.get(Size, 101) == Size(video_id=101, size_bytes=1, version=1)
        assert await world.lag() >= 1
        sizes.holding = False
        await until(lambda: _nothing_waits(world))
        assert group.status().handled == 4
    assert await world.tables.get(Size, 101) == Size(video_id=101, size_bytes=5, version=2)


async def test_what_was_held_when_the_process_died_comes_again(world: World, sizes: GatheredSizes) -> None:
    group = world.group(sizes, settings=SETTINGS)
    async with running(group.run()):
        await _settled(world, sizes, group)
        await world.publish(completed(101, 2, size_bytes=5))
        await asyncio.sleep(0.05)
    assert await world.lag() == 1
    again = world.group(sizes, settings=SETTINGS)
    async with running(again.run()):
        await until(lambda: _nothing_waits(world))
    assert await world.tables.get(Size, 101) == Size(video_id=101, size_bytes=5, version=2)


async def test_nothing_stays_held_when_the_group_stops(world: World, sizes: GatheredSizes) -> None:
    group = world.group(sizes, settings=SETTINGS)
    async with running(group.run()) as (task,):
        await _settled(world, sizes, group)
        await world.publish(completed(101, 2, size_bytes=5))
        await asyncio.sleep(0.05)
        group.stop()
        await task
    assert await world.lag() == 0
    assert await world.tables.get(Size, 101) == Size(video_id=101, size_bytes=5, version=2)


async def test_nobody_holds_more_than_a_partition_may(world: World, sizes: GatheredSizes) -> None:
    group = world.group(sizes, settings=SETTINGS)
    async with running(group.run()):
        await _settled(world, sizes, group)
        await world.publish(*(completed(101, version, size_bytes=version) for version in range(2, 62)))
        await until(lambda: group.status().handled >= 52)
    row = await world.tables.get(Size, 101)
    assert row is not None
    assert row.version >= 51


async def test_an_outage_is_waited_out_and_loses_nothing(world: World, sizes: GatheredSizes) -> None:
    group = world.group(sizes, settings=SETTINGS)
    async with running(group.run()):
        await _settled(world, sizes, group)
        sizes.failures = [Unavailable("the store is away") for _ in range(3)]
        await world.publish(completed(1, 2, size_bytes=7))
        await until(lambda: group.status().handled == 3)
        await until(lambda: _nothing_waits(world))
    assert group.status().dead_lettered == 0
    assert await world.tables.get(Size, 1) == Size(video_id=1, size_bytes=7, version=2)


async def test_one_that_can_never_work_is_found_and_buried_alone(world: World, sizes: GatheredSizes, clock: FakeClock) -> None:
    group = world.group(sizes, settings=SETTINGS)
    sizes.holding = False
    async with running(group.run()):
        await _settled(world, sizes, group)
        sizes.bad = 666
        bad = completed(666, 1)
        await world.publish(*(completed(1, version, size_bytes=version) for version in range(2, 12)), bad, completed(2, 1, size_bytes=3))
        await until(lambda: group.status().dead_lettered == 1)
        await until(lambda: _nothing_waits(world))
    letters = await DeadLetters(tables=world.tables, clock=clock).dead_letters("feed.sizes", after="", limit=10)
    assert [(letter.event_id, letter.reason) for letter in letters.rows] == [(bad.event_id, "TOO_STRANGE")]
    assert await world.tables.get(Size, 1) == Size(video_id=1, size_bytes=11, version=11)
    assert await world.tables.get(Size, 2) == Size(video_id=2, size_bytes=3, version=1)
