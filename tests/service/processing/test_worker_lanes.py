"""A worker that does several jobs at once: each has a lease of its own, and ends by itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from svc_video.processing.media import MediaTools
from svc_video.processing.tables import JobState
from svc_video.processing.worker.room import jobs_here
from svc_video.processing.worker.steps import AtWork
from svc_video.videos.actions import MediaState
from tests.service.processing.conftest import World, probed, until
from tests.service.processing.test_worker import Rig

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
async def rig(world: World, tools: MediaTools, tmp_path: Path) -> AsyncIterator[Rig]:
    """A worker with its scratch folder open."""
    rig = Rig(world, tools, tmp_path / "scratch")
    await rig.scratch.open()
    yield rig
    await rig.scratch.close()


class _Held:
    """Steps that last until each is let go or cancelled."""

    def __init__(self) -> None:
        self.at_work: dict[str, asyncio.Event] = {}
        self.folders: set[Path] = set()
        self.cancelled: list[str] = []

    async def run(self, work: AtWork) -> str:
        """Until let go."""
        self.folders.add(work.folder)
        done = self.at_work[work.job.job_key] = asyncio.Event()
        try:
            await done.wait()
        except asyncio.CancelledError:
            self.cancelled.append(work.job.job_key)
            raise
        return ""

    async def are(self, *keys: str) -> bool:
        """Whether these are the jobs that were begun."""
        return sorted(self.at_work) == sorted(keys)


async def _begun(world: World) -> None:
    await world.upload(1)
    await world.commit(await world.leased(), probed(chunks=4))


async def test_as_many_jobs_as_set_are_done_at_once_and_a_free_lane_takes_the_next(rig: Rig, world: World) -> None:
    held = _Held()
    rig.steps = held  # type: ignore[assignment]
    await _begun(world)
    worker = rig.another(jobs=3)
    running = asyncio.create_task(worker.run())
    await until(lambda: held.are("audio", "chunk/first/0", "chunk/first/1"))
    rows = [await world.row(1, key) for key in held.at_work]
    assert {row.state for row in rows} == {JobState.LEASED}
    assert len({(row.job_key, row.fence) for row in rows}) == len(held.folders) == 3
    assert (await world.row(1, "chunk/first/2")).state is JobState.OPEN
    held.at_work["chunk/first/0"].set()
    await until(lambda: held.are("audio", "chunk/first/0", "chunk/first/1", "chunk/first/2"))
    assert (await world.row(1, "chunk/first/0")).state is JobState.DONE
    assert held.cancelled == []
    async with asyncio.timeout(15):
        worker.stop()
        await running
    assert sorted(held.cancelled) == ["audio", "chunk/first/1", "chunk/first/2"]
    given_back = [await world.row(1, key) for key in held.cancelled]
    assert {(row.state, row.attempt, row.reason) for row in given_back} == {(JobState.OPEN, 0, "WORKER_STOPPING")}


async def test_a_lane_whose_lease_is_lost_ends_alone(rig: Rig, world: World) -> None:
    held = _Held()
    rig.steps = held  # type: ignore[assignment]
    await _begun(world)
    await world.upload(2)
    worker = rig.another(heartbeat_ms=10, jobs=6)
    running = asyncio.create_task(worker.run())
    await until(lambda: held.are("audio", *(f"chunk/first/{index}" for index in range(4)), "probe"))
    await world.jobs.close(2)
    await until(lambda: _are(held.cancelled, ["probe"]))
    held.at_work["audio"].set()
    await until(lambda: _is_done(world, "audio"))
    worker.stop()
    await running


async def test_jobs_at_once_make_a_clip_from_one_copy_of_its_source(rig: Rig, world: World, clip: Path) -> None:
    await world.upload_file(1, clip)
    fetched: list[str] = []
    real = rig.blobs._blobs.get

    async def get(key: str) -> object:
        fetched.append(key)
        return await real(key)

    rig.blobs.get = get  # type: ignore[attr-defined]
    worker = rig.another(jobs=4)
    running = asyncio.create_task(worker.run())
    await until(lambda: world.has_state(1, MediaState.COMPLETE), timeout_s=150)
    worker.stop()
    await running
    assert fetched.count("raw/1") == 1
    assert {row.attempt for key, row in (await world.rows(1)).items() if key != "plan"} == {1}


async def _are(found: list[str], wanted: list[str]) -> bool:
    return found == wanted


async def _is_done(world: World, key: str) -> bool:
    return (await world.row(1, key)).state is JobState.DONE


@pytest.mark.parametrize(
    ("cpu", "memory", "jobs"),
    [("max 100000", "max", 8), ("250000 100000", "max", 2), ("50000 100000", "max", 1), ("max 100000", str(3 * 2**30), 3), ("", "9", 1)],
)
def test_a_container_has_room_for_as_many_jobs_as_it_may_use_cores_and_gibibytes(
    cpu: str, memory: str, jobs: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(8)))
    monkeypatch.setattr("os.sysconf", {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 16 * 2**30 // 4096}.__getitem__)
    (tmp_path / "memory.max").write_text(f"{memory}\n")
    if cpu:
        (tmp_path / "cpu.max").write_text(f"{cpu}\n")
    assert jobs_here(tmp_path) == jobs
