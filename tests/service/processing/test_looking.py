"""Looking at all open videos: what did not change costs one question for all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator

import pytest

from svc_video.processing.actions import JobActions
from svc_video.processing.store import JobStore
from svc_video.processing.tables import Job
from svc_video.videos.actions import MediaState
from tests.service.processing.conftest import World, until

VIDEOS = 30


class Counting:
    """Tables that count what is asked of jobs."""

    def __init__(self, tables: object) -> None:
        self._tables = tables
        self.asked: Counter[str] = Counter()

    def __getattr__(self, name: str) -> object:
        method = getattr(self._tables, name)

        def counted(row_type: object, *args: object, **kwargs: object) -> object:
            if row_type is Job:
                self.asked[name] += 1
            return method(row_type, *args, **kwargs)

        return counted if name in {"scan", "get", "get_many"} else method


async def _follows_nothing(jobs: JobActions) -> bool:
    return not jobs._following._tasks


@pytest.fixture
def counting(world: World) -> Counting:
    """The world's tables."""
    return Counting(world.tables)


@pytest.fixture
async def replica(world: World, counting: Counting) -> AsyncIterator[JobActions]:
    """Another process on them, which has just started while videos were open."""
    for video_id in range(1, VIDEOS + 1):
        await world.upload(video_id)
    jobs = JobActions(
        store=JobStore(tables=counting),  # type: ignore[arg-type]
        blobs=world.blobs,
        media=world.media,
        creator_of=world.creator_of,
        clock=world.clock,
        settings=world.settings,
        telemetry=world.telemetry,
    )
    await jobs.start()
    await until(lambda: _follows_nothing(jobs))
    try:
        yield jobs
    finally:
        await jobs.stop()


async def test_videos_that_did_not_change_are_not_read_again(replica: JobActions, counting: Counting) -> None:
    counting.asked.clear()
    await replica._reconcile()
    assert counting.asked == {"get_many": 1}


async def test_what_another_process_wrote_is_seen(world: World, replica: JobActions, counting: Counting) -> None:
    probe = await world.leased()
    await world.commit(probe)
    counting.asked.clear()
    await replica._reconcile()
    assert counting.asked == {"get_many": 1, "scan": 1}
    leased = await replica.lease(worker="w2", wait_ms=0)
    assert leased is not None
    assert (leased.job.video_id, leased.job.job_key) == (probe.video_id, "audio")


async def test_an_end_that_another_process_wrote_is_told(world: World, replica: JobActions) -> None:
    probe = await world.leased()
    await world.fail(probe, "NO_VIDEO", rejected=True)
    await replica._reconcile()
    await world.until_media(probe.video_id, MediaState.FAILED)
