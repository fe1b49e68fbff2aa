"""The inbox through the gateway: pages, marks, settings, and a subscription that goes on where it was."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from clipmesh.social.v1 import notification_service_pb2 as pb

from mesh.errors import Unavailable
from mesh.events.stream import open_stream
from mesh.stores.redis import open_redis
from mesh.testing.redis_server import RedisServer
from tests.gateway.fakes import Fakes, serve_fakes
from tests.gateway.world import Socket, World, edge, token

PAGE = """query($first: Int!, $after: String) { notifications(first: $first, after: $after) {
  edges { cursor node { id kind unread updatedAt count detail videoId commentId actors { id handle } video { id caption } } }
  pageInfo { hasNextPage endCursor } unreadCount changesCursor } }"""
WATCH = """subscription($after: String) { notifications(after: $after) {
  notification { id kind count unread actors { handle } } removedId unreadCount cursor ended } }"""
READ = "mutation($input: MarkNotificationsReadInput!) { markNotificationsRead(input: $input) { unreadCount userErrors { code } } }"
SETTINGS = "preferences { kind inApp push mail } quietHours { fromMinute toMinute timeZone }"
CHOOSE = (
    "mutation($input: UpdateNotificationSettingsInput!) { updateNotificationSettings(input: $input) "
    f"{{ settings {{ {SETTINGS} }} userErrors {{ code }} }} }}"
)
TOPIC = "social.notifications"


async def update(socket: Socket) -> dict[str, Any]:
    """The next update of a subscription."""
    message = await socket.next()
    while message["type"] == "ping":
        message = await socket.next()
    assert message["type"] == "next", message
    found: dict[str, Any] = message["payload"]["data"]["notifications"]
    return found


async def test_a_page_costs_one_call_a_service(world: World, fakes: Fakes) -> None:
    [video] = fakes.fill(1)
    [person] = fakes.people
    for number in range(1, 6):
        fakes.inbox.change(number, video_id=video, actor_ids=[person, 404], count=42)
    fakes.inbox.change(9, kind=pb.NOTIFICATION_KIND_VERDICT, detail="BLOCK", unread=False, video_id=404)
    body = await world.ask(PAGE, bearer=token(), first=4)
    page = body["data"]["notifications"]
    assert "errors" not in body
    assert page["unreadCount"] == "5"
    assert page["edges"][0]["node"] == {
        "id": "9",
        "kind": "VERDICT",
        "unread": False,
        "updatedAt": "2025-10-09T09:01:40.000Z",
        "count": 1,
        "detail": "BLOCK",
        "videoId": "404",
        "commentId": None,
        "actors": [],
        "video": None,
    }
    assert page["edges"][1]["node"]["actors"] == [{"id": str(person), "handle": "person1"}]
    assert page["edges"][1]["node"]["video"]["caption"] == "clip 1"
    assert fakes.counted == {"social.ListNotifications": 1, "social.BatchGetProfiles": 1, "video.BatchGetVideos": 1}
    rest = (await world.ask(PAGE, bearer=token(), first=4, after=page["pageInfo"]["endCursor"]))["data"]["notifications"]
    assert [edge["node"]["id"] for edge in rest["edges"]] == ["2", "1"]
    assert not rest["pageInfo"]["hasNextPage"]


async def test_marks_and_settings_reach_the_service(world: World, fakes: Fakes) -> None:
    fakes.inbox.change(1)
    fakes.inbox.change(2)
    answer = (await world.ask(READ, bearer=token(), input={"ids": ["1"], "requestId": "one"}))["data"]["markNotificationsRead"]
    assert answer == {"unreadCount": "1", "userErrors": []}
    await world.ask(READ, bearer=token(), input={"upTo": "c2"})
    assert (await world.ask("{ unreadNotificationCount }", bearer=token()))["data"] == {"unreadNotificationCount": "0"}
    first, second = fakes.requests("MarkNotificationsRead")
    assert (first.request_id, list(first.notification_ids), second.up_to) == ("one", [1], "c2")
    assert second.request_id
    assert (await world.ask(f"{{ notificationSettings {{ {SETTINGS} }} }}", bearer=token()))["data"]["notificationSettings"] == {
        "preferences": [{"kind": "LIKE", "inApp": True, "push": False, "mail": True}],
        "quietHours": None,
    }
    hours = {"enabled": True, "fromMinute": 60, "toMinute": 120, "timeZone": "Europe/Berlin"}
    chosen = {"preferences": [{"kind": "REPLY", "inApp": True, "push": True, "mail": False}], "quietHours": hours}
    settings = (await world.ask(CHOOSE, bearer=token(), input=chosen))["data"]["updateNotificationSettings"]["settings"]
    assert settings["quietHours"] == {"fromMinute": 60, "toMinute": 120, "timeZone": "Europe/Berlin"}
    [asked] = fakes.requests("UpdateNotificationSettings")
    assert list(asked.preferences) == [pb.NotificationPreference(kind=pb.NOTIFICATION_KIND_REPLY, in_app=True, push=True)]
    await world.ask(CHOOSE, bearer=token(), input={})
    assert not fakes.requests("UpdateNotificationSettings")[-1].HasField("quiet_hours")


async def test_a_watcher_hears_of_each_change_once_and_of_the_count(
    world: World, fakes: Fakes, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.schema.inboxes.CALM_S", 0.01)
    redis = open_redis(redis_server.url)
    stream = open_stream("", redis=redis)
    fakes.fill(1)
    [person] = fakes.people
    fakes.inbox.change(1)
    async with world.socket(init={"authorization": f"Bearer {token()}"}) as socket:
        await socket.subscribe("n", WATCH)
        nothing = {"notification": None, "removedId": None, "ended": None}
        assert await update(socket) == {**nothing, "unreadCount": "1", "cursor": "c1"}
        fakes.inbox.change(2, actor_ids=[person], kind=pb.NOTIFICATION_KIND_FOLLOW)
        await stream.publish_hint(TOPIC, "7", 2)
        one = {"id": "2", "kind": "FOLLOW", "count": 1, "unread": True, "actors": [{"handle": "person1"}]}
        assert await update(socket) == {"notification": one, "removedId": None, "unreadCount": "2", "cursor": "c2", "ended": None}
        fakes.inbox.change(1, gone=True)
        await stream.publish_hint(TOPIC, "7", 3)
        assert await update(socket) == {**nothing, "removedId": "1", "unreadCount": "1", "cursor": "c3"}
        fakes.inbox.entries[2].unread = False
        await stream.publish_hint(TOPIC, "7", 3)
        assert await update(socket) == {**nothing, "unreadCount": "0", "cursor": "c3"}
        await socket.subscribe("m", WATCH, after="stolen")
        refused = await socket.next()
        assert refused["payload"]["errors"][0]["extensions"]["code"] == "BAD_CURSOR"
    await stream.close()
    await redis.close()


async def test_nobody_watches_without_signing_in(world: World, fakes: Fakes) -> None:
    async with world.socket() as socket:
        await socket.subscribe("n", WATCH)
        assert (await socket.next())["payload"]["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    assert fakes.requests("GetNotificationChanges") == []


async def test_a_gateway_that_dies_in_the_middle_costs_neither_gap_nor_repeat(
    redis_server: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.schema.inboxes.CALM_S", 0.01)
    monkeypatch.setattr("gateway.schema.inboxes.LOOK_AGAIN_S", 0.05)
    fakes, cursor = Fakes(), "c0"
    seen: list[int] = []
    stopping = asyncio.Event()

    async def happen() -> None:
        for number in range(1, 41):
            fakes.inbox.change(number)
            await asyncio.sleep(0.005)
        stopping.set()

    async with serve_fakes(fakes) as addresses:
        happening = asyncio.create_task(happen())
        while not stopping.is_set() or len(seen) < 40:
            async with (
                edge(fakes, addresses, redis=redis_server.url, blobs=tmp_path) as world,
                world.socket(init={"authorization": f"Bearer {token()}"}) as socket,
            ):
                await socket.subscribe("n", WATCH, after=cursor)
                for _ in range(18):
                    if len(seen) == 40:
                        break
                    told = await update(socket)
                    cursor = told["cursor"]
                    if told["notification"] is not None:
                        seen.append(int(told["notification"]["id"]))
                # It dies with updates on their way to the reader.
                await world.app.stop()
        await happening
    assert seen == list(range(1, 41))


async def test_a_reader_that_takes_too_long_is_told_where_to_go_on(world: World, fakes: Fakes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.schema.inboxes.SLOW_READER_S", -1.0)
    for number in range(1, 4):
        fakes.inbox.change(number)
    async with world.socket(init={"authorization": f"Bearer {token()}"}) as socket:
        await socket.subscribe("n", WATCH, after="c0")
        assert (await update(socket))["notification"]["id"] == "1"
        assert await update(socket) == {"notification": None, "removedId": None, "unreadCount": "3", "cursor": "c1", "ended": "SLOW_READER"}
        assert (await socket.next())["type"] == "complete"
        monkeypatch.setattr("gateway.schema.inboxes.SLOW_READER_S", 5.0)
        await socket.subscribe("n", WATCH, after="c1")
        assert [(await update(socket))["notification"]["id"] for _ in range(2)] == ["2", "3"]


async def test_an_outage_of_social_only_delays_the_news(world: World, fakes: Fakes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.schema.inboxes.LOOK_AGAIN_S", 0.05)
    monkeypatch.setattr("gateway.schema.inboxes.CALM_S", 0.01)
    away = 0

    async def sometimes(request: Any) -> Any:
        nonlocal away
        if away:
            away -= 1
            raise Unavailable("gone for a moment")
        return await fakes.get_notification_changes(request)

    fakes.answers["GetNotificationChanges"] = sometimes
    async with world.socket(init={"authorization": f"Bearer {token()}"}) as socket:
        await socket.subscribe("n", WATCH)
        assert (await update(socket))["unreadCount"] == "0"
        away = 5
        fakes.inbox.change(1)
        assert (await update(socket))["notification"]["id"] == "1"
    assert away == 0
