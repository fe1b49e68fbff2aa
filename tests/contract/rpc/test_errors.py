"""How errors travel: each with its class, reason, facts and wait, bugs with an id alone."""

from __future__ import annotations

import logging
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from mesh import errors
from mesh.events.stream.port import PartitionLost, StreamUnavailable
from mesh.server import Access
from mesh.status import DETAILS_KEY, RpcFailed
from mesh.stores.blobs.port import BlobNotFound, BlobsUnavailable
from mesh.stores.tables.port import InvalidUse, OutcomeUnknown, RowExists, TablesUnavailable, VersionConflict
from mesh.testing.rpc import process_for, serve
from tests.contract.rpc.probe import A_DECISION, ListReviewsRequest, ListReviewsResponse, Probe, Stub, served_by


class ReviewClosed(errors.FailedPrecondition):
    """The review has been decided."""

    reason = "REVIEW_CLOSED"


def failing(error: BaseException) -> Any:
    async def fail(_: Any) -> Any:
        raise error

    return fail


async def failure_of(error: BaseException) -> RpcFailed:
    async with serve(served_by(Probe(decides=failing(error))), service="rights") as served:
        with pytest.raises(RpcFailed) as failed:
            await served.stub(Stub).DecideReview(A_DECISION)
    return failed.value


async def test_an_error_arrives_as_it_was_raised() -> None:
    failed = await failure_of(ReviewClosed("decided yesterday", review_id=3, decision="ALLOW", final=True, retry_after_ms=1_250))
    assert isinstance(failed, errors.FailedPrecondition)
    assert (failed.code, failed.reason, failed.message) == (grpc.StatusCode.FAILED_PRECONDITION, "REVIEW_CLOSED", "decided yesterday")
    assert failed.facts == {"review_id": "3", "decision": "ALLOW", "final": "true"}
    assert failed.retry_after_ms == 1_250
    assert (failed.service, failed.method, failed.domain) == ("rights", "/clipmesh.rights.v1.ReviewService/DecideReview", "clipmesh.rights")


@pytest.mark.parametrize(
    "kind",
    [
        errors.InvalidArgument,
        errors.NotFound,
        errors.AlreadyExists,
        errors.FailedPrecondition,
        errors.Aborted,
        errors.PermissionDenied,
        errors.Unauthenticated,
        errors.ResourceExhausted,
        errors.Unavailable,
        errors.DeadlineExceeded,
    ],
)
async def test_every_class_comes_back_as_itself(kind: type[errors.MeshError]) -> None:
    failed = await failure_of(kind("why"))
    assert isinstance(failed, kind)
    assert (failed.code, failed.reason, failed.message) == (kind.code, kind.reason, "why")


async def test_violations_of_an_action_travel_too() -> None:
    failed = await failure_of(errors.InvalidArgument(violations=(("caption", "links are not allowed"),)))
    assert failed.violations == (("caption", "links are not allowed"),)


@pytest.mark.parametrize(
    ("error", "code", "reason"),
    [
        (RowExists(None), grpc.StatusCode.ABORTED, "CONFLICT"),
        (VersionConflict(None), grpc.StatusCode.ABORTED, "CONFLICT"),
        (PartitionLost("p"), grpc.StatusCode.ABORTED, "CONFLICT"),
        (OutcomeUnknown("t"), grpc.StatusCode.UNAVAILABLE, "DEPENDENCY_UNAVAILABLE"),
        (TablesUnavailable("disk /secret"), grpc.StatusCode.UNAVAILABLE, "DEPENDENCY_UNAVAILABLE"),
        (BlobsUnavailable("disk /secret"), grpc.StatusCode.UNAVAILABLE, "DEPENDENCY_UNAVAILABLE"),
        (StreamUnavailable("host"), grpc.StatusCode.UNAVAILABLE, "DEPENDENCY_UNAVAILABLE"),
        (TimeoutError(), grpc.StatusCode.UNAVAILABLE, "DEPENDENCY_UNAVAILABLE"),
        (InvalidUse("a bug"), grpc.StatusCode.INTERNAL, "INTERNAL"),
        (BlobNotFound("a bug"), grpc.StatusCode.INTERNAL, "INTERNAL"),
        (ZeroDivisionError("a bug"), grpc.StatusCode.INTERNAL, "INTERNAL"),
        (NotImplementedError("a bug"), grpc.StatusCode.INTERNAL, "INTERNAL"),
    ],
)
async def test_what_escapes_from_stores_and_code(error: Exception, code: grpc.StatusCode, reason: str) -> None:
    failed = await failure_of(error)
    assert (failed.code, failed.reason) == (code, reason)
    assert "secret" not in failed.message


@pytest.mark.parametrize("error", [TablesUnavailable("t"), BlobsUnavailable("b"), StreamUnavailable("s"), errors.Unavailable("a service")])
async def test_what_is_away_says_when_to_ask_again(error: Exception) -> None:
    failed = await failure_of(error)
    assert (failed.code, failed.retry_after_ms) == (grpc.StatusCode.UNAVAILABLE, errors.AWAY_RETRY_MS)
    cause = failed.__cause__
    assert isinstance(cause, grpc.aio.AioRpcError)
    (details,) = [value for key, value in cause.trailing_metadata() or () if key == DETAILS_KEY]
    retry = error_details_pb2.RetryInfo()
    assert [detail.Unpack(retry) for detail in status_pb2.Status.FromString(details).details] == [False, True]
    assert retry.retry_delay.ToMilliseconds() == 1_000


async def test_who_knows_better_says_so_and_a_refusal_says_nothing_of_it() -> None:
    assert (await failure_of(errors.Unavailable(retry_after_ms=250))).retry_after_ms == 250
    assert (await failure_of(errors.NotFound())).retry_after_ms == 0


async def test_a_bug_tells_its_id_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="clipmesh.rpc"):
        failed = await failure_of(KeyError("alice@example.org"))
    assert failed.message == "Something went wrong on our side."
    assert failed.facts.keys() == {"error_id"}
    logged = [record for record in caplog.records if getattr(record, "error_id", "") == failed.facts["error_id"]]
    assert [record.error_type for record in logged] == ["KeyError"]


async def test_an_answer_of_the_wrong_type_is_a_bug() -> None:
    async def nothing(_: Any) -> Any:
        return None

    async def other(_: Any) -> Any:
        return ListReviewsRequest()

    for answer in (nothing, other):
        async with serve(served_by(Probe(lists=answer)), service="rights") as served:
            with pytest.raises(RpcFailed) as failed:
                await served.stub(Stub).ListReviews(ListReviewsRequest())
            assert failed.value.reason == "INTERNAL"


async def test_a_peers_refusal_passes_through_with_its_origin() -> None:
    closed = served_by(Probe(decides=failing(ReviewClosed(review_id=3))), decides=Access(callers={"video"}))
    async with serve(closed, service="rights") as rights:
        process = process_for("video", addresses={"rights": rights.address})
        stub = process.channels.stub(Stub, "rights")

        async def forward(_: Any) -> Any:
            await stub.DecideReview(A_DECISION)

        async with serve(served_by(Probe(lists=forward)), service="video", process=process) as video:
            with pytest.raises(errors.FailedPrecondition) as failed:
                await video.stub(Stub).ListReviews(ListReviewsRequest())
    assert (failed.value.reason, failed.value.domain, failed.value.facts) == ("REVIEW_CLOSED", "clipmesh.rights", {"review_id": "3"})


async def test_a_peer_that_does_not_know_us_is_a_fault_of_ours() -> None:
    async def unknown(_: Any) -> Any:
        raise RpcFailed(code=grpc.StatusCode.UNAUTHENTICATED, reason="UNAUTHENTICATED", domain="clipmesh.rights")

    async with serve(served_by(Probe(lists=unknown)), service="video") as served:
        with pytest.raises(RpcFailed) as failed:
            await served.stub(Stub).ListReviews(ListReviewsRequest())
    assert (failed.value.code, failed.value.reason) == (grpc.StatusCode.INTERNAL, "INTERNAL")


async def test_an_unknown_method_is_named_by_grpc_itself() -> None:
    async with serve(served_by(Probe()), service="rights") as served, grpc.aio.insecure_channel(served.address) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await channel.unary_unary("/clipmesh.rights.v1.ReviewService/BurnReviews")(b"", timeout=5)
    assert failed.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_answers_without_error_stay_untouched() -> None:
    async def page(_: Any) -> Any:
        return ListReviewsResponse(next_page_token="next")

    async with serve(served_by(Probe(lists=page)), service="rights") as served:
        assert (await served.stub(Stub).ListReviews(ListReviewsRequest())).next_page_token == "next"
