"""Gives jobs to workers, and takes them back when their leases run out or their workers are gone."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from dataclasses import dataclass

from mesh import deadline
from mesh.clock import Clock
from mesh.errors import MeshError
from mesh.stores.tables.errors import TablesError
from mesh.telemetry import Telemetry, trace_context
from svc_video.processing import rules
from svc_video.processing.changes import JobChanges
from svc_video.processing.fleet import Fleet
from svc_video.processing.following import Following
from svc_video.processing.metrics import count_end
from svc_video.processing.queue import ANY_RECIPE, JobId, JobQueue, Waiting
from svc_video.processing.rules import GivenBack, VideoJobs
from svc_video.processing.tables import PROBE_KEY, Job, JobEnd, JobState
from svc_video.processing.traces import joined_by

_log = logging.getLogger("clipmesh.video.processing")
_GIVE_BACK_S = 10.0


@dataclass(frozen=True, slots=True)
class Leased:
    """A job in the hands of a worker."""

    plan: Job
    job: Job
    probe_json: str
    """Result of the video's probe; empty for the probe itself."""
    trace_context: str = ""
    """W3C traceparent of this lease; empty without traces."""
    joined_trace_contexts: tuple[str, ...] = ()
    """Those of what the job joins."""


class Leasing:
    """Leases of one process."""

    def __init__(
        self,
        *,
        changes: JobChanges,
        queue: JobQueue,
        following: Following,
        clock: Clock,
        telemetry: Telemetry,
        lease_ms: int,
        retry_ms: int,
    ) -> None:
        self._changes = changes
        self._queue = queue
        self._following = following
        self._clock = clock
        self._telemetry = telemetry
        self._lease_ms = lease_ms
        self._retry_ms = retry_ms
        self._fleet = Fleet(clock=clock, queue=queue)
        self._giving_back: set[asyncio.Task[None]] = set()

    async def lease(self, *, worker: str, wait_ms: int, recipe: str = ANY_RECIPE) -> Leased | None:
        """The most urgent job for a worker that follows `recipe`, waiting up to `wait_ms` of real time for one."""
        loop = asyncio.get_running_loop()
        until_s = loop.time() + wait_ms / 1000
        while True:
            await self.end_expired()
            self._fleet.asked(recipe)
            while (waiting := self._queue.pop(lambda other: self._fleet.may_take(recipe, other))) is not None:
                if (leased := await self._take(waiting, worker)) is not None:
                    return leased
            left_s = until_s - loop.time()
            if left_s <= 0:
                return None
            await self._queue.wait(left_s)

    async def end_expired(self) -> None:
        """Take back every job whose lease has run out."""
        for job_id in self._queue.expired():
            await self._end_if_expired(job_id)

    def given_back(self, video: VideoJobs, job: Job, end: JobEnd, reason: str, detail: str) -> tuple[Job, ...]:
        """Rows to write after an attempt that made nothing."""
        now_ms = self._clock.now_ms()
        return rules.given_back(video, job, end=end, reason=reason, detail=detail, now_ms=now_ms, retry_ms=self._retry_ms)

    async def stop(self) -> None:
        """Wait for what is being given back."""
        await asyncio.gather(*self._giving_back, return_exceptions=True)

    async def _take(self, waiting: Waiting, worker: str) -> Leased | None:
        """Lease one job; a caller that goes away meanwhile leaves no lease behind."""
        taking = asyncio.create_task(self._lease(waiting, worker))
        try:
            return await asyncio.shield(taking)
        except asyncio.CancelledError:
            task = asyncio.create_task(self._undo(taking), context=contextvars.Context())
            self._giving_back.add(task)
            task.add_done_callback(self._giving_back.discard)
            raise

    async def _lease(self, waiting: Waiting, worker: str) -> Leased | None:
        video_id, job_key = waiting.job_id
        took = False

        def take(video: VideoJobs) -> tuple[Job, ...]:
            nonlocal took
            now_ms = self._clock.now_ms()
            took = rules.may_lease(video, job_key, now_ms)
            return rules.leased(video, job_key, worker=worker, now_ms=now_ms, lease_ms=self._lease_ms) if took else ()

        try:
            video = await self._changes.apply(video_id, take)
        except BaseException:
            self._queue.put_back(waiting)
            raise
        if video is None or not took:
            return None
        job, joined = video.jobs[job_key], joined_by(video, video.jobs[job_key])
        attributes: dict[str, str | int] = {
            "video_id": video_id,
            "job_key": job_key,
            "attempt": job.attempt,
            "waited_ms": job.leased_at_ms - job.opened_at_ms,
        }
        # The question for work belongs to no video: its own trace is linked.
        with self._telemetry.span("lease job", traceparent=job.trace_context, links=(trace_context(), *joined), attributes=attributes):
            probe_json = "" if job_key == PROBE_KEY else video.jobs[PROBE_KEY].result_json
            return Leased(video.plan, job, probe_json, trace_context() if job.trace_context else "", joined)

    async def _undo(self, taking: asyncio.Task[Leased | None]) -> None:
        try:
            with deadline.scope(_GIVE_BACK_S):
                if (leased := await taking) is not None:
                    held = leased.job

                    def back(video: VideoJobs) -> tuple[Job, ...]:
                        job = rules.held(video, held.job_key, held.fence)
                        return self.given_back(video, job, JobEnd.FAILED, GivenBack.WORKER_STOPPING, "nobody took the answer")

                    await self._changes.apply(held.video_id, back)
        except (MeshError, TablesError) as error:
            # The lease runs out by itself.
            _log.warning("an unwanted lease stays", extra={"error_type": type(error).__name__})

    async def _end_if_expired(self, job_id: JobId) -> None:
        video_id, job_key = job_id
        ended: Job | None = None

        def expire(video: VideoJobs) -> tuple[Job, ...]:
            nonlocal ended
            ended = None
            job = video.jobs.get(job_key)
            if job is None or not video.is_under_way or job.state is not JobState.LEASED:
                return ()
            if self._queue.lease_ends_at_ms(job) > self._clock.now_ms():
                return ()
            ended = job
            return self.given_back(video, job, JobEnd.EXPIRED, rules.LEASE_EXPIRED, f"no heartbeat of {job.worker}")

        video = await self._changes.apply(video_id, expire)
        if video is None:
            self._queue.drop(video_id)
        elif ended is not None:
            _log.warning("a lease ran out", extra={"video_id": video_id, "job_key": job_key, "worker": ended.worker})
            count_end(self._telemetry, ended, "expired")
            self._following.wake(video_id)
