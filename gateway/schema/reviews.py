"""The review desk: what moderators decide."""

from __future__ import annotations

from typing import Self

import strawberry
from clipmesh.rights.v1 import publication_service_pb2, review_service_pb2

from gateway.context import GatewayInfo
from gateway.execution.costs import Cost, ListSize
from gateway.schema.enums import ReviewState, VerdictKind
from gateway.schema.outcomes import UserError, ask, attempt, user_errors_field
from gateway.schema.pages import PageInfo, Place, page_info, page_size
from gateway.schema.scalars import DateTime, id_of, moment, number_of
from gateway.schema.users import User, load_user
from gateway.schema.videos import Video, load_video


@strawberry.type(description="One reason behind a verdict.")
class Evidence:
    policy: str
    detail: str
    kind: VerdictKind


@strawberry.type(description="What the gate said and why.")
class Verdict:
    kind: VerdictKind
    policy: str
    evidence: list[Evidence] = strawberry.field(directives=[ListSize(assumed_size=20)])
    decided_at: DateTime

    @classmethod
    def of(cls, verdict: publication_service_pb2.Verdict) -> Self:
        """The type of a message."""
        return cls(
            kind=VerdictKind(verdict.kind),
            policy=verdict.policy,
            evidence=[Evidence(policy=one.policy, detail=one.detail, kind=VerdictKind(one.kind)) for one in verdict.evidence],
            decided_at=DateTime(verdict.decided_at_ms),
        )


@strawberry.type(description="One case of the review queue.")
class Review:
    id: strawberry.ID
    video_id: strawberry.Private[int]
    creator_id: strawberry.Private[int]
    state: ReviewState
    severity: int = strawberry.field(description="Larger is more urgent, 0 to 100.")
    verdict: Verdict
    caption: str
    created_at: DateTime
    decision: VerdictKind | None
    decision_reason: str | None
    decided_at: DateTime | None

    @strawberry.field(description="The video, when this moderator may see it.")
    async def video(self, info: GatewayInfo) -> Video | None:
        return await load_video(info, self.video_id)

    @strawberry.field(description="Whose it is.")
    async def creator(self, info: GatewayInfo) -> User | None:
        return await load_user(info, self.creator_id)

    @classmethod
    def of(cls, review: review_service_pb2.Review) -> Self:
        """The type of a message."""
        return cls(
            id=id_of(review.review_id),
            video_id=review.video_id,
            creator_id=review.creator_id,
            state=ReviewState(review.state),
            severity=review.severity,
            verdict=Verdict.of(review.verdict),
            caption=review.caption,
            created_at=DateTime(review.created_at_ms),
            decision=VerdictKind(review.decision) if review.decision else None,
            decision_reason=review.decision_reason or None,
            decided_at=moment(review.decided_at_ms),
        )


@strawberry.type(description="One case of a list.")
class ReviewEdge:
    cursor: str
    node: Review


@strawberry.type(description="A page of the review queue.")
class ReviewConnection:
    edges: list[ReviewEdge]
    page_info: PageInfo


@strawberry.type
class ReviewQuery:
    @strawberry.field(
        description="The review queue, most severe and oldest first; for moderators.",
        directives=[Cost(weight="10"), ListSize(assumed_size=20, slicing_arguments=["first"], sized_fields=["edges"])],
    )
    async def review_queue(
        self, info: GatewayInfo, state: ReviewState = ReviewState.OPEN, first: int = 20, after: str | None = None
    ) -> ReviewConnection | None:
        size, place = page_size(first), Place.decode(after)
        request = review_service_pb2.ListReviewsRequest(
            state=review_service_pb2.ReviewState.ValueType(state.value), page_size=size + place.skip, page_token=place.token
        )
        answer = await ask(info.context.clients.reviews.ListReviews(request))
        reviews = answer.reviews[place.skip :]
        cursors = place.cursors(len(reviews), answer.next_page_token)
        return ReviewConnection(
            edges=[ReviewEdge(cursor=cursor, node=Review.of(one)) for cursor, one in zip(cursors, reviews, strict=True)],
            page_info=page_info(cursors, has_next=bool(answer.next_page_token), after=after),
        )


@strawberry.input(description="A moderator's decision: ALLOW, LIMIT or BLOCK, with a reason.")
class DecideReviewInput:
    review_id: strawberry.ID
    decision: VerdictKind
    reason: str


@strawberry.type(description="The ended case, or why it did not end.")
class ReviewPayload:
    review: Review | None
    user_errors: list[UserError] = user_errors_field()


@strawberry.type
class ReviewMutation:
    @strawberry.mutation(description="Decide a review; for moderators.")
    async def decide_review(self, info: GatewayInfo, input: DecideReviewInput) -> ReviewPayload | None:
        request = review_service_pb2.DecideReviewRequest(
            review_id=number_of(input.review_id),
            decision=publication_service_pb2.VerdictKind.ValueType(input.decision.value),
            reason=input.reason,
        )
        answer, errors = await attempt(info.context.clients.reviews.DecideReview(request))
        return ReviewPayload(review=Review.of(answer.review) if answer is not None else None, user_errors=errors)
