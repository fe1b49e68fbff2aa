"""Every RPC, and every GraphQL field that takes an id, asked by everybody about somebody's things, gives what its table says."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio
from clipmesh.video.v1 import playback_service_pb2
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from graphql import build_schema

from mesh.errors import MeshError
from mesh.testing.folders import socket_folder
from tests.e2e.access.asking import Asked, ask, fields_with_ids
from tests.e2e.access.fields import FIELDS, NOT_BY_THE_OWNER, STIRRING
from tests.e2e.access.rpcs import CALLERS as CALLERS_OF
from tests.e2e.access.rpcs import RPCS, callers_of
from tests.e2e.access.town import BOOTSTRAP_ROLES, CALLERS, ENDING, KINDS, Town, all_services, message_of, name_of, outcome
from tests.e2e.stage import Stage

whole = pytest.mark.asyncio(loop_scope="module")
SCHEMA = Path(__file__).resolve().parents[3] / "gateway" / "schema.graphql"
READS = ("Get", "List", "Batch", "Mint")
_SETTLED_S = 10.0
"""How long lists may trail behind what was done."""


def methods() -> dict[str, tuple[ServiceDescriptor, MethodDescriptor]]:
    """Every method by its name."""
    return {name_of(method): (service, method) for service in all_services() for method in service.methods}


def fields() -> dict[str, Asked]:
    """Every GraphQL field that takes an id, by its type and name."""
    return fields_with_ids(build_schema(SCHEMA.read_text(encoding="utf-8")))


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def town(clip: Path) -> AsyncIterator[Town]:
    with socket_folder() as folder:
        stage = Stage.at(folder, CLIPMESH_BOOTSTRAP_ROLES=BOOTSTRAP_ROLES)
        await stage.system.start()
        async with AsyncExitStack() as stack:
            try:
                yield await Town.build(stage, stack, clip)
            finally:
                await stage.close()


async def asked(town: Town, service: ServiceDescriptor, method: MethodDescriptor, kind: str) -> str:
    """What becomes of one call: `in`, `nothing`, or the reason of its refusal."""
    try:
        answer = await town.call(service, method.name, await town.request(method, kind), kind=kind)
    except MeshError as refused:
        return refused.reason
    if isinstance(answer, playback_service_pb2.BatchGetPlaybackResponse):
        [playback] = answer.playbacks
        return playback_service_pb2.PlaybackRefusal.Name(playback.refusal).removeprefix("PLAYBACK_REFUSAL_").replace("UNSPECIFIED", "in")
    return outcome(answer) if method.name.startswith(READS) and "Count" not in method.name else "in"


async def settled(look: Callable[[], Awaitable[str]], *, expected: str, trails: bool) -> str:
    """What becomes of a call; it is made again while the service is too busy, and while what it reads trails behind what was done."""
    until = time.monotonic() + _SETTLED_S
    while True:
        found = await look()
        if found == expected or not (trails or found in ("OVERLOADED", "UNAVAILABLE")) or time.monotonic() > until:
            return found
        await asyncio.sleep(0.1)


async def wrong_methods(town: Town) -> dict[str, tuple[str, str]]:
    """What methods give that the table does not say, as (expected, found)."""
    known, wrong = methods(), dict[str, tuple[str, str]]()
    for name, expected in RPCS.items():
        service, method = known[name]
        for kind in KINDS:
            found = await settled(
                partial(asked, town, service, method, kind), expected=expected[kind], trails=method.name.startswith(READS)
            )
            if found != expected[kind]:
                wrong[f"{name} for {kind}"] = (expected[kind], found)
            if found == "in" and method.name in ENDING:
                await town.renew(method.name)
        if service.name == "GraphService":
            await town.stand()
    return wrong


async def wrong_fields(town: Town) -> dict[str, tuple[str, str]]:
    """The same of GraphQL fields."""
    known, wrong = fields(), dict[str, tuple[str, str]]()
    for name, expected in FIELDS.items():
        field = known[name]
        method = field.name[0].upper() + field.name[1:]
        for kind in KINDS:
            if kind == "owner" and name in NOT_BY_THE_OWNER:
                continue
            found = await settled(partial(ask, town, field, kind), expected=expected[kind], trails=field.of != "Mutation")
            if found != expected[kind]:
                wrong[f"{name} for {kind}"] = (expected[kind], found)
            if found == "in" and method in ENDING:
                await town.renew(method)
        if name in STIRRING:
            await town.stand()
    return wrong


def test_every_method_and_every_field_with_an_id_has_a_row() -> None:
    assert set(methods()) == set(RPCS), "say in tests/e2e/access/rpcs.py who may call a new method"
    assert set(CALLERS_OF) <= set(RPCS)
    assert set(fields()) == set(FIELDS), "say in tests/e2e/access/fields.py what a new field that takes an id gives to whom"


@whole
@pytest.mark.timeout(240)
async def test_everybody_gets_what_the_tables_say(town: Town) -> None:
    wrong = {**await wrong_fields(town), **await wrong_methods(town)}
    assert wrong == {}, "(expected, found)"


@whole
@pytest.mark.timeout(240)
async def test_services_call_what_they_are_listed_for_and_nothing_else(town: Town) -> None:
    wrong = dict[str, tuple[bool, str]]()
    for name, (service, method) in methods().items():
        for caller in CALLERS:
            listed = caller in callers_of(name)
            try:
                # Empty: who is let in at this door is refused at the next, so that nothing is done.
                await town.call(service, method.name, message_of(method)(), kind="anonymous", caller=caller)
                found = "in"
            except MeshError as refused:
                found = refused.reason
            if (found != "FORBIDDEN") is not listed:
                wrong[f"{name} by {caller}"] = (listed, found)
    assert wrong == {}, "(listed, found)"
