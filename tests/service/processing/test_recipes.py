"""Workers with other tools than those a plan was made with: what plays stays, the rest is planned again, and no fleet does so for ever."""

from __future__ import annotations

from dataclasses import replace

import pytest
from clipmesh.video.v1 import job_service_pb2 as pb2

from mesh.errors import Aborted
from svc_video.processing.results import ProbeResult
from svc_video.processing.rules import MAX_RESTARTS
from svc_video.processing.tables import JobState
from svc_video.videos.actions import MediaState
from tests.service.processing.conftest import TRACE, World, probed
from tests.service.processing.test_redo import PAUSES_MS, dead, wear_out

REST_AGAIN = ["probe", "chunk/rest/0", "chunk/rest/1", "package/rest"]


async def make_playable(world: World) -> None:
    """A clip whose first rendition is published."""
    await world.upload(1)
    for _ in range(6):
        await world.commit(await world.leased())
    await world.until_media(1, MediaState.PLAYABLE)


def by_other_tools(**facts: object) -> ProbeResult:
    """What a probe of the same file tells after an upgrade."""
    return replace(probed(), recipe_version="2+test", **facts)  # type: ignore[arg-type]


@pytest.mark.parametrize("at", [0, 1, 2])
async def test_an_upgrade_after_the_first_rendition_plans_only_the_rest_again(world: World, at: int) -> None:
    await make_playable(world)
    for _ in range(at):
        await world.commit(await world.leased())
    before = await world.rows(1)
    stale = await world.leased()
    await world.fail(stale, "RECIPE_CHANGED")
    with pytest.raises(Aborted):
        await world.commit(stale)
    assert (await world.video(1)).media_state is MediaState.PLAYABLE
    keys = []
    while (job := await world.lease()) is not None:
        keys.append(job.job_key)
        assert job.recipe_version == ("" if job.job_key == "probe" else "2+test")
        assert job.attempt == 1
        await world.commit(job, by_other_tools())
    assert keys == REST_AGAIN
    await world.until_media(1, MediaState.COMPLETE)
    facts = await world.media.facts_of(1)
    assert facts is not None
    assert list(facts.rendition_names) == ["720p", "360p", "240p"]
    after = await world.rows(1)
    assert {key: row for key, row in after.items() if "first" in key} == {key: row for key, row in before.items() if "first" in key}


async def test_an_upgrade_before_the_pictures_makes_them_by_the_new_plan(world: World) -> None:
    await world.upload(1)
    for _ in range(5):
        await world.commit(await world.leased())
    await world.fail(await world.leased(), "RECIPE_CHANGED")
    keys = []
    while (job := await world.lease()) is not None:
        keys.append(job.job_key)
        assert job.recipe_version == ("" if job.job_key == "probe" else "2+test")
        await world.commit(job, by_other_tools())
    assert keys == ["probe", "pictures", *REST_AGAIN[1:]]
    await world.until_media(1, MediaState.COMPLETE)


async def test_what_plays_is_published_apart_from_what_another_recipe_makes(world: World) -> None:
    await world.upload(1)
    for _ in range(4):
        await world.commit(await world.leased())
    stale = await world.leased()
    assert stale.job_key == "package/first"
    await world.fail(stale, "RECIPE_CHANGED")
    package = await _until_job(world, "package/first", by_other_tools())
    assert package.output_prefix.startswith("video/1/")
    assert package.output_prefix != stale.output_prefix, "who packages by the old recipe and comes late writes elsewhere"
    await world.commit(package)
    await world.until_media(1, MediaState.PLAYABLE)
    assert await world.published(1) == package.output_prefix


async def test_further_renditions_by_other_tools_lie_beside_the_one_that_plays(world: World) -> None:
    await make_playable(world)
    plays = await world.published(1)
    await world.fail(await world.leased(), "RECIPE_CHANGED")
    package = await _until_job(world, "package/rest", by_other_tools())
    assert (package.recipe_version, package.output_prefix) == ("2+test", plays)


async def _until_job(world: World, job_key: str, result: ProbeResult) -> pb2.Job:
    while (job := await world.leased()).job_key != job_key:
        await world.commit(job, result)
    return job


async def test_what_plays_is_not_made_again_though_the_clip_is_cut_otherwise_now(world: World) -> None:
    await make_playable(world)
    await world.fail(await world.leased(), "RECIPE_CHANGED")
    keys = await world.work_off(by_other_tools(chunks=3))
    assert keys == ["probe", "chunk/rest/0", "chunk/rest/1", "chunk/rest/2", "package/rest"]
    await world.until_media(1, MediaState.COMPLETE)


@pytest.mark.parametrize("facts", [{"duration_ms": 19_960}, {"has_audio": False}, {"source_sha256": "cd" * 32}])
async def test_a_rest_that_would_not_go_with_what_plays_is_not_made(world: World, facts: dict[str, object]) -> None:
    await make_playable(world)
    await world.fail(await world.leased(), "RECIPE_CHANGED")
    await world.commit(await world.leased(), by_other_tools(**facts))
    assert await world.lease() is None
    await world.until_media(1, MediaState.COMPLETE)
    await world.until_forgotten(1)
    plan = await world.row(1, "plan")
    assert (plan.state, plan.reason) == (JobState.DEAD, "RECIPE_CHANGED")
    kept = await world.media.facts_of(1)
    assert kept is not None
    assert kept.rendition_names == ("720p",)
    assert await dead(world) == []


async def test_a_restart_between_upgrade_and_probe_changes_nothing(world: World) -> None:
    await make_playable(world)
    await world.fail(await world.leased(), "RECIPE_CHANGED")
    await world.reopen()
    assert await world.work_off(by_other_tools()) == REST_AGAIN
    await world.until_media(1, MediaState.COMPLETE)


async def test_a_clip_that_plays_outlives_a_probe_that_fails_after_an_upgrade(world: World) -> None:
    await make_playable(world)
    await world.fail(await world.leased(), "RECIPE_CHANGED")
    await wear_out(world, "probe")
    await world.until_media(1, MediaState.COMPLETE)
    await world.until_forgotten(1)
    assert [(video.job_key, video.plays) for video in await dead(world)] == [("probe", True)]


async def test_a_fleet_with_two_kinds_of_tools_begins_anew_only_so_often(world: World) -> None:
    await world.upload(1)
    for _ in range(MAX_RESTARTS):
        await world.commit(await world.leased(), probed(has_audio=False, chunks=1))
        await world.fail(await world.leased(), "RECIPE_CHANGED")
    await world.commit(await world.leased(), probed(has_audio=False, chunks=1))
    for attempt, pause_ms in enumerate(PAUSES_MS, start=1):
        job = await world.leased()
        assert (job.job_key, job.attempt) == ("chunk/first/0", attempt)
        await world.fail(job, "RECIPE_CHANGED")
        world.clock.advance(pause_ms)
    assert (await world.until_media(1, MediaState.FAILED)).redoable
    await world.until_forgotten(1)
    assert [(video.job_key, video.reason) for video in await dead(world)] == [("chunk/first/0", "RECIPE_CHANGED")]


async def test_a_plan_of_the_longest_clip_is_begun_anew_in_one_batch_whatever_its_jobs_said(world: World) -> None:
    with world.telemetry.span("upload", traceparent=TRACE):
        await world.upload(1)
    await world.commit(await world.leased(), probed(has_audio=False, chunks=60))
    for _ in range(60):
        await world.fail(await world.leased(), "TOOL_FAILED", detail="x" * 4_000)
    world.clock.advance(PAUSES_MS[0])
    await world.fail(await world.leased(), "RECIPE_CHANGED")
    assert (await world.leased()).job_key == "probe"
