"""Reviews from rows to protos."""

from __future__ import annotations

from clipmesh.rights.v1 import publication_service_pb2, review_service_pb2

from svc_rights.publication.actions import Verdict, verdict_to_proto
from svc_rights.reviews.tables import Review, ReviewState


def state_from_proto(state: review_service_pb2.ReviewState.ValueType) -> ReviewState:
    """The state that is asked for; unspecified means open."""
    return ReviewState(state) if state else ReviewState.OPEN


def review_to_proto(review: Review, verdict: Verdict | None) -> review_service_pb2.Review:
    """A review with what the rules said."""
    return review_service_pb2.Review(
        review_id=review.review_id,
        video_id=review.video_id,
        creator_id=review.creator_id,
        state=review_service_pb2.ReviewState.ValueType(int(review.state)),
        verdict=verdict_to_proto(verdict) if verdict is not None else None,
        severity=review.severity,
        created_at_ms=review.created_at_ms,
        decided_by=review.decided_by,
        decision=publication_service_pb2.VerdictKind.ValueType(review.decision),
        decision_reason=review.decision_reason,
        caption=review.caption,
        decided_at_ms=review.decided_at_ms,
    )
