"""Counts follow from events, many in one commit; a video that many act on at once is counted in windows, and says so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest
from clipmesh.common.v1.envelope_pb2 import EventEnvelope
from clipmesh.social.v1 import engagement_service_pb2 as pb
from clipmesh.social.v1 import events_pb2

from mesh.events.incoming import Incoming, open_payload
from mesh.stores.tables.port import Tables
from svc_social.engagement.consumers import CountActs
from svc_social.engagement.convert import counted_from_event
from svc_social.engagement.rules import Rates
from svc_social.engagement.store import CountStore
from svc_social.engagement.tables import CountedAct, EngagementKind
from tests.service.social.engaging import BUSY_PER_S, OTHER, VIDEO, WINDOW_MS, World, open_engaging

PEOPLE = 400


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """One instance."""
    async with open_engaging(tmp_path) as opened:
        yield opened


class Counting:
    """Tables that count commits."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self.commits = 0

    async def commit(self, *changes: Any, events: Any = ()) -> Any:
        self.commits += 1
        return await self._tables.commit(*changes, events=events)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tables, name)


def liked(user_id: int, video_id: int = VIDEO, *, version: int = 1, active: bool = True) -> Incoming[events_pb2.EngagementChanged]:
    """The event of a like."""
    message = events_pb2.EngagementChanged(video_id=video_id, user_id=user_id, kind=pb.ENGAGEMENT_KIND_LIKE, active=active)
    envelope = EventEnvelope(
        event_id=video_id * 10_000_000 + user_id * 100 + version, key_version=version, payload=message.SerializeToString()
    )
    return open_payload(envelope, events_pb2.EngagementChanged)


class Partitions:
    """A consumer as the workers of the partitions of a stream drive it."""

    def __init__(self, world: World) -> None:
        self.tables = Counting(world.tables)
        rates = Rates(window_ms=WINDOW_MS, busy_per_s=BUSY_PER_S)
        self.consumer = CountActs(counts=CountStore(tables=self.tables, clock=world.clock), clock=world.clock, rates=rates)
        self.held: list[list[Incoming[Any]]] = [[] for _ in range(8)]

    async def hear(self, events: list[Incoming[Any]], *, last: bool = False) -> None:
        """Each partition gets its share."""

        async def one(number: int) -> None:
            mine = [event for event in events if event.message.user_id % 8 == number]
            self.held[number] = list(await self.consumer.gather([*self.held[number], *mine], last=last))

        await asyncio.gather(*(one(number) for number in range(8)))

    @property
    def waiting(self) -> int:
        return sum(map(len, self.held))


async def test_a_busy_video_is_counted_in_windows_and_marked_until_it_settles(world: World) -> None:
    partitions = Partitions(world)
    for second in range(10):
        await partitions.hear([liked(user_id) for user_id in range(second * 40 + 1, second * 40 + 41)])
        world.clock.advance(900)
    during = await world.counters()
    assert during.approximate
    assert partitions.waiting > 0
    assert during.likes + partitions.waiting == PEOPLE
    world.clock.advance(1_000)
    await partitions.hear([])
    assert partitions.waiting == 0
    settled = await world.counters()
    assert (settled.likes, settled.approximate) == (PEOPLE, True)
    world.clock.advance(5_001)
    assert await world.counters() == pb.Counters(video_id=VIDEO, likes=PEOPLE)


async def test_while_a_video_is_busy_its_counts_cost_five_hundredths_of_the_writes(world: World) -> None:
    partitions = Partitions(world)
    await partitions.hear([liked(user_id) for user_id in range(1, 201)])
    world.clock.advance(WINDOW_MS)
    await partitions.hear([])
    partitions.tables.commits = 0
    for second in range(10):
        await partitions.hear([liked(user_id) for user_id in range(1_000 + second * 40, 1_040 + second * 40)])
        world.clock.advance(990)
    assert partitions.tables.commits == 0
    world.clock.advance(WINDOW_MS)
    await partitions.hear([])
    assert (partitions.waiting, (await world.counters()).likes) == (0, 600)
    assert partitions.tables.commits <= PEOPLE * 0.05


async def test_other_videos_are_exact_while_one_is_busy(world: World) -> None:
    partitions = Partitions(world)
    await partitions.hear([liked(user_id) for user_id in range(1, 300)])
    await partitions.hear([liked(user_id) for user_id in range(300, 320)])
    assert partitions.waiting > 0
    await partitions.hear([liked(7, OTHER)])
    assert await world.counters(OTHER) == pb.Counters(video_id=OTHER, likes=1)


async def test_nothing_is_held_when_the_process_ends(world: World) -> None:
    partitions = Partitions(world)
    await partitions.hear([liked(user_id) for user_id in range(1, 401)])
    await partitions.hear([liked(user_id) for user_id in range(401, 441)])
    await partitions.hear([], last=True)
    assert (partitions.waiting, (await world.counters()).likes) == (0, 440)


async def test_what_was_held_and_lost_comes_again_and_counts_once(world: World) -> None:
    first, second = Partitions(world), Partitions(world)
    events = [liked(user_id) for user_id in range(1, 401)]
    await first.hear(events[:250])
    await first.hear(events[250:])
    assert first.waiting == 201
    await second.hear([*events, liked(5, version=2, active=False), *events], last=True)
    await first.hear([], last=True)
    assert (await world.counters()).likes == 399


async def test_a_quiet_video_is_counted_at_once(world: World) -> None:
    partitions = Partitions(world)
    await partitions.hear([liked(1), liked(2), liked(1, version=2, active=False)])
    assert partitions.waiting == 0
    assert await world.counters() == pb.Counters(video_id=VIDEO, likes=1)


async def test_fifty_partitions_at_once_are_a_few_commits(world: World) -> None:
    partitions = Partitions(world)
    await partitions.hear([liked(user_id) for user_id in range(1, 151)])
    assert (await world.counters()).likes == 150
    assert partitions.tables.commits <= 8


async def test_an_act_that_is_tried_alone_fails_alone(world: World) -> None:
    class Choking(Counting):
        async def commit(self, *changes: Any, events: Any = ()) -> Any:
            if any(change.row.member == 13 for change in changes):
                raise ValueError("never")
            return await super().commit(*changes, events=events)

    rates = Rates(window_ms=WINDOW_MS, busy_per_s=BUSY_PER_S)
    counts = CountStore(tables=cast(Tables, Choking(world.tables)), clock=world.clock)
    consumer = CountActs(counts=counts, clock=world.clock, rates=rates)
    together = await asyncio.gather(*(consumer.gather([liked(one)], last=False) for one in (12, 13)), return_exceptions=True)
    assert [type(one) for one in together] == [ValueError, ValueError]
    alone = await asyncio.gather(*(consumer.alone(liked(one)) for one in (12, 13, 14)), return_exceptions=True)
    assert [type(one) for one in alone] == [type(None), ValueError, type(None)]
    assert (await world.counters()).likes == 2


class Held(Counting):
    """Tables of which the first read of counts waits at its end until it is let go."""

    def __init__(self, tables: Tables) -> None:
        super().__init__(tables)
        self.read = asyncio.Event()
        self.gate = asyncio.Event()

    async def get_many(self, row_type: Any, keys: Any) -> Any:
        found = await self._tables.get_many(row_type, keys)
        if row_type is CountedAct and not self.read.is_set():
            self.read.set()
            await self.gate.wait()
        return found


async def test_what_was_read_before_an_act_was_counted_is_not_told_after_it(world: World) -> None:
    tables = Held(world.tables)
    counts = CountStore(tables=cast(Tables, tables), clock=world.clock)
    elsewhere = CountStore(tables=world.tables, clock=world.clock)
    reading = asyncio.create_task(counts.read([VIDEO, OTHER]))
    await tables.read.wait()
    await counts.apply([counted_from_event(liked(1).message, version=1)])
    await elsewhere.apply([counted_from_event(liked(1, OTHER).message, version=1)])
    tables.gate.set()
    assert (await reading)[VIDEO].sizes[EngagementKind.LIKE] == 0
    told = await counts.read([VIDEO, OTHER])
    # Of what changed elsewhere the copy serves for its second.
    assert (told[VIDEO].sizes[EngagementKind.LIKE], told[OTHER].sizes[EngagementKind.LIKE]) == (1, 0)


async def test_counts_are_read_again_when_they_changed_here_or_a_second_went_by(world: World) -> None:
    here, elsewhere = world.instances[0].engagement.consumers[0], Partitions(world)
    assert isinstance(here, CountActs)
    await here.gather([liked(1)], last=False)
    assert (await world.counters()).likes == 1
    await elsewhere.hear([liked(2)])
    assert (await world.counters()).likes == 1
    world.clock.advance(1_000)
    assert (await world.counters()).likes == 2
    await here.gather([liked(3)], last=False)
    assert (await world.counters()).likes == 3
