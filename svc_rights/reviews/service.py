"""ReviewService over gRPC: parse, call an action, answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import grpc
from clipmesh.common.v1 import viewer_pb2
from clipmesh.rights.v1 import review_service_pb2 as pb
from clipmesh.rights.v1 import review_service_pb2_grpc as rpc

from mesh.auth import require_role
from mesh.pages import PageTokens, clamp
from mesh.server import Access, Priority, ServedService, roles
from svc_rights.publication.actions import VerdictKind
from svc_rights.reviews.actions import Reviews
from svc_rights.reviews.convert import review_to_proto, state_from_proto

Context = grpc.aio.ServicerContext[Any, Any]

_GATEWAY = frozenset({"gateway"})
_MODERATORS = roles(viewer_pb2.ROLE_MODERATOR)

ACCESS = {
    "ListReviews": Access(callers=_GATEWAY, viewer=_MODERATORS, idempotent=True),
    "DecideReview": Access(callers=_GATEWAY, viewer=_MODERATORS, idempotent=True, priority=Priority.WRITE),
}
_LIST = "reviews"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewServicer(rpc.ReviewServiceServicer):
    """Answers ReviewService."""

    reviews: Reviews
    tokens: PageTokens

    async def ListReviews(self, request: pb.ListReviewsRequest, context: Context) -> pb.ListReviewsResponse:  # noqa: N802
        """A page of the queue."""
        state = state_from_proto(request.state)
        cursor = self.tokens.decode(_LIST, state.name, request.page_token)
        after = None
        if cursor:
            severity, created_at_ms, review_id = (int(part) for part in cursor.split(":"))
            after = (severity, created_at_ms, review_id)
        cases, following = await self.reviews.page(state, after=after, limit=clamp(request.page_size))
        next_cursor = ":".join(str(part) for part in following) if following is not None else ""
        return pb.ListReviewsResponse(
            reviews=[review_to_proto(review, verdict) for review, verdict in cases],
            next_page_token=self.tokens.encode(_LIST, state.name, next_cursor),
        )

    async def DecideReview(self, request: pb.DecideReviewRequest, context: Context) -> pb.DecideReviewResponse:  # noqa: N802
        """End a review."""
        moderator = require_role(viewer_pb2.ROLE_MODERATOR)
        review, verdict = await self.reviews.decide(
            review_id=request.review_id,
            decision=VerdictKind(request.decision),
            reason=request.reason,
            moderator_id=moderator.user_id,
        )
        return pb.DecideReviewResponse(review=review_to_proto(review, verdict))


def review_service(servicer: ReviewServicer) -> ServedService:
    """ReviewService as a server takes it."""
    return ServedService(
        add_to_server=rpc.add_ReviewServiceServicer_to_server,
        servicer=servicer,
        descriptor=pb.DESCRIPTOR.services_by_name["ReviewService"],
        access=ACCESS,
    )
