"""Reviews: most severe and oldest first, decided once by moderators, and gone when a newer publication comes."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from clipmesh.common.v1 import viewer_pb2
from clipmesh.rights.v1 import events_pb2
from clipmesh.rights.v1 import publication_service_pb2 as pb
from clipmesh.rights.v1 import review_service_pb2 as review_pb

from mesh.client import RpcFailed
from mesh.errors import FailedPrecondition, InvalidArgument, NotFound, PermissionDenied, Unavailable
from svc_rights.publication.store import VerdictStore
from svc_rights.publication.tables import Verdict
from svc_rights.reviews.store import ReviewStore
from svc_rights.reviews.tables import QueueEntry, Review, ReviewState
from tests.service.rights.world import ALLOW, BLOCK, LIMIT, MODERATOR, REVIEW, REVIEW_WORDS, World

OPEN, DECIDED, SUPERSEDED = review_pb.REVIEW_STATE_OPEN, review_pb.REVIEW_STATE_DECIDED, review_pb.REVIEW_STATE_SUPERSEDED


async def test_a_review_shows_what_the_rules_said(world: World) -> None:
    verdict = await world.assess(1, caption=REVIEW_WORDS)
    (review,) = await world.queue()
    assert review == review_pb.Review(
        review_id=review.review_id,
        video_id=1,
        creator_id=70,
        state=OPEN,
        verdict=verdict,
        severity=60,
        created_at_ms=world.clock.now_ms(),
        caption=REVIEW_WORDS,
    )


async def test_the_queue_is_most_severe_then_oldest_and_is_paged_without_gap_or_repeat(world: World) -> None:
    severities = [("child_safety", 0.3), ("violence", 0.8), ("nudity", 0.8), ("drugs", 0.9)]
    for video_id in range(1, 25):
        name, score = severities[video_id * 5 % 4]
        await world.assess(video_id, findings=[pb.MediaFinding(name=name, score=score)])
        world.clock.advance(1_000)
    expected = sorted(await world.queue(), key=lambda review: (-review.severity, review.created_at_ms))
    assert len(expected) == 24
    seen: list[review_pb.Review] = []
    token = ""
    while True:
        page = await world.review().ListReviews(review_pb.ListReviewsRequest(page_size=5, page_token=token))
        seen += page.reviews
        token = page.next_page_token
        if not token:
            break
    assert seen == expected
    assert [review.severity for review in seen] == [100] * 6 + [70] * 6 + [60] * 6 + [40] * 6


async def test_a_page_token_serves_its_own_list_only(world: World) -> None:
    for video_id in (1, 2):
        await world.assess(video_id, caption=REVIEW_WORDS)
    page = await world.review().ListReviews(review_pb.ListReviewsRequest(page_size=1))
    with pytest.raises(InvalidArgument):
        await world.review().ListReviews(review_pb.ListReviewsRequest(state=DECIDED, page_token=page.next_page_token))
    with pytest.raises(InvalidArgument):
        await world.review().ListReviews(review_pb.ListReviewsRequest(page_token="x"))


@pytest.mark.parametrize("decision", [ALLOW, LIMIT, BLOCK])
async def test_a_decision_is_the_newest_verdict_with_who_and_why(world: World, decision: pb.VerdictKind.ValueType) -> None:
    first = await world.assess(1, caption=REVIEW_WORDS)
    (review,) = await world.queue()
    world.clock.advance(60_000)
    decided = await world.decide(review.review_id, decision, "seen twice")
    assert (decided.state, decided.decision, decided.decided_by, decided.decision_reason) == (DECIDED, decision, MODERATOR, "seen twice")
    assert decided.decided_at_ms == world.clock.now_ms()
    assert decided.verdict == first
    (verdict,) = await world.verdicts(1)
    assert (verdict.kind, verdict.policy, verdict.decided_by, verdict.version) == (decision, "review.decision", MODERATOR, 2)
    assert [(entry.policy, entry.detail, entry.kind) for entry in verdict.evidence][-1] == ("review.decision", "seen twice", decision)
    log = await VerdictStore(tables=world.tables).log(1)
    assert [(entry.step, int(entry.kind), entry.decided_by, entry.reason) for entry in log] == [
        (1, REVIEW, 0, ""),
        (2, decision, MODERATOR, "seen twice"),
    ]
    said = await world.events()
    assert [event.key_version for event in said] == [1, 2]
    assert events_pb2.VerdictChanged.FromString(said[1].payload).verdict == verdict
    assert await world.queue() == []
    assert await world.queue(DECIDED) == [decided]


async def test_the_same_decision_again_changes_nothing_and_another_is_refused(world: World) -> None:
    await world.assess(1, caption=REVIEW_WORDS)
    (review,) = await world.queue()
    first = await world.decide(review.review_id, LIMIT)
    rows, said = await world.rows(Verdict), await world.events()
    assert await world.decide(review.review_id, LIMIT, "another sentence") == first
    with pytest.raises(FailedPrecondition) as failed:
        await world.decide(review.review_id, BLOCK)
    assert failed.value.reason == "REVIEW_CLOSED"
    assert (await world.rows(Verdict), await world.events()) == (rows, said)


async def test_of_parallel_different_decisions_one_counts(world: World) -> None:
    await world.assess(1, caption=REVIEW_WORDS)
    (review,) = await world.queue()
    kinds = [ALLOW, BLOCK, LIMIT] * 4
    answers = await asyncio.gather(*(world.decide(review.review_id, kind) for kind in kinds), return_exceptions=True)
    (verdict,) = await world.verdicts(1)
    assert verdict.version == 2
    for kind, answer in zip(kinds, answers, strict=True):
        if kind == verdict.kind:
            assert isinstance(answer, review_pb.Review)
        else:
            assert isinstance(answer, RpcFailed)
            assert answer.reason == "REVIEW_CLOSED"
    assert len(await world.events()) == 2


@pytest.mark.parametrize("caption", ["sunset", REVIEW_WORDS])
async def test_a_newer_publication_supersedes_the_review(world: World, caption: str) -> None:
    await world.assess(1, caption=REVIEW_WORDS)
    (old,) = await world.queue()
    newest = await world.assess(1, caption=caption, publication_version=2)
    (ended,) = await world.queue(SUPERSEDED)
    assert ended.review_id == old.review_id
    opened = await world.queue()
    assert [review.verdict for review in opened] == ([] if caption == "sunset" else [newest])
    with pytest.raises(FailedPrecondition) as failed:
        await world.decide(old.review_id, ALLOW)
    assert failed.value.reason == "REVIEW_SUPERSEDED"
    assert await world.verdicts(1) == [newest]


async def test_a_decision_races_a_newer_publication_and_one_of_them_is_refused_or_followed(world: World) -> None:
    await world.assess(1, caption=REVIEW_WORDS)
    (review,) = await world.queue()
    decided, newest = await asyncio.gather(
        world.decide(review.review_id, BLOCK), world.assess(1, publication_version=2), return_exceptions=True
    )
    assert isinstance(newest, pb.Verdict)
    assert await world.verdicts(1) == [newest]
    assert newest.publication_version == 2
    if isinstance(decided, RpcFailed):
        assert (decided.reason, newest.kind) == ("REVIEW_SUPERSEDED", ALLOW)
        assert await world.queue() == []
    else:
        # The refusal came first: new words do not undo it.
        assert newest.kind == REVIEW
        assert [one.video_id for one in await world.queue()] == [1]


async def test_an_unknown_review_and_a_decision_that_is_none_are_refused(world: World) -> None:
    await world.assess(1, caption=REVIEW_WORDS)
    (review,) = await world.queue()
    with pytest.raises(NotFound) as failed:
        await world.decide(review.review_id + 1, ALLOW)
    assert failed.value.reason == "REVIEW_NOT_FOUND"
    for decision, reason in ((REVIEW, "x"), (pb.VERDICT_KIND_UNSPECIFIED, "x"), (ALLOW, ""), (ALLOW, "x" * 501)):
        with pytest.raises(InvalidArgument):
            await world.decide(review.review_id, decision, reason)
    assert await world.queue() == [review]


@pytest.mark.parametrize(
    "role",
    [
        viewer_pb2.ROLE_VIEWER,
        viewer_pb2.ROLE_CREATOR,
        viewer_pb2.ROLE_RIGHTS_HOLDER,
        viewer_pb2.ROLE_ANALYST,
        viewer_pb2.ROLE_OPERATOR,
    ],
)
async def test_only_moderators_and_admins_see_and_decide_reviews(world: World, role: viewer_pb2.Role.ValueType) -> None:
    first = await world.assess(1, caption=REVIEW_WORDS)
    (review,) = await world.queue()
    request = review_pb.DecideReviewRequest(review_id=review.review_id, decision=ALLOW, reason="mine")
    for call in (world.review(role).DecideReview(request), world.review(role).ListReviews(review_pb.ListReviewsRequest())):
        with pytest.raises(PermissionDenied) as failed:
            await call
        assert failed.value.reason == "FORBIDDEN"
    assert await world.verdicts(1) == [first]
    await world.review(viewer_pb2.ROLE_ADMIN).DecideReview(request)


async def test_a_verdict_whose_review_was_never_written_gets_it_on_the_next_question(world: World) -> None:
    await world.assess(1, caption=REVIEW_WORDS)
    (review,) = await world.rows(Review)
    (entry,) = await world.rows(QueueEntry)
    await world.tables.remove(review, expected_version=review.version)
    await world.tables.delete(replace(entry, version=0) if entry.version > 1 else entry)
    assert await world.queue() == []
    await world.assess(1, caption=REVIEW_WORDS)
    assert [row.review_id for row in await world.rows(Review)] == [review.review_id]


def cut(*_: object, **__: object) -> None:
    raise Unavailable("the process ends here")


@pytest.mark.parametrize("before", [None, REVIEW_WORDS])
async def test_a_verdict_that_nobody_asks_about_again_has_its_review(
    world: World, monkeypatch: pytest.MonkeyPatch, before: str | None
) -> None:
    if before is not None:
        await world.assess(1, caption=before)
    monkeypatch.setattr("svc_rights.publication.actions.hit", cut)
    with pytest.raises(Unavailable):
        await world.assess(1, caption=REVIEW_WORDS, publication_version=2)
    (verdict,) = await world.verdicts(1)
    assert (verdict.kind, verdict.publication_version) == (REVIEW, 2)
    assert [review.verdict for review in await world.queue()] == [verdict]
    monkeypatch.undo()
    assert await world.assess(1, caption=REVIEW_WORDS, publication_version=2) == verdict
    assert [review.verdict for review in await world.queue()] == [verdict]
    assert len(await world.queue(SUPERSEDED)) == (before is not None)


async def test_without_its_review_no_verdict_is_written(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ReviewStore, "open", cut)
    with pytest.raises(Unavailable):
        await world.assess(1, caption=REVIEW_WORDS)
    assert (await world.verdicts(1), await world.rows(Review), await world.events()) == ([], [], [])


async def test_a_review_whose_verdict_was_never_written_is_seen_and_decided_by_nobody(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(VerdictStore, "add", cut)
    with pytest.raises(Unavailable):
        await world.assess(1, caption=REVIEW_WORDS)
    (orphan,) = await world.rows(Review)
    assert await world.queue() == []
    with pytest.raises(NotFound) as failed:
        await world.decide(orphan.review_id, ALLOW)
    assert failed.value.reason == "REVIEW_NOT_FOUND"
    assert await world.rows(Review) == [orphan]
    monkeypatch.undo()
    verdict = await world.assess(1, caption=REVIEW_WORDS)
    (review,) = await world.queue()
    assert (review.verdict, review.review_id == orphan.review_id) == (verdict, False)
    ended = await world.tables.get(Review, orphan.review_id)
    assert (ended is not None and ended.state, await world.queue(SUPERSEDED)) == (ReviewState.SUPERSEDED, [])
    with pytest.raises(FailedPrecondition) as refused:
        await world.decide(orphan.review_id, ALLOW)
    assert refused.value.reason == "REVIEW_SUPERSEDED"
    assert await world.verdicts(1) == [verdict]


async def test_of_parallel_questions_one_opens_the_review(world: World) -> None:
    answers = await asyncio.gather(*(world.assess(1, caption=f"{REVIEW_WORDS} {n}") for n in range(6)), return_exceptions=True)
    assert all(isinstance(answer, pb.Verdict) for answer in answers)
    assert [review.verdict for review in await world.queue()] == await world.verdicts(1)


async def test_other_words_do_not_undo_what_a_moderator_blocked(world: World) -> None:
    await world.assess(1, caption=REVIEW_WORDS)
    (review,) = await world.queue()
    await world.decide(review.review_id, BLOCK)
    for version in (2, 3):
        verdict = await world.assess(1, caption=f"harmless {version}", publication_version=version)
        assert (verdict.kind, verdict.policy) == (REVIEW, "review.blocked_before")
    (review,) = await world.queue()
    await world.decide(review.review_id, ALLOW)
    assert (await world.assess(1, caption="harmless again", publication_version=4)).kind == ALLOW


async def test_a_decision_that_was_cut_off_after_its_verdict_is_finished_by_its_repeat(world: World) -> None:
    await world.assess(1, caption=REVIEW_WORDS)
    (before,) = await world.rows(Review)
    await world.decide(before.review_id, LIMIT)
    (after,) = await world.rows(Review)
    await world.tables.transition(
        replace(after, state=ReviewState.OPEN, decided_by=0, decision=0, decision_reason="", decided_at_ms=0),
        expected_version=after.version,
    )
    with pytest.raises(FailedPrecondition) as failed:
        await world.decide(before.review_id, BLOCK)
    assert failed.value.reason == "REVIEW_CLOSED"
    assert (await world.decide(before.review_id, LIMIT)).state == DECIDED
    (verdict,) = await world.verdicts(1)
    assert (verdict.kind, verdict.version) == (LIMIT, 2)


async def test_what_is_over_leaves_the_lists_after_ninety_days_and_stays_in_the_log(world: World) -> None:
    await world.assess(1, caption=REVIEW_WORDS)
    (review,) = await world.queue()
    await world.decide(review.review_id, LIMIT)
    world.clock.advance(90 * 24 * 3_600_000 - 1)
    assert len(await world.queue(DECIDED)) == 1
    world.clock.advance(1)
    assert await world.queue(DECIDED) == []
    assert len(await VerdictStore(tables=world.tables).log(1)) == 2
