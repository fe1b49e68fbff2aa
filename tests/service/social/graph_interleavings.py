"""One history of three people, heard by the consumers in many orders: each time by three people of its own, who all end alike."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass

from clipmesh.common.v1.envelope_pb2 import EventEnvelope
from clipmesh.social.v1.events_pb2 import BondChanged

from svc_social.graph.store import EdgeStore, ListStore
from svc_social.graph.tables import Direction, ListKind
from tests.service.social.graph_world import act, bond_events, deliver, people
from tests.service.social.world import World

_HISTORY = (
    ("Follow", 0, 1),
    ("Follow", 1, 0),
    ("Follow", 0, 2),
    ("ApproveFollow", 2, 0),
    ("Unfollow", 0, 1),
    ("Mute", 1, 2),
    ("Follow", 0, 1),
    ("Block", 1, 0),
    ("Unblock", 1, 0),
    ("Follow", 1, 0),
    ("RemoveFollower", 2, 0),
)

State = tuple[dict[tuple[int, Direction], int], dict[tuple[int, ListKind], list[int]]]


@dataclass
class Interleaved:
    """The history, and whose it was."""

    world: World
    ids: Sequence[int]
    events: Sequence[EventEnvelope]

    @classmethod
    async def begin(cls, world: World) -> Interleaved:
        """Let three people live it once."""
        ids = await people(world, 3, private=[2])
        for name, who, whom in _HISTORY:
            world.clock.advance(11)
            await act(world, name, ids[who], ids[whom])
        return cls(world, ids, await bond_events(world, ids))

    async def run(self, times: int) -> None:
        """Each order of each repetition ends in the state of the order in which it happened, for either consumer."""
        await deliver(self.world, self.events)
        expected = await self._state(0)
        assert expected[0] == {
            (0, Direction.FOLLOWERS): 1,
            (0, Direction.FOLLOWING): 0,
            (1, Direction.FOLLOWERS): 0,
            (1, Direction.FOLLOWING): 1,
            (2, Direction.FOLLOWERS): 0,
            (2, Direction.FOLLOWING): 0,
            **{(number, Direction.ASKING): 0 for number in range(3)},
        }
        assert {key: others for key, others in expected[1].items() if others} == {
            (0, ListKind.FOLLOWERS): [1],
            (1, ListKind.FOLLOWING): [0],
            (1, ListKind.MUTED): [2],
        }
        gate = asyncio.Semaphore(64)

        async def one(number: int) -> None:
            dice = random.Random(number)
            order = [event for event in self.events for _ in range(dice.choice([1, 1, 2]))]
            dice.shuffle(order)
            async with gate:
                await deliver(self.world, [self._moved(event, number * 1_000) for event in order])
                assert await self._state(number * 1_000) == expected

        await asyncio.gather(*(one(number) for number in range(1, times + 1)))

    def _moved(self, event: EventEnvelope, by: int) -> EventEnvelope:
        """The same event of other people."""
        bond = BondChanged.FromString(event.payload)
        bond.low_id += by
        bond.high_id += by
        moved = EventEnvelope()
        moved.CopyFrom(event)
        moved.payload = bond.SerializeToString()
        return moved

    async def _state(self, by: int) -> State:
        """What the consumers made of it, people by their number."""
        numbers = {user_id + by: number for number, user_id in enumerate(self.ids)}
        sizes = await EdgeStore(tables=self.world.tables).counts(list(numbers), *Direction)
        lists = ListStore(tables=self.world.tables)
        pages = {
            (number, kind): (await lists.page(user_id, kind, after="", limit=100)).places
            for user_id, number in numbers.items()
            for kind in ListKind
        }
        return (
            {(numbers[user_id], direction): size for (user_id, direction), size in sizes.items()},
            {key: [numbers[place.other_id] for place in places] for key, places in pages.items()},
        )
