"""No process holds its event loop for long by work of its own while people upload, publish, browse and watch."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from devstack.client import new_request_id
from mesh.loop_watch import HELD
from mesh.testing.folders import socket_folder
from tests.e2e.engines import Engines
from tests.e2e.stage import Stage, feed, video_of

pytestmark = [pytest.mark.timed, pytest.mark.timeout(150)]


async def test_no_event_loop_is_held_over_50_ms_by_its_own_work(clip: Path, engines: Engines) -> None:
    with socket_folder() as folder:
        # Passwords as slow as people's: they are hashed, and no loop waits for it.
        stage = Stage.at(folder, engines=engines, CLIPMESH_WATCH_LOOP="1", CLIPMESH_PASSWORD_MEMORY_KIB="65536")
        await stage.system.start()
        try:
            creator, viewer = await stage.person("ada"), await stage.person("vera")
            video_id = await stage.public(creator, clip, "a life")
            edge = await stage.in_feed(viewer, video_id)
            assert (await viewer.fetch(edge["node"]["playback"]["mp4Url"])).status_code == 200
            await viewer.report_watch(edge["viewToken"], watched_ms=2_400, event_id=new_request_id())
            assert await feed(viewer)
            assert await video_of(creator, video_id)
            await stage.quiet()
        finally:
            await stage.close()
        assert held(folder) == []


def held(folder: Path) -> list[str]:
    """Who held which loop for how long."""
    found = []
    for log in sorted((folder / "run" / "logs").glob("*.log")):
        for line in log.read_text(encoding="utf-8").splitlines():
            if HELD in line:
                told = json.loads(line)
                found.append(f"{log.stem}: {told['method']} for {told['duration_ms']} ms")
    return found
