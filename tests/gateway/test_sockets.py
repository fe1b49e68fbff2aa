"""graphql-transport-ws: its messages, its closing codes, and what one socket may do."""

from __future__ import annotations

import asyncio
import time

import pytest
from clipmesh.common.v1 import viewer_pb2
from clipmesh.video.v1 import upload_service_pb2 as uploads
from websockets.exceptions import InvalidStatus

from mesh.events.stream import open_stream
from mesh.stores.redis import open_redis
from mesh.testing.redis_server import RedisServer
from tests.gateway.conftest import Opening
from tests.gateway.fakes import Fakes, snowflake
from tests.gateway.world import World, token, until

PROGRESS = "subscription($id: ID!) { uploadProgress(uploadId: $id) { stage progressPercent video { creator { handle } } } }"
UPLOAD = snowflake("video", 1)


async def test_a_query_over_a_socket_is_one_message_and_the_end(world: World) -> None:
    async with world.socket(init={"authorization": f"Bearer {token(user_id=9)}"}) as socket:
        await socket.subscribe("a", "{ me { user { id } } }")
        assert await socket.next() == {"id": "a", "type": "next", "payload": {"data": {"me": {"user": {"id": "9"}}}}}
        assert await socket.next() == {"id": "a", "type": "complete"}
        await socket.subscribe("a", "{ __typename }")
        assert (await socket.next())["payload"] == {"data": {"__typename": "Query"}}


async def test_a_mutation_over_a_socket_runs(world: World) -> None:
    async with world.socket(init={"Authorization": f"Bearer {token(user_id=9)}"}) as socket:
        await socket.subscribe("m", 'mutation { updateProfile(input: {bio: "new"}) { user { bio } } }')
        assert (await socket.next())["payload"] == {"data": {"updateProfile": {"user": {"bio": "new"}}}}


async def test_progress_is_told_now_and_at_every_change_until_the_end(world: World, redis_server: RedisServer) -> None:
    world.fakes.fill(1)
    world.fakes.upload(UPLOAD, progress_percent=10)
    redis = open_redis(redis_server.url)
    stream = open_stream("", redis=redis)
    async with world.socket(init={"authorization": f"Bearer {token()}"}) as socket:
        await socket.subscribe("p", PROGRESS, id=str(UPLOAD))
        first = (await socket.next())["payload"]["data"]["uploadProgress"]
        assert first == {"stage": "QUEUED", "progressPercent": 10, "video": {"creator": {"handle": "person1"}}}
        world.fakes.upload(UPLOAD, progress_percent=55, stage=uploads.PROCESSING_STAGE_ENCODING_FIRST)
        await stream.publish_hint("video.progress", str(UPLOAD), 2)
        second = (await socket.next())["payload"]["data"]["uploadProgress"]
        assert (second["stage"], second["progressPercent"]) == ("ENCODING_FIRST", 55)
        world.fakes.upload(UPLOAD, progress_percent=100, stage=uploads.PROCESSING_STAGE_DONE)
        await stream.publish_hint("video.progress", str(UPLOAD), 3)
        assert (await socket.next())["payload"]["data"]["uploadProgress"]["stage"] == "DONE"
        assert await socket.next() == {"id": "p", "type": "complete"}
    # Every step loads anew: nothing of an earlier one is told again.
    assert world.fakes.counted["video.BatchGetVideos"] == 3
    assert {call.viewer.user_id for call in world.fakes.calls if call.method == "GetUpload"} == {7}
    await stream.close()
    await redis.close()


async def test_an_upload_that_is_not_there_ends_the_operation_and_not_the_socket(world: World) -> None:
    async with world.socket() as socket:
        await socket.subscribe("p", PROGRESS, id=str(UPLOAD))
        (error,) = (await socket.next())["payload"]["errors"]
        assert (error["path"], error["extensions"]["code"]) == (["uploadProgress"], "NOT_FOUND")
        assert await socket.next() == {"id": "p", "type": "complete"}
        await socket.subscribe("q", "{ __typename }")
        assert (await socket.next())["type"] == "next"


@pytest.mark.parametrize("query", ["{ nobody }", "{", "subscription { uploadProgress { stage } }", "{ " + "a " * 500 + "}"])
async def test_a_refused_operation_is_an_error_message(world: World, query: str) -> None:
    async with world.socket() as socket:
        await socket.subscribe("x", query)
        message = await socket.next()
        assert (message["id"], message["type"]) == ("x", "error")
        assert {error["extensions"]["code"] for error in message["payload"]} <= {"BAD_USER_INPUT", "QUERY_TOO_COSTLY"}
        await socket.subscribe("x", "{ __typename }")
        assert (await socket.next())["type"] == "next"


async def test_a_ping_is_answered_before_anything_else(world: World) -> None:
    async with world.socket(acknowledged=False) as socket:
        await socket.send(type="ping")
        assert await socket.next() == {"type": "pong"}


CLOSINGS: list[tuple[str, list[object], int]] = [
    ("text that is no JSON", ["nonsense"], 4400),
    ("no object", ["[]"], 4400),
    ("bytes", [b"{}"], 4400),
    ("no type", ['{"id": "a"}'], 4400),
    ("an unknown type", ['{"type": "start"}'], 4400),
    ("a payload of init that is none", ['{"type": "connection_init", "payload": 5}'], 4400),
    ("an authorization that is no text", ['{"type": "connection_init", "payload": {"authorization": 5}}'], 4400),
    ("two inits", ['{"type": "connection_init"}', '{"type": "connection_init"}'], 4429),
    ("subscribing before init", ['{"type": "subscribe", "id": "a", "payload": {"query": "{ __typename }"}}'], 4401),
    ("a bad token", ['{"type": "connection_init", "payload": {"authorization": "Bearer x"}}'], 4403),
    ("subscribing without id", ['{"type": "connection_init"}', '{"type": "subscribe", "payload": {"query": "{ __typename }"}}'], 4400),
    ("a long id", ['{"type": "connection_init"}', '{"type": "complete", "id": "' + "x" * 129 + '"}'], 4400),
    ("no payload", ['{"type": "connection_init"}', '{"type": "subscribe", "id": "a"}'], 4400),
]


@pytest.mark.parametrize(("what", "messages", "code"), CLOSINGS, ids=[what for what, _, _ in CLOSINGS])
async def test_a_wrong_message_closes_the_socket_with_its_code(world: World, what: str, messages: list[str], code: int) -> None:
    async with world.socket(acknowledged=False) as socket:
        for message in messages:
            await socket.connection.send(message)
        assert (await socket.closed())[0] == code
    assert not world.fakes.counted


async def test_one_id_carries_one_operation(world: World) -> None:
    world.fakes.upload(UPLOAD)
    async with world.socket() as socket:
        await socket.subscribe("same", PROGRESS, id=str(UPLOAD))
        await socket.subscribe("same", PROGRESS, id=str(UPLOAD))
        assert await socket.closed() == (4409, "Subscriber for same already exists")


async def test_a_socket_that_never_says_who_it_is_is_closed(opened: Opening) -> None:
    async with opened(socket_init_ms=50) as world, world.socket(acknowledged=False) as socket:
        await socket.send(type="ping")
        assert await socket.closed() == (4408, "Connection initialisation timeout")


async def test_other_protocols_are_not_spoken(world: World) -> None:
    for protocols in (["graphql-ws"], None):
        async with world.socket(acknowledged=False, subprotocols=protocols) as socket:
            assert await socket.closed() == (4406, "only graphql-transport-ws is spoken here")


async def test_a_message_larger_than_a_body_may_be_closes_the_socket(opened: Opening) -> None:
    async with opened(body_bytes=2_000) as world, world.socket() as socket:
        await socket.subscribe("x", "{ __typename }" + "#" * 2_000)
        assert (await socket.closed())[0] == 1009


async def test_a_socket_carries_so_many_operations_and_no_more(opened: Opening, fakes: Fakes) -> None:
    fakes.upload(UPLOAD)
    async with opened(socket_operations=2) as world, world.socket() as socket:
        for name in ("one", "two"):
            await socket.subscribe(name, PROGRESS, id=str(UPLOAD))
            assert (await socket.next())["type"] == "next"
        await socket.subscribe("three", PROGRESS, id=str(UPLOAD))
        refused = await socket.next()
        assert (refused["id"], refused["type"], refused["payload"][0]["extensions"]["code"]) == ("three", "error", "RATE_LIMITED")
        await socket.send(type="complete", id="one")
        await socket.subscribe("four", PROGRESS, id=str(UPLOAD))
        assert (await socket.next())["id"] == "four"


async def test_more_sockets_than_may_be_open_are_told_to_come_again(opened: Opening) -> None:
    async with opened(sockets=1) as world:
        async with world.socket(), world.socket(acknowledged=False) as second:
            assert await second.closed() == (1013, "too many sockets are open")
        async with world.socket() as third:
            await third.subscribe("q", "{ __typename }")
            assert (await third.next())["type"] == "next"


async def test_one_address_has_so_many_sockets_and_streams_and_leaves_the_others_room(opened: Opening, fakes: Fakes) -> None:
    fakes.upload(UPLOAD)
    elsewhere = {"x-forwarded-for": "203.0.113.9"}
    async with opened(sockets_per_address=1, trusted_proxies=1) as world:
        async with world.socket(), world.socket(acknowledged=False) as second:
            assert await second.closed() == (1013, "too many sockets are open")
            stream = {"accept": "text/event-stream"}
            assert (await world.http.post("/graphql", json={"query": "{ __typename }"}, headers=stream)).status_code == 503
            assert (await world.http.post("/graphql", json={"query": "{ __typename }"}, headers=stream | elsewhere)).status_code == 200
            async with world.socket(additional_headers=elsewhere) as third:
                await third.subscribe("q", "{ __typename }")
                assert (await third.next())["type"] == "next"
        async with world.socket():
            assert world.app.open_connections == 1


async def test_opening_sockets_counts_against_the_address(opened: Opening) -> None:
    async with opened(rate_address_burst=45, rate_address_per_s=1) as world:
        for _ in range(2):
            async with world.socket():
                pass
        async with world.socket(acknowledged=False) as third:
            await third.send(type="connection_init")
            code, reason = await third.closed()
        assert (code, reason) == (1013, "RATE_LIMITED: too many requests: wait, then try again")


async def test_a_browser_that_objects_to_profiling_is_heard_on_sockets_too(world: World) -> None:
    bearer = {"authorization": f"Bearer {token(consents=[viewer_pb2.CONSENT_PURPOSE_ADS])}"}
    for headers in ({}, {"sec-gpc": "1"}):
        async with world.socket(init=bearer, additional_headers=headers) as socket:
            await socket.subscribe("q", "{ forYou { servedBy } }")
            assert (await socket.next())["type"] == "next"
    consents = [list(call.viewer.consents) for call in world.fakes.calls if call.method == "GetForYou"]
    assert consents == [[viewer_pb2.CONSENT_PURPOSE_ADS], []]


async def test_a_token_that_ends_ends_its_socket_in_a_way_that_can_be_renewed(opened: Opening, fakes: Fakes) -> None:
    fakes.upload(UPLOAD)
    short = token(issued_at_ms=int(time.time() * 1000) - 598_500)
    async with opened() as world, world.socket(init={"authorization": f"Bearer {short}"}) as socket:
        await socket.subscribe("p", PROGRESS, id=str(UPLOAD))
        assert (await socket.next())["type"] == "next"
        code, reason = await socket.closed()
        assert (code, reason) == (4403, "UNAUTHENTICATED: the token is expired or not valid yet")
        async with world.socket(init={"authorization": f"Bearer {token()}"}) as renewed:
            await renewed.subscribe("p", PROGRESS, id=str(UPLOAD))
            assert (await renewed.next())["type"] == "next"


async def test_pings_keep_a_quiet_socket_open(opened: Opening) -> None:
    async with opened(socket_keepalive_ms=50) as world, world.socket() as socket:
        for _ in range(2):
            assert await socket.next() == {"type": "ping"}
            await socket.send(type="pong")


async def test_operations_of_one_socket_share_nothing(world: World) -> None:
    (video_id,) = world.fakes.fill(1)
    query = "query($id: ID!) { video(id: $id) { caption creator { handle } } }"
    async with world.socket() as socket:
        await socket.subscribe("a", query, id=str(video_id))
        assert (await socket.next())["payload"]["data"]["video"]["caption"] == "clip 1"
        assert (await socket.next())["type"] == "complete"
        await world.fakes.servers["social"].server.stop(drain_wait_ms=0, grace_ms=0)
        world.fakes.videos[video_id].caption = "changed"
        await socket.subscribe("b", query, id=str(video_id))
        payload = (await socket.next())["payload"]
        assert payload == {"data": {"video": {"caption": "changed", "creator": None}}, "extensions": {"degraded": ["social"]}}
        assert (await socket.next())["type"] == "complete"
        await socket.subscribe("c", "query($id: ID!) { video(id: $id) { caption } }", id=str(video_id))
        assert (await socket.next())["payload"] == {"data": {"video": {"caption": "changed"}}}


async def test_a_page_of_another_origin_gets_no_socket(world: World) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with world.socket(origin="https://evil.example"):
            pass
    assert refused.value.response.status_code == 403
    async with world.socket(origin=world.origin) as socket:
        await socket.subscribe("q", "{ __typename }")
        assert (await socket.next())["type"] == "next"


async def test_ending_an_operation_or_leaving_stops_its_calls(world: World) -> None:
    world.fakes.fill(1)

    async def never(_: object) -> object:
        return await asyncio.Event().wait()

    world.fakes.answers["GetForYou"] = never
    async with world.socket() as socket:
        await socket.subscribe("slow", "{ forYou { servedBy } }")
        await until(lambda: world.fakes.requests("GetForYou"))
        await socket.send(type="complete", id="slow")
        await until(lambda: world.fakes.cancelled == ["GetForYou"], timeout_s=2)
        await socket.subscribe("slow", "{ forYou { servedBy } }")
        await until(lambda: len(world.fakes.requests("GetForYou")) == 2)
    await until(lambda: world.fakes.cancelled == ["GetForYou"] * 2, timeout_s=2)


async def test_a_mutation_finishes_though_its_socket_is_gone(world: World) -> None:
    gate = asyncio.Event()

    async def slow(request: object) -> object:
        await gate.wait()
        return await world.fakes.update_profile(request)

    world.fakes.answers["UpdateProfile"] = slow
    async with world.socket(init={"authorization": f"Bearer {token()}"}) as socket:
        await socket.subscribe("m", 'mutation { updateProfile(input: {bio: "x"}) { userErrors { code } } }')
        await until(lambda: world.fakes.requests("UpdateProfile"))
    await asyncio.sleep(0.1)
    gate.set()
    await until(lambda: "UpdateProfile" in world.fakes.finished)
    assert world.fakes.cancelled == []


async def test_a_reader_that_takes_nothing_is_dropped(opened: Opening, fakes: Fakes) -> None:
    ids = [str(video_id) for video_id in fakes.fill(50)]
    for video in fakes.videos.values():
        video.caption = "x" * 2_000
    query = "query($ids: [ID!]!) { " + " ".join(f"a{number}: videos(ids: $ids) {{ caption }}" for number in range(20)) + " }"
    async with opened(socket_stall_ms=300) as world, world.socket() as socket:
        transport = socket.connection.transport
        assert isinstance(transport, asyncio.ReadTransport)
        transport.pause_reading()
        # More than the buffers of both ends take.
        for number in range(12):
            await socket.subscribe(f"{number}", query, ids=ids)
        assert world.app.open_connections == 1
        await until(lambda: world.app.open_connections == 0, timeout_s=20)
        transport.abort()
