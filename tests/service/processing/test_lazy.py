"""Further renditions that wait until somebody asks for one, and are then made once however many ask."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from clipmesh.video.v1 import job_service_pb2 as pb2

from mesh.stores.tables.port import TablesUnavailable
from svc_video.layout import raw_key
from svc_video.processing.rules import KEPT_MS
from svc_video.processing.tables import JobState
from svc_video.videos.actions import MediaState
from tests.service.processing.conftest import Settings, World, until
from tests.service.processing.test_jobs import FULL_ORDER

FIRST_ORDER, REST_ORDER = FULL_ORDER[:6], FULL_ORDER[6:]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A world that leaves further renditions for later."""
    world = World(folder=tmp_path, settings=Settings(job_lazy=True))
    await world.open()
    try:
        yield world
    finally:
        await world.close()


async def complete(world: World) -> None:
    """A clip of which nobody has asked for more than the first rendition."""
    await world.upload(1)
    assert await world.work_off() == FIRST_ORDER
    await world.until_media(1, MediaState.COMPLETE)
    await world.until_forgotten(1)


async def names(world: World) -> tuple[str, ...]:
    """What plays."""
    facts = await world.media.facts_of(1)
    assert facts is not None
    return facts.rendition_names


async def asked(world: World) -> None:
    """Wait until what was asked for is durable."""
    await asyncio.gather(*world.jobs._remaking._asking.values())


async def test_a_clip_is_complete_with_its_first_rendition_while_nobody_asks(world: World) -> None:
    await complete(world)
    assert (await names(world), await world.states(1)) == (("720p",), {"720p": "READY", "360p": "MISSING", "240p": "MISSING"})
    await world.reopen()
    world.clock.advance(3_600_000)
    assert await world.lease() is None


async def test_fifty_viewers_who_ask_together_cause_one_transcode(world: World) -> None:
    await complete(world)
    other = world.replica()
    try:
        for jobs in (world.jobs, other):
            for _ in range(25):
                jobs.ask_for_rest(1)
        await asked(world)
        await asyncio.gather(*other._remaking._asking.values())
        assert await world.work_off() == REST_ORDER
        await until(lambda: _has(world, ("720p", "360p", "240p")))
        world.jobs.ask_for_rest(1)
        await asked(world)
        assert await world.lease() is None
    finally:
        await other.stop()
    assert set((await world.states(1)).values()) == {"READY"}
    assert {row.attempt for row in (await world.rows(1)).values() if row.job_key != "plan"} == {1}


async def _has(world: World, wanted: tuple[str, ...]) -> bool:
    return await names(world) == wanted


async def test_what_is_asked_for_now_does_not_outrank_the_first_rendition_of_what_comes_after(world: World) -> None:
    await complete(world)
    world.clock.advance(86_400_000)
    world.jobs.ask_for_rest(1)
    await asked(world)
    world.clock.advance(1_000)
    await world.upload(2)
    assert [(job.video_id, job.job_key) for job in [await world.leased(), await world.leased()]] == [(2, "probe"), (1, "chunk/rest/0")]


async def test_what_was_asked_for_outlives_a_crash(world: World) -> None:
    await complete(world)
    world.jobs.ask_for_rest(1)
    await asked(world)
    await world.reopen()
    assert await world.work_off() == REST_ORDER


async def test_who_could_not_ask_is_followed_by_the_next_one(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await complete(world)

    async def away(*_: object) -> None:
        raise TablesUnavailable("away")

    with monkeypatch.context() as patch:
        patch.setattr(world.jobs._remaking, "want_rest", away)
        world.jobs.ask_for_rest(1)
        await asked(world)
    assert (await world.row(1, "plan")).state is JobState.DONE
    world.jobs.ask_for_rest(1)
    await asked(world)
    assert (await world.leased()).job_key == "chunk/rest/0"


async def test_a_month_later_all_of_it_is_made_again(world: World) -> None:
    await complete(world)
    await world.blobs.put(raw_key(1), b"x" * 100)
    world.clock.advance(KEPT_MS + 1)
    world.jobs.ask_for_rest(1)
    await asked(world)
    assert await world.work_off() == FULL_ORDER
    await until(lambda: _has(world, ("720p", "360p", "240p")))


async def test_clips_that_were_made_whole_are_left_alone(world: World) -> None:
    world.settings = Settings()
    await world.reopen()
    await world.upload(1)
    await world.work_off()
    await world.until_media(1, MediaState.COMPLETE)
    await world.until_forgotten(1)
    before = await world.rows(1)
    world.jobs.ask_for_rest(1)
    await asked(world)
    await world.until_forgotten(1)
    assert (await world.rows(1), await world.lease()) == (before, None)


async def test_a_worker_makes_them_of_what_plays(world: World) -> None:
    await complete(world)
    world.jobs.ask_for_rest(1)
    await asked(world)
    jobs: list[pb2.Job] = [await world.leased(), await world.leased()]
    assert [(job.job_key, job.output_prefix, len(job.source_sha256)) for job in jobs] == [
        (f"chunk/rest/{index}", await world.published(1), 32) for index in range(2)
    ]
