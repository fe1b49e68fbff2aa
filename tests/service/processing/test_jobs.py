"""The plan of one video: what is leased when, what follows from it, what people see."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from clipmesh.video.v1 import job_service_pb2 as pb2
from clipmesh.video.v1.job_service_pb2_grpc import JobServiceStub

from mesh.errors import Aborted, InvalidArgument
from mesh.stores.blobs.port import BlobNotFound
from svc_video.processing.metrics import JOBS_OPEN, JOBS_OPEN_BY_TIER, STAGE_SECONDS
from svc_video.processing.tables import JobState
from svc_video.videos.actions import Finding, MediaState, ProcessingStage, PublicationState, RenditionFacts
from svc_video.videos.progress import Progress
from svc_video.videos.rules import needs_verdict
from svc_video.videos.store import VideoStore
from tests.service.processing.conftest import LEASE_MS, NEW_CREATOR, REGULAR_CREATOR, TRACE, World, probed, until

FULL_ORDER = [
    *("probe", "audio", "chunk/first/0", "chunk/first/1", "package/first", "pictures"),
    *("chunk/rest/0", "chunk/rest/1", "package/rest"),
]


async def test_jobs_of_a_video_come_in_the_order_in_which_they_depend(world: World) -> None:
    await world.upload(1)
    work = await world.put_work(1)
    assert await world.work_off() == FULL_ORDER
    video = await world.until_media(1, MediaState.COMPLETE)
    assert (video.duration_ms, video.width, video.height, video.has_audio) == (20_000, 720, 1280, True)
    facts = await world.media.facts_of(1)
    assert facts is not None
    assert facts.rendition_names == ("720p", "360p", "240p")
    assert [row.facts for row in (await world.renditions(1)).values()] == [
        RenditionFacts(name=name, width=width, height=height, codec="avc1.64001f", bitrate_bps=height * 1_000, size_bytes=height * 10)
        for name, width, height in (("240p", 240, 426), ("360p", 360, 640), ("720p", 720, 1280))
    ]
    assert await world.states(1) == {"240p": "READY", "360p": "READY", "720p": "READY"}
    assert facts.source_sha256 == b"\x5a" * 32
    assert (facts.audio_key, facts.recipe_version, facts.hashes) == ("audio/1/audio.mp4", "1+test", (bytes.fromhex("ab" * 32),))
    await world.until_forgotten(1)
    with pytest.raises(BlobNotFound):
        await world.blobs.head(work)


async def test_a_clip_without_audio_and_further_renditions_needs_no_further_jobs(world: World) -> None:
    await world.upload(1)
    result = probed(chunks=1, has_audio=False, rest=())
    assert await world.work_off(result) == ["probe", "chunk/first/0", "package/first", "pictures"]
    await world.until_media(1, MediaState.COMPLETE)
    facts = await world.media.facts_of(1)
    assert facts is not None
    assert (facts.audio_key, facts.rendition_names) == ("", ("720p",))


async def test_renditions_are_planned_by_the_probe_and_ready_one_group_after_the_other(world: World) -> None:
    await world.upload(1)
    assert await world.states(1) == {}
    await world.commit(await world.leased())
    await until(lambda: _has(world, {"240p": "PLANNED", "360p": "PLANNED", "720p": "PLANNED"}))
    while (job := await world.leased()).job_key != "package/first":
        await world.commit(job)
    await world.commit(job)
    await world.until_media(1, MediaState.PLAYABLE)
    assert await world.states(1) == {"240p": "PLANNED", "360p": "PLANNED", "720p": "READY"}
    assert [row.size_bytes for row in (await world.renditions(1)).values()] == [0, 0, 12_800]


async def _has(world: World, states: dict[str, str]) -> bool:
    return await world.states(1) == states


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        '{"renditions":[]}',
        '{"renditions":[{"name":"360p","codec":"avc1","bitrate_bps":1,"size_bytes":1}]}',
        '{"renditions":[{"name":"720p","codec":"","bitrate_bps":1,"size_bytes":1}]}',
        '{"renditions":[{"name":"720p","codec":"avc1","bitrate_bps":0,"size_bytes":1}]}',
        '{"renditions":[{"name":"720p","codec":"avc1","bitrate_bps":1,"size_bytes":"1"}]}',
        '{"renditions":[{"name":"720p","codec":"avc1","bitrate_bps":1}]}',
    ],
)
async def test_a_package_that_does_not_tell_what_was_planned_is_refused(world: World, text: str) -> None:
    await world.upload(1)
    while (job := await world.leased()).job_key != "package/first":
        await world.commit(job)
    before = await world.rows(1)
    with pytest.raises(InvalidArgument):
        await world.stub.CommitJob(pb2.CommitJobRequest(video_id=1, job_key=job.job_key, fence=job.fence, result_json=text))
    assert await world.rows(1) == before
    await world.commit(job)
    await world.until_media(1, MediaState.PLAYABLE)


async def test_packaging_waits_for_the_audio_and_every_chunk(world: World) -> None:
    await world.upload(1)
    await world.commit(await world.leased())
    jobs = [await world.leased(f"w{number}") for number in range(3)]
    assert [job.job_key for job in jobs] == ["audio", "chunk/first/0", "chunk/first/1"]
    for job in (jobs[2], jobs[0]):
        await world.commit(job)
        assert await world.lease() is None
    await world.commit(jobs[1])
    assert (await world.leased()).job_key == "package/first"


async def test_a_leased_job_carries_what_its_worker_needs(world: World) -> None:
    await world.upload(1)
    probe = await world.leased()
    assert (probe.kind, probe.source_key, probe.source_size_bytes, probe.attempt) == (pb2.JOB_KIND_PROBE, "raw/1", 100, 1)
    assert (probe.facts_json, probe.recipe_version, probe.group, probe.output_prefix) == ("", "", "", "video/1/")
    assert (probe.work_prefix, probe.source_sha256) == ("", b"")
    assert (probe.images_prefix, probe.audio_key) == ("images/1/", "audio/1/audio.mp4")
    assert probe.lease_expires_at_ms == world.clock.now_ms() + LEASE_MS
    await world.commit(probe)
    await world.leased()
    await world.leased()
    chunk = await world.leased()
    assert (chunk.kind, chunk.group, chunk.chunk_index) == (pb2.JOB_KIND_CHUNK, "first", 1)
    assert (chunk.work_prefix, chunk.source_sha256) == (f"work/1/{'5a' * 8}/", b"\x5a" * 32)
    assert (chunk.facts_json, chunk.recipe_version) == ('{"codec":"h264"}', "1+test")


async def test_opening_twice_opens_once(world: World) -> None:
    await world.upload(1)
    probe = await world.leased()
    before = await world.rows(1)
    await world.open_jobs(1)
    assert await world.rows(1) == before
    assert await world.lease() is None
    await world.commit(probe)


async def test_playable_is_told_before_the_rest_is_encoded(world: World) -> None:
    await world.upload(1)
    for _ in range(5):
        await world.commit(await world.leased())
    video = await world.until_media(1, MediaState.PLAYABLE)
    assert not video.is_over
    assert (await world.row(1, "pictures")).state is JobState.OPEN
    assert "chunk/rest/0" not in await world.rows(1)
    assert world.served.process.telemetry.value(STAGE_SECONDS, stage="playable") == 1
    assert world.served.process.telemetry.value(STAGE_SECONDS, stage="complete") == 0


async def test_the_gate_is_not_asked_before_hashes_and_findings_are_known(world: World) -> None:
    await world.upload(1)
    await VideoStore(tables=world.tables).replace(
        replace(await world.video(1), publication_state=PublicationState.ASSESSING), expected_version=1, events=()
    )
    for _ in range(5):
        await world.commit(await world.leased())
    video = await world.until_media(1, MediaState.PLAYABLE)
    facts = await world.media.facts_of(1)
    assert facts is not None
    assert (video.probed, video.unseen, needs_verdict(video)) == (True, True, False)
    assert (facts.hashes, facts.has_preview, facts.has_storyboard, facts.has_waveform) == ((), False, False, True)
    await world.commit(await world.leased())
    await until(lambda: _is_seen(world))
    facts = await world.media.facts_of(1)
    assert facts is not None
    assert (facts.hashes, facts.findings) == ((bytes.fromhex("ab" * 32),), (Finding(name="black_ratio", score=0.25),))
    assert (facts.has_preview, facts.has_storyboard, facts.has_waveform) == (True, True, True)
    assert needs_verdict(await world.video(1))
    assert world.served.process.telemetry.value(STAGE_SECONDS, stage="pictured") == 1


async def _is_seen(world: World) -> bool:
    return not (await world.video(1)).unseen


async def test_pictures_that_cannot_be_made_leave_a_clip_that_plays_for_its_creator_and_an_operator_who_knows(world: World) -> None:
    await world.upload(1)
    for _ in range(5):
        await world.commit(await world.leased())
    await world.fail(await world.leased(), "CORRUPT_MEDIA", rejected=True)
    video = await world.until_media(1, MediaState.COMPLETE)
    await world.until_forgotten(1)
    assert (video.unseen, video.failure_code) == (True, "")
    operator = world.served.stub(JobServiceStub, caller="operator")
    dead = (await operator.ListDeadVideos(pb2.ListDeadVideosRequest())).videos
    assert [(one.video_id, one.job_key, one.plays) for one in dead] == [(1, "pictures", True)]
    await operator.RedoVideo(pb2.RedoVideoRequest(video_id=1))
    assert await world.work_off() == ["probe", "pictures", "chunk/rest/0", "chunk/rest/1", "package/rest"]
    await until(lambda: _is_seen(world))


@pytest.mark.parametrize("text", ["", "{}", '{"findings":[],"hashes_hex":["ab"]}', '{"findings":[],"hashes_hex":[],"more":1}'])
async def test_pictures_that_do_not_tell_what_was_seen_are_refused(world: World, text: str) -> None:
    await world.upload(1)
    while (job := await world.leased()).job_key != "pictures":
        await world.commit(job)
    before = await world.rows(1)
    with pytest.raises(InvalidArgument):
        await world.stub.CommitJob(pb2.CommitJobRequest(video_id=1, job_key=job.job_key, fence=job.fence, result_json=text))
    assert await world.rows(1) == before


async def test_progress_grows_with_heartbeats_and_commits(world: World) -> None:
    await world.upload(1)
    assert await world.progress(1) == Progress(ProcessingStage.QUEUED, 0)
    probe = await world.leased()
    assert await world.progress(1) == Progress(ProcessingStage.PROBING, 0)
    await world.beat(probe, 40)
    assert await world.progress(1) == Progress(ProcessingStage.PROBING, 2)
    await world.commit(probe, probed(has_audio=False))
    chunk = await world.leased()
    await world.beat(chunk, 50)
    assert await world.progress(1) == Progress(ProcessingStage.ENCODING_FIRST, 15)
    await world.commit(chunk)
    assert await world.progress(1) == Progress(ProcessingStage.ENCODING_FIRST, 25)
    await world.commit(await world.leased())
    await world.commit(await world.leased())
    await world.until_media(1, MediaState.PLAYABLE)
    assert await world.progress(1) == Progress(ProcessingStage.ENCODING_REST, 50)
    await world.commit(await world.leased())
    assert await world.progress(1) == Progress(ProcessingStage.ENCODING_REST, 50)
    await world.commit(await world.leased())
    assert await world.progress(1) == Progress(ProcessingStage.ENCODING_REST, 72)
    await world.work_off()
    await world.until_media(1, MediaState.COMPLETE)
    assert await world.progress(1) == Progress(ProcessingStage.DONE, 100)


async def test_a_waiting_worker_gets_a_job_as_soon_as_there_is_one(world: World) -> None:
    waiting = asyncio.create_task(world.lease(wait_ms=20_000))
    await asyncio.sleep(0)
    await world.upload(1)
    async with asyncio.timeout(15):
        job = await waiting
    assert job is not None
    assert job.job_key == "probe"


async def test_waiting_ends_without_a_job(world: World) -> None:
    assert await world.lease(wait_ms=20) is None


async def test_a_worker_that_hangs_up_leaves_no_lease(world: World) -> None:
    waiting = asyncio.create_task(world.lease(wait_ms=20_000))
    arrival = world.jobs._queue._arrival
    while not arrival._waiters:
        await asyncio.sleep(0.002)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    while arrival._waiters:
        await asyncio.sleep(0.002)
    await world.upload(1)
    job = await world.leased()
    assert (job.job_key, job.attempt) == ("probe", 1)


async def test_queue_depth_is_a_gauge_by_kind(world: World) -> None:
    await world.upload(1)
    await world.upload(2)
    telemetry = world.served.process.telemetry
    assert telemetry.value(JOBS_OPEN, kind="probe") == 2
    await world.commit(await world.leased())
    assert telemetry.value(JOBS_OPEN, kind="probe") == 1
    assert telemetry.value(JOBS_OPEN, kind="chunk") == 2
    assert telemetry.value(JOBS_OPEN, kind="audio") == 1


async def test_queue_depth_is_a_gauge_by_tier_too(world: World) -> None:
    world.creators = {7: REGULAR_CREATOR, 8: NEW_CREATOR}
    await world.upload(1, creator_id=8)
    await world.upload(2)
    await world.commit(await world.leased())
    telemetry = world.served.process.telemetry
    assert [telemetry.value(JOBS_OPEN_BY_TIER, tier=tier) for tier in ("large", "regular", "new")] == [0, 3, 1]


@pytest.mark.parametrize("text", ["", "no json", "{}", probed(chunks=65).to_json(), probed().to_json().replace("first", "rest")])
async def test_a_result_that_no_plan_can_follow_is_refused(world: World, text: str) -> None:
    await world.upload(1)
    probe = await world.leased()
    before = await world.rows(1)
    with pytest.raises(InvalidArgument):
        await world.stub.CommitJob(pb2.CommitJobRequest(video_id=1, job_key="probe", fence=probe.fence, result_json=text))
    assert await world.rows(1) == before


async def test_the_jobs_of_a_closed_video_are_lost_to_everybody(world: World) -> None:
    await world.upload(1)
    await world.commit(await world.leased())
    held = await world.leased()
    await world.jobs.close(1)
    await world.jobs.close(1)
    assert await world.lease() is None
    before = await world.rows(1)
    for call in (world.beat(held), world.commit(held), world.fail(held)):
        with pytest.raises(Aborted) as lost:
            await call
        assert lost.value.reason == "LEASE_LOST"
    assert await world.rows(1) == before
    await world.until_forgotten(1)


async def test_closing_before_opening_holds(world: World) -> None:
    await world.jobs.close(1)
    await world.upload(1)
    assert await world.lease() is None
    assert (await world.video(1)).media_state is MediaState.PROCESSING


async def test_the_longest_clip_fits_into_its_batches(world: World) -> None:
    with world.telemetry.span("upload", traceparent=TRACE):
        await world.upload(1)
    result = replace(probed(chunks=60), facts_json="x" * 4_000)
    keys = await world.work_off(result)
    assert len(keys) == 1 + 1 + 60 + 1 + 1 + 60 + 1
    await world.until_media(1, MediaState.COMPLETE)
