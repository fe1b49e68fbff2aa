"""The limiter keeps its count under every order of entering, leaving, waiting and giving up."""

from __future__ import annotations

import asyncio
import random
import time
from typing import Any

import pytest
from google.protobuf.message import Message

from mesh import deadline
from mesh.access import Access, Priority
from mesh.errors import DeadlineExceeded, ResourceExhausted
from mesh.interceptors import Limiter
from mesh.interceptors.call import Method
from mesh.interceptors.limit import Limit
from mesh.metrics import LIMITER_REFUSED
from mesh.telemetry import Telemetry


def limiter(*, limit: int = 1, queue_limit: int = 10, telemetry: Telemetry | None = None) -> Limiter:
    return Limiter(limit=limit, queue_limit=queue_limit, telemetry=telemetry or Telemetry(service="video"))


async def turns(count: int = 3) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_who_waits_comes_in_by_priority_then_by_arrival() -> None:
    subject, order = limiter(), []
    await subject.enter(Priority.FEED)

    async def work(name: str, priority: Priority) -> None:
        await subject.enter(priority)
        order.append(name)
        subject.leave()

    arrivals = [
        ("analytics", Priority.ANALYTICS),
        ("feed 1", Priority.FEED),
        ("playback", Priority.PLAYBACK),
        ("feed 2", Priority.FEED),
        ("write", Priority.WRITE),
    ]
    tasks = []
    for name, priority in arrivals:
        tasks.append(asyncio.create_task(work(name, priority)))
        await turns(1)
    assert subject.waiting == 5
    subject.leave()
    await asyncio.gather(*tasks)
    assert order == ["playback", "write", "feed 1", "feed 2", "analytics"]
    assert (subject.in_flight, subject.waiting) == (0, 0)


async def test_a_full_queue_refuses_the_least_urgent() -> None:
    telemetry = Telemetry(service="video")
    subject = limiter(queue_limit=1, telemetry=telemetry)
    await subject.enter(Priority.FEED)
    search = asyncio.create_task(subject.enter(Priority.SEARCH))
    await turns()
    for priority in (Priority.SEARCH, Priority.ANALYTICS):
        with pytest.raises(ResourceExhausted) as refused:
            await subject.enter(priority)
        assert refused.value.retry_after_ms == 250
    write = asyncio.create_task(subject.enter(Priority.WRITE))
    with pytest.raises(ResourceExhausted):
        await search
    subject.leave()
    await write
    assert (subject.in_flight, subject.waiting) == (1, 0)
    assert [telemetry.value(LIMITER_REFUSED, priority=name, why="overloaded") for name in ("search", "analytics", "write")] == [2, 1, 0]


async def test_expired_work_is_dropped_before_and_while_it_waits() -> None:
    telemetry = Telemetry(service="video")
    subject = limiter(limit=2, telemetry=telemetry)
    with deadline.scope(-1), pytest.raises(DeadlineExceeded):
        await subject.enter(Priority.PLAYBACK)
    assert subject.in_flight == 0
    await subject.enter(Priority.FEED)
    await subject.enter(Priority.FEED)
    start = time.monotonic()
    with deadline.scope(0.02), pytest.raises(DeadlineExceeded):
        await subject.enter(Priority.PLAYBACK)
    assert time.monotonic() - start < 5
    assert (subject.in_flight, subject.waiting) == (2, 0)
    assert telemetry.value(LIMITER_REFUSED, priority="playback", why="expired") == 2


async def test_a_turn_that_comes_too_late_begins_nothing() -> None:
    subject, begun = limiter(), []

    async def work(request: Any, call: Any) -> None:
        begun.append(request)

    handler = Limit(limiter=subject).wrap(Method(service="a.B", name="C", request_type=Message, access=Access(callers={"gateway"})), work)
    await subject.enter(Priority.FEED)

    async def late() -> None:
        with deadline.scope(0.02):
            await handler(b"", None)

    waiting = asyncio.create_task(late())
    await turns()
    subject.leave()
    # The loop is held until the deadline has passed: the place is given, and its taker wakes up too late.
    time.sleep(0.04)
    with pytest.raises(DeadlineExceeded):
        await waiting
    assert begun == []
    assert (subject.in_flight, subject.waiting) == (0, 0)


async def test_a_place_given_to_someone_who_just_gave_up_is_passed_on() -> None:
    subject = limiter()
    await subject.enter(Priority.FEED)
    gone, next_one = (asyncio.create_task(subject.enter(Priority.FEED)) for _ in range(2))
    await turns()
    subject.leave()
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    await next_one
    assert (subject.in_flight, subject.waiting) == (1, 0)


@pytest.mark.parametrize("seed", range(20))
async def test_the_count_is_right_after_any_order_of_events(seed: int) -> None:
    chance = random.Random(seed)
    subject, most = limiter(limit=3, queue_limit=4), 0

    async def work() -> None:
        nonlocal most
        await subject.enter(Priority(chance.randrange(5)))
        most = max(most, subject.in_flight)
        try:
            await turns(chance.randrange(4))
        finally:
            subject.leave()

    tasks = []
    for _ in range(200):
        tasks.append(asyncio.create_task(work()))
        await turns(chance.randrange(2))
        if chance.random() < 0.2:
            chance.choice(tasks).cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert (subject.in_flight, subject.waiting) == (0, 0)
    assert most == 3


def test_limits_have_to_make_sense() -> None:
    for limit, queue_limit in ((0, 1), (1, -1)):
        with pytest.raises(ValueError, match="a limiter needs"):
            limiter(limit=limit, queue_limit=queue_limit)
