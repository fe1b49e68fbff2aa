"""GraphQL over server-sent events, in the distinct connections mode of graphql-sse."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from clipmesh.video.v1 import upload_service_pb2 as uploads

from gateway.protocols.running import Running
from mesh.events.stream import open_stream
from mesh.stores.redis import open_redis
from mesh.testing.redis_server import RedisServer
from tests.gateway.conftest import Opening
from tests.gateway.fakes import Fakes, snowflake
from tests.gateway.world import WAIT_S, World, token, until

PROGRESS = "subscription($id: ID!) { uploadProgress(uploadId: $id) { stage progressPercent } }"
UPLOAD = snowflake("video", 1)
Event = tuple[str, Any]


@contextlib.asynccontextmanager
async def streamed(
    world: World, query: str, *, bearer: str = "", method: str = "POST", **variables: Any
) -> AsyncIterator[AsyncIterator[Event]]:
    """The events of an operation; a comment is an event named ":"."""
    headers = {"accept": "text/event-stream", **({"authorization": f"Bearer {bearer}"} if bearer else {})}
    sent = {"json": {"query": query, "variables": variables}}
    if method == "GET":
        sent = {"params": {"query": query, "variables": json.dumps(variables)}}
    async with world.http.stream(method, "/graphql", headers=headers, **sent) as answer:  # type: ignore[arg-type]
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert answer.headers["cache-control"] == "no-store"

        async def events() -> AsyncIterator[Event]:
            name = ""
            async for line in answer.aiter_lines():
                if line.startswith(":"):
                    yield ":", line[1:].strip()
                elif line.startswith("event: "):
                    name = line.removeprefix("event: ")
                elif line.startswith("data:"):
                    data = line.removeprefix("data:").strip()
                    yield name, json.loads(data) if data else None

        async with asyncio.timeout(WAIT_S):
            yield events()


async def test_a_query_is_one_event_and_the_end(world: World) -> None:
    for method in ("POST", "GET"):
        async with streamed(world, "{ __typename }", method=method) as events:
            assert [event async for event in events] == [("next", {"data": {"__typename": "Query"}}), ("complete", None)]


async def test_a_subscription_streams_until_it_ends(world: World, redis_server: RedisServer) -> None:
    world.fakes.upload(UPLOAD, progress_percent=10)
    redis = open_redis(redis_server.url)
    stream = open_stream("", redis=redis)
    async with streamed(world, PROGRESS, bearer=token(), method="GET", id=str(UPLOAD)) as events:
        assert await anext(events) == ("next", {"data": {"uploadProgress": {"stage": "QUEUED", "progressPercent": 10}}})
        world.fakes.upload(UPLOAD, progress_percent=100, stage=uploads.PROCESSING_STAGE_DONE)
        await stream.publish_hint("video.progress", str(UPLOAD), 2)
        assert await anext(events) == ("next", {"data": {"uploadProgress": {"stage": "DONE", "progressPercent": 100}}})
        assert [event async for event in events] == [("complete", None)]
    await stream.close()
    await redis.close()


async def test_a_client_that_takes_both_gets_events_for_subscriptions_alone(world: World) -> None:
    accept = "application/graphql-response+json, application/json, text/event-stream"
    world.fakes.upload(UPLOAD, stage=uploads.PROCESSING_STAGE_DONE)
    for query, kind in (("{ __typename }", "application/graphql-response+json"), (PROGRESS, "text/event-stream")):
        sent = {"query": query, "variables": {"id": str(UPLOAD)} if query is PROGRESS else {}}
        answer = await world.http.post("/graphql", json=sent, headers={"accept": accept})
        assert (answer.status_code, answer.headers["content-type"]) == (200, f"{kind}; charset=utf-8")


async def test_a_refused_document_is_told_as_an_event(world: World) -> None:
    for query in ("{ nobody }", "query($id: ID!) { video(id: $id) { id } }"):
        async with streamed(world, query) as events:
            (name, body), end = [event async for event in events]
        assert (name, body["errors"][0]["extensions"]["code"], end) == ("next", "BAD_USER_INPUT", ("complete", None))


async def test_pings_come_while_nothing_changes(opened: Opening, fakes: Fakes) -> None:
    fakes.upload(UPLOAD)
    async with opened(socket_keepalive_ms=50) as world, streamed(world, PROGRESS, id=str(UPLOAD)) as events:
        assert [(await anext(events))[0] for _ in range(3)] == ["next", ":", ":"]


async def test_a_token_that_ends_ends_the_stream_with_its_reason(opened: Opening, fakes: Fakes) -> None:
    fakes.upload(UPLOAD)
    async with opened() as world:
        short = token(issued_at_ms=int(time.time() * 1000) - 598_500)
        async with streamed(world, PROGRESS, bearer=short, id=str(UPLOAD)) as events:
            assert (await anext(events))[0] == "next"
            rest = [event async for event in events]
    assert [name for name, _ in rest] == ["next", "complete"]
    assert rest[0][1]["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_a_reader_who_leaves_ends_the_stream_and_its_calls(opened: Opening, fakes: Fakes) -> None:
    async def never(_: object) -> object:
        return await asyncio.Event().wait()

    fakes.answers["GetUpload"] = never
    async with opened() as world:
        async with streamed(world, PROGRESS, id=str(UPLOAD)):
            await until(lambda: fakes.requests("GetUpload"))
            assert world.app.open_connections == 1
        await until(lambda: world.app.open_connections == 0)
        await until(lambda: fakes.cancelled == ["GetUpload"], timeout_s=2)


async def test_a_stream_that_breaks_ends_with_its_reason(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A reader would otherwise take pings for ever."""

    async def broken(*_: object, **__: object) -> object:
        raise RuntimeError("a bug")

    monkeypatch.setattr(Running, "answer", broken)
    with caplog.at_level(logging.ERROR, "clipmesh.gateway"):
        async with streamed(world, "{ __typename }") as events:
            (name, body), end = [event async for event in events]
    assert (name, end) == ("next", ("complete", None))
    (error,) = body["errors"]
    assert (error["message"], error["extensions"]["code"]) == ("something went wrong on our side", "INTERNAL")
    assert [record.error_type for record in caplog.records if record.name == "clipmesh.gateway"] == ["RuntimeError"]  # type: ignore[attr-defined]


async def test_streams_count_as_sockets(opened: Opening, fakes: Fakes) -> None:
    fakes.upload(UPLOAD)
    async with opened(sockets=1) as world, world.socket():
        answer = await world.http.post("/graphql", json={"query": "{ __typename }"}, headers={"accept": "text/event-stream"})
    assert answer.status_code == 503
    assert answer.json()["errors"][0]["extensions"]["code"] == "UNAVAILABLE"
