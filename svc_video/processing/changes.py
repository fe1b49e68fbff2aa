"""The one way in which jobs change: decide on the rows that were read, write them in one batch, let memory and people who wait follow."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from weakref import WeakValueDictionary

from mesh.errors import Aborted
from mesh.telemetry import Telemetry
from svc_video.processing.metrics import show_queue
from svc_video.processing.progress import progress_of
from svc_video.processing.queue import JobQueue
from svc_video.processing.rules import VideoJobs
from svc_video.processing.store import JobStore, merged
from svc_video.processing.tables import Job, JobState
from svc_video.videos.actions import MediaActions

_ATTEMPTS = 8

Decide = Callable[[VideoJobs], tuple[Job, ...]]
"""Rows to write, none for nothing; may raise. Asked again when another write was faster."""


class JobChanges:
    """Writes rows of jobs; writes to one video wait for one another."""

    def __init__(self, *, store: JobStore, queue: JobQueue, media: MediaActions, telemetry: Telemetry) -> None:
        self._store = store
        self._queue = queue
        self._media = media
        self._telemetry = telemetry
        self._locks: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()
        self._seen: dict[int, int] = {}
        """Version of the plan that memory agrees with, of each video under way: every batch but a heartbeat raises it."""

    async def apply(self, video_id: int, decide: Decide) -> VideoJobs | None:
        """The rows of a video after `decide`, or None when it has none. Raises Aborted and whatever `decide` raises."""
        async with self._lock(video_id):
            for _ in range(_ATTEMPTS):
                video = await self._store.load(video_id)
                if video is None:
                    return None
                rows = decide(video)
                if not rows or await self._store.write(*rows):
                    video = merged(video, rows)
                    self._agree(video)
                    return video
        raise Aborted("the jobs of the video change too fast; try again", video_id=video_id)

    async def begin(self, video_id: int, *rows: Job) -> VideoJobs | None:
        """Write the first rows of a video unless it has rows; answers those that stand then."""
        async with self._lock(video_id):
            await self._store.write(*rows)
            video = await self._store.load(video_id)
            if video is not None:
                self._agree(video)
            return video

    async def reload(self, video_id: int) -> VideoJobs | None:
        """Let memory follow the rows of a video, whoever wrote them."""
        return await self.apply(video_id, lambda _: ())

    def agrees_with(self, plan: Job) -> bool:
        """True when memory follows the rows under this plan already, and nothing is over."""
        return plan.state is JobState.OPEN and self._seen.get(plan.video_id) == plan.version

    def _agree(self, video: VideoJobs) -> None:
        self._queue.agree(video)
        if video.is_under_way:
            self._seen[video.plan.video_id] = video.plan.version
        else:
            self._seen.pop(video.plan.video_id, None)
        show_queue(self._telemetry, self._queue)
        if video.is_under_way:
            stage, percent = progress_of(video)
            self._media.report_progress(video.plan.video_id, stage=stage, percent=percent)

    def _lock(self, video_id: int) -> asyncio.Lock:
        lock = self._locks.get(video_id)
        if lock is None:
            lock = self._locks[video_id] = asyncio.Lock()
        return lock
