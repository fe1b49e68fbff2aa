"""What consenting people do with a creator's videos becomes a strength that fades, whatever order the events come in."""

from __future__ import annotations

import random

import pytest
from clipmesh.social.v1 import comment_service_pb2 as comment_pb
from clipmesh.social.v1 import engagement_service_pb2 as pb
from clipmesh.social.v1 import events_pb2

from mesh.events.applying import Applying
from mesh.events.event import Event
from svc_feed.affinities.rules import HALF_LIFE_MS, LIFE_MS
from svc_feed.affinities.tables import ViewerComment, ViewerEngagement
from svc_feed.viewers import watcher_of
from tests.service.feed.world import ALICE, BOB, CREATOR, World, person

LIKE, SAVE, SHARE = pb.ENGAGEMENT_KIND_LIKE, pb.ENGAGEMENT_KIND_SAVE, pb.ENGAGEMENT_KIND_SHARE
INTERLEAVINGS = 200


def act(
    version: int,
    *,
    user_id: int = ALICE,
    kind: pb.EngagementKind.ValueType = LIKE,
    active: bool = True,
    at_ms: int = 1_760_000_000_000,
    consent: bool = True,
    creator_id: int = CREATOR,
) -> Event:
    """The event of an act on one video."""
    message = events_pb2.EngagementChanged(
        video_id=7, creator_id=creator_id, user_id=user_id, kind=kind, active=active, acted_at_ms=at_ms, personalisation=consent
    )
    return Event(
        event_id=version,
        topic="social",
        key=f"7:{user_id}:{kind}",
        message=message,
        occurred_at_ms=at_ms,
        producer="social",
        key_version=version,
    )


def comment(
    version: int,
    *,
    comment_id: int = 70,
    author_id: int = ALICE,
    owner_id: int = CREATOR,
    state: comment_pb.CommentState.ValueType = comment_pb.COMMENT_STATE_PUBLISHED,
    consent: bool = True,
) -> Event:
    """The event of a comment in a version of it."""
    facts = events_pb2.CommentFacts(
        comment_id=comment_id,
        video_id=7,
        video_owner_id=owner_id,
        author_id=author_id,
        state=state,
        posted_at_ms=1_760_000_000_000,
        personalisation=consent,
    )
    kinds = {1: events_pb2.CommentPosted, 4: events_pb2.CommentRemoved}
    message = kinds.get(version if version == 1 else int(state), events_pb2.CommentModerated)(comment=facts)
    return Event(
        event_id=comment_id * 10 + version,
        topic="social",
        key=str(comment_id),
        message=message,
        occurred_at_ms=1_760_000_000_000,
        producer="social",
        key_version=version,
    )


async def hear(world: World, *events: Event, name: str = "engagements") -> None:
    """Let a consumer apply events."""
    consumer = next(one for one in world.feed.consumers if one.name == name)
    applying = Applying(consumer=consumer, tables=world.tables, handler_timeout_ms=10_000, telemetry=None)
    for event in events:
        await applying.apply(event.envelope(row_version=event.key_version))


async def strengths(world: World, user_id: int = ALICE, *, consent: bool = True) -> dict[int, float]:
    return await world.feed.affinities.strengths(watcher_of(person(user_id, consent=consent)))


async def test_acts_add_up_by_creator_and_fade_with_a_half_life(world: World) -> None:
    await hear(world, act(1), act(2, kind=SAVE), act(3, kind=SHARE, user_id=BOB), act(4, creator_id=0), act(5, creator_id=ALICE))
    assert await strengths(world) == {CREATOR: pytest.approx(3.0)}
    assert await strengths(world, BOB) == {CREATOR: pytest.approx(3.0)}
    world.clock.advance(HALF_LIFE_MS)
    assert await strengths(world) == {CREATOR: pytest.approx(1.5)}
    await hear(world, act(6, active=False))
    assert await strengths(world) == {CREATOR: pytest.approx(1.0)}
    world.clock.advance(LIFE_MS - HALF_LIFE_MS)
    assert await strengths(world) == {}


async def test_without_consent_nothing_is_kept_and_nothing_is_told(world: World) -> None:
    await hear(world, act(1), act(2, user_id=BOB, consent=False))
    assert await strengths(world, consent=False) == {}
    assert await strengths(world, BOB) == {}
    await hear(world, act(3, active=False, consent=False))
    assert (await world.tables.walk(ViewerEngagement)).rows == ()
    await hear(world, act(1))
    assert await strengths(world) == {}, "an older act does not come back"


async def test_repeated_and_late_events_change_nothing(world: World) -> None:
    rng = random.Random(1)
    for number in range(INTERLEAVINGS):
        user_id = 10_000 + number
        events = [
            act(version, user_id=user_id, active=rng.random() < 0.6, consent=rng.random() < 0.8, at_ms=1_760_000_000_000 + version)
            for version in range(1, rng.randint(2, 6))
        ]
        heard = events + rng.choices(events, k=3)
        rng.shuffle(heard)
        await hear(world, *heard)
        last = events[-1].message
        assert isinstance(last, events_pb2.EngagementChanged)
        expected = {CREATOR} if last.active and last.personalisation else set()
        assert set(await strengths(world, user_id)) == expected


async def test_comments_count_while_they_are_published_and_are_forgotten_without_consent(world: World) -> None:
    hidden, removed = comment_pb.COMMENT_STATE_HIDDEN, comment_pb.COMMENT_STATE_REMOVED
    await hear(world, comment(1), comment(1, comment_id=80), comment(1, comment_id=90, owner_id=ALICE), name="comments")
    await hear(world, act(1))
    assert await strengths(world) == {CREATOR: pytest.approx(7.0)}
    await hear(world, comment(2, state=hidden), comment(1), name="comments")
    assert await strengths(world) == {CREATOR: pytest.approx(4.0)}
    # What removal leaves says nothing of consent: the row goes, and an older event does not bring it back.
    await hear(world, comment(3, comment_id=80, state=removed, consent=False), comment(1, comment_id=80), name="comments")
    assert await strengths(world) == {CREATOR: pytest.approx(1.0)}
    assert [row.comment_id for row in (await world.tables.walk(ViewerComment)).rows] == [70]
    await hear(world, comment(1, comment_id=100, author_id=BOB, consent=False), name="comments")
    assert await strengths(world, BOB) == {}


async def test_any_order_of_a_comments_events_ends_alike(world: World) -> None:
    states = (comment_pb.COMMENT_STATE_HELD, comment_pb.COMMENT_STATE_PUBLISHED, comment_pb.COMMENT_STATE_HIDDEN)
    for number in range(INTERLEAVINGS):
        author_id = 10**12 + number
        events = [comment(version, comment_id=10**6 + number, author_id=author_id, state=states[version % 3]) for version in range(1, 5)]
        dice = random.Random(number)
        order = [event for event in events for _ in range(dice.choice([1, 1, 2]))]
        dice.shuffle(order)
        await hear(world, *order, name="comments")
        # The newest of them published it.
        assert await strengths(world, author_id) == {CREATOR: pytest.approx(3.0)}
