"""Subscriptions over multipart HTTP, as Apollo's clients speak it."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from clipmesh.video.v1 import upload_service_pb2 as uploads

from mesh.events.stream import open_stream
from mesh.stores.redis import open_redis
from mesh.testing.redis_server import RedisServer
from tests.gateway.conftest import Opening
from tests.gateway.fakes import Fakes, snowflake
from tests.gateway.parts import in_parts
from tests.gateway.world import World, token, until

PROGRESS = "subscription($id: ID!) { uploadProgress(uploadId: $id) { stage progressPercent } }"
UPLOAD = snowflake("video", 1)
SPEC = "subscriptionSpec=1.0"


def told(stage: str, percent: int) -> dict[str, Any]:
    return {"payload": {"data": {"uploadProgress": {"stage": stage, "progressPercent": percent}}}}


async def test_each_event_is_a_part_at_once_until_the_end(world: World, redis_server: RedisServer) -> None:
    world.fakes.upload(UPLOAD, progress_percent=10)
    redis = open_redis(redis_server.url)
    stream = open_stream("", redis=redis)
    async with in_parts(world, PROGRESS, spec=SPEC, bearer=token(), id=str(UPLOAD)) as parts:
        assert await anext(parts) == told("QUEUED", 10)
        world.fakes.upload(UPLOAD, progress_percent=100, stage=uploads.PROCESSING_STAGE_DONE)
        await stream.publish_hint("video.progress", str(UPLOAD), 2)
        assert [part async for part in parts] == [told("DONE", 100)]
    await stream.close()
    await redis.close()


async def test_an_empty_part_keeps_the_connection_open(opened: Opening, fakes: Fakes) -> None:
    fakes.upload(UPLOAD)
    async with opened(socket_keepalive_ms=50) as world, in_parts(world, PROGRESS, spec=SPEC, id=str(UPLOAD)) as parts:
        assert [await anext(parts) for _ in range(3)] == [told("QUEUED", 0), {}, {}]


async def test_a_token_that_ends_ends_it_with_its_reason_beside_no_payload(opened: Opening, fakes: Fakes) -> None:
    fakes.upload(UPLOAD)
    async with opened() as world:
        short = token(issued_at_ms=int(time.time() * 1000) - 598_500)
        async with in_parts(world, PROGRESS, spec=SPEC, bearer=short, id=str(UPLOAD)) as parts:
            assert await anext(parts) == told("QUEUED", 0)
            (last,) = [part async for part in parts]
    assert last["payload"] is None
    assert last["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_what_is_wrong_with_the_operation_is_a_result(world: World) -> None:
    async with in_parts(world, PROGRESS, spec=SPEC) as parts:
        (only,) = [part async for part in parts]
    assert only["payload"]["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


async def test_a_reader_who_leaves_ends_the_stream_and_its_calls(world: World) -> None:
    async def never(_: object) -> object:
        return await asyncio.Event().wait()

    world.fakes.answers["GetUpload"] = never
    async with in_parts(world, PROGRESS, spec=SPEC, id=str(UPLOAD)):
        await until(lambda: world.fakes.requests("GetUpload"))
        assert world.app.open_connections == 1
    await until(lambda: world.app.open_connections == 0)
    await until(lambda: world.fakes.cancelled == ["GetUpload"], timeout_s=2)


async def test_they_count_as_sockets(opened: Opening, fakes: Fakes) -> None:
    fakes.upload(UPLOAD)
    async with opened(sockets=1) as world, world.socket():
        sent = {"query": PROGRESS, "variables": {"id": str(UPLOAD)}}
        answer = await world.http.post("/graphql", json=sent, headers={"accept": f"multipart/mixed; {SPEC}"})
    assert (answer.status_code, answer.json()["errors"][0]["extensions"]["code"]) == (503, "UNAVAILABLE")


async def test_queries_are_answered_in_json_where_a_client_takes_subscriptions_in_parts(world: World) -> None:
    for accept in (f"multipart/mixed; {SPEC}, application/json", f"application/json, multipart/mixed; {SPEC}"):
        answer = await world.http.post("/graphql", json={"query": "{ __typename }"}, headers={"accept": accept})
        assert answer.json() == {"data": {"__typename": "Query"}}
