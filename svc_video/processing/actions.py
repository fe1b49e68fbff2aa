"""What uploads, videos and workers do with jobs; the door through which the other areas meet this one."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Sequence
from dataclasses import replace

from mesh import deadline, failpoints
from mesh.clock import Clock
from mesh.failpoints import Failpoint
from mesh.stores.blobs.port import Blobs
from mesh.telemetry import Telemetry, trace_context
from svc_video.processing import rules
from svc_video.processing.changes import Decide, JobChanges
from svc_video.processing.codecs import codecs_in, together
from svc_video.processing.dead import Dead, DeadVideos
from svc_video.processing.errors import LeaseLost
from svc_video.processing.following import Following
from svc_video.processing.job_settings import JobSettings
from svc_video.processing.leasing import Leased, Leasing
from svc_video.processing.metrics import count_end, observe_commit, show_queue
from svc_video.processing.queue import ANY_RECIPE, JobQueue
from svc_video.processing.quiet import QuietHours, opens_at_ms
from svc_video.processing.remaking import Remaking
from svc_video.processing.rules import VideoJobs
from svc_video.processing.store import PAGE, JobStore
from svc_video.processing.tables import Job, JobEnd, JobState
from svc_video.processing.tiers import CreatorOf, tier_known_by
from svc_video.videos.actions import MediaActions

__all__ = ["Dead", "JobActions", "JobSettings", "Leased"]

_log = logging.getLogger("clipmesh.video.processing")

_LOOK_EVERY_S = 1.0
_RECONCILE_EVERY_MS = 30_000
_BACKGROUND_TRY_S = 30.0
_READ_AT_ONCE = 8
_READ_S = 10.0


class JobActions:
    """Opens, leases and ends jobs. Rows are the truth; the queue in memory follows every write and is rebuilt at start."""

    def __init__(
        self,
        *,
        store: JobStore,
        blobs: Blobs,
        media: MediaActions,
        creator_of: CreatorOf,
        clock: Clock,
        settings: JobSettings,
        telemetry: Telemetry,
    ) -> None:
        self._clock = clock
        self._lease_ms = settings.job_lease_ms
        self._lazy = settings.job_lazy
        self._telemetry = telemetry
        self._store = store
        self._creator_of = creator_of
        self._dead = DeadVideos(store=self._store)
        self._codecs = codecs_in(settings.job_codecs)
        self._codecs_from_views = settings.job_codecs_from_views
        self._quiet = QuietHours.parse(settings.job_off_peak)
        self._queue = JobQueue(clock=clock, ageing_ms=settings.job_ageing_ms, tier_ms=settings.job_tier_ms, quiet=self._quiet)
        self._changes = JobChanges(store=self._store, queue=self._queue, media=media, telemetry=telemetry)
        self._following = Following(store=self._store, media=media, blobs=blobs, clock=clock, close=self.close, telemetry=telemetry)
        self._leasing = Leasing(
            changes=self._changes,
            queue=self._queue,
            following=self._following,
            clock=clock,
            telemetry=telemetry,
            lease_ms=settings.job_lease_ms,
            retry_ms=settings.job_retry_ms,
        )
        self._remaking = Remaking(
            store=store,
            blobs=blobs,
            media=media,
            changes=self._changes,
            following=self._following,
            clock=clock,
            open_jobs=self._open,
            lazy=settings.job_lazy,
            quiet=self._quiet,
        )
        self._watching: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Rebuild the queue from the rows, tell again what follows from them, and begin to watch leases."""
        self._queue.grace_until_ms = self._clock.now_ms() + self._lease_ms
        await self._reload(await self._store.open_videos(), wake_all=True)
        self._watching = asyncio.create_task(self._watch(), context=contextvars.Context())

    async def stop(self) -> None:
        """End background work; rows keep everything."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        await self._remaking.stop()
        await self._leasing.stop()
        await self._following.stop()

    async def open(self, *, video_id: int, creator_id: int, source_key: str, size_bytes: int, sha256: bytes) -> None:
        """Open the probe of a video, durably; idempotent. A video whose jobs were closed stays closed."""
        await self._open(
            video_id=video_id, creator_id=creator_id, source_key=source_key, size_bytes=size_bytes, sha256=sha256, lazy=self._lazy
        )

    async def _open(self, *, video_id: int, creator_id: int, source_key: str, size_bytes: int, sha256: bytes, lazy: bool) -> None:
        now_ms = self._clock.now_ms()
        await self._store.note_open(video_id, now_ms)
        rows = rules.opened(
            video_id=video_id,
            creator_id=creator_id,
            source_key=source_key,
            size_bytes=size_bytes,
            sha256=sha256,
            now_ms=now_ms,
            tier=await tier_known_by(self._creator_of, creator_id),
            lazy=lazy,
            codecs="" if self._codecs_from_views else together(self._codecs),
        )
        await self._changes.begin(video_id, *(replace(row, trace_context=trace_context()) for row in rows))
        self._following.wake(video_id)

    async def close(self, video_id: int) -> None:
        """Let no job of a video be leased or committed any more; idempotent, and also holds for jobs that are opened later."""

        def end(video: VideoJobs) -> tuple[Job, ...]:
            return rules.closed(video) if video.is_under_way else ()

        if await self._changes.apply(video_id, end) is None:
            await self._changes.begin(video_id, rules.closed_before_open(video_id, self._clock.now_ms()))
            await self._changes.apply(video_id, end)
        self._following.wake(video_id)

    async def dead_videos(self, *, page_size: int, page_token: str) -> tuple[list[Dead], str]:
        """Videos for which the attempts of a job ran out, and the token of the next page. Raises InvalidPageToken."""
        return await self._dead.page(page_size=page_size, page_token=page_token)

    async def redo(self, video_id: int) -> None:
        """Make what a dead video lacks once more, durably; what plays stays as it is. Raises NothingToRedo."""
        await self._remaking.redo(video_id)

    async def remake(self, video_id: int) -> None:
        """Make a clip that plays once more as a whole, durably. Raises NothingToRedo."""
        await self._remaking.remake(video_id)

    def ask_for_rest(self, video_id: int) -> None:
        """Somebody would play a rendition that was left for later; never waits, again changes nothing."""
        self._remaking.ask_for_rest(video_id)

    async def viewed(self, video_id: int, views: int) -> bool:
        """A clip has so many views by now; True when that is enough for the further codecs, which it then gets, durably. Again changes nothing."""
        if not self._codecs or views < self._codecs_from_views:
            return False
        await self._remaking.want_codecs(video_id, self._codecs)
        return True

    async def open_videos(self) -> Sequence[int]:
        """Videos from whose jobs something is still to follow, for operators."""
        return await self._store.open_videos()

    @property
    def lease_ms(self) -> int:
        """How long a lease lasts."""
        return self._lease_ms

    async def lease(self, *, worker: str, wait_ms: int, recipe: str = ANY_RECIPE) -> Leased | None:
        """The most urgent job for a worker that follows `recipe`, waiting up to `wait_ms` of real time for one."""
        return await self._leasing.lease(worker=worker, wait_ms=wait_ms, recipe=recipe)

    async def heartbeat(self, *, video_id: int, job_key: str, fence: int, percent: int) -> int:
        """Keep a lease; answers when it ends now. Raises LeaseLost."""

        def renew(video: VideoJobs) -> tuple[Job, ...]:
            job = rules.held(video, job_key, fence)
            expires_at_ms = self._clock.now_ms() + self._lease_ms
            return (replace(job, lease_expires_at_ms=expires_at_ms, progress_percent=max(percent, job.progress_percent)),)

        return (await self._of_job(video_id, job_key, renew)).lease_expires_at_ms

    async def commit(self, *, video_id: int, job_key: str, fence: int, result_json: str) -> None:
        """Record a finished job and open what waited for it, in one write; a repeat under the same fence changes nothing.

        Raises LeaseLost, InvalidResult.
        """
        changed: VideoJobs | None = None

        def done(video: VideoJobs) -> tuple[Job, ...]:
            nonlocal changed
            before = video.jobs.get(job_key)
            if before is not None and before.state is JobState.DONE and before.fence == fence:
                return ()
            changed = video
            job, now_ms = rules.held(video, job_key, fence), self._clock.now_ms()
            later_ms = opens_at_ms(self._quiet, now_ms)
            rows = rules.committed(video, job, result_json=result_json, now_ms=now_ms, later_ms=later_ms, trace=trace_context())
            failpoints.hit(Failpoint.JOB_BEFORE_COMMIT_ROW)
            return rows

        job = await self._of_job(video_id, job_key, done)
        failpoints.hit(Failpoint.JOB_AFTER_COMMIT_ROW)
        if changed is not None:
            observe_commit(self._telemetry, changed, job, now_ms=self._clock.now_ms())
        self._following.wake(video_id)

    async def fail(self, *, video_id: int, job_key: str, fence: int, rejected: bool, reason: str, detail: str) -> None:
        """Give a job back; a repeat under the same fence changes nothing. Raises LeaseLost."""
        is_repeat = False

        def over(video: VideoJobs) -> tuple[Job, ...]:
            nonlocal is_repeat
            before = video.jobs.get(job_key)
            is_repeat = before is not None and before.ended is JobEnd.FAILED and before.fence == fence
            if is_repeat:
                return ()
            job = rules.held(video, job_key, fence)
            if rejected:
                return rules.rejected(video, job, reason=reason, detail=detail)
            return self._leasing.given_back(video, job, JobEnd.FAILED, reason, detail)

        job = await self._of_job(video_id, job_key, over)
        if not is_repeat:
            count_end(self._telemetry, job, "rejected" if rejected else "returned" if reason in rules.NOT_COUNTED else "failed")
            _log.info("a job was given back", extra={"video_id": video_id, "job_key": job_key, "reason": reason})
        self._following.wake(video_id)

    async def _of_job(self, video_id: int, job_key: str, decide: Decide) -> Job:
        video = await self._changes.apply(video_id, decide)
        if video is None:
            raise LeaseLost(video_id=video_id, job_key=job_key)
        return video.jobs[job_key]

    async def _watch(self) -> None:
        """Take back expired leases though no worker asks, and look at all open videos now and then."""
        next_look_ms = self._clock.monotonic_ms() + _RECONCILE_EVERY_MS
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            try:
                with deadline.scope(_BACKGROUND_TRY_S):
                    await self._leasing.end_expired()
                if self._clock.monotonic_ms() >= next_look_ms:
                    next_look_ms = self._clock.monotonic_ms() + _RECONCILE_EVERY_MS
                    await self._reconcile()
            except Exception as error:  # a store that is away must not end the loop
                _log.warning("jobs cannot be watched", extra={"error_type": type(error).__name__})

    async def _reconcile(self) -> None:
        """Rows are the truth: memory follows them whatever went wrong, and no end of a video stays untold."""
        await self._reload(await self._store.open_videos(), wake_all=False)
        show_queue(self._telemetry, self._queue)

    async def _reload(self, video_ids: Sequence[int], *, wake_all: bool) -> None:
        """Read again those videos of which memory is not sure, a few at once; wakes those that are over, or all of them."""
        slots = asyncio.Semaphore(_READ_AT_ONCE)

        async def reload(video_id: int) -> None:
            async with slots:
                with deadline.scope(_READ_S):
                    video = await self._changes.reload(video_id)
            if wake_all or video is None or not video.is_under_way:
                self._following.wake(video_id)

        for start in range(0, len(video_ids), PAGE):
            page = video_ids[start : start + PAGE]
            plans = await self._store.plans_of(page)
            await asyncio.gather(
                *(reload(video_id) for video_id in page if video_id not in plans or not self._changes.agrees_with(plans[video_id]))
            )
