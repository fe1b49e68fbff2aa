"""The whole system with a few published clips, once for all journeys."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from devstack.client import Api
from devstack.clips import make_clip
from devstack.layout import Layout
from devstack.ports import free_port
from devstack.system import System

CLIPS = 4
DURATION_S = 15.5
"""A little above the shortest that is taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Town:
    """A running system and who lives in it."""

    origin: str
    alice: Api
    published: tuple[str, ...]
    """Alice's clips, all ready."""
    spare: Path
    """A file that nobody has uploaded yet."""


def password_of(handle: str) -> str:
    """Of everybody in town."""
    return f"watch-{handle}-clips"


async def join(origin: str, handle: str) -> Api:
    """Sign somebody up and in."""
    api = Api(origin)
    await api.sign_up(
        handle, password_of(handle), display_name=handle.title(), consents=["PERSONALISATION"], request_id=f"journey-{handle}"
    )
    await api.sign_in(handle, password_of(handle))
    return api


async def _publish(api: Api, file: Path, number: int) -> str:
    upload = await api.upload(file, request_id=f"journey-{number}")
    await api.publish(upload["id"], caption=f"Journey clip {number}", hashtags=["journey"])
    async for state in api.progress(upload["id"]):
        assert not state["failureCode"], state
    return str(upload["id"])


async def until_state(api: Api, video_id: str, *states: str, within_s: float = 60) -> str:
    """Wait until a video is in one of the states."""
    async with asyncio.timeout(within_s):
        while True:
            video = (await api.query("query($id: ID!) { video(id: $id) { state } }", id=video_id))["video"]
            if video is not None and video["state"] in states:
                return str(video["state"])
            await asyncio.sleep(0.2)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def town(tmp_path_factory: pytest.TempPathFactory, chromium: Browser) -> AsyncIterator[Town]:
    files = [tmp_path_factory.mktemp("sources") / f"clip-{seed}.mp4" for seed in range(11, 12 + CLIPS)]
    for seed, file in enumerate(files, 11):
        await asyncio.to_thread(make_clip, file, seed=seed, duration_s=DURATION_S, width=216, height=384)
    with tempfile.TemporaryDirectory(prefix="cm-journeys-") as folder:
        layout = Layout(folder=Path(folder), port=free_port(), settings={"CLIPMESH_BOOTSTRAP_ROLES": "carla:moderator"})
        async with System(layout=layout):
            alice = await join(layout.origin, "alice")
            try:
                published = [await _publish(alice, file, number) for number, file in enumerate(files[:-1], 1)]
                for video_id in published:
                    await until_state(alice, video_id, "READY")
                yield Town(origin=layout.origin, alice=alice, published=tuple(published), spare=files[-1])
            finally:
                await alice.close()
