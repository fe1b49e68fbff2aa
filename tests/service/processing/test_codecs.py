"""Further codecs: made one after the other when the ladder is whole, in quiet hours, after everything that cannot wait, for all clips or for watched ones."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from clipmesh.common.v1.envelope_pb2 import EventEnvelope
from clipmesh.feed.v1.events_pb2 import WatchRecorded

from mesh.events.incoming import Incoming
from svc_video.layout import raw_key
from svc_video.processing.actions import JobActions
from svc_video.processing.consumers import ViewsOfFeed
from svc_video.processing.metrics import JOBS_DEFERRED, JOBS_OPEN
from svc_video.processing.results import ProbeResult
from svc_video.processing.rules import KEPT_MS
from svc_video.processing.store import ViewStore
from svc_video.processing.tables import JobState
from svc_video.videos.actions import MediaState
from tests.service.processing.conftest import AGEING_MS, Settings, World, probed, until
from tests.service.processing.test_jobs import FULL_ORDER
from tests.service.processing.test_recipes import by_other_tools

H265, VP9 = (["chunk/h265/0", "chunk/h265/1", "package/h265"], ["chunk/vp9/0", "chunk/vp9/1", "package/vp9"])
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A world that makes two further codecs of every clip."""
    world = World(folder=tmp_path, settings=Settings(job_codecs="vp9,h265"))
    await world.open()
    try:
        yield world
    finally:
        await world.close()


async def reopened(world: World, **settings: object) -> None:
    """The same world with other settings."""
    world.settings = Settings(**settings)  # type: ignore[arg-type]
    await world.reopen()


def at_hour(world: World, hour: int) -> None:
    """Go on to the next time the clock shows this hour, UTC."""
    world.clock.advance((hour * HOUR_MS - world.clock.now_ms()) % DAY_MS)


async def codec_names(world: World, video_id: int = 1) -> tuple[str, ...]:
    """Renditions in further codecs that play."""
    facts = await world.media.facts_of(video_id)
    assert facts is not None
    return facts.codec_names


async def complete(world: World) -> None:
    """A clip whose ladder is whole."""
    await world.upload(1)
    for key in FULL_ORDER:
        job = await world.leased()
        assert job.job_key == key
        await world.commit(job)


async def test_codecs_are_made_one_after_the_other_and_the_clip_is_complete_without_them(world: World) -> None:
    await complete(world)
    await world.until_media(1, MediaState.COMPLETE)
    facts = await world.media.facts_of(1)
    assert facts is not None
    assert (facts.rendition_names, facts.codec_names) == (("720p", "360p", "240p"), ())
    jobs = [await world.leased(), await world.leased()]
    assert [(job.job_key, job.group, job.output_prefix) for job in jobs] == [
        (f"chunk/h265/{index}", "h265", await world.published(1)) for index in range(2)
    ]
    assert await world.lease() is None, "vp9 waits for h265: both grow the same playlists"
    for job in jobs:
        await world.commit(job)
    assert await world.work_off() == [H265[2], *VP9]
    await until(lambda: _has(world, 6))
    assert await codec_names(world) == tuple(f"{rung}-{codec}" for codec in ("h265", "vp9") for rung in ("720p", "360p", "240p"))
    assert set((await world.states(1)).values()) == {"READY"}
    await world.until_forgotten(1)
    assert (await world.row(1, "plan")).state is JobState.DONE


async def _has(world: World, count: int) -> bool:
    return len(await codec_names(world)) == count


async def test_a_codec_never_outranks_what_players_wait_for_however_long_it_has_waited(world: World) -> None:
    await complete(world)
    world.clock.advance(10 * AGEING_MS)
    await world.upload(2)
    order = []
    while (job := await world.lease()) is not None:
        order.append((job.video_id, job.job_key))
        await world.commit(job, probed(chunks=1, has_audio=False))
    ladder = ["probe", "chunk/first/0", "package/first", "pictures", "chunk/rest/0", "package/rest"]
    assert order[:6] == [(2, key) for key in ladder]
    assert order[6] == (1, "chunk/h265/0")


async def test_codecs_wait_for_the_quiet_hours_and_stop_at_their_end(world: World) -> None:
    await reopened(world, job_codecs="h265", job_off_peak="02:00-06:00")
    at_hour(world, 12)
    await complete(world)
    await world.until_media(1, MediaState.COMPLETE)
    assert (await world.row(1, "chunk/h265/0")).not_before_ms == world.clock.now_ms() + 14 * HOUR_MS
    assert await world.lease() is None
    await world.reopen()
    world.clock.advance(14 * HOUR_MS - 1)
    assert await world.lease() is None, "a restart does not let it begin earlier"
    world.clock.advance(1)
    first = await world.leased()
    await world.commit(first)
    at_hour(world, 6)
    assert await world.lease() is None
    await world.reopen()
    assert await world.lease() is None
    world.clock.advance(20 * HOUR_MS)
    assert [first.job_key, *await world.work_off()] == H265


async def test_what_cannot_wait_runs_at_any_hour(world: World) -> None:
    await reopened(world, job_off_peak="02:00-06:00")
    at_hour(world, 12)
    await world.upload(1)
    assert await world.work_off() == FULL_ORDER


async def test_the_queue_tells_what_waits_apart_from_what_can_wait(world: World) -> None:
    await reopened(world, job_codecs="h265", job_off_peak="02:00-06:00")
    at_hour(world, 12)
    await complete(world)
    await world.until_media(1, MediaState.COMPLETE)

    def told() -> tuple[float, float, float]:
        gauges = world.telemetry
        return tuple(  # type: ignore[return-value]
            gauges.value(metric, **labels)
            for metric, labels in ((JOBS_OPEN, {"kind": "chunk"}), (JOBS_DEFERRED, {"may_run": "no"}), (JOBS_DEFERRED, {"may_run": "yes"}))
        )

    assert told() == (0, 2, 0)
    at_hour(world, 2)
    await world.jobs._reconcile()
    assert told() == (0, 0, 2)


async def test_workers_with_other_tools_begin_only_the_codec_again_that_is_not_there(world: World) -> None:
    await complete(world)
    for _ in H265:
        await world.commit(await world.leased())
    await world.commit(await world.leased())
    before = await world.rows(1)
    await world.fail(await world.leased(), "RECIPE_CHANGED")
    assert await world.work_off(by_other_tools()) == ["probe", *VP9]
    after = await world.rows(1)
    assert {key: row for key, row in after.items() if "vp9" not in key and key not in {"plan", "probe"}} == {
        key: row for key, row in before.items() if "vp9" not in key and key not in {"plan", "probe"}
    }


async def test_a_codec_that_cannot_be_made_leaves_the_ladder_as_it_is(world: World) -> None:
    await complete(world)
    await world.until_media(1, MediaState.COMPLETE)
    await world.fail(await world.leased(), "CORRUPT_MEDIA", rejected=True)
    await world.until_forgotten(1)
    facts = await world.media.facts_of(1)
    assert facts is not None
    assert (facts.rendition_names, facts.codec_names) == (("720p", "360p", "240p"), ())
    assert (await world.video(1)).media_state is MediaState.COMPLETE


async def test_a_clip_made_once_more_as_a_whole_gets_its_codecs_again(world: World) -> None:
    await complete(world)
    assert await world.work_off() == [*H265, *VP9]
    await until(lambda: _has(world, 6))
    await world.until_forgotten(1)
    await world.blobs.put(raw_key(1), b"x" * 100)
    await world.jobs.remake(1)
    assert await world.work_off() == [*FULL_ORDER, *H265, *VP9]


@pytest.mark.long
@pytest.mark.timeout(300)
async def test_the_longest_clip_with_every_codec_is_made_once_more(world: World) -> None:
    await reopened(world, job_codecs="h265,vp9,av1")
    plan = probed(chunks=59)
    await world.upload(1)
    keys = await world.work_off(plan)
    assert len(keys) == 5 * 59 + 8
    await world.until_forgotten(1)
    await world.blobs.put(raw_key(1), b"x" * 100)
    await world.jobs.remake(1)
    assert (await world.leased()).job_key == "probe"


def watched(key: str, version: int, *, video_id: int = 1, counted: bool = True) -> Incoming[WatchRecorded]:
    """A stretch of watching as feed tells it."""
    envelope = EventEnvelope(event_id=version, key=key, key_version=version, type="clipmesh.feed.v1.WatchRecorded")
    return Incoming(envelope, WatchRecorded(video_id=video_id, counted_view=counted))


async def test_a_clip_gets_codecs_with_its_views_and_repeats_count_once(world: World) -> None:
    await reopened(world, job_codecs="h265", job_codecs_from_views=3)
    await complete(world)
    await world.until_forgotten(1)
    assert (await world.row(1, "plan")).codecs == ""
    store = ViewStore(tables=world.tables)
    consumer = ViewsOfFeed(store=store, jobs=world.jobs)
    for key, version in (("1.0", 1), ("1.0", 1), ("1.1", 4), ("1.0", 1), ("1.1", 3)):
        await consumer.watch_recorded(watched(key, version))
    await consumer.watch_recorded(watched("1.0", 2, counted=False))
    assert (await store.of(1), await world.lease()) == (2, None)
    await consumer.watch_recorded(watched("1.0", 3))
    assert await world.work_off() == H265
    await until(lambda: _has(world, 3))
    await ViewsOfFeed(store=store, jobs=world.jobs).watch_recorded(watched("1.0", 4))
    assert await world.lease() is None


async def test_views_of_a_clip_that_nobody_makes_any_more_change_nothing(world: World) -> None:
    await reopened(world, job_codecs="h265", job_codecs_from_views=1)
    await complete(world)
    await world.until_forgotten(1)
    world.clock.advance(KEPT_MS - 2 * DAY_MS)
    assert await world.jobs.viewed(1, 1)
    assert await world.lease() is None, "its rows end before the work would"
    world.clock.advance(3 * DAY_MS)
    assert await world.jobs.viewed(1, 1)
    assert await world.jobs.viewed(404, 1)
    assert await world.lease() is None


async def test_a_lazy_clip_gets_codecs_with_the_rest_of_its_ladder(world: World) -> None:
    await reopened(world, job_codecs="h265", job_lazy=True)
    await world.upload(1)
    assert await world.work_off() == FULL_ORDER[:6]
    await world.until_forgotten(1)
    jobs: JobActions = world.jobs
    await jobs._remaking.want_rest(1)
    assert await world.work_off() == [*FULL_ORDER[6:], *H265]


def test_a_plan_for_codecs_names_every_rung_of_the_ladder() -> None:
    plan: ProbeResult = probed()
    assert [(one.name, one.width, one.height) for one in plan.of_group("av1")] == [
        (f"{one.name}-av1", one.width, one.height) for one in plan.renditions
    ]
