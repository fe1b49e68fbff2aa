"""Leases: fences, heartbeats, expiry, attempts, pauses, refusals."""

from __future__ import annotations

import asyncio

import pytest

from mesh.errors import Aborted, PermissionDenied
from mesh.testing.rpc import Served
from svc_video.processing.metrics import JOBS_ENDED
from svc_video.processing.rules import OUTAGE_MS
from svc_video.processing.tables import JobState
from svc_video.videos.actions import MediaState, ProcessingStage
from svc_video.videos.progress import Progress
from tests.service.processing.conftest import LEASE_MS, RETRY_MS, World, probed, until


async def test_an_expired_lease_goes_to_another_worker_with_a_larger_fence(world: World) -> None:
    await world.upload(1)
    old = await world.leased("w1")
    world.clock.advance(LEASE_MS - 1)
    assert await world.lease("w2") is None
    world.clock.advance(1)
    assert await world.lease("w2") is None, "an expired attempt is followed by a pause"
    world.clock.advance(RETRY_MS)
    new = await world.leased("w2")
    assert (new.job_key, new.attempt) == ("probe", 2)
    assert new.fence > old.fence


async def test_whoever_lost_the_lease_can_change_nothing(world: World) -> None:
    await world.upload(1)
    old = await world.leased("w1")
    world.clock.advance(LEASE_MS)
    await world.lease("w2")
    world.clock.advance(RETRY_MS)
    new = await world.leased("w2")
    before = await world.rows(1)
    for call in (world.beat(old), world.commit(old), world.fail(old), world.fail(old, "NO_VIDEO", rejected=True)):
        with pytest.raises(Aborted) as lost:
            await call
        assert lost.value.reason == "LEASE_LOST"
    assert await world.rows(1) == before
    await world.commit(new)
    assert (await world.row(1, "probe")).state is JobState.DONE


async def test_heartbeats_keep_a_lease(world: World) -> None:
    await world.upload(1)
    job = await world.leased()
    for _ in range(5):
        world.clock.advance(LEASE_MS - 1)
        assert await world.beat(job) == world.clock.now_ms() + LEASE_MS
        assert await world.lease("w2") is None
    await world.commit(job)
    assert (await world.row(1, "probe")).attempt == 1


async def test_a_commit_is_recorded_once_however_often_it_is_sent(world: World) -> None:
    await world.upload(1)
    probe = await world.leased()
    await world.commit(probe)
    before = await world.rows(1)
    await world.commit(probe)
    assert await world.rows(1) == before
    assert world.served.process.telemetry.value(JOBS_ENDED, kind="probe", end="committed") == 1


async def test_concurrent_commits_of_one_video_open_its_package_once(world: World) -> None:
    await world.upload(1)
    await world.commit(await world.leased(), probed(chunks=8))
    jobs = [await world.leased(f"w{number}") for number in range(9)]
    await asyncio.gather(*(world.commit(job) for job in jobs))
    assert (await world.leased()).job_key == "package/first"
    assert await world.lease() is None


async def test_a_job_is_never_leased_twice_at_once(world: World) -> None:
    await world.upload(1)
    await world.commit(await world.leased(), probed(chunks=8, has_audio=False))
    jobs = await asyncio.gather(*(world.lease(f"w{number}") for number in range(12)))
    keys = [job.job_key for job in jobs if job is not None]
    assert sorted(keys) == [f"chunk/first/{index}" for index in range(8)]


async def test_a_job_is_tried_again_three_times_with_longer_and_longer_pauses_before_the_video_ends(world: World) -> None:
    await world.upload(1)
    await world.commit(await world.leased(), probed(has_audio=False, chunks=1))
    for pause_ms in (RETRY_MS, 4 * RETRY_MS, 16 * RETRY_MS):
        await world.fail(await world.leased(), "TOOL_FAILED", detail="stderr of ffmpeg")
        world.clock.advance(pause_ms - 1)
        assert await world.lease() is None
        world.clock.advance(1)
    last = await world.leased()
    assert last.attempt == 4
    await world.fail(last, "TOOL_FAILED", detail="stderr of ffmpeg")
    video = await world.until_media(1, MediaState.FAILED)
    assert (video.failure_code, video.redoable) == ("PROCESSING_FAILED", True)
    assert video.failure_detail == "The clip could not be processed; the fault does not lie in the file."
    row = await world.row(1, "chunk/first/0")
    assert (row.state, row.reason, row.detail, row.attempt) == (JobState.DEAD, "TOOL_FAILED", "stderr of ffmpeg", 4)
    await world.until_forgotten(1)
    world.clock.advance(1_000_000)
    assert await world.lease() is None


async def test_four_dead_workers_end_the_video(world: World) -> None:
    await world.upload(1)
    for pause_ms in (RETRY_MS, 4 * RETRY_MS, 16 * RETRY_MS, 0):
        await world.leased()
        world.clock.advance(LEASE_MS)
        assert await world.lease("w2") is None
        world.clock.advance(pause_ms)
    assert (await world.until_media(1, MediaState.FAILED)).failure_code == "PROCESSING_FAILED"
    assert (await world.row(1, "probe")).reason == "LEASE_EXPIRED"


async def test_a_refused_file_ends_the_video_at_once_by_its_reason(world: World) -> None:
    await world.upload(1)
    probe = await world.leased()
    await world.fail(probe, "NO_VIDEO", rejected=True, detail="file:/scratch/source-1: no video stream")
    video = await world.until_media(1, MediaState.FAILED)
    assert (video.failure_code, video.failure_detail, video.redoable) == ("NO_VIDEO", "The file has no video.", False)
    assert (await world.row(1, "probe")).detail == "file:/scratch/source-1: no video stream"
    assert await world.lease() is None
    before = await world.rows(1)
    await world.fail(probe, "NO_VIDEO", rejected=True, detail="file:/scratch/source-1: no video stream")
    assert await world.rows(1) == before


async def test_a_failure_told_twice_counts_once(world: World) -> None:
    await world.upload(1)
    probe = await world.leased()
    await world.fail(probe)
    before = await world.rows(1)
    await world.fail(probe)
    assert await world.rows(1) == before
    assert before["probe"].attempt == 1


@pytest.mark.parametrize(("reason", "pause_ms"), [("WORKER_STOPPING", 0), ("STORE_UNAVAILABLE", 5_000)])
async def test_what_says_nothing_about_the_job_counts_as_no_attempt(world: World, reason: str, pause_ms: int) -> None:
    await world.upload(1)
    fences = []
    for _ in range(5):
        job = await world.leased()
        fences.append(job.fence)
        assert job.attempt == 1
        await world.fail(job, reason)
        world.clock.advance(pause_ms)
    assert fences == sorted(set(fences))


async def test_an_outage_that_never_ends_counts_in_the_end(world: World) -> None:
    await world.upload(1)
    for _ in range(3):
        job = await world.leased()
        assert job.attempt == 1
        await world.fail(job, "STORE_UNAVAILABLE")
        world.clock.advance(OUTAGE_MS // 3)
    for attempt in (1, 2, 3, 4):
        job = await world.leased()
        assert job.attempt == attempt
        await world.fail(job, "STORE_UNAVAILABLE")
        world.clock.advance(16 * RETRY_MS)
    assert (await world.until_media(1, MediaState.FAILED)).redoable


async def test_a_worker_that_stops_never_counts(world: World) -> None:
    await world.upload(1)
    for _ in range(6):
        job = await world.leased()
        assert job.attempt == 1
        await world.fail(job, "WORKER_STOPPING")
        world.clock.advance(OUTAGE_MS)


@pytest.mark.parametrize("rejected", [False, True])
async def test_the_last_words_of_a_tool_are_kept(world: World, *, rejected: bool) -> None:
    await world.upload(1)
    words = "first words" + "." * 4_060 + "the last words"
    await world.fail(await world.leased(), "CORRUPT_MEDIA", rejected=rejected, detail=words)
    assert (await world.row(1, "probe")).detail == words[-4_000:]


async def test_further_renditions_that_fail_leave_a_clip_that_is_complete_with_what_plays(world: World) -> None:
    await world.upload(1)
    work = await world.put_work(1)
    for _ in range(6):
        await world.commit(await world.leased())
    await world.until_media(1, MediaState.PLAYABLE)
    await world.fail(await world.leased(), "CORRUPT_MEDIA", rejected=True)
    await world.until_forgotten(1)
    video = await world.video(1)
    assert (video.media_state, video.failure_code) == (MediaState.COMPLETE, "")
    assert await world.progress(1) == Progress(ProcessingStage.DONE, 100)
    facts = await world.media.facts_of(1)
    assert facts is not None
    assert list(facts.rendition_names) == ["720p"]
    assert (await world.row(1, "plan")).reason == "CORRUPT_MEDIA"
    assert await world.lease() is None
    assert work not in [blob.key for blob in (await world.blobs.list("video/1/")).blobs]


async def test_a_worker_with_other_tools_begins_the_plan_anew(world: World) -> None:
    await world.upload(1)
    await world.commit(await world.leased(), probed(has_audio=False))
    stale, other = await world.leased("w1"), await world.leased("w2")
    await world.fail(other, "RECIPE_CHANGED")
    with pytest.raises(Aborted):
        await world.commit(stale)
    again = await world.leased()
    assert (again.job_key, again.attempt) == ("probe", 1)
    await world.commit(again, probed(has_audio=False))
    new = await world.leased()
    assert new.job_key == stale.job_key
    assert new.fence > stale.fence
    with pytest.raises(Aborted):
        await world.commit(stale)


async def test_only_workers_may_ask(world: World) -> None:
    served: Served = world.served
    from clipmesh.video.v1 import job_service_pb2 as pb2  # noqa: PLC0415
    from clipmesh.video.v1.job_service_pb2_grpc import JobServiceStub  # noqa: PLC0415

    for caller in ("gateway", "feed", "stranger"):
        stub = served.stub(JobServiceStub, caller=caller)
        with pytest.raises(PermissionDenied):
            await stub.LeaseJob(pb2.LeaseJobRequest(worker_id="w", wait_ms=0))


async def test_a_lease_runs_out_though_nobody_asks_for_work(world: World) -> None:
    await world.upload(1)
    await world.leased()
    world.clock.advance(LEASE_MS)

    async def is_open() -> bool:
        return (await world.row(1, "probe")).state is JobState.OPEN

    await until(is_open)


async def test_the_jobs_of_a_deleted_video_close_when_something_follows_from_them(world: World) -> None:
    await world.upload(1)
    probe = await world.leased()
    await world.media.media_failed(1, reason="UPLOAD_EXPIRED", detail="")
    await world.commit(probe)
    await world.until_forgotten(1)
    assert (await world.row(1, "plan")).state is JobState.CLOSED
    assert await world.lease() is None
    assert (await world.progress(1)).stage is ProcessingStage.FAILED
