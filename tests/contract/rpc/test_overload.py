"""Too much at once: who waits, who is refused, and what is never begun."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest

from mesh.errors import DeadlineExceeded, ResourceExhausted
from mesh.metrics import LIMITER_IN_FLIGHT, LIMITER_REFUSED, LIMITER_WAITING
from mesh.server import Access, Priority
from mesh.testing.rpc import Served, serve
from tests.contract.rpc.probe import A_DECISION, DecideReviewResponse, ListReviewsRequest, ListReviewsResponse, Probe, Stub, served_by


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
