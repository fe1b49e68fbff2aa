"""What is compiled and what is left to graphql-core; nothing that guards a field is passed by."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import strawberry
from strawberry.extensions import FieldExtension
from strawberry.permission import BasePermission

from gateway.execution.engine import Asked, Engine
from gateway.execution.limits import OperationLimits
from tests.gateway.fakes import Fakes, snowflake
from tests.gateway.test_congruence import SCHEMA, engine
from tests.gateway.world import World

PAGE = "query($ids: [ID!]!, $more: Boolean = false) { videos(ids: $ids) { id caption ... @include(if: $more) { creator { handle } } } }"


async def ask(world: World, engine: Engine, query: str, **variables: Any) -> dict[str, Any]:
    return await engine.run(engine.plan(Asked(query=query, variables=variables)), world.context())


def compiled(engine: Engine) -> int:
    return round(engine.compiled_ratio * engine._queries)


@pytest.mark.parametrize(
    ("query", "ours"),
    [
        ("{ forYou { edges { node { ...V } } } } fragment V on Video { playback { mp4Url } sound { sourceVideo { id } } }", True),
        ('{ node(id: "5") { __typename ... on User { handle } ... on Video { viewToken(surface: LINK) } } }', True),
        ("query($no: Boolean!) { forYou @skip(if: $no) { servedBy } }", True),
        ("{ __typename }", True),
        ("{ __schema { queryType { name } } }", False),
        ('{ __type(name: "Video") { name } forYou { servedBy } }', False),
        ("mutation { updateProfile(input: {}) { userErrors { code } } }", False),
    ],
)
async def test_queries_of_the_schema_are_compiled_but_for_introspection(world: World, query: str, ours: bool) -> None:
    core = Engine(schema=SCHEMA, limits=OperationLimits(), introspection=True, cached_characters=10_000)
    assert (await ask(world, core, query, no=False)).get("data") is not None
    assert compiled(core) == ours


async def test_each_condition_is_compiled_once_and_too_many_are_left_to_graphql_core(world: World) -> None:
    ids = [str(one) for one in world.fakes.fill(2)]
    one = engine(compiled=True)
    plain = await ask(world, one, PAGE, ids=ids)
    more = await ask(world, one, PAGE, ids=ids, more=True)
    assert plain["data"]["videos"][0] == {"id": ids[0], "caption": "clip 1"}
    assert more["data"]["videos"][0] == {"id": ids[0], "caption": "clip 1", "creator": {"handle": "person1"}}
    names = [f"v{number}" for number in range(4)]
    conditions = " ".join(f"f{name}: __typename @include(if: ${name})" for name in names)
    many = f"query({', '.join(f'${name}: Boolean!' for name in names)}) {{ __typename {conditions} }}"
    before = compiled(one)
    for number in range(16):
        said = {name: bool(number >> place & 1) for place, name in enumerate(names)}
        body = await ask(world, one, many, **said)
        assert sorted(body["data"]) == sorted(["__typename", *(f"f{name}" for name in names if said[name])])
    assert compiled(one) - before == 8


async def test_parts_that_nobody_asks_for_are_not_read(world: World) -> None:
    """A service that is newer than this gateway may send what it does not know."""
    (video_id,) = world.fakes.fill(1)
    world.fakes.videos[video_id].state = 99  # type: ignore[assignment]
    query = "query($id: ID!) { video(id: $id) { caption } }"
    assert await world.ask(query, id=str(video_id)) == {"data": {"video": {"caption": "clip 1"}}}


async def test_an_error_where_null_may_not_stand_nulls_the_nearest_place_where_it_may(world: World) -> None:
    ids = [str(one) for one in world.fakes.fill(3)]
    world.fakes.videos[int(ids[1])].created_at_ms = 2**60
    query = "query($ids: [ID!]!) { videos(ids: $ids) { id createdAt creator { handle } } }"
    body = await world.ask(query, ids=ids)
    assert [one and one["id"] for one in body["data"]["videos"]] == [ids[0], None, ids[2]]
    assert [(error["path"], error["extensions"]["code"]) for error in body["errors"]] == [(["videos", 1, "createdAt"], "INTERNAL")]
    feed = await world.ask("{ forYou { edges { node { createdAt } } } }")
    assert feed["data"] == {"forYou": None}
    assert [error["path"] for error in feed["errors"]] == [["forYou", "edges", 1, "node", "createdAt"]]


async def test_a_batch_that_is_there_is_shown_while_another_is_waited_for(world: World) -> None:
    """A slow service delays its own fields and those below them, no others."""
    ids = world.fakes.fill(1)
    gate = asyncio.Event()

    async def slow(request: Any) -> Any:
        await gate.wait()
        return await world.fakes.batch_get_view_counts(request)

    world.fakes.answers["BatchGetViewCounts"] = slow
    query = "query($ids: [ID!]!) { videos(ids: $ids) { viewCount sound { creator { handle } } } }"
    asking = asyncio.create_task(world.ask(query, ids=[str(ids[0])]))
    async with asyncio.timeout(5):
        while not world.fakes.requests("BatchGetProfiles"):
            await asyncio.sleep(0.005)
    gate.set()
    assert (await asking)["data"]["videos"] == [{"viewCount": "7", "sound": {"creator": {"handle": "person1"}}}]


async def test_what_runs_for_a_cancelled_query_is_cancelled(world: World) -> None:
    world.fakes.fill(1)

    async def never(_: Any) -> Any:
        return await asyncio.Event().wait()

    world.fakes.answers |= {"ListCreatorVideos": never, "GetForYou": never}
    one, user = engine(compiled=True), str(snowflake("social", 1))
    asking = asyncio.create_task(
        ask(world, one, "query($u: ID!) { forYou { servedBy } user(id: $u) { videos { edges { cursor } } } }", u=user)
    )
    async with asyncio.timeout(5):
        while not (world.fakes.requests("ListCreatorVideos") and world.fakes.requests("GetForYou")):
            await asyncio.sleep(0.005)
        asking.cancel()
        while sorted(world.fakes.cancelled) != ["GetForYou", "ListCreatorVideos"]:
            await asyncio.sleep(0.005)


class Nobody(BasePermission):
    message = "nobody may"

    def has_permission(self, source: Any, info: Any, **_: Any) -> bool:
        return False


class Loud(FieldExtension):
    async def resolve_async(self, next_: Any, source: Any, info: Any, **arguments: Any) -> str:
        return f"{await next_(source, info, **arguments)}!"


@strawberry.type
class Guarded:
    @strawberry.field
    async def open(self, info: strawberry.Info) -> str | None:
        return "open"

    @strawberry.field(permission_classes=[Nobody])
    async def closed(self, info: strawberry.Info) -> str | None:
        return "secret"

    @strawberry.field(extensions=[Loud()])
    async def loud(self, info: strawberry.Info) -> str | None:
        return "loud"

    @strawberry.field
    async def strict(self, info: strawberry.Info) -> str:
        return "strict"

    @strawberry.field
    def plain(self, info: strawberry.Info) -> str | None:
        return "plain"


@pytest.mark.parametrize(
    ("query", "data", "ours"),
    [
        ("{ open }", {"open": "open"}, True),
        ("{ open closed }", {"open": "open", "closed": None}, False),
        ("{ loud }", {"loud": "loud!"}, False),
        ("{ strict }", {"strict": "strict"}, False),
        ("{ plain }", {"plain": "plain"}, False),
    ],
)
async def test_a_field_with_something_in_front_of_it_is_left_to_graphql_core(
    world: World, fakes: Fakes, query: str, data: dict[str, Any], ours: bool
) -> None:
    guarded = Engine(schema=strawberry.Schema(query=Guarded), limits=OperationLimits(), introspection=False, cached_characters=10_000)
    for _ in range(2):
        assert (await ask(world, guarded, query))["data"] == data
    assert compiled(guarded) == 2 * ours
