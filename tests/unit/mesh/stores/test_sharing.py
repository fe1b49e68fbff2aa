"""Equal reads share one read of the store, which never began before any of them asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from mesh import deadline
from mesh.stores.protected.sharing import SharedReads
from mesh.stores.tables.port import TablesUnavailable

LONG_S = 30.0


class Store:
    """One value; a read takes it at its begin and brings it when the test lets it."""

    def __init__(self) -> None:
        self.value = 0
        self.begun: list[float] = []
        """What each read had left of its deadline, in seconds."""
        self.cancelled = 0
        self.gates: list[asyncio.Event] = []

    async def read(self) -> list[int]:
        seen, gate = self.value, asyncio.Event()
        self.begun.append(deadline.remaining_s(LONG_S))
        self.gates.append(gate)
        try:
            await gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if seen < 0:
            raise TablesUnavailable("negative")
        return [seen]


class World:
    def __init__(self, *, follow_after_s: float = LONG_S) -> None:
        self.store = Store()
        self.joined = 0
        self.shared = SharedReads(follow_after_s=follow_after_s, out_of_time=TablesUnavailable, joined=self._join)

    def _join(self) -> None:
        self.joined += 1

    async def ask(self, *, key: object = "k", limit_s: float = LONG_S, copy: Callable[[list[int]], list[int]] | None = list) -> list[int]:
        return await self.shared.read(key, self.store.read, limit_s=limit_s, copy=copy)

    async def asking(self, count: int = 1, *, key: object = "k", limit_s: float = LONG_S) -> list[asyncio.Task[list[int]]]:
        tasks = [asyncio.create_task(self.ask(key=key, limit_s=limit_s)) for _ in range(count)]
        await settle()
        return tasks


async def settle() -> None:
    for _ in range(8):
        await asyncio.sleep(0)


async def test_who_asks_meanwhile_shares_the_next_read() -> None:
    world = World()
    first = await world.asking()
    others = await world.asking(50)
    assert len(world.store.begun) == 1
    world.store.gates[0].set()
    await settle()
    assert len(world.store.begun) == 2
    world.store.gates[1].set()
    assert [await task for task in (*first, *others)] == [[0]] * 51
    assert (len(world.store.begun), world.joined) == (2, 50)


async def test_a_read_that_began_before_a_write_serves_nobody_who_asks_after_it() -> None:
    world = World()
    before = await world.asking()
    world.store.value = 1
    after = await world.asking(2)
    world.store.gates[0].set()
    await settle()
    world.store.value = 2
    later = await world.asking()
    world.store.gates[1].set()
    await settle()
    world.store.gates[2].set()
    assert [await task for task in (*before, *after, *later)] == [[0], [1], [1], [2]]


async def test_different_reads_have_nothing_to_do_with_each_other() -> None:
    world = World()
    await world.asking(key="a")
    await world.asking(key="b")
    assert len(world.store.begun) == 2
    for gate in world.store.gates:
        gate.set()
    await settle()
    assert world.joined == 0


async def test_each_gets_an_answer_of_its_own() -> None:
    world = World()
    await world.asking()
    one, other = await world.asking(2)
    world.store.gates[0].set()
    await settle()
    world.store.gates[1].set()
    (await one).append(7)
    assert await other == [0]


async def test_who_is_cancelled_or_out_of_time_harms_nobody() -> None:
    world = World()
    leader = (await world.asking())[0]
    (gone,) = await world.asking()
    (hasty,) = await world.asking(limit_s=0.01)
    (patient,) = await world.asking()
    leader.cancel()
    await settle()
    assert len(world.store.begun) == 2, "the end of the first read, however it ended, begins the next"
    gone.cancel()
    with pytest.raises(TablesUnavailable):
        await hasty
    world.store.gates[1].set()
    assert await patient == [0]
    assert gone.cancelled()


async def test_a_shared_read_has_the_longest_deadline_of_all() -> None:
    world = World()
    await world.asking()
    with deadline.scope(5):
        short = await world.asking()
    with deadline.scope(20):
        long = await world.asking()
    world.store.gates[0].set()
    await settle()
    assert 19 < world.store.begun[1] < 20
    world.store.gates[1].set()
    assert [await task for task in (*short, *long)] == [[0], [0]]


async def test_a_read_that_nobody_waits_for_any_more_is_cancelled_or_not_begun() -> None:
    world = World()
    leader = await world.asking()
    for task in await world.asking(3):
        task.cancel()
    await settle()
    world.store.gates[0].set()
    await asyncio.gather(*leader)
    assert len(world.store.begun) == 1
    leader = await world.asking()
    followers = await world.asking(3)
    world.store.gates[1].set()
    await settle()
    for task in followers:
        task.cancel()
    await settle()
    assert (len(world.store.begun), world.store.cancelled) == (3, 1)
    await world.asking()
    assert len(world.store.begun) == 4, "nothing is left behind that a new reader would wait for"


async def test_a_failure_is_told_to_all_who_shared_it_and_to_nobody_else() -> None:
    world = World()
    leader = await world.asking()
    world.store.value = -1
    followers = await world.asking(3)
    world.store.gates[0].set()
    await settle()
    world.store.gates[1].set()
    for task in followers:
        with pytest.raises(TablesUnavailable, match="negative"):
            await task
    assert await leader[0] == [0]


async def test_a_read_that_hangs_holds_up_the_next_one_only_for_a_moment() -> None:
    world = World(follow_after_s=0.005)
    hanging = await world.asking()
    others = await world.asking(2)
    async with asyncio.timeout(5):
        while len(world.store.begun) < 2:
            await asyncio.sleep(0.001)
    world.store.gates[1].set()
    assert [await task for task in others] == [[0], [0]]
    world.store.gates[0].set()
    assert await hanging[0] == [0]
    await world.asking()
    assert len(world.store.begun) == 3


async def test_without_time_nobody_joins() -> None:
    world = World()
    leader = await world.asking()
    with deadline.scope(0), pytest.raises(TablesUnavailable):
        await world.ask()
    world.store.gates[0].set()
    assert await leader[0] == [0]
    assert (len(world.store.begun), world.joined) == (1, 0)


async def test_what_cannot_be_compared_is_read_alone() -> None:
    world = World()
    tasks = await world.asking(2, key=["no", "key"])
    assert len(world.store.begun) == 2
    for gate in world.store.gates:
        gate.set()
    assert [await task for task in tasks] == [[0], [0]]
