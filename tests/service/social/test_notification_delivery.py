"""What goes out beyond the inbox: once, when it is wanted, not in quiet hours, and again after it failed."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from clipmesh.social.v1 import events_pb2
from clipmesh.social.v1 import notification_service_pb2 as pb

from svc_social.notifications.actions.delivering import FIRST_PAUSE_MS, LEASE_MS, MOST_ATTEMPTS
from svc_social.notifications.tables import Delivery, DeliveryState, DueDelivery
from tests.service.social.notifying import DAY_MS, HOUR_MS, NOON_MS, World, open_notifying

SENT, NEEDLESS, DEAD, WAITING = DeliveryState.SENT, DeliveryState.NEEDLESS, DeliveryState.DEAD, DeliveryState.WAITING


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """Notifications of its own for each test."""
    async with open_notifying(tmp_path) as opened:
        yield opened


def at_ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


async def states(world: World) -> list[DeliveryState]:
    return [row.state for row in await world.rows(Delivery)]


async def test_an_alert_goes_out_once_whatever_is_heard_again(world: World) -> None:
    alice, bob, carla = await world.people(3)
    comment = world.commented(bob, alice, comment_id=5)
    await world.hear(comment, comment)
    await world.deliver_due()
    await world.deliver_due()
    await world.hear(comment, world.commented(carla, alice, comment_id=6), world.liked(bob, alice))
    await world.deliver_due()
    assert world.pushes.kinds == ["COMMENT"]
    assert world.mails.kinds == []
    [notice] = world.pushes.notices
    assert (notice.user_id, notice.count, notice.alert) == (alice, 1, 1)
    world.clock.advance(LEASE_MS)
    await world.deliver_due()
    assert await world.rows(DueDelivery) == []
    await world.read(alice, notice.notification_id)
    await world.hear(world.commented(carla, alice, comment_id=7))
    await world.deliver_due()
    assert [(one.kind.name, one.count, one.alert) for one in world.pushes.notices[1:]] == [("COMMENT", 3, 2)]


async def test_what_was_read_withdrawn_or_turned_off_before_goes_out_no_more(world: World) -> None:
    alice, bob, carla = await world.people(3)
    await world.hear(world.commented(bob, alice, comment_id=5), world.commented(bob, carla, comment_id=6))
    await world.hear(world.followed(bob, alice, before=0, now=2, version=1))
    await world.read(carla, (await world.inbox(carla))[0].notification_id)
    await world.hear(world.followed(bob, alice, before=2, now=0, version=2))
    await world.choose(alice, preferences=[pb.NotificationPreference(kind=pb.NOTIFICATION_KIND_COMMENT, in_app=True)])
    await world.deliver_due()
    assert world.pushes.notices == []
    assert await states(world) == [NEEDLESS] * 3


async def test_quiet_hours_hold_pushes_back_until_they_end_and_the_inbox_not(world: World) -> None:
    alice = await world.person(keyed=True)
    bob = await world.person()
    # It is noon in UTC: between eleven and three in the afternoon in Berlin.
    quiet = pb.QuietHours(enabled=True, from_minute=11 * 60, to_minute=15 * 60 + 30, time_zone="Europe/Berlin")
    await world.choose(alice, quiet_hours=quiet)
    await world.hear(world.commented(bob, alice, comment_id=5))
    assert await world.told(alice) == [("COMMENT", 1, True)]
    offset_h = 2 if datetime.fromtimestamp(NOON_MS / 1000, UTC).month in range(4, 11) else 1
    ends_at_ms = NOON_MS - 12 * HOUR_MS + (15 - offset_h) * HOUR_MS + HOUR_MS // 2
    await world.deliver_due()
    world.clock.advance(ends_at_ms - NOON_MS - 1)
    await world.deliver_due()
    assert (world.pushes.notices, await states(world)) == ([], [WAITING])
    world.clock.advance(1)
    await world.deliver_due()
    assert (world.pushes.kinds, await states(world)) == (["COMMENT"], [SENT])


async def test_a_failed_delivery_is_tried_again_later_and_given_up_in_the_end(world: World, caplog: pytest.LogCaptureFixture) -> None:
    alice, bob = await world.people(2)
    world.pushes.failures = 2
    await world.hear(world.commented(bob, alice, comment_id=5))
    await world.deliver_due()
    await world.deliver_due()
    assert (world.pushes.failures, await states(world)) == (1, [WAITING])
    world.clock.advance(FIRST_PAUSE_MS)
    await world.deliver_due()
    world.clock.advance(4 * FIRST_PAUSE_MS - 1)
    await world.deliver_due()
    assert world.pushes.notices == []
    world.clock.advance(1)
    await world.deliver_due()
    assert (world.pushes.kinds, await states(world)) == (["COMMENT"], [SENT])
    world.pushes.failures = 100
    await world.hear(world.followed(bob, alice, before=0, now=2, version=1))
    for _ in range(30):
        await world.deliver_due()
        world.clock.advance(DAY_MS // 4)
    assert world.pushes.failures == 100 - MOST_ATTEMPTS
    assert sorted(await states(world)) == [SENT, DEAD]
    assert await world.rows(DueDelivery) == []
    said = [record for record in caplog.records if record.name == "clipmesh.notifications" and record.levelno >= logging.WARNING]
    assert len(said) == 2 + MOST_ATTEMPTS
    assert "alice@example.org" not in caplog.text


async def test_a_delivery_whose_process_ended_in_the_middle_is_taken_over_after_its_lease(world: World) -> None:
    alice, bob = await world.people(2)
    await world.hear(world.commented(bob, alice, comment_id=5))
    [delivery] = await world.rows(Delivery)
    deliveries = world.notifications.delivering.deliveries
    await deliveries.move(delivery, state=DeliveryState.SENDING, due_at_ms=world.clock.now_ms() + LEASE_MS, attempts=1)
    await world.deliver_due()
    assert world.pushes.notices == []
    world.clock.advance(LEASE_MS)
    await world.deliver_due()
    assert world.pushes.kinds == ["COMMENT"]


async def test_a_copied_refresh_token_is_told_in_the_inbox_and_by_mail(world: World) -> None:
    alice = await world.person()
    reuse = events_pb2.RefreshTokenReused(session_id=77, user_id=alice, detected_at_ms=world.clock.now_ms())
    event = world.event(reuse, key="77", version=2)
    await world.hear(event, event)
    [one] = await world.inbox(alice)
    assert (one.kind, one.detail, list(one.actor_ids)) == (pb.NOTIFICATION_KIND_SECURITY, "REFRESH_TOKEN_REUSED", [])
    await world.deliver_due()
    assert (world.pushes.kinds, world.mails.kinds) == (["SECURITY"], ["SECURITY"])
