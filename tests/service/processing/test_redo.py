"""Videos whose attempts ran out: an operator lists them and has them made once more; nothing that was acknowledged is lost meanwhile."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import pytest
from clipmesh.video.v1 import job_service_pb2 as pb2
from clipmesh.video.v1.job_service_pb2_grpc import JobServiceStub

from devstack import jobs
from mesh.errors import InvalidArgument, MeshError, NotFound, PermissionDenied
from mesh.stores.tables.port import TablesUnavailable
from svc_video.processing.changes import Decide
from svc_video.processing.rules import VideoJobs
from svc_video.processing.tables import JobState
from svc_video.videos.actions import MediaState, Video
from tests.service.processing.conftest import RETRY_MS, World
from tests.service.processing.test_jobs import FULL_ORDER

PAUSES_MS = (RETRY_MS, 4 * RETRY_MS, 16 * RETRY_MS, 0)


def operator(world: World) -> JobServiceStub:
    """Whoever types `clipmesh jobs`."""
    return world.served.stub(JobServiceStub, caller="operator")


async def dead(world: World) -> list[pb2.DeadVideo]:
    """What the operator is shown."""
    return list((await operator(world).ListDeadVideos(pb2.ListDeadVideosRequest())).videos)


async def redo(world: World, video_id: int = 1, *, whole: bool = False) -> None:
    """What the operator asks for."""
    await operator(world).RedoVideo(pb2.RedoVideoRequest(video_id=video_id, whole=whole))


async def wear_out(world: World, job_key: str) -> None:
    """Fail a job as often as it is tried."""
    for pause_ms in PAUSES_MS:
        job = await world.leased()
        assert job.job_key == job_key
        await world.fail(job, "TOOL_FAILED", detail="stderr of ffmpeg")
        world.clock.advance(pause_ms)


async def died(world: World, video_id: int = 1) -> Video:
    """A video whose probe failed for good, with all that follows from that."""
    await world.upload(video_id)
    await wear_out(world, "probe")
    video = await world.until_media(video_id, MediaState.FAILED)
    await world.until_forgotten(video_id)
    return video


async def test_a_dead_video_is_listed_with_the_job_that_failed(world: World) -> None:
    await died(world)
    await world.upload(2)
    await world.fail(await world.leased(), "NO_VIDEO", rejected=True)
    await world.until_media(2, MediaState.FAILED)
    await world.until_forgotten(2)
    assert await dead(world) == [
        pb2.DeadVideo(
            video_id=1,
            job_key="probe",
            reason="TOOL_FAILED",
            detail="stderr of ffmpeg",
            attempts=4,
            died_at_ms=world.clock.now_ms(),
            plays=False,
        )
    ], "what was refused is not dead: another try would be refused again"


async def test_a_dead_video_that_is_redone_becomes_a_whole_clip(world: World) -> None:
    assert (await died(world)).redoable
    world.clock.advance(3_600_000)
    await redo(world)
    video = await world.video(1)
    assert (video.media_state, video.failure_code, video.failure_detail, video.redoable) == (MediaState.PROCESSING, "", "", False)
    assert await dead(world) == []
    first = await world.leased()
    assert (first.job_key, first.attempt) == ("probe", 1)
    await world.commit(first)
    assert ["probe", *await world.work_off()] == FULL_ORDER
    await world.until_media(1, MediaState.COMPLETE)
    await world.until_forgotten(1)


async def test_a_redone_video_stands_in_the_queue_after_a_restart(world: World) -> None:
    await died(world)
    world.clock.advance(1_000)
    await redo(world)
    await world.reopen()
    assert (await world.leased()).job_key == "probe"


async def test_a_redo_that_was_cut_off_is_finished_by_itself(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await died(world)
    world.clock.advance(1_000)

    async def cut_off(video_id: int) -> Video:
        raise TablesUnavailable(f"no row of {video_id}")

    with monkeypatch.context() as patch:
        patch.setattr(world.media, "begin_again", cut_off)
        with pytest.raises(MeshError):
            await redo(world)
    await world.reopen()
    await world.until_media(1, MediaState.PROCESSING)
    assert [await world.leased() is not None, await dead(world)] == [True, []]


async def test_who_tidies_up_after_the_death_meanwhile_does_not_take_the_video_off_the_list(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await died(world)
    world.clock.advance(1_000)
    apply = world.jobs._changes.apply

    async def late(video_id: int, decide: Decide) -> VideoJobs | None:
        world.jobs._following.wake(video_id)
        await world.until_forgotten(video_id)
        return await apply(video_id, decide)

    with monkeypatch.context() as patch:
        patch.setattr(world.jobs._changes, "apply", late)
        await redo(world)
    assert list(await world.jobs.open_videos()) == [1]


async def test_further_renditions_are_redone_without_touching_what_plays(world: World) -> None:
    await world.upload(1)
    for _ in range(6):
        await world.commit(await world.leased())
    await wear_out(world, "chunk/rest/0")
    await world.until_media(1, MediaState.COMPLETE)
    await world.until_forgotten(1)
    assert [(video.video_id, video.job_key, video.plays) for video in await dead(world)] == [(1, "chunk/rest/0", True)]
    before = await world.rows(1)
    await redo(world)
    assert (await world.video(1)).media_state is MediaState.COMPLETE
    assert await world.work_off() == ["probe", "chunk/rest/0", "chunk/rest/1", "package/rest"]
    await world.until_forgotten(1)
    facts = await world.media.facts_of(1)
    assert facts is not None
    assert list(facts.rendition_names) == ["720p", "360p", "240p"]
    after = await world.rows(1)
    assert {key: row for key, row in after.items() if "first" in key} == {key: row for key, row in before.items() if "first" in key}
    assert await dead(world) == []


async def test_a_video_that_dies_again_is_listed_again(world: World) -> None:
    await died(world)
    world.clock.advance(1_000)
    await redo(world)
    await wear_out(world, "probe")
    await world.until_media(1, MediaState.FAILED)
    await world.until_forgotten(1)
    assert [video.attempts for video in await dead(world)] == [4]


async def test_what_cannot_be_made_once_more_is_refused(world: World) -> None:
    await died(world)
    row = await world.video(1)
    await world.tables.transition(replace(row, redoable=False), expected_version=row.version)
    await world.upload(2)
    await world.upload(3)
    for _ in range(2):
        job = await world.leased()
        if job.video_id == 3:
            await world.fail(job, "NO_VIDEO", rejected=True)
    await world.until_media(3, MediaState.FAILED)
    await world.until_forgotten(3)
    before = [await world.rows(video_id) for video_id in (1, 2, 3)]
    for video_id in (1, 2, 3, 4):
        with pytest.raises(NotFound) as refused:
            await redo(world, video_id)
        assert refused.value.reason == "VIDEO_NOT_FOUND"
    assert [await world.rows(video_id) for video_id in (1, 2, 3)] == before
    assert await world.rows(4) == {}


async def test_dead_videos_come_page_by_page_each_once(world: World) -> None:
    for video_id in (1, 2, 9, 12):
        await died(world, video_id)
    found, token = [], ""
    while True:
        answer = await operator(world).ListDeadVideos(pb2.ListDeadVideosRequest(page_size=1, page_token=token))
        found += [video.video_id for video in answer.videos]
        token = answer.next_page_token
        if not token:
            break
    assert sorted(found) == [1, 2, 9, 12]


@pytest.mark.parametrize("token", ["x", "8/", "-1/", "0/nonsense"])
async def test_a_token_that_is_none_is_refused(world: World, token: str) -> None:
    await died(world)
    with pytest.raises(InvalidArgument):
        await operator(world).ListDeadVideos(pb2.ListDeadVideosRequest(page_token=token))


async def test_only_operators_list_and_redo(world: World) -> None:
    await died(world)
    before = await world.rows(1)
    for caller in ("video", "video-worker", "gateway", "feed", "stranger"):
        stub = world.served.stub(JobServiceStub, caller=caller)
        with pytest.raises(PermissionDenied):
            await stub.ListDeadVideos(pb2.ListDeadVideosRequest())
        with pytest.raises(PermissionDenied):
            await stub.RedoVideo(pb2.RedoVideoRequest(video_id=1))
    assert await world.rows(1) == before
    assert (await world.row(1, "plan")).state is JobState.DEAD


async def test_the_command_lists_and_redoes(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    for video_id in (1, 2):
        await died(world, video_id)
        world.clock.advance(1_000)
    assert await jobs.show(operator(world), as_json=True) == 0
    told = json.loads(capsys.readouterr().out)
    assert [(video["video_id"], video["reason"], video["attempts"]) for video in told] == [(1, "TOOL_FAILED", 4), (2, "TOOL_FAILED", 4)]
    assert await jobs.show(operator(world), as_json=False) == 0
    assert "TOOL_FAILED after 4 attempts" in capsys.readouterr().out
    assert await jobs.redo(operator(world), [3, 2]) == 1
    told_of = capsys.readouterr()
    assert told_of.out == "2 is made once more\n1 of 2 under way\n"
    assert told_of.err == "3 is not dead, or its file is gone\n"
    assert await jobs.redo(operator(world), []) == 0
    assert capsys.readouterr().out == "1 is made once more\n1 of 1 under way\n"
    assert await dead(world) == []


async def test_the_command_says_when_nothing_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert await jobs.run(tmp_path, argparse.Namespace(act="list", json=False, whole=None, video=[])) == 2
    assert "nothing runs in" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "0", "-1", "one", "9223372036854775808", "١"])
def test_what_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        jobs.video_id(text)
