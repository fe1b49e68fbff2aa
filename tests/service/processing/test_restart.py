"""A service that dies at any point: what was acknowledged stands, what follows is told, memory and rows agree."""

from __future__ import annotations

import asyncio

import pytest
from clipmesh.video.v1 import job_service_pb2 as pb2

from mesh import failpoints
from mesh.errors import Aborted, MeshError
from mesh.failpoints import Failpoint
from svc_video.processing.tables import JobState
from svc_video.videos.actions import MediaState
from tests.service.processing.conftest import LEASE_MS, RETRY_MS, World, probed
from tests.service.processing.test_jobs import FULL_ORDER


class PowerCut(Exception):
    """Stands for the end of the process."""


def cut_at(monkeypatch: pytest.MonkeyPatch, point: Failpoint) -> None:
    """End the call at `point` as the process would end there."""

    def hit(reached: Failpoint) -> None:
        if reached is point:
            raise PowerCut

    monkeypatch.setattr(failpoints, "hit", hit)


@pytest.mark.parametrize("at", range(len(FULL_ORDER)))
@pytest.mark.parametrize("point", [Failpoint.JOB_BEFORE_COMMIT_ROW, Failpoint.JOB_AFTER_COMMIT_ROW])
async def test_a_commit_that_was_cut_off_is_repeated_and_everything_follows(
    world: World, monkeypatch: pytest.MonkeyPatch, point: Failpoint, at: int
) -> None:
    await world.upload(1)
    for _ in range(at):
        await world.commit(await world.leased())
    job = await world.leased()
    with monkeypatch.context() as patch:
        cut_at(patch, point)
        with pytest.raises(MeshError):
            await world.commit(job)
    await world.reopen()
    is_written = (await world.row(1, job.job_key)).state is JobState.DONE
    assert is_written is (point is Failpoint.JOB_AFTER_COMMIT_ROW)
    await world.commit(job)
    assert [job.job_key, *await world.work_off()] == FULL_ORDER[at:]
    await world.until_media(1, MediaState.COMPLETE)
    await world.until_forgotten(1)
    assert {row.attempt for row in (await world.rows(1)).values()} == {0, 1}


async def test_what_follows_is_told_after_a_restart_though_nobody_repeats_the_commit(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.upload(1)
    for _ in range(4):
        await world.commit(await world.leased())
    package = await world.leased()
    with monkeypatch.context() as patch:
        cut_at(patch, Failpoint.JOB_AFTER_COMMIT_ROW)
        with pytest.raises(MeshError):
            await world.commit(package)
    await world.reopen()
    assert (await world.until_media(1, MediaState.PLAYABLE)).probed


async def test_memory_and_rows_agree_after_a_restart(world: World) -> None:
    await world.upload(1)
    await world.commit(await world.leased(), probed(chunks=3))
    audio, chunk, failed = [await world.leased(f"w{number}") for number in range(3)]
    await world.commit(audio)
    await world.fail(failed)
    await world.upload(2)
    await world.reopen()
    waiting = [(job.video_id, job.job_key) for job in [await world.leased(f"x{number}") for number in range(2)]]
    assert waiting == [(1, "chunk/first/2"), (2, "probe")]
    assert await world.lease() is None
    await world.commit(chunk)
    world.clock.advance(RETRY_MS)
    assert (await world.leased()).job_key == "chunk/first/1"


async def test_leases_get_a_full_length_after_a_restart(world: World) -> None:
    await world.upload(1)
    held = await world.leased()
    world.clock.advance(LEASE_MS * 10)
    await world.close()
    world.clock.advance(LEASE_MS * 10)
    await world.open()
    world.clock.advance(LEASE_MS - 1)
    assert await world.lease("w2") is None
    await world.beat(held)
    world.clock.advance(LEASE_MS - 1)
    assert await world.lease("w2") is None
    await world.commit(held)
    assert (await world.row(1, "probe")).attempt == 1


async def test_a_lease_without_heartbeats_after_a_restart_runs_out(world: World) -> None:
    await world.upload(1)
    held = await world.leased()
    await world.reopen()
    world.clock.advance(LEASE_MS)
    assert await world.lease("w2") is None
    world.clock.advance(RETRY_MS)
    assert (await world.leased("w2")).attempt == 2
    with pytest.raises(Aborted):
        await world.commit(held)


async def test_a_closed_video_stays_closed_after_a_restart(world: World) -> None:
    await world.upload(1)
    await world.jobs.close(1)
    await world.reopen()
    await world.open_jobs(1)
    assert await world.lease() is None


async def test_an_opening_that_was_cut_off_is_opened_again_by_whoever_waits(world: World) -> None:
    await world.upload(1)
    await world.upload(2)
    await world.reopen()
    await world.open_jobs(1)
    jobs = [await world.leased(), await world.leased()]
    assert [(job.video_id, job.kind) for job in jobs] == [(1, pb2.JOB_KIND_PROBE), (2, pb2.JOB_KIND_PROBE)]
    assert await world.lease() is None


async def test_two_processes_that_commit_the_last_inputs_at_once_open_the_package_once(world: World) -> None:
    await world.upload(1)
    await world.commit(await world.leased(), probed(chunks=6, has_audio=False))
    jobs = [await world.leased(f"w{number}") for number in range(6)]
    replica = world.replica()
    await asyncio.gather(
        *(
            actions.commit(video_id=1, job_key=job.job_key, fence=job.fence, result_json="")
            for job, actions in zip(jobs, [world.jobs, replica] * 3, strict=True)
        )
    )
    assert (await world.row(1, "package/first")).state is JobState.OPEN
    await replica.stop()
