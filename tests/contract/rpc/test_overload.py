"""Too much at once: who waits, who is refused, and what is never begun."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import grpc
import pytest

from mesh.errors import DeadlineExceeded, ResourceExhausted
from mesh.metrics import CLIENT_CALLS, CLIENT_SHARE, LIMITER_IN_FLIGHT, LIMITER_REFUSED, LIMITER_WAITING
from mesh.server import Access, Priority
from mesh.testing.rpc import Served, serve
from tests.contract.rpc.probe import (
    A_DECISION,
    DECIDE,
    LIST,
    DecideReviewResponse,
    ListReviewsRequest,
    ListReviewsResponse,
    Probe,
    Stub,
    served_by,
)


class Gate:
    """Holds every call that comes to it until it is opened."""

    def __init__(self) -> None:
        self.opened = asyncio.Event()
        self.inside = 0

    async def pass_through(self) -> None:
        self.inside += 1
        await self.opened.wait()

    async def lists(self, _: Any) -> Any:
        await self.pass_through()
        return ListReviewsResponse()

    async def decides(self, _: Any) -> Any:
        await self.pass_through()
        return DecideReviewResponse()


async def until(condition: Any) -> None:
    """Give the loop turns until `condition` holds."""
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.002)


def gauges(served: Served) -> tuple[float, float]:
    telemetry = served.process.telemetry
    return telemetry.value(LIMITER_IN_FLIGHT), telemetry.value(LIMITER_WAITING)


async def test_overload_answers_with_a_time_to_wait() -> None:
    gate = Gate()
    probe = Probe(lists=gate.lists)
    async with serve(served_by(probe), service="rights", concurrency_limit=2, queue_limit=1) as served:
        stub = served.stub(Stub)
        calls = [asyncio.create_task(stub.ListReviews(ListReviewsRequest())) for _ in range(3)]
        await until(lambda: gauges(served) == (2, 1))
        with pytest.raises(ResourceExhausted) as failed:
            await stub.ListReviews(ListReviewsRequest())
        assert (failed.value.code, failed.value.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")
        assert failed.value.retry_after_ms == 250
        assert served.process.telemetry.value(LIMITER_REFUSED, priority="feed", why="overloaded") == 1
        gate.opened.set()
        await asyncio.gather(*calls)
        assert probe.listed == 3
        assert gauges(served) == (0, 0)


async def test_work_that_ran_out_of_time_while_waiting_is_never_begun() -> None:
    gate = Gate()
    probe = Probe(lists=gate.lists)
    async with serve(served_by(probe), service="rights", concurrency_limit=1, queue_limit=10) as served:
        stub = served.stub(Stub)
        first = asyncio.create_task(stub.ListReviews(ListReviewsRequest()))
        await until(lambda: gate.inside == 1)
        with pytest.raises(DeadlineExceeded):
            await stub.ListReviews(ListReviewsRequest(), timeout=0.05)
        await until(lambda: gauges(served) == (1, 0))
        gate.opened.set()
        await first
        await stub.ListReviews(ListReviewsRequest())
    assert probe.listed == 2


async def test_a_urgent_call_takes_the_place_of_a_waiting_one_that_is_less_urgent() -> None:
    gate = Gate()
    probe = Probe(lists=gate.lists, decides=gate.decides)
    service = served_by(
        probe,
        lists=Access(callers={"gateway"}, priority=Priority.ANALYTICS),
        decides=Access(callers={"gateway"}, priority=Priority.PLAYBACK),
    )
    async with serve(service, service="rights", concurrency_limit=1, queue_limit=1) as served:
        stub = served.stub(Stub)
        first = asyncio.create_task(stub.ListReviews(ListReviewsRequest()))
        await until(lambda: gauges(served) == (1, 0))
        waiting = asyncio.create_task(stub.ListReviews(ListReviewsRequest()))
        await until(lambda: gauges(served) == (1, 1))
        urgent = asyncio.create_task(stub.DecideReview(A_DECISION))
        with pytest.raises(ResourceExhausted) as failed:
            await waiting
        assert failed.value.retry_after_ms == 250
        gate.opened.set()
        await asyncio.gather(first, urgent)
    assert (probe.listed, probe.decided) == (1, 1)


async def test_a_call_that_waited_away_half_of_its_time_is_refused_with_its_priority() -> None:
    gate = Gate()
    probe = Probe(lists=gate.lists)
    async with serve(served_by(probe), service="rights", concurrency_limit=1, queue_limit=10) as served:
        stub = served.stub(Stub)
        first = asyncio.create_task(stub.ListReviews(ListReviewsRequest()))
        await until(lambda: gate.inside == 1)
        waiting = asyncio.create_task(stub.ListReviews(ListReviewsRequest(), timeout=2))
        await until(lambda: gauges(served) == (1, 1))
        await asyncio.sleep(1.1)
        gate.opened.set()
        await first
        with pytest.raises(ResourceExhausted) as failed:
            await waiting
        assert failed.value.facts["priority"] == str(int(Priority.FEED))
        assert probe.listed == 1
        assert served.process.telemetry.value(LIMITER_REFUSED, priority="feed", why="stale") == 1
        assert gauges(served) == (0, 0)


async def test_a_method_that_waits_takes_no_place() -> None:
    gate = Gate()
    probe = Probe(lists=gate.lists)
    service = served_by(probe, lists=Access(callers={"gateway"}, waits=True))
    async with serve(service, service="rights", concurrency_limit=1, queue_limit=0) as served:
        stub = served.stub(Stub)
        waiting = [asyncio.create_task(stub.ListReviews(ListReviewsRequest())) for _ in range(3)]
        await until(lambda: gate.inside == 3)
        await stub.DecideReview(A_DECISION)
        gate.opened.set()
        await asyncio.gather(*waiting)


async def test_a_caller_sends_less_to_a_service_that_refuses_and_all_again_when_it_does_not() -> None:
    gate = Gate()
    probe = Probe(lists=gate.lists)
    async with serve(served_by(probe), service="rights", concurrency_limit=1, queue_limit=0) as served:
        stub, telemetry = served.stub(Stub), served.channels().telemetry
        held = asyncio.create_task(stub.ListReviews(ListReviewsRequest(), timeout=30))
        await until(lambda: gate.inside == 1)

        async def ask() -> None:
            with contextlib.suppress(ResourceExhausted):
                await stub.DecideReview(A_DECISION)
            await asyncio.sleep(0.005)

        async with asyncio.timeout(20):
            while telemetry.value(CLIENT_SHARE, service="rights") > 0.5:
                await ask()
        assert telemetry.value(CLIENT_CALLS, method=DECIDE, code="HELD_BACK") > 0
        assert probe.decided == 0
        gate.opened.set()
        await held
        async with asyncio.timeout(20):
            while telemetry.value(CLIENT_SHARE, service="rights") < 1:
                await ask()
        decided = probe.decided
        await stub.DecideReview(A_DECISION)
        assert probe.decided == decided + 1


async def test_a_person_who_comes_to_a_limit_takes_nothing_from_others() -> None:
    async def refuses(_: Any) -> Any:
        raise ResourceExhausted("that is enough for today", retry_after_ms=60_000)

    async with serve(served_by(Probe(lists=refuses)), service="rights") as served:
        stub, telemetry = served.stub(Stub), served.channels().telemetry
        asked = 0
        end = asyncio.get_running_loop().time() + 1
        while asyncio.get_running_loop().time() < end:
            with pytest.raises(ResourceExhausted):
                await stub.ListReviews(ListReviewsRequest())
            asked += 1
        assert asked > 50
        assert telemetry.value(CLIENT_SHARE, service="rights") == 1
        assert telemetry.value(CLIENT_CALLS, method=LIST, code="HELD_BACK") == 0


async def test_a_person_in_too_great_a_hurry_takes_nothing_from_others() -> None:
    gate = Gate()
    async with serve(served_by(Probe(lists=gate.lists)), service="rights", concurrency_limit=1, queue_limit=0) as served:
        stub, telemetry = served.stub(Stub), served.channels().telemetry
        held = asyncio.create_task(stub.ListReviews(ListReviewsRequest(), timeout=30))
        await until(lambda: gate.inside == 1)
        refused = 0
        end = asyncio.get_running_loop().time() + 1
        while asyncio.get_running_loop().time() < end:
            with pytest.raises((ResourceExhausted, DeadlineExceeded)) as answered:
                await stub.DecideReview(A_DECISION, timeout=0.05)
            refused += isinstance(answered.value, ResourceExhausted)
        assert refused > 20
        assert telemetry.value(CLIENT_SHARE, service="rights") == 1
        assert telemetry.value(CLIENT_CALLS, method=DECIDE, code="HELD_BACK") == 0
        gate.opened.set()
        await held
