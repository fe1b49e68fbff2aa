"""An inbox over gRPC: what comes into it, how it is grouped and counted, what is unread, and who sees what."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from clipmesh.rights.v1 import publication_service_pb2 as rights_pb
from clipmesh.social.v1 import comment_service_pb2 as comment_pb
from clipmesh.social.v1 import graph_service_pb2
from clipmesh.social.v1 import notification_service_pb2 as pb
from clipmesh.social.v1.graph_service_pb2_grpc import GraphServiceStub

from mesh.client import RpcFailed
from mesh.errors import PermissionDenied
from mesh.stores.tables.port import TablesUnavailable
from mesh.testing.rpc import viewer
from svc_social.identity.tables import Account, AccountState
from svc_social.notifications import rules
from svc_social.notifications.actions import Receiving, publishing
from svc_social.notifications.tables import FanOut, InboxEntry, NotifiedAct, OpenFanOut
from tests.service.social.notifying import DAY_MS, FRIENDS, HOUR_MS, ONLY_ME, REPOST, SAVE, SHARE, VIDEO, World, open_notifying


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """Notifications of its own for each test."""
    async with open_notifying(tmp_path) as opened:
        yield opened


def off(kind: pb.NotificationKind.ValueType, *, in_app: bool = False, push: bool = False, mail: bool = False) -> pb.NotificationPreference:
    return pb.NotificationPreference(kind=kind, in_app=in_app, push=push, mail=mail)


async def test_acts_of_a_day_on_one_video_are_one_notification_with_an_exact_count(world: World) -> None:
    alice, *others = await world.people(43)
    for other in others:
        world.clock.advance(10)
        await world.hear(world.liked(other, alice))
    [one] = await world.inbox(alice)
    assert (one.kind, one.count, one.video_id, one.unread) == (pb.NOTIFICATION_KIND_LIKE, 42, VIDEO, True)
    assert list(one.actor_ids) == others[:-6:-1]
    assert await world.unread(alice) == 1
    await world.hear(world.liked(others[0], alice, kind=REPOST), world.liked(others[0], alice, kind=SHARE))
    await world.hear(world.liked(others[1], alice, kind=SAVE))
    assert [kind for kind, _, _ in await world.told(alice)] == ["SHARE", "REPOST", "LIKE"]
    world.clock.advance(DAY_MS)
    late = await world.person()
    await world.hear(world.liked(late, alice))
    assert [(kind, count) for kind, count, _ in await world.told(alice)] == [("LIKE", 1), ("SHARE", 1), ("REPOST", 1), ("LIKE", 42)]
    assert await world.unread(alice) == 4


async def test_a_like_that_is_taken_back_and_given_again_is_told_once(world: World) -> None:
    alice, bob = await world.people(2)
    first_ms = world.clock.now_ms()
    await world.hear(world.liked(bob, alice))
    [one] = await world.inbox(alice)
    assert await world.read(alice, one.notification_id) == 0
    world.clock.advance(1_000)
    await world.hear(world.liked(bob, alice, active=False, first_ms=first_ms))
    assert await world.inbox(alice) == []
    for _ in range(3):
        world.clock.advance(2 * HOUR_MS)
        again = world.liked(bob, alice, first_ms=first_ms)
        await world.hear(again, again)
        assert await world.told(alice) == [("LIKE", 1, False)]
        assert await world.unread(alice) == 0
        await world.hear(world.liked(bob, alice, active=False, first_ms=first_ms))
    assert await world.inbox(alice) == []


async def test_nobody_is_told_of_their_own_acts(world: World) -> None:
    alice = await world.person()
    await world.hear(world.liked(alice, alice), world.commented(alice, alice, comment_id=5))
    assert await world.inbox(alice) == []
    assert await world.rows(InboxEntry) == []


async def test_follows_requests_and_approvals_reach_whom_they_concern(world: World) -> None:
    alice, bob, carla = await world.people(3)
    await world.hear(world.followed(bob, alice, before=0, now=2, version=1))
    await world.hear(world.followed(carla, alice, before=0, now=1, version=1))
    assert sorted(await world.told(alice)) == [("FOLLOW", 1, True), ("FOLLOW_REQUEST", 1, True)]
    await world.hear(world.followed(carla, alice, before=1, now=2, version=2))
    assert await world.told(alice) == [("FOLLOW", 1, True)]
    assert await world.told(carla) == [("FOLLOW_APPROVED", 1, True)]
    assert await world.unread(alice) == 1
    await world.hear(world.followed(bob, alice, before=2, now=0, version=2))
    await world.hear(world.followed(carla, alice, before=2, now=0, version=3))
    assert await world.inbox(alice) == await world.inbox(carla) == []
    assert await world.unread(alice) == 0
    await world.hear(world.followed(bob, alice, before=0, now=2, version=3))
    assert await world.told(alice) == [("FOLLOW", 1, True)]


async def test_a_comment_tells_each_person_once_and_falls_out_with_it(world: World) -> None:
    alice, bob, carla, dora = await world.people(4)
    await world.hear(world.commented(bob, alice, comment_id=11, mentions=[dora]))
    await world.hear(world.commented(carla, alice, comment_id=12, answers=(11, bob), mentions=[bob, dora]))
    await world.hear(world.commented(bob, alice, comment_id=13, version=1, state=comment_pb.COMMENT_STATE_HELD))
    assert await world.told(alice) == [("COMMENT", 2, True)]
    assert await world.told(bob) == [("REPLY", 1, True)]
    assert await world.told(dora) == [("MENTION", 1, True), ("MENTION", 1, True)]
    assert [one.comment_id for one in await world.inbox(bob)] == [11]
    await world.hear(world.commented(bob, alice, comment_id=13, version=2))
    assert await world.told(alice) == [("COMMENT", 3, True)]
    gone = comment_pb.COMMENT_STATE_REMOVED
    await world.hear(world.commented(carla, alice, comment_id=12, version=2, state=gone, answers=(11, bob), mentions=[bob, dora]))
    assert await world.told(alice) == [("COMMENT", 2, True)]
    assert await world.inbox(bob) == []
    assert await world.told(dora) == [("MENTION", 1, True)]


async def test_what_a_block_kept_out_stays_out_when_it_is_heard_again_and_what_came_after_it_stays(world: World) -> None:
    alice, bob = await world.people(2)
    await world.bond(alice, bob, blocks=True)
    during = [world.liked(bob, alice), world.commented(bob, alice, comment_id=1)]
    await world.hear(*during)
    await world.bond(alice, bob, blocks=False)
    await world.hear(*during)
    assert await world.inbox(alice) == []
    # The block is heard of again, and for the first time what was done before it, after what was done since.
    before = world.liked(bob, alice, kind=SHARE)
    blocked = world.blocked(alice, bob, version=2)
    since = [world.liked(bob, alice, kind=REPOST), world.followed(bob, alice, before=0, now=2, version=5)]
    await world.hear(*since)
    told = sorted(await world.told(alice))
    assert told == [("FOLLOW", 1, True), ("REPOST", 1, True)]
    await world.hear(blocked, before, blocked, before)
    assert sorted(await world.told(alice)) == told
    assert await world.unread(alice) == 2


async def test_blocks_and_mutes_keep_acts_out(world: World) -> None:
    alice, bob, carla, dora = await world.people(4)
    await world.bond(alice, bob, blocks=True)
    await world.bond(alice, carla, back_blocks=True)
    await world.bond(alice, dora, mutes=True)
    for other in (bob, carla, dora):
        await world.hear(world.liked(other, alice), world.commented(other, alice, comment_id=other))
    assert [row for row in await world.rows(NotifiedAct) if row.present or row.size or row.news] == []
    assert await world.rows(InboxEntry) == []
    await world.hear(world.liked(alice, dora))
    assert await world.told(dora) == [("LIKE", 1, True)]


async def test_a_block_takes_effect_when_the_inbox_is_read_and_lasts_once_it_is_heard_of(world: World) -> None:
    alice, bob, carla = await world.people(3)
    await world.hear(world.liked(bob, alice), world.liked(carla, alice), world.liked(bob, alice, kind=REPOST))
    await world.hear(world.commented(bob, alice, comment_id=5), world.commented(carla, alice, comment_id=6))
    cursor = (await world.changes(alice)).cursor
    await world.bond(alice, bob, back_blocks=True)
    assert sorted(await world.told(alice)) == [("COMMENT", 2, True), ("LIKE", 1, True)]
    assert all(list(one.actor_ids) == [carla] for one in await world.inbox(alice))
    await world.hear(world.blocked(bob, alice, version=7))
    assert sorted(await world.told(alice)) == [("COMMENT", 1, True), ("LIKE", 1, True)]
    assert await world.unread(alice) == 2
    changed = await world.changes(alice, cursor)
    assert sorted((word.notification.gone, word.notification.count) for word in changed.changes) == [(False, 1), (False, 1), (True, 0)]
    await world.hear(world.blocked(bob, alice, version=7))
    assert await world.unread(alice) == 2


async def test_a_mute_lets_a_person_fall_out_of_ones_own_inbox_alone(world: World) -> None:
    alice, bob = await world.people(2)
    await world.hear(world.liked(bob, alice), world.liked(alice, bob))
    await world.bond(alice, bob, mutes=True)
    await world.hear(world.blocked(alice, bob, version=2, mutes=True))
    assert (await world.told(alice), await world.unread(alice)) == ([], 0)
    assert (await world.told(bob), await world.unread(bob)) == ([("LIKE", 1, True)], 1)


async def test_erased_people_fall_out_and_are_told_nothing(world: World) -> None:
    alice, bob, carla = await world.people(3)
    await world.hear(world.liked(bob, alice), world.liked(carla, alice), world.followed(bob, alice, before=0, now=2, version=1))
    account = await world.tables.get(Account, bob)
    assert account is not None
    await world.tables.transition(replace(account, state=AccountState.VOID), expected_version=account.version)
    assert [(one.kind, one.count, list(one.actor_ids)) for one in await world.inbox(alice)] == [(pb.NOTIFICATION_KIND_LIKE, 1, [carla])]
    await world.hear(world.liked(alice, bob))
    assert [row.user_id for row in await world.rows(InboxEntry) if row.place] == [alice, alice]


async def test_a_kind_that_is_turned_off_comes_no_more(world: World) -> None:
    alice, bob, carla = await world.people(3)
    await world.hear(world.liked(bob, alice))
    settings = await world.choose(alice, preferences=[off(pb.NOTIFICATION_KIND_LIKE), off(pb.NOTIFICATION_KIND_VIDEO_READY)])
    assert [one.kind for one in settings.preferences if not one.in_app] == [pb.NOTIFICATION_KIND_LIKE, pb.NOTIFICATION_KIND_VIDEO_READY]
    await world.hear(world.liked(carla, alice), world.liked(carla, alice, kind=REPOST), world.published(alice))
    assert await world.told(alice) == [("REPOST", 1, True), ("LIKE", 1, True)]
    # What was told before can still be taken back.
    await world.hear(world.liked(bob, alice, active=False, first_ms=world.clock.now_ms()))
    assert await world.told(alice) == [("REPOST", 1, True)]
    await world.choose(alice, preferences=[off(pb.NOTIFICATION_KIND_LIKE, in_app=True)])
    await world.hear(world.liked(carla, alice))
    assert ("LIKE", 1, True) in await world.told(alice)


async def test_settings_are_checked_and_repeatable(world: World) -> None:
    alice = await world.person(keyed=True)
    with pytest.raises(RpcFailed) as failed:
        await world.choose(alice, preferences=[off(pb.NOTIFICATION_KIND_SECURITY)])
    assert failed.value.reason == "NOTIFICATION_KIND_REQUIRED"
    for zone in ("Europe/Atlantis", "../../etc/passwd", "/etc/passwd", "\u0000", "Europe"):
        with pytest.raises(RpcFailed) as failed:
            await world.choose(alice, quiet_hours=pb.QuietHours(enabled=True, from_minute=1, to_minute=2, time_zone=zone))
        assert failed.value.reason == "UNKNOWN_TIME_ZONE"
    for from_minute, to_minute in ((5, 5), (1440, 0), (0, -1)):
        with pytest.raises(RpcFailed) as failed:
            await world.choose(alice, quiet_hours=pb.QuietHours(enabled=True, from_minute=from_minute, to_minute=to_minute))
        assert failed.value.code is grpc.StatusCode.INVALID_ARGUMENT
    stub = world.stub(alice)
    standing = (await stub.GetNotificationSettings(pb.GetNotificationSettingsRequest())).settings
    assert standing.quiet_hours == pb.QuietHours()
    assert len(standing.preferences) == len(pb.NotificationKind.values()) - 1
    quiet = pb.QuietHours(enabled=True, from_minute=22 * 60, to_minute=7 * 60, time_zone="Europe/Berlin")
    assert (await world.choose(alice, request_id="one", quiet_hours=quiet)).quiet_hours == quiet
    await world.choose(alice, quiet_hours=pb.QuietHours())
    assert (await world.choose(alice, request_id="one", quiet_hours=quiet)).quiet_hours == pb.QuietHours()
    with pytest.raises(RpcFailed) as failed:
        await world.choose(alice, request_id="one")
    assert failed.value.reason == "REQUEST_ID_REUSED"


async def test_marks_concern_what_stood_there_and_repeat_without_effect(world: World) -> None:
    alice, bob, carla = await world.people(3)
    await world.hear(world.liked(bob, alice), world.liked(bob, alice, kind=REPOST))
    cursor = (await world.changes(alice)).cursor
    await world.hear(world.liked(carla, alice, kind=REPOST), world.liked(bob, alice, kind=SHARE))
    assert await world.read(alice, up_to=cursor, request_id="one") == 2
    assert sorted(await world.told(alice)) == [("LIKE", 1, False), ("REPOST", 2, True), ("SHARE", 1, True)]
    dora = await world.person()
    await world.hear(world.liked(dora, alice, kind=REPOST), world.liked(dora, alice))
    assert await world.unread(alice) == 3
    assert await world.read(alice, up_to=cursor, request_id="one") == 3
    ids = [one.notification_id for one in await world.inbox(alice)]
    assert await world.read(alice, *ids, 10**17, request_id="two") == 0
    await world.hear(world.liked(await world.person(), alice))
    assert await world.read(alice, *ids, 10**17, request_id="two") == 1
    assert [row.unread for row in await world.rows(InboxEntry) if not row.place] == [1]


async def test_changes_go_on_after_a_cursor_without_gap_or_repeat(world: World) -> None:
    alice, bob, carla = await world.people(3)
    begin = await world.changes(alice)
    assert (list(begin.changes), begin.unread_count) == ([], 0)
    await world.hear(world.liked(bob, alice), world.liked(bob, alice, kind=REPOST), world.liked(carla, alice))
    seen = await world.changes(alice, begin.cursor)
    assert [(one.notification.kind, one.notification.count) for one in seen.changes] == [
        (pb.NOTIFICATION_KIND_REPOST, 1),
        (pb.NOTIFICATION_KIND_LIKE, 2),
    ]
    assert (seen.unread_count, seen.changes[-1].cursor) == (2, seen.cursor)
    rest = await world.changes(alice, seen.changes[0].cursor)
    assert [one.notification.kind for one in rest.changes] == [pb.NOTIFICATION_KIND_LIKE]
    assert list((await world.changes(alice, seen.cursor)).changes) == []
    await world.hear(world.liked(bob, alice), world.liked(carla, alice, active=False, first_ms=world.clock.now_ms()))
    [change] = (await world.changes(alice, seen.cursor)).changes
    assert (change.notification.kind, change.notification.count) == (pb.NOTIFICATION_KIND_LIKE, 1)
    await world.hear(world.liked(bob, alice, kind=REPOST, active=False, first_ms=world.clock.now_ms()))
    [change] = (await world.changes(alice, change.cursor)).changes
    assert change.notification == pb.Notification(notification_id=seen.changes[0].notification.notification_id, gone=True)


async def test_an_inbox_is_its_persons_alone(world: World) -> None:
    alice, bob = await world.people(2)
    await world.hear(world.liked(bob, alice), *(world.liked(bob, alice, video_id=VIDEO + number) for number in range(1, 5)))
    assert await world.inbox(bob) == []
    page = await world.stub(alice).ListNotifications(pb.ListNotificationsRequest(page_size=2))
    foreign = pb.ListNotificationsRequest(page_size=2, page_token=page.next_page_token)
    for call in (
        world.stub(bob).ListNotifications(foreign),
        world.changes(bob, page.cursor),
        world.read(bob, up_to=page.cursor),
        world.changes(alice, page.next_page_token),
        world.changes(alice, "AAAA"),
    ):
        with pytest.raises(RpcFailed) as failed:
            await call
        assert failed.value.reason == "INVALID_PAGE_TOKEN"
    assert await world.read(bob, *(one.notification_id for one in page.notifications)) == 0
    assert await world.unread(alice) == 5
    with pytest.raises(RpcFailed) as failed:
        await world.inbox(0)
    assert failed.value.code is grpc.StatusCode.UNAUTHENTICATED
    with pytest.raises(PermissionDenied):
        await world.stub(alice, caller="feed").ListNotifications(pb.ListNotificationsRequest())


async def test_an_inbox_is_bounded_and_its_oldest_do_not_come_back(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "MOST_ENTRIES", 40)
    alice, bob = await world.people(2)
    events = []
    for number in range(rules.MOST_ENTRIES + 30):
        world.clock.advance(1_000)
        events.append(world.liked(bob, alice, video_id=VIDEO + number))
    await world.hear_together(events[:30])
    await world.hear_together(events[30:])
    entries = [row for row in await world.rows(InboxEntry) if row.place]
    assert rules.MOST_ENTRIES - rules.LEAVE_AT_ONCE <= len(entries) <= rules.MOST_ENTRIES
    assert await world.unread(alice) == len(entries)
    kept = {row.video_id for row in entries}
    assert kept == {VIDEO + number for number in range(rules.MOST_ENTRIES + 30 - len(entries), rules.MOST_ENTRIES + 30)}
    await world.hear_together(events)
    assert {row.video_id for row in await world.rows(InboxEntry) if row.place} == kept
    assert await world.unread(alice) == len(entries)


async def test_what_is_old_leaves_and_the_count_stays_exact(world: World) -> None:
    alice, bob = await world.people(2)
    old = world.liked(bob, alice)
    await world.hear(old)
    world.clock.advance(10 * DAY_MS)
    await world.hear(world.liked(bob, alice, kind=REPOST))
    world.clock.advance(rules.KEPT_MS - 10 * DAY_MS)
    assert await world.unread(alice) == 1
    assert await world.told(alice) == [("REPOST", 1, True)]
    world.clock.advance(12 * HOUR_MS)
    await world.hear(old)
    assert await world.told(alice) == [("REPOST", 1, True)]
    assert [row.count for row in await world.rows(InboxEntry) if not row.place] == [1]


async def test_creators_hear_of_their_videos(world: World) -> None:
    alice = await world.person()
    review, block, allow = rights_pb.VERDICT_KIND_REVIEW, rights_pb.VERDICT_KIND_BLOCK, rights_pb.VERDICT_KIND_ALLOW
    await world.hear(world.judged(alice, review, version=1))
    assert [(one.kind, one.detail, one.unread) for one in await world.inbox(alice)] == [(pb.NOTIFICATION_KIND_VERDICT, "REVIEW", True)]
    await world.read(alice, (await world.inbox(alice))[0].notification_id)
    await world.hear(world.judged(alice, block, version=2, decided_by=5), world.judged(alice, review, version=1))
    assert [(one.detail, one.unread) for one in await world.inbox(alice)] == [("BLOCK", True)]
    await world.hear(world.judged(alice, allow, version=3))
    assert await world.inbox(alice) == []
    await world.hear(world.published(alice))
    assert await world.told(alice) == [("VIDEO_READY", 1, True)]


async def test_followers_hear_of_a_publication_once_and_only_those_who_may(world: World) -> None:
    alice, bob, carla, dora, emil = await world.people(5)
    for version, (who, sides) in enumerate(
        [(bob, {"follow": True}), (carla, {"follow": True, "mutes": True}), (dora, {"follow": True, "back_blocks": True})], start=1
    ):
        await world.bond(who, alice, **sides)
        await listed(world, who, alice, version)
    await world.bond(emil, alice)
    await listed(world, emil, alice, 1)
    await world.hear(world.published(alice), world.published(alice, version=4))
    await world.fan_out()
    assert [(one.video_id, list(one.actor_ids)) for one in await world.inbox(bob)] == [(VIDEO, [alice])]
    assert [await world.inbox(who) for who in (carla, dora, emil)] == [[], [], []]
    assert [(row.done, row.told) for row in await world.rows(FanOut)] == [(True, 1)]
    await world.read(bob, (await world.inbox(bob))[0].notification_id)
    await world.hear(world.published(alice, version=5))
    await world.fan_out()
    assert await world.told(bob) == [("VIDEO_PUBLISHED", 1, False)]
    await world.hear(world.published(alice, video_id=VIDEO + 1, visibility=FRIENDS))
    await world.hear(world.published(alice, video_id=VIDEO + 2, visibility=ONLY_ME))
    await world.fan_out()
    assert await world.told(bob) == [("VIDEO_PUBLISHED", 1, False)]
    await world.bond(bob, alice, follow=True, back_follow=True)
    await world.hear(world.published(alice, video_id=VIDEO + 3, visibility=FRIENDS))
    await world.fan_out()
    assert await world.told(bob) == [("VIDEO_PUBLISHED", 1, True), ("VIDEO_PUBLISHED", 1, False)]


async def test_a_fan_out_that_was_cut_off_is_gone_on_with_where_it_stood(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "PAGE", 3)
    alice, *followers = await world.people(9)
    for number, follower in enumerate(followers):
        await world.bond(follower, alice, follow=True)
        world.clock.advance(1_000)
        await listed(world, follower, alice, number + 1)
    await world.hear(world.published(alice))
    at_work = world.notifications.publishing
    [fan_out] = await world.rows(FanOut)
    begun = await at_work.step(fan_out)
    assert begun is not None
    assert (begun.told, begun.done) == (3, False)
    # The process ended here; until its lease is over nobody else begins.
    await world.fan_out()
    assert sum([await world.unread(follower) for follower in followers]) == 3
    world.clock.advance(publishing.LEASE_MS)
    await world.fan_out()
    assert [await world.told(follower) for follower in followers] == [[("VIDEO_PUBLISHED", 1, True)]] * 8
    assert [(row.told, row.done) for row in await world.rows(FanOut)] == [(8, True)]
    assert await world.rows(OpenFanOut) == []
    # Whoever was slow and comes back finds that it is done.
    assert await at_work.step(begun) is None
    assert [await world.told(follower) for follower in followers] == [[("VIDEO_PUBLISHED", 1, True)]] * 8


async def listed(world: World, who: int, whom: int, version: int) -> None:
    """Put a follower into the list that fan-outs walk through."""
    from svc_social.graph.rules import Place  # noqa: PLC0415 - another area's noun of the same name
    from svc_social.graph.store import ListStore  # noqa: PLC0415
    from svc_social.graph.tables import ListKind  # noqa: PLC0415

    place = Place(whom, ListKind.FOLLOWERS, world.clock.now_ms(), who)
    await ListStore(tables=world.tables).move(gone=(), come=(place,), version=version)


async def test_from_the_moment_of_a_block_nobody_counts_whom_it_hides(world: World) -> None:
    """Nothing is heard of the block: whoever blocks has the answer, and the inboxes are right already."""
    alice, bob, *others = await world.people(2 + rules.KEPT_ACTORS)
    await world.hear(world.liked(bob, alice), world.commented(bob, alice, comment_id=5), world.commented(bob, alice, comment_id=6))
    for other in others:
        world.clock.advance(10)
        await world.hear(world.liked(other, alice))
    await world.hear(world.commented(others[0], alice, comment_id=7))
    await world.hear(world.liked(alice, bob))
    assert sorted(await world.told(alice)) == [("COMMENT", 3, True), ("LIKE", rules.KEPT_ACTORS + 1, True)]
    assert (await world.unread(alice), await world.unread(bob)) == (2, 1)
    place = (await world.changes(alice)).cursor
    graph = world.served.stub(GraphServiceStub, viewer=viewer(user_id=alice))
    await graph.Block(graph_service_pb2.BlockRequest(request_id="b", user_id=bob))
    assert sorted(await world.told(alice)) == [("COMMENT", 1, True), ("LIKE", rules.KEPT_ACTORS, True)]
    assert await world.told(bob) == []
    assert (await world.unread(alice), await world.unread(bob)) == (2, 0)
    changed = await world.changes(alice, place)
    assert sorted(change.notification.count for change in changed.changes) == [1, rules.KEPT_ACTORS]
    before = await world.rows(InboxEntry), await world.rows(NotifiedAct)
    await world.hear(world.blocked(alice, bob, version=7))
    assert (await world.rows(InboxEntry), await world.rows(NotifiedAct)) == before


async def test_a_block_is_done_though_inboxes_cannot_be_written(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    alice, bob = await world.people(2)
    await world.hear(world.liked(bob, alice))

    async def failing(*_: object, **__: object) -> None:
        raise TablesUnavailable("the store rests")

    with monkeypatch.context() as broken:
        broken.setattr(Receiving, "part", failing)
        graph = world.served.stub(GraphServiceStub, viewer=viewer(user_id=alice))
        answer = await graph.Block(graph_service_pb2.BlockRequest(request_id="b", user_id=bob))
    assert answer.relationship.blocks
    assert await world.told(alice) == []
    await world.hear(world.blocked(alice, bob, version=7))
    assert await world.unread(alice) == 0


async def test_what_a_death_left_behind_before_a_block_never_comes_in(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The act is in its group, and no inbox knows: the block finds nothing, and the act is heard again as it was."""
    alice, bob, carla = await world.people(3)
    acts = [world.liked(bob, alice), world.commented(bob, alice, comment_id=5), world.followed(bob, alice, before=0, now=2, version=1)]

    async def dies(*_: object) -> None:
        raise TablesUnavailable("the process died")

    with monkeypatch.context() as broken:
        broken.setattr(Receiving, "_receive", dies)
        for act in acts:
            with pytest.raises(TablesUnavailable):
                await world.hear(act)
    assert [row.actor_id for row in await world.rows(NotifiedAct) if row.present] == [bob] * 3
    await world.bond(alice, bob, blocks=True)
    blocked = world.blocked(alice, bob, version=7)
    await world.hear(blocked)
    await world.hear(*acts)
    assert (await world.told(alice), await world.unread(alice)) == ([], 0)
    assert [row.actor_id for row in await world.rows(NotifiedAct) if row.present] == []
    await world.bond(alice, bob, blocks=False)
    await world.hear(*acts, blocked)
    assert (await world.told(alice), await world.unread(alice)) == ([], 0)
    await world.hear(world.liked(carla, alice))
    assert await world.told(alice) == [("LIKE", 1, True)]
