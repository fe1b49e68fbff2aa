"""Places are bounded, handed on in order, and never lost."""

from __future__ import annotations

import asyncio

from mesh.stores.protected.bulkhead import Bulkhead

LONG_S = 30.0


def full(*, places: int = 2, most_waiting: int = 3) -> Bulkhead:
    bulkhead = Bulkhead(at_once=places, most_waiting=most_waiting)
    assert [bulkhead.enter() for _ in range(places)] == [True] * places
    return bulkhead


async def test_no_more_than_allowed_are_in_flight() -> None:
    bulkhead = full()
    assert not bulkhead.enter()
    assert bulkhead.in_flight == 2
    bulkhead.leave()
    assert bulkhead.enter()


async def test_a_free_place_goes_to_who_waits_longest_and_to_no_newcomer() -> None:
    bulkhead, order = full(), []

    async def wait(name: str) -> None:
        assert await bulkhead.wait(LONG_S)
        order.append(name)

    tasks = [asyncio.create_task(wait(name)) for name in "abc"]
    await asyncio.sleep(0)
    for _ in tasks:
        bulkhead.leave()
        assert not bulkhead.enter()
        await asyncio.sleep(0)
    assert order == ["a", "b", "c"]
    bulkhead.leave()
    bulkhead.leave()
    assert bulkhead.in_flight == 0


async def test_waiting_ends_without_a_place_and_without_a_trace() -> None:
    bulkhead = full()
    assert not await bulkhead.wait(0)
    assert not await bulkhead.wait(0.005)
    bulkhead.leave()
    assert bulkhead.in_flight == 1


async def test_only_so_many_may_wait() -> None:
    bulkhead = full(most_waiting=1)
    first = asyncio.create_task(bulkhead.wait(LONG_S))
    await asyncio.sleep(0)
    assert not await bulkhead.wait(LONG_S)
    bulkhead.leave()
    assert await first


async def test_who_is_cancelled_gives_the_place_back_even_when_it_was_just_given() -> None:
    bulkhead = full()
    waiting, given, next_one = (asyncio.create_task(bulkhead.wait(LONG_S)) for _ in range(3))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    bulkhead.leave()
    given.cancel()
    await asyncio.wait([given])
    assert given.cancelled()
    assert await next_one
    bulkhead.leave()
    bulkhead.leave()
    assert bulkhead.in_flight == 0
