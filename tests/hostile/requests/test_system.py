"""Strangers, thieves and liars at a whole system: named answers, and no row, byte or connection more than before."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from devstack.clips import make_clip
from tests.e2e.stage import until
from tests.hostile.requests.crimes import CRIMES
from tests.hostile.requests.raw import connection
from tests.hostile.requests.scene import Scene, scene

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(150)]

CRIME_S = 10.0


@pytest_asyncio.fixture(loop_scope="module", scope="module", name="scene")
async def a_scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    clip = tmp_path_factory.mktemp("clips") / "clip.mp4"
    await asyncio.to_thread(make_clip, clip, seed=3, duration_s=15.5, width=126, height=224, fps=24)
    async with scene(clip) as set_scene:
        yield set_scene


@pytest.mark.parametrize("name", CRIMES)
async def test_a_crime_gets_its_answer_and_changes_nothing(scene: Scene, name: str) -> None:
    crime = CRIMES[name]
    before = await asyncio.to_thread(scene.kept)
    async with asyncio.timeout(CRIME_S):
        answer = await crime.commit(scene)
    assert answer == crime.answer
    assert await asyncio.to_thread(scene.kept) == before


async def test_connections_of_all_kinds_of_leavers_are_let_go(scene: Scene) -> None:
    before = await asyncio.to_thread(scene.connections)
    beginnings = [
        b"",
        b"GET /m/",
        f"GET {scene.mp4} HTTP/1.1\r\nHost: a\r\n\r\n".encode(),
        f"PUT {scene.links[1]} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(scene.parts[1])}\r\n\r\nhalf".encode(),
        b"POST /graphql HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{",
    ]
    kept = await asyncio.to_thread(scene.kept)
    for beginning in beginnings * 3:
        async with connection(scene.port) as (_, writer):
            writer.write(beginning)
            await writer.drain()
            await asyncio.sleep(0.02)

    async def gone() -> bool:
        return await asyncio.to_thread(scene.connections) <= before and await asyncio.to_thread(scene.kept) == kept

    await until(gone, what="connections and half bodies are gone", timeout_s=10)


async def test_after_all_crimes_the_half_upload_can_be_finished_by_its_owner(scene: Scene) -> None:
    assert (await scene.http.get(scene.mp4)).status_code == 200
    state = (await scene.creator.query("query($id: ID!) { upload(id: $id) { state receivedParts { partNumber } } }", id=scene.half["id"]))[
        "upload"
    ]
    assert state == {"state": "OPEN", "receivedParts": [{"partNumber": 1}]}
