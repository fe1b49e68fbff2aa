"""Compiled queries answer what graphql-core answers, whatever is asked and whatever the services do."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
import pytest
from clipmesh.common.v1 import viewer_pb2
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from gateway.execution.documents import Invalid
from gateway.execution.engine import Asked, Engine
from gateway.execution.limits import OperationLimits, TooCostly
from gateway.schema.root import make_schema
from mesh.errors import MeshError, NotFound, PermissionDenied, Unavailable
from tests.gateway.fakes import Fakes, snowflake
from tests.gateway.queries import Query, queries
from tests.gateway.world import World

SCHEMA = make_schema()
LIMITS = OperationLimits(cost=10**9, root_fields=100, aliases=1_000, directives=1_000, repeats=1_000, fields=10_000, spreads=1_000)
KNOWN = [str(snowflake(service, number)) for service in ("video", "social", "sound") for number in (1, 2, 3)]
IDS = [*KNOWN * 4, str(snowflake("video", 99)), str(snowflake("rights", 1)), "no id"]

METHODS = st.sets(
    st.sampled_from(
        [
            *("BatchGetVideos", "BatchGetProfiles", "BatchGetSounds", "BatchGetPlayback", "BatchGetViewCounts", "MintViewTokens"),
            *("BatchGetRelationships", "BatchGetGraphCounts", "ListFollowers", "ListFollowing", "ListBlocked"),
            *("BatchGetCounters", "BatchGetViewerState", "ListReposts", "ListSaved"),
            *("GetForYou", "GetMyAccount", "GetProfileByHandle", "ListCreatorVideos", "ListSoundVideos", "ListReviews", "GetUpload"),
        ]
    ),
    max_size=3,
)
# All in the same way: which of several failures a resolver meets first is chance.
WEATHER = st.tuples(METHODS, st.sampled_from([Unavailable, NotFound, PermissionDenied]))
"""Methods that fail, and how."""
SPOILED = st.lists(
    st.sampled_from(
        [
            *(
                ("video", number, name, value)
                for number in (1, 2, 3)
                for name, value in [("state", 99), ("category", 55), ("created_at_ms", 2**60)]
            ),
            *(("social", number, "created_at_ms", 2**60) for number in (1, 2, 3)),
            *(("sound", number, name, value) for number in (1, 2, 3) for name, value in [("kind", 9), ("created_at_ms", 2**60)]),
        ]
    ),
    max_size=4,
)
"""Values that the schema cannot show, as a newer service may send them."""


def engine(*, compiled: bool) -> Engine:
    return Engine(schema=SCHEMA, limits=LIMITS, introspection=False, cached_characters=500_000, compiled=compiled)


class Pair:
    """Both executors over the same services."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.compiled, self.core = engine(compiled=True), engine(compiled=False)

    async def compare(self, query: Query, *, signed_in: bool) -> dict[str, Any]:
        """What both answer."""
        ours, asked = await self._answer(self.compiled, query, signed_in)
        theirs, they_asked = await self._answer(self.core, query, signed_in)
        assert orjson.dumps(ours.get("data")) == orjson.dumps(theirs.get("data"))
        assert _sorted(ours) == _sorted(theirs)
        assert ours.get("extensions") == theirs.get("extensions")
        if "errors" not in ours:
            assert asked == they_asked
        return ours

    async def _answer(self, engine: Engine, query: Query, signed_in: bool) -> tuple[dict[str, Any], Any]:
        self._world.fakes.calls.clear()
        try:
            plan = engine.plan(Asked(query=query.text, variables=query.variables))
        except Invalid as invalid:
            # More than one may ask is refused before either runs; all else would be a query that was written wrong.
            assume(not isinstance(invalid.errors[0], TooCostly))
            raise
        try:
            viewer = viewer_pb2.ViewerContext(region="US", user_id=int(KNOWN[3]) if signed_in else 0)
            before = asyncio.all_tasks()
            body = await engine.run(plan, self._world.context(viewer))
            # Where a field failed, what its neighbours still ask must not be counted for the next query.
            if late := asyncio.all_tasks() - before:
                await asyncio.wait(late, timeout=0.1)
        except Invalid as invalid:
            return {"data": [error.message for error in invalid.errors]}, None
        return body, _asked(self._world.fakes)


def _asked(fakes: Fakes) -> set[tuple[str, object]]:
    """What the services were asked, however it was divided into calls."""
    asked: set[tuple[str, object]] = set()
    for call in fakes.calls:
        ids = next((getattr(call.request, name) for name in ("video_ids", "user_ids", "sound_ids") if hasattr(call.request, name)), None)
        asked |= {(call.method, one) for one in ids} if ids is not None else {(call.method, call.request.SerializeToString())}
    return {one for one in asked if one[0] not in {"ListRevocations", "ListSigningKeys"}}


def _sorted(body: dict[str, Any]) -> list[str]:
    return sorted(json.dumps(error, sort_keys=True) for error in body.get("errors", ()))


def _failing(error: type[MeshError]) -> Callable[[Any], Awaitable[Any]]:
    async def fail(_: Any) -> Any:
        raise error("not now")

    return fail


_random = settings(max_examples=100, deadline=None, database=None, suppress_health_check=[*HealthCheck])


async def _agree(world: World, query: Query, weather: tuple[set[str], type[MeshError]], spoiled: Any, signed_in: bool) -> Pair:
    world.fakes.fill(3)
    things: dict[str, dict[int, Any]] = {"video": world.fakes.videos, "social": world.fakes.people, "sound": world.fakes.sounds}
    for service, number, name, value in spoiled:
        setattr(things[service][snowflake(service, number)], name, value)
    methods, error = weather
    world.fakes.answers = {method: _failing(error) for method in methods}
    pair = Pair(world)
    await pair.compare(query, signed_in=signed_in)
    return pair


# What hypothesis shows of a world is long.
_quiet = pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisWarning")


@_quiet
@pytest.mark.timeout(180)
@_random
@given(query=queries(SCHEMA._schema, IDS), weather=WEATHER, spoiled=SPOILED, signed_in=st.booleans())
async def test_random_queries_are_answered_alike(world: World, query: Query, weather: Any, spoiled: Any, signed_in: bool) -> None:
    pair = await _agree(world, query, weather, spoiled, signed_in)
    assert pair.compiled.compiled_ratio in (0, 1)


@_quiet
@pytest.mark.long
@pytest.mark.timeout(900)
@settings(_random, max_examples=2_000)
@given(query=queries(SCHEMA._schema, IDS), weather=WEATHER, spoiled=SPOILED, signed_in=st.booleans())
async def test_many_random_queries_are_answered_alike(world: World, query: Query, weather: Any, spoiled: Any, signed_in: bool) -> None:
    await _agree(world, query, weather, spoiled, signed_in)
