"""A servicer whose methods a test decides, served with the real chain, and a bare client that breaks its rules."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import grpc
from clipmesh.common.v1 import viewer_pb2
from clipmesh.rights.v1 import review_service_pb2, review_service_pb2_grpc
from google.rpc import status_pb2

from mesh.auth import VIEWER_METADATA_KEY, ServiceTokens, ViewerSigner
from mesh.clock import Clock
from mesh.secrets import Secrets
from mesh.server import Access, ServedService
from mesh.service_tokens import METADATA_KEY
from mesh.status import DETAILS_KEY, RpcFailed, from_status
from mesh.testing.rpc import Served, secrets_for

ListReviewsRequest = review_service_pb2.ListReviewsRequest
ListReviewsResponse = review_service_pb2.ListReviewsResponse
DecideReviewRequest = review_service_pb2.DecideReviewRequest
DecideReviewResponse = review_service_pb2.DecideReviewResponse
Stub = review_service_pb2_grpc.ReviewServiceStub
SERVICE = "clipmesh.rights.v1.ReviewService"
LIST, DECIDE = f"/{SERVICE}/ListReviews", f"/{SERVICE}/DecideReview"

A_DECISION = DecideReviewRequest(review_id=3, decision=1, reason="fine")


class Probe(review_service_pb2_grpc.ReviewServiceServicer):
    """Counts what it was asked and answers what a test put in."""

    def __init__(
        self,
        *,
        lists: Callable[[Any], Awaitable[Any]] | None = None,
        decides: Callable[[Any], Awaitable[Any]] | None = None,
    ) -> None:
        self.lists = lists
        self.decides = decides
        self.listed = 0
        self.decided = 0

    async def ListReviews(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.listed += 1
        return await self.lists(request) if self.lists else ListReviewsResponse()

    async def DecideReview(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.decided += 1
        return await self.decides(request) if self.decides else DecideReviewResponse()


def served_by(probe: Probe, *, lists: Access | None = None, decides: Access | None = None) -> ServedService:
    """The review service answered by `probe`, open to the gateway unless said otherwise."""
    return ServedService(
        add_to_server=review_service_pb2_grpc.add_ReviewServiceServicer_to_server,
        servicer=probe,
        descriptor=review_service_pb2.DESCRIPTOR.services_by_name["ReviewService"],
        access={
            "ListReviews": lists or Access(callers={"gateway"}, idempotent=True),
            "DecideReview": decides or Access(callers={"gateway"}),
        },
    )


def token(clock: Clock, *, caller: str = "gateway", audience: str = "rights", secrets: Secrets | None = None) -> tuple[str, str]:
    """Metadata with a service token."""
    return (METADATA_KEY, ServiceTokens(secrets=secrets or secrets_for(caller), clock=clock).mint(audience))


def signed_viewer(
    clock: Clock, context: viewer_pb2.ViewerContext, *, signer: str = "gateway", ttl_ms: int = 60_000
) -> viewer_pb2.SignedViewerContext:
    """A viewer context signed by any service."""
    return ViewerSigner(secrets=secrets_for(signer), clock=clock).sign(context, ttl_ms=ttl_ms)


def viewer_metadata(signed: viewer_pb2.SignedViewerContext) -> tuple[str, bytes]:
    """The signed context as metadata."""
    return (VIEWER_METADATA_KEY, signed.SerializeToString())


async def ask(served: Served, path: str = LIST, data: bytes = b"", *, metadata: Any = (), timeout: float | None = 5.0) -> bytes | RpcFailed:
    """One call as bare gRPC would make it: the response's bytes, or the failure as clients of ours read it."""
    async with grpc.aio.insecure_channel(served.address) as channel:
        try:
            return await channel.unary_unary(path)(data, metadata=metadata, timeout=timeout)
        except grpc.aio.AioRpcError as error:
            details = dict(error.trailing_metadata() or ()).get(DETAILS_KEY, b"")
            failed = from_status(status_pb2.Status.FromString(details), service="rights", method=path)
            if failed.code is not error.code():
                raise RuntimeError(f"status {error.code()} with details of {failed.code}") from error
            return failed


async def refused(served: Served, path: str = LIST, data: bytes = b"", **how: Any) -> RpcFailed:
    """As `ask`, for a call that has to be refused."""
    answer = await ask(served, path, data, **how)
    assert isinstance(answer, RpcFailed), answer
    return answer
