"""Reviews: queued by the gate, listed for moderators, decided once."""

from __future__ import annotations

from dataclasses import dataclass, replace

from mesh.clock import Clock
from svc_rights.publication.actions import Publications, Verdict, VerdictKind
from svc_rights.reviews.errors import ReviewClosed, ReviewNotFound, ReviewSuperseded
from svc_rights.reviews.store import Place, ReviewStore
from svc_rights.reviews.tables import Review, ReviewState

Case = tuple[Review, Verdict | None]
"""A review and the verdict that opened it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewQueue:
    """Follows the verdicts (`publication.actions.ReviewDesk`)."""

    store: ReviewStore
    clock: Clock

    async def open(self, verdict: Verdict, *, caption: str) -> None:
        """Queue the review of a verdict; safe to repeat."""
        await self.store.open(
            Review(
                review_id=verdict.review_id,
                video_id=verdict.video_id,
                creator_id=verdict.creator_id,
                verdict_number=verdict.number,
                severity=verdict.severity,
                caption=caption,
                created_at_ms=verdict.decided_at_ms,
            )
        )

    async def supersede(self, review_id: int) -> None:
        """Take an open review off the queue; safe to repeat."""
        review = await self.store.get(review_id)
        if review is not None and review.state is not ReviewState.DECIDED:
            await self.store.end(replace(review, state=ReviewState.SUPERSEDED, decided_at_ms=review.decided_at_ms or self.clock.now_ms()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviews:
    """What moderators do."""

    store: ReviewStore
    queue: ReviewQueue
    publications: Publications

    async def page(self, state: ReviewState, *, after: Place | None, limit: int) -> tuple[list[Case], Place | None]:
        """Cases most severe first, then oldest, without those whose verdict was never written, and the place after which the next page begins."""
        entries = await self.store.queue(state, after=after, limit=limit + 1)
        shown = entries[:limit]
        reviews = await self.store.get_many([entry.review_id for entry in shown])
        listed = [reviews[entry.review_id] for entry in shown if entry.review_id in reviews]
        last = shown[-1] if len(entries) > limit else None
        following = None if last is None else (last.severity, last.created_at_ms, last.review_id)
        standing = [review for review in listed if review.state is state]
        if state is ReviewState.OPEN:
            standing = await self._standing(standing)
        return [case for case in await self._with_verdicts(standing) if case[1] is not None], following

    async def decide(self, *, review_id: int, decision: VerdictKind, reason: str, moderator_id: int) -> Case:
        """The case after the decision; the same decision again changes nothing. Raises ReviewNotFound, ReviewClosed and ReviewSuperseded."""
        review = await self.store.get(review_id)
        if review is None:
            raise ReviewNotFound()
        verdict = await self.publications.decide(
            video_id=review.video_id, review_id=review_id, decision=decision, reason=reason, moderator_id=moderator_id
        )
        if verdict is None or verdict.number < review.verdict_number:
            raise ReviewNotFound()
        if review.state is ReviewState.OPEN:
            if verdict.review_id != review_id:
                await self.queue.supersede(review_id)
            else:
                review = await self.store.end(_decided(review, verdict))
        if review.state is ReviewState.DECIDED and review.decision != decision:
            raise ReviewClosed(decision=VerdictKind(review.decision).name)
        if review.state is not ReviewState.DECIDED:
            raise ReviewSuperseded()
        return (await self._with_verdicts([review]))[0]

    async def _standing(self, reviews: list[Review]) -> list[Review]:
        """The open reviews whose verdict stands. One whose verdict is not written yet waits unseen; one that another verdict has passed, left
        behind by a process that ended in between, is put away."""
        heads = {head.video_id: head for head in await self.publications.newest([review.video_id for review in reviews])}
        standing = []
        for review in reviews:
            head = heads.get(review.video_id)
            if head is None or head.number < review.verdict_number:
                continue
            if head.review_id == review.review_id:
                standing.append(review)
            else:
                await self.queue.supersede(review.review_id)
        return standing

    async def _with_verdicts(self, reviews: list[Review]) -> list[Case]:
        keys = [(review.video_id, review.verdict_number) for review in reviews]
        verdicts = await self.publications.numbered(keys)
        found = [verdicts.get(key) for key in keys]
        return [
            (review, verdict if verdict is not None and verdict.review_id == review.review_id else None)
            for review, verdict in zip(reviews, found, strict=True)
        ]


def _decided(review: Review, verdict: Verdict) -> Review:
    return replace(
        review,
        state=ReviewState.DECIDED,
        decided_by=verdict.decided_by,
        decision=int(verdict.kind),
        decision_reason=verdict.reason,
        decided_at_ms=verdict.decided_at_ms,
    )
