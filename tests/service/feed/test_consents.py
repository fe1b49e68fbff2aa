"""What was done before a person withdrew the consent to personalisation is neither used nor kept, whatever is heard late or again."""

from __future__ import annotations

import random

import pytest
from clipmesh.common.v1 import viewer_pb2
from clipmesh.feed.v1 import signal_service_pb2 as signals
from clipmesh.social.v1 import events_pb2

from mesh.events.event import Event
from svc_feed.affinities.tables import ViewerComment, ViewerEngagement
from svc_feed.consents.tables import Withdrawal
from svc_feed.signals.tables import WatchedVideo
from svc_feed.viewers import watcher_of
from tests.service.feed.test_affinities import LIKE, SAVE, act, comment, hear, strengths
from tests.service.feed.world import ALICE, BOB, CREATOR, World, person, video

PERSONAL, ADS = viewer_pb2.CONSENT_PURPOSE_PERSONALISATION, viewer_pb2.CONSENT_PURPOSE_ADS
AT_MS = 1_760_000_000_000


def consents(version: int, *purposes: viewer_pb2.ConsentPurpose.ValueType, at_ms: int, user_id: int = ALICE) -> Event:
    """The event of somebody's consents as they are from a moment on."""
    return Event(
        event_id=10_000 + version,
        topic="social",
        key=str(user_id),
        message=events_pb2.ConsentsChanged(user_id=user_id, consents=purposes),
        occurred_at_ms=at_ms,
        producer="social",
        key_version=version,
    )


@pytest.fixture(autouse=True)
async def one_video(world: World) -> None:
    await world.publish(video(7))


async def watch(world: World, who: int) -> None:
    """A person watches the video."""
    token = (await world.mint(person(who), 7))[7]
    world.clock.advance(4_000)
    assert await world.report(person(who), world.report_of(token, watched_ms=4_000)) == [signals.WATCH_OUTCOME_ACCEPTED]


async def kept(world: World) -> tuple[list[int], list[int], list[int]]:
    """Who is remembered for acts, comments and watching."""
    return (
        sorted(row.viewer_id for row in await world.rows(ViewerEngagement)),
        sorted(row.viewer_id for row in await world.rows(ViewerComment)),
        sorted(row.viewer_id for row in await world.rows(WatchedVideo)),
    )


async def test_a_withdrawal_drops_what_was_kept_of_its_person_alone(world: World) -> None:
    for who in (ALICE, BOB):
        await watch(world, who)
        await hear(world, act(1 if who == ALICE else 2, user_id=who), act(3 if who == ALICE else 4, user_id=who, kind=SAVE))
    await hear(world, comment(1), name="comments")
    assert await kept(world) == ([ALICE, ALICE, BOB, BOB], [ALICE], [ALICE, BOB])
    await hear(world, consents(2, PERSONAL, ADS, at_ms=world.clock.now_ms()), name="consents")
    assert await kept(world) == ([ALICE, ALICE, BOB, BOB], [ALICE], [ALICE, BOB])
    await hear(world, consents(3, ADS, at_ms=world.clock.now_ms()), name="consents")
    assert await kept(world) == ([BOB, BOB], [], [BOB])
    assert await strengths(world) == {}
    assert await strengths(world, BOB) != {}


async def test_what_comes_late_is_not_kept_and_what_was_done_since_is(world: World) -> None:
    await hear(world, consents(2, at_ms=AT_MS), name="consents")
    await hear(world, act(5, at_ms=AT_MS))
    await hear(world, comment(1), name="comments")
    assert await kept(world) == ([], [], [])
    await hear(world, consents(3, PERSONAL, at_ms=AT_MS + 500), name="consents")
    await hear(world, act(6, kind=SAVE, at_ms=AT_MS + 1_000))
    # The withdrawal is heard of again, after the person consented anew.
    await hear(world, consents(2, at_ms=AT_MS), name="consents")
    assert await kept(world) == ([ALICE], [], [])
    assert set(await strengths(world)) == {CREATOR}


async def test_what_is_still_there_is_not_used_after_a_withdrawal(world: World) -> None:
    await watch(world, ALICE)
    await hear(world, act(1))
    # As if the process had ended between the two steps.
    await world.tables.put(Withdrawal(viewer_id=ALICE, withdrawn_at_ms=world.clock.now_ms() + AT_MS, version=1))
    assert await kept(world) == ([ALICE], [], [ALICE])
    assert await strengths(world) == {}
    assert await world.feed._signals.history(watcher_of(person(ALICE))) == []


async def test_forty_orders_of_delivery_end_alike(world: World) -> None:
    base = AT_MS
    for number in range(40):
        viewer_id = ALICE + 1_000 + number
        events = [
            (act(1, user_id=viewer_id, at_ms=base + 1), "engagements"),
            (consents(2, at_ms=base + 2, user_id=viewer_id), "consents"),
            (consents(3, PERSONAL, at_ms=base + 3, user_id=viewer_id), "consents"),
            (act(4, user_id=viewer_id, kind=SAVE, at_ms=base + 4), "engagements"),
            (act(5, user_id=viewer_id, at_ms=base + 2, kind=LIKE), "engagements"),
        ]
        dice = random.Random(number)
        order = [one for one in events for _ in range(dice.choice([1, 1, 2]))]
        dice.shuffle(order)
        for event, name in order:
            await hear(world, event, name=name)
        rows = (await world.tables.scan(ViewerEngagement, viewer_id)).rows
        assert [(row.kind, row.acted_at_ms) for row in rows] == [(SAVE, base + 4)]
