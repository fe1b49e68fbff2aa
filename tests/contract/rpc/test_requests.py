"""What every request has to bring, in which order it is looked at, and how it is refused."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest

from mesh import deadline, interceptors
from mesh.clock import SystemClock
from mesh.errors import DeadlineExceeded, InvalidArgument
from mesh.interceptors import Answers, Limiter
from mesh.metrics import SERVER_CALLS, SERVER_SECONDS
from mesh.server import Access, RefusedToStart, ServedService
from mesh.telemetry import Telemetry
from mesh.testing.rpc import serve
from tests.contract.rpc.probe import (
    A_DECISION,
    DECIDE,
    LIST,
    DecideReviewRequest,
    ListReviewsRequest,
    ListReviewsResponse,
    Probe,
    Stub,
    ask,
    refused,
    served_by,
    token,
)

MALFORMED = b"\x0a\xff"
"""Field 1 of 255 bytes, of which none is there."""

CLOCK = SystemClock()


def test_the_chain_is_in_the_promised_order() -> None:
    telemetry = Telemetry(service="rights")
    chain = interceptors.interceptors(
        service="rights",
        telemetry=telemetry,
        tokens=None,
        viewers=None,
        limiter=Limiter(limit=1, queue_limit=0, telemetry=telemetry),
        answers=Answers(most=1, clock=CLOCK),
    )
    assert [type(each).__name__ for each in chain] == [
        "RequestId",
        "Observe",
        "MapErrors",
        "Identify",
        "BoundDeadline",
        "Limit",
        "Parse",
        "Validate",
        "KeepAnswers",
    ]


async def test_each_concern_refuses_before_the_next_looks() -> None:
    probe = Probe()
    invalid = DecideReviewRequest(review_id=-1).SerializeToString()
    async with serve(served_by(probe), service="rights", concurrency_limit=1, queue_limit=0) as served:
        ours, stranger = [token(CLOCK)], [token(CLOCK, caller="stranger")]
        assert (await refused(served, DECIDE, MALFORMED, timeout=None)).reason == "UNAUTHENTICATED"
        assert (await refused(served, DECIDE, MALFORMED, metadata=stranger, timeout=None)).reason == "FORBIDDEN"
        assert (await refused(served, DECIDE, MALFORMED, metadata=ours, timeout=None)).reason == "DEADLINE_REQUIRED"
        occupied = served.server.limiter
        await occupied.enter(0)
        assert (await refused(served, DECIDE, MALFORMED, metadata=ours)).reason == "OVERLOADED"
        occupied.leave()
        assert (await refused(served, DECIDE, MALFORMED, metadata=ours)).reason == "MALFORMED_REQUEST"
        assert (await refused(served, DECIDE, invalid, metadata=ours)).reason == "INVALID_REQUEST"
        assert probe.decided == 0
        assert await ask(served, DECIDE, A_DECISION.SerializeToString(), metadata=ours) == b""
        counted = {
            code: served.process.telemetry.value(SERVER_CALLS, method=DECIDE, code=code)
            for code in ("UNAUTHENTICATED", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "INVALID_ARGUMENT", "OK")
        }
        assert counted == {"UNAUTHENTICATED": 1, "PERMISSION_DENIED": 1, "RESOURCE_EXHAUSTED": 1, "INVALID_ARGUMENT": 3, "OK": 1}
        assert served.process.telemetry.value(SERVER_SECONDS, method=DECIDE) == 7
        assert served.server.limiter.in_flight == 0
    assert probe.decided == 1


@pytest.mark.parametrize("data", [MALFORMED, b"\xff", b"\x1a\x02\xff\xfe", b"no message"])
async def test_malformed_bytes_are_named_so_and_nothing_of_them_comes_back(data: bytes) -> None:
    probe = Probe()
    async with serve(served_by(probe), service="rights") as served:
        failed = await refused(served, LIST, data, metadata=[token(CLOCK)])
    assert (failed.code, failed.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "MALFORMED_REQUEST")
    assert failed.message == "The bytes are no message of the expected type."
    assert probe.listed == 0


async def test_every_violation_is_listed_with_its_field() -> None:
    probe = Probe()
    async with serve(served_by(probe), service="rights") as served:
        with pytest.raises(InvalidArgument) as failed:
            await served.stub(Stub).DecideReview(DecideReviewRequest(review_id=-1, decision=3, reason="x" * 501))
    assert failed.value.reason == "INVALID_REQUEST"
    assert failed.value.violations == (
        ("review_id", "must be greater than 0"),
        ("decision", "must be in list [1, 2, 4]"),
        ("reason", "must be at most 500 characters"),
    )
    assert probe.decided == 0


async def test_a_call_without_a_deadline_is_refused() -> None:
    probe = Probe()
    async with serve(served_by(probe), service="rights") as served:
        failed = await refused(served, metadata=[token(CLOCK)], timeout=None)
    assert (failed.code, failed.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "DEADLINE_REQUIRED")
    assert probe.listed == 0


async def test_the_callers_deadline_is_the_ambient_one() -> None:
    seen: list[float] = []

    async def look(_: Any) -> Any:
        seen.append(deadline.remaining_s(100))
        return ListReviewsResponse()

    async with serve(served_by(Probe(lists=look), lists=Access(callers={"gateway"}, max_deadline_ms=3_000)), service="rights") as served:
        await served.stub(Stub).ListReviews(ListReviewsRequest(), timeout=2.0)
        await served.stub(Stub).ListReviews(ListReviewsRequest(), timeout=60.0)
        with deadline.scope(1.0):
            await served.stub(Stub).ListReviews(ListReviewsRequest(), timeout=60.0)
    # The wire carries milliseconds, and both ends read their clocks at their own moments.
    assert 1.05 < seen[0] <= 2.05
    assert 2.05 < seen[1] <= 3.0
    assert 0 < seen[2] <= 1.05


async def test_a_long_deadline_is_clamped_to_the_methods_own() -> None:
    ended = asyncio.Event()

    async def work_on(_: Any) -> Any:
        try:
            await asyncio.sleep(30)
        finally:
            ended.set()

    async with serve(served_by(Probe(lists=work_on), lists=Access(callers={"gateway"}, max_deadline_ms=50)), service="rights") as served:
        with pytest.raises(DeadlineExceeded) as failed:
            await served.stub(Stub).ListReviews(ListReviewsRequest(), timeout=20.0)
        assert failed.value.reason == "DEADLINE_EXCEEDED"
        assert failed.value.facts == {"max_deadline_ms": "50"}
        assert ended.is_set()
        assert served.server.limiter.in_flight == 0


async def test_work_ends_when_its_caller_has_gone() -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def work_on(_: Any) -> Any:
        begun.set()
        try:
            await asyncio.sleep(30)
        finally:
            ended.set()

    async with serve(served_by(Probe(lists=work_on)), service="rights") as served:
        call = asyncio.create_task(served.stub(Stub).ListReviews(ListReviewsRequest()))
        await begun.wait()
        call.cancel()
        await ended.wait()
        with pytest.raises(asyncio.CancelledError):
            await call
        await asyncio.sleep(0)
        assert served.server.limiter.in_flight == 0


def test_a_service_without_an_entry_for_a_method_refuses_to_start() -> None:
    whole = served_by(Probe())
    for access, words in (
        ({"ListReviews": Access(callers={"gateway"})}, "no access entry for DecideReview"),
        ({**whole.access, "BurnReviews": Access(callers={"gateway"})}, "has no method BurnReviews"),
    ):
        service = ServedService(add_to_server=whole.add_to_server, servicer=whole.servicer, descriptor=whole.descriptor, access=access)
        with pytest.raises(RefusedToStart, match=words):
            service.check()


async def test_a_server_refuses_to_start_with_an_incomplete_service() -> None:
    whole = served_by(Probe())
    partial = ServedService(
        add_to_server=whole.add_to_server,
        servicer=whole.servicer,
        descriptor=whole.descriptor,
        access={"ListReviews": Access(callers={"gateway"})},
    )
    with pytest.raises(RefusedToStart):
        async with serve(partial, service="rights"):
            pytest.fail("it started")
