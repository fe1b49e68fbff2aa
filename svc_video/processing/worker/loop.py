"""The worker's life: ask for jobs, do them, answer, ask again; stop within seconds and leave nothing half done."""

from __future__ import annotations

import asyncio
import contextlib
import logging

from clipmesh.video.v1 import job_service_pb2 as pb2
from clipmesh.video.v1.job_service_pb2_grpc import JobServiceStub
from opentelemetry.trace import SpanKind

from mesh import failpoints
from mesh.clock import Clock
from mesh.errors import MeshError
from mesh.failpoints import Failpoint
from mesh.stores.blobs.port import BlobDamaged, BlobNotFound, BlobsUnavailable
from mesh.telemetry import Telemetry
from svc_video.processing.media import MediaRejected, MediaToolFailed, MediaToolMissing, MediaToolOverLimit, MediaToolTimedOut
from svc_video.processing.rules import RECIPE_CHANGED, GivenBack
from svc_video.processing.worker.errors import LeaseGone, RecipeChanged, SourceChanged, SourceRejected
from svc_video.processing.worker.lease import Failure, HeldJob
from svc_video.processing.worker.scratch import Scratch
from svc_video.processing.worker.steps import AtWork, Steps

_log = logging.getLogger("clipmesh.video.worker")

_MARGIN_S = 5.0
_SHORTEST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 2.0
_LAST_ANSWER_S = 0.5
"""How long a stopping worker waits for the answer to a question for work: hanging up on a job would hold it until its lease runs out."""
_LAST_WORD_S = 4.0
"""How long a stopping worker tries to give its job back or to commit it; after that its lease runs out."""


class Worker:
    """Does one job after the other in each of its lanes; a lane knows nothing of the others."""

    def __init__(
        self,
        *,
        worker_id: str,
        stub: JobServiceStub,
        steps: Steps,
        scratch: Scratch,
        clock: Clock,
        heartbeat_ms: int,
        wait_ms: int,
        telemetry: Telemetry,
        jobs: int = 1,
        recipe: str = "",
    ) -> None:
        """`jobs` is how many it does at once, `recipe` what it follows; empty: it says nothing of that and may be given jobs that it has to refuse."""
        self._worker_id = worker_id
        self._jobs = jobs
        self._recipe = recipe
        self._stub = stub
        self._steps = steps
        self._scratch = scratch
        self._clock = clock
        self._heartbeat_ms = heartbeat_ms
        self._wait_ms = wait_ms
        self._telemetry = telemetry
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Let `run` return soon: jobs at hand are given back and count as no attempts."""
        self._stopping.set()

    async def run(self) -> None:
        """Work until `stop`."""
        async with asyncio.TaskGroup() as lanes:
            for _ in range(self._jobs):
                lanes.create_task(self._run_lane())

    async def _run_lane(self) -> None:
        pause_s = _SHORTEST_PAUSE_S
        while not self._stopping.is_set():
            try:
                job = await self._next()
            except MeshError as error:
                _log.warning("no answer to a question for work", extra={"error_type": type(error).__name__})
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), pause_s)
                pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
                continue
            pause_s = _SHORTEST_PAUSE_S
            if job is not None:
                await self.do(job)

    async def do(self, job: pb2.Job) -> None:
        """One job from lease to answer, in the trace of who asked for it; what goes wrong is told to the service, not raised."""
        attributes: dict[str, str | int] = {"video_id": job.video_id, "job_key": job.job_key, "attempt": job.attempt}
        name = f"job {job.job_key.partition('/')[0]}"
        with self._telemetry.span(
            name, traceparent=job.trace_context, links=job.joined_trace_contexts, kind=SpanKind.CONSUMER, attributes=attributes
        ):
            await self._do(job)

    async def _do(self, job: pb2.Job) -> None:
        held = HeldJob(stub=self._stub, job=job, clock=self._clock, heartbeat_ms=self._heartbeat_ms)
        working = asyncio.create_task(self._work(job, held))
        keeping = asyncio.create_task(held.keep())
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({working, keeping, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                working.cancel()
                await asyncio.gather(working, return_exceptions=True)
            if not keeping.done():
                answering = asyncio.create_task(self._answer(held, working))
                await asyncio.wait({answering, keeping}, return_when=asyncio.FIRST_COMPLETED)
                answering.cancel()
                await asyncio.gather(answering, return_exceptions=True)
            if keeping.done():
                _log.info("the lease is lost", extra={"video_id": job.video_id, "job_key": job.job_key})
        finally:
            for task in (working, keeping, stopping):
                task.cancel()
            await asyncio.gather(working, keeping, stopping, return_exceptions=True)

    async def _next(self) -> pb2.Job | None:
        request = pb2.LeaseJobRequest(worker_id=self._worker_id, wait_ms=self._wait_ms, recipe_version=self._recipe)
        asking = asyncio.ensure_future(self._stub.LeaseJob(request, timeout=self._wait_ms / 1000 + _MARGIN_S))
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({asking, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not asking.done():
                await asyncio.wait({asking}, timeout=_LAST_ANSWER_S)
            if not asking.done():
                return None
            answer = asking.result()
            return answer.job if answer.HasField("job") else None
        finally:
            for task in (asking, stopping):
                task.cancel()
            await asyncio.gather(asking, stopping, return_exceptions=True)

    async def _work(self, job: pb2.Job, held: HeldJob) -> str:
        async with self._scratch.job_folder(job.video_id) as folder:
            return await self._steps.run(AtWork(job=job, folder=folder, report=held.report, still_ours=held.still_ours))

    async def _answer(self, held: HeldJob, working: asyncio.Task[str]) -> None:
        """Tell the service how the work ended; as long as it takes, but a few seconds once the worker stops."""
        ending = asyncio.create_task(self._end(held, working))
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({ending, stopping}, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait({ending}, timeout=_LAST_WORD_S)
        finally:
            for task in (ending, stopping):
                task.cancel()
            await asyncio.gather(ending, stopping, return_exceptions=True)

    async def _end(self, held: HeldJob, working: asyncio.Task[str]) -> None:
        try:
            failure = failure_of(working)
            with self._telemetry.span("report", attributes={"outcome": failure.reason if failure is not None else "DONE"}):
                if failure is None:
                    failpoints.hit(Failpoint.JOB_AFTER_OUTPUT)
                    await held.commit(working.result())
                else:
                    await held.fail(failure)
        except LeaseGone:
            _log.info("the answer came too late: the lease is lost")
        except MeshError as error:
            _log.warning("the service refuses the answer", extra={"reason": error.reason})


def failure_of(working: asyncio.Task[str]) -> Failure | None:
    """What to tell the service about work that ended; None for a result."""
    if working.cancelled():
        return Failure(GivenBack.WORKER_STOPPING, "the worker stops")
    error = working.exception()
    match error:
        case None:
            return None
        case LeaseGone():
            return Failure(GivenBack.WORKER_STOPPING, "the lease is lost")
        case MediaRejected():
            return Failure(error.reason.value, error.detail, rejected=True)
        case SourceRejected():
            return Failure(error.reason, error.detail, rejected=True)
        case MediaToolFailed():
            reason = next((word for kind, word in _TOOL_REASONS if isinstance(error, kind)), "TOOL_FAILED")
            return Failure(reason, f"{error.tool}: {error.problem}\n{error.stderr_tail}")
        case SourceChanged():
            return Failure("SOURCE_CHANGED", str(error))
        case RecipeChanged():
            return Failure(RECIPE_CHANGED, str(error))
        case BlobNotFound():
            return Failure("OBJECT_MISSING", str(error))
        case BlobDamaged():
            return Failure("OBJECT_DAMAGED", str(error))
        case BlobsUnavailable():
            return Failure(GivenBack.STORE_UNAVAILABLE, str(error))
        case _:
            _log.error("a step failed", exc_info=error)
            return Failure("WORKER_ERROR", f"{type(error).__name__}: {error}")


_TOOL_REASONS = ((MediaToolTimedOut, "TOOL_TIMED_OUT"), (MediaToolOverLimit, "TOOL_OVER_LIMIT"), (MediaToolMissing, "TOOL_MISSING"))
