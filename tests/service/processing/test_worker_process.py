"""`python -m svc_video worker` as a process: killed at the worst moment, stopped in the middle, and nothing is lost or done twice too often."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mesh.clock import SystemClock
from mesh.testing.rpc import SERVICES, private_key_of
from svc_video.processing.media import MediaTools, check_mp4
from svc_video.processing.tables import JobState
from svc_video.videos.actions import MediaState
from tests.fixtures.children import child
from tests.service.processing.conftest import Settings, World, until

pytestmark = pytest.mark.timeout(180)

SERVICE = "video-worker"


def write_secrets(path: Path) -> None:
    """The worker's own file, with the keys that all tests share."""
    public = {peer: Ed25519PrivateKey.from_private_bytes(private_key_of(peer)).public_key().public_bytes_raw() for peer in SERVICES}
    content = {
        "service": SERVICE,
        "private_key": base64.b64encode(private_key_of(SERVICE)).decode(),
        "peers": {peer: base64.b64encode(key).decode() for peer, key in public.items()},
        "named": {},
    }
    path.write_text(json.dumps(content))


class Workers:
    """Starts worker processes and ends those it started."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._stack = AsyncExitStack()
        write_secrets(world.folder / "worker.json")

    async def start(self, environment: Mapping[str, str] | None = None) -> asyncio.subprocess.Process:
        """One worker on the world's service and blobs."""
        folder = self._world.folder
        running = child(
            *(sys.executable, "-m", "svc_video", "worker"),
            env={
                **{name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPATH", "LD_LIBRARY_PATH", "TMPDIR") if name in os.environ},
                "CLIPMESH_SECRETS": str(folder / "worker.json"),
                "CLIPMESH_BLOBS": f"file://{folder / 'blobs'}",
                "CLIPMESH_SCRATCH": str(folder / "scratch"),
                "CLIPMESH_VIDEO_ADDRESS": self._world.served.address,
                "CLIPMESH_JOB_HEARTBEAT_MS": "300",
                "CLIPMESH_TESTING": "1",
                **(environment or {}),
            },
            stderr=asyncio.subprocess.DEVNULL,
        )
        return await self._stack.enter_async_context(running)

    async def close(self) -> None:
        """End those that still run."""
        await self._stack.aclose()


@pytest.fixture
async def real_world(tmp_path: Path) -> AsyncIterator[World]:
    """A world in which time passes."""
    settings = Settings(job_lease_ms=3_000, job_retry_ms=100)
    world = World(folder=tmp_path, real_clock=SystemClock(), settings=settings)
    await world.open()
    try:
        yield world
    finally:
        await world.close()


@pytest.fixture
async def workers(real_world: World) -> AsyncIterator[Workers]:
    """Worker processes of that world."""
    workers = Workers(real_world)
    try:
        yield workers
    finally:
        await workers.close()


async def test_a_killed_worker_costs_one_attempt_of_one_job_and_a_stopped_one_none(
    real_world: World, workers: Workers, clip: Path, tools: MediaTools, tmp_path: Path
) -> None:
    world = real_world
    await world.upload_file(1, clip)
    killed = await workers.start({"CLIPMESH_FAILPOINTS": "job.after_output:3", "CLIPMESH_JOBS": "1"})
    assert await killed.wait() == -signal.SIGKILL
    rows = await world.rows(1)
    assert [key for key, row in rows.items() if row.state is JobState.LEASED] == ["chunk/first/0"]
    assert len(list((tmp_path / "scratch").glob("worker-*"))) == 1

    stopped = await workers.start()
    await until(lambda: _is_leased_again(world), timeout_s=60)
    stopped.terminate()
    async with asyncio.timeout(20):
        assert await stopped.wait() == 0
    assert list((tmp_path / "scratch").iterdir()) == []

    await workers.start()
    await until(lambda: world.has_state(1, MediaState.COMPLETE), timeout_s=120)
    attempts = {key: row.attempt for key, row in (await world.rows(1)).items() if row.attempt > 1}
    assert attempts == {"chunk/first/0": 2}
    await world.blobs.get_file(f"{await world.published(1)}360p.mp4", tmp_path / "whole.mp4")
    assert await check_mp4(tools, tmp_path / "whole.mp4", frames=360) == []


async def test_a_killed_worker_costs_at_most_as_many_attempts_as_it_does_jobs_at_once(
    real_world: World, workers: Workers, clip: Path, tools: MediaTools, tmp_path: Path
) -> None:
    world = real_world
    await world.upload_file(1, clip)
    killed = await workers.start({"CLIPMESH_FAILPOINTS": "job.after_output:3", "CLIPMESH_JOBS": "3"})
    assert await killed.wait() == -signal.SIGKILL
    left = {key for key, row in (await world.rows(1)).items() if row.state is JobState.LEASED}
    assert 1 <= len(left) <= 3
    await workers.start({"CLIPMESH_JOBS": "3"})
    await until(lambda: world.has_state(1, MediaState.COMPLETE), timeout_s=120)
    assert {key: row.attempt for key, row in (await world.rows(1)).items() if row.attempt > 1} == dict.fromkeys(left, 2)
    await world.blobs.get_file(f"{await world.published(1)}360p.mp4", tmp_path / "whole.mp4")
    assert await check_mp4(tools, tmp_path / "whole.mp4", frames=360) == []


async def _is_leased_again(world: World) -> bool:
    return (await world.row(1, "chunk/first/0")).attempt == 2
