"""The gateway's loop at work: no callback of its own holds it for long, whatever is asked."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
from collections.abc import AsyncIterator

import pytest

from gateway.execution.persisted import sha256_of
from mesh.loop_watch import HELD, HELD_MS, watched
from mesh.telemetry import Telemetry
from tests.gateway.conftest import Opening
from tests.gateway.parts import in_parts
from tests.gateway.world import World, token
from tests.hostile.requests.documents import DOCUMENTS
from tests.pace import slower_now

pytestmark = [pytest.mark.timed]

PAGE = """query Page($ids: [ID!]!) { videos(ids: $ids) { id caption hashtags durationMs likeCount viewCount viewerState { liked }
  creator { id handle followerCount } sound { id title } viewToken(surface: LINK) playback { mp4Url } } }"""
LATER = "query Later($ids: [ID!]!) { videos(ids: $ids) { id ... @defer { creator { handle } } ... @defer { sound { title } } } }"


async def work(world: World, ids: list[str]) -> None:
    """Pages whole and in parts, by text and by hash, on connections and sockets, beside what is refused."""
    bearer = token()
    named = {"persistedQuery": {"version": 1, "sha256Hash": sha256_of(PAGE)}}
    async with world.socket(init={"authorization": f"Bearer {bearer}"}) as socket:
        for number in range(2):
            await asyncio.gather(
                *(world.ask(PAGE, bearer=bearer, ids=ids) for _ in range(8)),
                *(world.http.post("/graphql", json={"extensions": named, "variables": {"ids": ids}}) for _ in range(4)),
                *(
                    world.http.post("/graphql", content=case.body, headers={"content-type": "application/json"})
                    for case in DOCUMENTS.values()
                ),
            )
            async with in_parts(world, LATER, ids=ids) as parts:
                assert [part async for part in parts][-1]["hasNext"] is False
            await socket.subscribe(str(number), PAGE, ids=ids)
            assert (await socket.next())["type"] == "next"
            assert (await socket.next())["type"] == "complete"
            batch = json.dumps([{"query": f"query P{one} {PAGE[10:]}", "variables": {"ids": ids}} for one in range(6)])
            await world.http.post("/graphql", content=batch, headers={"content-type": "application/json"})


@pytest.fixture
async def world(opened: Opening) -> AsyncIterator[World]:
    async with opened(socket_keepalive_ms=600_000) as world:
        yield world


async def test_no_callback_holds_the_loop_for_50_ms(world: World, caplog: pytest.LogCaptureFixture) -> None:
    ids = [str(one) for one in world.fakes.fill(50)]
    await work(world, ids[:1])
    # As a process does before it serves: what was made so far is walked through no more.
    gc.collect()
    gc.freeze()
    held_ms = HELD_MS * slower_now()
    with caplog.at_level(logging.WARNING, "clipmesh.loop"), watched(Telemetry(service="gateway"), held_ms=held_ms):
        await work(world, ids)
    gc.unfreeze()
    held = [f"{record.method} for {record.duration_ms} ms" for record in caplog.records if record.message == HELD]  # type: ignore[attr-defined]
    assert held == []
