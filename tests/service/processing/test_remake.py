"""Clips that play and whose objects the store lost: an operator has them made once more as a whole, while they go on playing what is there."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import pytest
from clipmesh.video.v1.job_service_pb2_grpc import JobServiceStub

from devstack import jobs
from mesh.errors import NotFound
from svc_video.layout import raw_key
from svc_video.processing.media import MediaTools
from svc_video.processing.rules import KEPT_MS
from svc_video.processing.tables import JobState
from svc_video.videos.actions import MediaState
from tests.service.processing.conftest import World, probed
from tests.service.processing.test_jobs import FULL_ORDER
from tests.service.processing.test_redo import dead, redo, wear_out
from tests.service.processing.test_worker import Rig

SOURCE = b"x" * 100


async def complete(world: World, video_id: int = 1) -> None:
    """A clip with all its renditions, whose source is there."""
    await world.upload(video_id)
    await world.blobs.put(raw_key(video_id), SOURCE)
    await world.work_off()
    await world.until_media(video_id, MediaState.COMPLETE)
    await world.until_forgotten(video_id)


async def test_a_clip_is_made_once_more_and_plays_on(world: World) -> None:
    await complete(world)
    facts, row, events = await world.media.facts_of(1), await world.video(1), len(await world.events())
    await redo(world, whole=True)
    assert (await world.row(1, "plan")).state is JobState.OPEN
    assert await world.work_off() == FULL_ORDER
    await world.until_forgotten(1)
    assert (await world.media.facts_of(1), await world.video(1), len(await world.events())) == (facts, row, events)
    assert set((await world.states(1)).values()) == {"READY"}


async def test_by_another_recipe_it_plays_from_elsewhere_once_that_plays(world: World) -> None:
    await complete(world)
    before = await world.published(1)
    await redo(world, whole=True)
    other = replace(probed(), recipe_version="2+test")
    for _ in range(4):
        await world.commit(await world.leased(), other)
    package = await world.leased()
    await world.settle(1)
    assert (package.job_key, await world.published(1)) == ("package/first", before)
    await world.commit(package)
    await world.settle(1)
    facts = await world.media.facts_of(1)
    assert facts is not None
    assert (facts.output_prefix, facts.rendition_names) == (package.output_prefix, ("720p",))
    assert package.output_prefix != before
    assert await world.states(1) == {"720p": "READY", "360p": "PLANNED", "240p": "PLANNED"}
    await world.work_off(other)
    await world.until_forgotten(1)
    facts = await world.media.facts_of(1)
    assert facts is not None
    assert (facts.output_prefix, facts.rendition_names) == (package.output_prefix, ("720p", "360p", "240p"))
    assert set((await world.states(1)).values()) == {"READY"}
    assert (await world.video(1)).media_state is MediaState.COMPLETE


async def test_a_month_later_too_when_no_row_of_its_jobs_is_left(world: World) -> None:
    await complete(world)
    world.clock.advance(KEPT_MS + 1)
    assert await world.rows(1) == {}
    await redo(world, whole=True)
    assert await world.work_off() == FULL_ORDER
    await world.until_forgotten(1)
    assert (await world.video(1)).media_state is MediaState.COMPLETE


async def test_one_that_cannot_be_made_again_plays_on_and_is_listed(world: World) -> None:
    await complete(world)
    before = await world.media.facts_of(1), await world.video(1)
    await redo(world, whole=True)
    await wear_out(world, "probe")
    await world.until_forgotten(1)
    assert (await world.media.facts_of(1), await world.video(1)) == before
    assert [(video.video_id, video.job_key) for video in await dead(world)] == [(1, "probe")]
    await redo(world, whole=True)
    assert await dead(world) == []
    assert await world.work_off() == FULL_ORDER


async def test_what_does_not_play_is_under_way_or_has_no_source_is_refused(world: World) -> None:
    await complete(world, 1)
    await complete(world, 2)
    await world.blobs.delete([raw_key(2)])
    await world.upload(3)
    await redo(world, 1, whole=True)
    await world.upload(4)
    job = await world.leased()
    while job.video_id != 4:
        job = await world.leased()
    await world.fail(job, "NO_VIDEO", rejected=True)
    await world.until_media(4, MediaState.FAILED)
    await world.until_forgotten(4)
    before = [await world.rows(video_id) for video_id in (1, 2, 3, 4)]
    for video_id in (1, 2, 3, 4, 5):
        with pytest.raises(NotFound) as refused:
            await redo(world, video_id, whole=True)
        assert refused.value.reason == "VIDEO_NOT_FOUND"
    assert [await world.rows(video_id) for video_id in (1, 2, 3, 4)] == before
    assert await world.rows(5) == {}


async def test_a_healthy_clip_is_not_made_again_by_a_plain_redo(world: World) -> None:
    await complete(world)
    before = await world.rows(1)
    with pytest.raises(NotFound):
        await redo(world)
    assert await world.rows(1) == before


async def test_the_command_names_the_clips(world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    await complete(world)
    operator = world.served.stub(JobServiceStub, caller="operator")
    assert await jobs.redo(operator, [1, 9], whole=True) == 1
    told = capsys.readouterr()
    assert told.out == "1 is made once more\n1 of 2 under way\n"
    assert told.err == "9 does not play, is being made, or its file is gone\n"
    for act, video in (("redo", []), ("list", [1])):
        assert await jobs.run(tmp_path, argparse.Namespace(act=act, json=False, whole=[], video=video)) == 2
        assert "--whole needs redo and the videos" in capsys.readouterr().err


@pytest.mark.timeout(180)
async def test_lost_objects_come_back_byte_for_byte(world: World, clip: Path, tools: MediaTools, tmp_path: Path) -> None:
    rig = Rig(world, tools, tmp_path / "scratch")
    await rig.scratch.open()
    try:
        await world.upload_file(1, clip)
        await world.blobs.put_file(raw_key(1), clip)
        await rig.work_off()
        await world.until_forgotten(1)
        prefix = await world.published(1)
        made = await world.objects(prefix)
        await world.blobs.delete([f"{prefix}{name}" for name in ("360p/3.m4s", "audio/init.mp4", "240p/index.m3u8", "360p.mp4")])
        await redo(world, whole=True)
        await rig.work_off()
        await world.until_forgotten(1)
        assert (await world.published(1), await world.objects(prefix)) == (prefix, made)
    finally:
        await rig.scratch.close()
