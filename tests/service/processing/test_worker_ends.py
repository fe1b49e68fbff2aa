"""How a worker's hold on a job ends before the job does, and what no retry would mend."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mesh.status import RpcUnavailable
from svc_video.processing.media import MediaToolOverLimit, MediaTools, encode
from svc_video.processing.tables import JobState
from svc_video.processing.worker.errors import LeaseGone
from svc_video.processing.worker.steps import AtWork
from svc_video.videos.actions import MediaState
from tests.service.processing.conftest import LEASE_MS, World
from tests.service.processing.test_worker import JOBS, Rig

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
async def rig(world: World, tools: MediaTools, tmp_path: Path) -> AsyncIterator[Rig]:
    """A worker with its scratch folder open."""
    rig = Rig(world, tools, tmp_path / "scratch")
    await rig.scratch.open()
    yield rig
    await rig.scratch.close()


class _Endless:
    """Steps that never end by themselves."""

    def __init__(self) -> None:
        self.began = asyncio.Event()
        self.was_cancelled = False

    async def run(self, work: object) -> str:
        """For ever."""
        self.began.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.was_cancelled = True
            raise
        return ""


async def test_a_stopping_worker_gives_its_job_back_at_once(rig: Rig, world: World, clip: Path) -> None:
    await world.upload_file(1, clip)
    endless = _Endless()
    rig.steps = endless  # type: ignore[assignment]
    worker = rig.another()
    running = asyncio.create_task(worker.run())
    await endless.began.wait()
    async with asyncio.timeout(15):
        worker.stop()
        await running
    assert endless.was_cancelled
    job = await world.leased()
    assert (job.job_key, job.attempt) == ("probe", 1)


async def test_a_lost_lease_ends_the_work_at_once(rig: Rig, world: World, clip: Path) -> None:
    await world.upload_file(1, clip)
    endless = _Endless()
    rig.steps = endless  # type: ignore[assignment]
    worker = rig.another(heartbeat_ms=10)
    doing = asyncio.create_task(worker.do(await world.leased()))
    await endless.began.wait()
    await world.jobs.close(1)
    async with asyncio.timeout(15):
        await doing
    assert endless.was_cancelled
    assert (await world.row(1, "probe")).state is JobState.LEASED, "nothing was told"


async def test_a_worker_cut_off_from_the_service_stops_when_its_lease_has_run_out(rig: Rig, world: World, clip: Path) -> None:
    await world.upload_file(1, clip)
    endless = _Endless()
    rig.steps = endless  # type: ignore[assignment]
    worker = rig.another(heartbeat_ms=10)
    job = await world.leased()
    worker._stub = _Away(world.stub)  # type: ignore[assignment]
    doing = asyncio.create_task(worker.do(job))
    await endless.began.wait()
    world.clock.advance(LEASE_MS)
    async with asyncio.timeout(15):
        await doing
    assert endless.was_cancelled
    assert (await world.row(1, "probe")).state is JobState.LEASED, "nothing was told"


class _Away:
    """A service that answers no heartbeat."""

    def __init__(self, stub: object) -> None:
        self._stub = stub

    def __getattr__(self, name: str) -> object:
        return getattr(self._stub, name)

    async def Heartbeat(self, request: object, *, timeout: float) -> object:  # noqa: N802
        """Nobody there."""
        raise RpcUnavailable


async def test_a_worker_whose_lease_is_lost_writes_nothing(rig: Rig, world: World, clip: Path, tmp_path: Path) -> None:
    async def lost() -> None:
        raise LeaseGone

    await world.upload_file(1, clip)
    keys = []
    while (job := await world.lease()) is not None:
        keys.append(job.job_key)
        before = list(rig.blobs.put_keys)
        folder = tmp_path / f"stale-{len(keys)}"
        folder.mkdir()
        # The probe has nothing to write: what it finds is told by its commit, which the service refuses.
        with pytest.raises(LeaseGone) if job.job_key != "probe" else contextlib.nullcontext():
            await rig.steps.run(AtWork(job=job, folder=folder, report=lambda share: None, still_ours=lost))
        assert rig.blobs.put_keys == before, job.job_key
        await rig.worker.do(job)
    assert keys == JOBS


async def test_a_damaged_source_counts_and_ends_the_video_though_its_bytes_stay(rig: Rig, world: World, clip: Path, tmp_path: Path) -> None:
    await world.upload_file(1, clip)
    stored = tmp_path / "blobs" / "objects" / "raw~" / "1"
    stored.write_bytes(stored.read_bytes()[:-1])
    for attempt in (1, 2, 3, 4):
        job = await world.leased()
        assert job.attempt == attempt
        await rig.worker.do(job)
        assert (await world.row(1, "probe")).reason == "OBJECT_DAMAGED"
        world.clock.advance(60_000)
    video = await world.until_media(1, MediaState.FAILED)
    assert (video.failure_code, video.redoable) == ("PROCESSING_FAILED", True)


async def test_bytes_that_take_more_than_a_clip_may_need_are_refused_at_once(
    rig: Rig, world: World, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.upload_file(1, clip)
    await rig.worker.do(await world.leased())
    await rig.worker.do(await world.leased())

    async def over(*_: object, **__: object) -> object:
        raise MediaToolOverLimit("ffmpeg", problem="used more than 630 CPU seconds", stderr_tail="file:/scratch/source-1: slow")

    monkeypatch.setattr(encode, "run_tool", over)
    await rig.worker.do(await world.leased())
    video = await world.until_media(1, MediaState.FAILED)
    assert (video.failure_code, video.redoable) == ("CORRUPT_MEDIA", False)
    assert video.failure_detail == "The file is damaged or incomplete, or decoding it takes more than a clip may need."
    assert (await world.row(1, "chunk/first/0")).attempt == 1
