"""@defer: what is deferred follows the rest, in the form that the client takes, within the same limits and deadline, and ends with its reader."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from gateway.execution.engine import Asked, Engine
from gateway.execution.limits import OperationLimits
from gateway.metrics import OPERATIONS
from gateway.schema.root import make_schema
from mesh import deadline
from mesh.errors import Unavailable
from tests.gateway.conftest import Opening
from tests.gateway.fakes import Fakes
from tests.gateway.parts import in_parts, merge, merged
from tests.gateway.world import World, token, until

PAGE = """query Page($ids: [ID!]!, $later: Boolean! = true) {
  videos(ids: $ids) { id ... @defer(if: $later, label: "maker") { creator { handle } sound { id } } }
}"""
WHOLE = "query($ids: [ID!]!) { videos(ids: $ids) { id creator { handle } sound { id } } }"
CLIP = 'query Clip($id: ID!) { video(id: $id) { id ...Maker @defer(label: "maker") } } fragment Maker on Video { creator { handle } }'
ACCEPT = "application/graphql-response+json"


def ids(fakes: Fakes, count: int = 3) -> list[str]:
    return [str(one) for one in fakes.fill(count)]


async def test_the_rest_comes_first_and_the_parts_make_the_whole_answer(world: World) -> None:
    wanted = ids(world.fakes)
    async with in_parts(world, PAGE, ids=wanted) as parts:
        received = [part async for part in parts]
    first = received[0]
    assert first["data"] == {"videos": [{"id": one} for one in wanted]}
    assert [(one["path"], one["label"]) for one in first["pending"]] == [(["videos", index], "maker") for index in range(3)]
    assert "errors" not in first
    assert merged(received) == (await world.ask(WHOLE, ids=wanted))["data"]


async def test_fragments_of_many_objects_ask_each_service_once(world: World) -> None:
    async with in_parts(world, PAGE, ids=ids(world.fakes, 20)) as parts:
        assert len([part async for part in parts]) >= 2
    assert world.fakes.counted == {"video.BatchGetVideos": 1, "social.BatchGetProfiles": 1, "sound.BatchGetSounds": 1}


async def test_the_first_part_does_not_wait_for_the_others(world: World) -> None:
    (clip,) = ids(world.fakes, 1)
    slow = asyncio.Event()

    async def later(request: Any) -> Any:
        await slow.wait()
        return await world.fakes.batch_get_profiles(request)

    world.fakes.answers["BatchGetProfiles"] = later
    async with in_parts(world, CLIP, id=clip) as parts:
        first = await anext(parts)
        assert (first["data"], first["hasNext"]) == ({"video": {"id": clip}}, True)
        slow.set()
        assert (await anext(parts))["incremental"] == [{"id": "0", "data": {"creator": {"handle": "person1"}}}]


async def test_older_clients_are_told_paths_and_labels(world: World) -> None:
    wanted = ids(world.fakes)
    async with in_parts(world, PAGE, spec="deferSpec=20220824", ids=wanted) as parts:
        first, *rest = [part async for part in parts]
    assert first == {"data": {"videos": [{"id": one} for one in wanted]}, "hasNext": True}
    patches = [one for part in rest for one in part.get("incremental", ())]
    assert sorted((one["path"], one["label"]) for one in patches) == [(["videos", index], "maker") for index in range(3)]
    for one in patches:
        merge(first["data"], one["path"], one["data"])
    assert first["data"] == (await world.ask(WHOLE, ids=wanted))["data"]
    assert [part["hasNext"] for part in rest] == [True] * (len(rest) - 1) + [False]


async def test_a_fragment_whose_fields_came_with_another_is_told_to_be_there(world: World) -> None:
    query = """query($id: ID!) { video(id: $id) { id ... @defer(label: "a") { creator { handle } } ... @defer(label: "b") { creator { handle } } } }"""
    (clip,) = ids(world.fakes, 1)
    async with in_parts(world, query, spec="deferSpec=20220824", id=clip) as parts:
        patches = [one for part in [part async for part in parts][1:] for one in part.get("incremental", ())]
    assert sorted(one["label"] for one in patches) == ["a", "b"]
    assert sum("creator" in one["data"] for one in patches) == 1


@pytest.mark.parametrize("compiled", [True, False])
async def test_who_takes_no_parts_gets_the_whole_answer_at_once(opened: Opening, fakes: Fakes, compiled: bool) -> None:
    wanted = ids(fakes)
    async with opened(graphql_compiled=compiled) as world:
        whole = await world.ask(WHOLE, ids=wanted)
        for accept in (ACCEPT, "application/json", "text/event-stream", "multipart/mixed; deferSpec=20991231, application/json"):
            answer = await world.http.post("/graphql", json={"query": PAGE, "variables": {"ids": wanted}}, headers={"accept": accept})
            events = accept == "text/event-stream"
            assert whole == (json.loads(answer.text.split("data: ")[1].split("\n")[0]) if events else answer.json()), accept


async def test_deferred_documents_are_compiled_for_who_takes_them_whole(world: World) -> None:
    engine = Engine(schema=make_schema(), limits=OperationLimits(), introspection=False, cached_characters=100_000)
    plan = engine.plan(Asked(query=PAGE, variables={"ids": ids(world.fakes)}))
    await engine.run(plan, world.context())
    assert engine.compiled_ratio == 1


async def test_who_takes_parts_and_defers_nothing_gets_json(world: World) -> None:
    accept = "multipart/mixed; incrementalSpec=v0.2, application/json"
    answer = await world.http.post("/graphql", json={"query": "{ __typename }"}, headers={"accept": accept})
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    async with in_parts(world, PAGE, ids=ids(world.fakes), later=False) as parts:
        (only,) = [part async for part in parts]
    assert only["hasNext"] is False
    assert only["data"]["videos"][0]["creator"] == {"handle": "person1"}


async def test_who_takes_parts_alone_gets_one(world: World) -> None:
    async with world.http.stream("POST", "/graphql", json={"query": "{ __typename }"}, headers={"accept": "multipart/mixed"}) as answer:
        text = (await answer.aread()).decode()
    assert text == (
        '\r\n--graphql\r\ncontent-type: application/json; charset=utf-8\r\n\r\n{"data":{"__typename":"Query"},"hasNext":false}\r\n--graphql--\r\n'
    )


async def test_a_document_that_is_refused_is_refused_as_json_with_its_status(world: World) -> None:
    answer = await world.http.post(
        "/graphql", json={"query": "{ nobody ... @defer { me { email } } }"}, headers={"accept": f"multipart/mixed, {ACCEPT}"}
    )
    assert (answer.status_code, answer.headers["content-type"]) == (400, f"{ACCEPT}; charset=utf-8")


async def test_variables_that_do_not_fit_are_told_in_the_only_part(world: World) -> None:
    async with in_parts(world, CLIP) as parts:
        (only,) = [part async for part in parts]
    assert (only["hasNext"], only["errors"][0]["extensions"]["code"]) == (False, "BAD_USER_INPUT")
    assert not world.fakes.counted


@pytest.mark.parametrize("spec", ["incrementalSpec=v0.2", "deferSpec=20220824"])
async def test_what_a_missing_service_leaves_out_is_told_with_the_part_that_lacks_it(world: World, spec: str) -> None:
    async def away(_: Any) -> Any:
        raise Unavailable("not now")

    world.fakes.answers["BatchGetProfiles"] = away
    (clip,) = ids(world.fakes, 1)
    async with in_parts(world, CLIP, spec=spec, id=clip) as parts:
        first, *rest = [part async for part in parts]
    assert "extensions" not in first
    assert [part["extensions"] for part in rest if "extensions" in part] == [{"degraded": ["social"]}]
    (patch,) = [one for part in rest for one in part.get("incremental", ())]
    assert patch["data"] == {"creator": None}


async def test_an_error_in_a_fragment_is_told_with_it_and_masked(world: World) -> None:
    async def bug(_: Any) -> Any:
        raise RuntimeError("secret")

    world.fakes.answers["GetMyAccount"] = bug
    query = "query($id: ID!) { video(id: $id) { id } ... @defer { me { email } } }"
    async with in_parts(world, query, bearer=token(), id=ids(world.fakes, 1)[0]) as parts:
        first, *rest = [part async for part in parts]
    assert "errors" not in first
    (patch,) = [one for part in rest for one in part.get("incremental", ())]
    (error,) = patch["errors"]
    assert (error["path"], error["extensions"]["code"], error["message"]) == (["me"], "INTERNAL", "something went wrong on our side")
    await until(lambda: world.app.process.telemetry.value(OPERATIONS, kind="query", code="INTERNAL") == 1)


@pytest.mark.parametrize("spec", ["incrementalSpec=v0.2", "deferSpec=20220824"])
async def test_a_fragment_that_fails_as_a_whole_says_so_and_tells_nothing_of_why(world: World, spec: str) -> None:
    (clip,) = ids(world.fakes, 1)
    world.fakes.videos[int(clip)].created_at_ms = 2**60
    query = 'query($id: ID!) { video(id: $id) { id ... @defer(label: "when") { createdAt } } }'
    async with in_parts(world, query, spec=spec, id=clip) as parts:
        first, *rest = [part async for part in parts]
    assert first["data"] == {"video": {"id": clip}}
    told = [one for part in rest for one in (*part.get("incremental", ()), *part.get("completed", ()))]
    (failed,) = [one for one in told if "errors" in one]
    (error,) = failed["errors"]
    assert (error["path"], error["extensions"]["code"], error["message"]) == (
        ["video", "createdAt"],
        "INTERNAL",
        "something went wrong on our side",
    )
    if spec.startswith("defer"):
        assert (failed["data"], failed["path"], failed["label"]) == (None, ["video"], "when")
    assert rest[-1]["hasNext"] is False


async def test_a_mutation_is_done_when_its_first_part_comes(world: World) -> None:
    query = 'mutation { updateProfile(input: {bio: "new"}) { user { id ... @defer { bio } } } }'
    async with in_parts(world, query, bearer=token()) as parts:
        received = [part async for part in parts]
    assert merged(received)["updateProfile"]["user"]["bio"] == "new"
    assert world.fakes.counted["social.UpdateProfile"] == 1


async def test_the_deadline_is_one_for_all_parts(opened: Opening, fakes: Fakes) -> None:
    left_s = []

    async def never(_: Any) -> Any:
        left_s.append(deadline.remaining_s(60.0))
        return await asyncio.Event().wait()

    fakes.answers["BatchGetProfiles"] = never
    (clip,) = ids(fakes, 1)
    async with opened(operation_ms=300) as world, in_parts(world, CLIP, id=clip) as parts:
        received = [part async for part in parts]
    assert 0 < max(left_s) <= 0.3
    assert received[-1]["hasNext"] is False
    assert merged(received) == {"video": {"id": clip, "creator": None}}


async def test_a_reader_who_leaves_ends_what_is_deferred(world: World) -> None:
    async def never(_: Any) -> Any:
        return await asyncio.Event().wait()

    world.fakes.answers["BatchGetProfiles"] = never
    (clip,) = ids(world.fakes, 1)
    async with in_parts(world, CLIP, id=clip) as parts:
        assert (await anext(parts))["data"] == {"video": {"id": clip}}
        await until(lambda: world.fakes.requests("BatchGetProfiles"))
    await until(lambda: world.fakes.cancelled == ["BatchGetProfiles"], timeout_s=2)
    await until(lambda: world.app.open_connections == 0)


async def test_event_streams_bring_parts_to_who_asks_for_them(world: World) -> None:
    (clip,) = ids(world.fakes, 1)
    headers = {"accept": "text/event-stream; incrementalSpec=v0.2"}
    answer = await world.http.post("/graphql", json={"query": CLIP, "variables": {"id": clip}}, headers=headers)
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    received = [json.loads(line[6:]) for line in answer.text.split("\n") if line.startswith("data: ")]
    assert merged(received) == {"video": {"id": clip, "creator": {"handle": "person1"}}}
    assert answer.text.endswith("event: complete\ndata:\n\n")


async def test_sockets_bring_parts_to_who_agreed_on_them(world: World) -> None:
    (clip,) = ids(world.fakes, 1)
    whole = {"video": {"id": clip, "creator": {"handle": "person1"}}}
    assert await over_a_socket(world, clip, {}, {"type": "connection_ack"}) == [{"data": whole}]
    assert await over_a_socket(world, clip, {"incrementalSpec": "v9"}, {"type": "connection_ack"}) == [{"data": whole}]
    pending = {"incrementalSpec": "v0.2"}
    assert merged(await over_a_socket(world, clip, pending, {"type": "connection_ack", "payload": pending})) == whole
    paths = {"deferSpec": "20220824"}
    first, second = (await over_a_socket(world, clip, paths, {"type": "connection_ack", "payload": paths}))[:2]
    assert first == {"data": {"video": {"id": clip}}, "hasNext": True}
    assert second["incremental"] == [{"data": {"creator": {"handle": "person1"}}, "path": ["video"], "label": "maker"}]


async def over_a_socket(world: World, clip: str, init: dict[str, str], acknowledged: dict[str, Any]) -> list[Any]:
    """What a socket says to CLIP that began with `init`."""
    received = []
    async with world.socket(acknowledged=False) as socket:
        await socket.send(type="connection_init", payload=init)
        assert await socket.next() == acknowledged
        await socket.subscribe("d", CLIP, id=clip)
        while (message := await socket.next())["type"] == "next":
            received.append(message["payload"])
        assert message == {"id": "d", "type": "complete"}
    return received


def code(answer: httpx.Response) -> str:
    extensions = answer.json()["errors"][0]["extensions"]
    return f"{extensions['code']} {extensions.get('limit', '')}".strip()


BOUNDS = {
    "{ me { " + "... @defer { email } " * 11 + "} }": "QUERY_TOO_COSTLY defers",
    "{ forYou(first: 20) { edges { node { "
    + "... @defer { id } " * 10
    + "creator { videos { edges { cursor } } } } } } }": "QUERY_TOO_COSTLY cost",
    "{ me { email @defer } }": "BAD_USER_INPUT",
    "{ me { ... @stream { email } } }": "BAD_USER_INPUT",
    '{ me { ... @defer(label: "a") { email } ... @defer(label: "a") { roles } } }': "BAD_USER_INPUT",
    "mutation { ... @defer { updateProfile(input: {}) { userErrors { code } } } }": "BAD_USER_INPUT",
    "subscription { uploadProgress(uploadId: 5) { ... @defer { stage } } }": "BAD_USER_INPUT",
}


async def test_defers_have_bounds_and_places(opened: Opening) -> None:
    async with opened(graphql_cost=5_000) as world:
        for query, expected in BOUNDS.items():
            answer = await world.http.post("/graphql", json={"query": query}, headers={"accept": f"multipart/mixed, {ACCEPT}"})
            assert (answer.status_code, code(answer)) == (400, expected), query
        assert not world.fakes.counted
