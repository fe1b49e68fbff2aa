"""Batched loading: one call for a level, nothing twice, cancellation goes where it belongs."""

from __future__ import annotations

import asyncio

import pytest

from gateway.batching import Batched, Missing
from mesh.errors import Unavailable


class Source:
    """Doubles keys; remembers how it was asked."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []
        self.error: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.cancelled = 0

    async def fetch(self, keys: list[int]) -> dict[int, int]:
        self.asked.append(keys)
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.error is not None:
            raise self.error
        return {key: key * 2 for key in keys if key < 100}


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def tasks() -> set[asyncio.Task[None]]:
    return set()


@pytest.fixture
def batched(source: Source, tasks: set[asyncio.Task[None]]) -> Batched[int, int]:
    return Batched("video", source.fetch, most=3, tasks=tasks)


async def test_keys_of_one_turn_are_fetched_together_and_each_once(batched: Batched[int, int], source: Source) -> None:
    assert await asyncio.gather(*(batched.load(key) for key in (1, 2, 1, 200))) == [2, 4, 2, None]
    assert await batched.load(2) == 4
    assert source.asked == [[1, 2, 200]]


async def test_a_call_takes_no_more_than_it_may(batched: Batched[int, int], source: Source) -> None:
    assert await batched.load_many(range(7)) == [0, 2, 4, 6, 8, 10, 12]
    assert source.asked == [[0, 1, 2], [3, 4, 5], [6]]


async def test_what_came_by_another_way_is_not_fetched(batched: Batched[int, int], source: Source) -> None:
    batched.prime(1, 11)
    batched.prime(1, 12)
    assert await batched.load(1) == 11
    assert source.asked == []


async def test_what_is_newer_replaces_what_is_known_and_what_is_being_fetched(batched: Batched[int, int], source: Source) -> None:
    assert await batched.load(1) == 2
    batched.overwrite(1, 11)
    assert await batched.load(1) == 11
    source.gate.clear()
    coming = asyncio.create_task(batched.load(2))
    await asyncio.sleep(0.01)
    batched.overwrite(2, 22)
    source.gate.set()
    assert (await coming, await batched.load(2)) == (22, 22)
    assert source.asked == [[1], [2]]


async def test_a_dead_service_is_a_value(batched: Batched[int, int], source: Source) -> None:
    source.error = Unavailable("gone")
    found = await batched.load_many([1, 2])
    assert all(isinstance(one, Missing) and one.service == "video" and one.error is source.error for one in found)


async def test_a_bug_reaches_every_field_that_asked(batched: Batched[int, int], source: Source) -> None:
    source.error = KeyError("bug")
    results = await asyncio.gather(batched.load(1), batched.load(2), return_exceptions=True)
    assert [type(one) for one in results] == [KeyError, KeyError]


async def test_a_cancelled_field_does_not_take_the_others_along(batched: Batched[int, int], source: Source) -> None:
    source.gate.clear()
    first, second = asyncio.create_task(batched.load(1)), asyncio.create_task(batched.load(1))
    await asyncio.sleep(0.01)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    source.gate.set()
    assert await second == 2
    assert source.cancelled == 0


async def test_the_calls_can_be_ended(batched: Batched[int, int], source: Source, tasks: set[asyncio.Task[None]]) -> None:
    source.gate.clear()
    loading = asyncio.create_task(batched.load(1))
    await asyncio.sleep(0.01)
    for task in tuple(tasks):
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await loading
    assert (source.cancelled, tasks) == (1, set())
