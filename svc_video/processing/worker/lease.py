"""A job as its worker holds it: heartbeats with progress, and the one answer at the end, repeated until the service has it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from clipmesh.video.v1 import job_service_pb2 as pb2
from clipmesh.video.v1.job_service_pb2_grpc import JobServiceStub

from mesh.clock import Clock
from mesh.errors import DeadlineExceeded, MeshError, ResourceExhausted, Unavailable
from mesh.status import RpcFailed
from svc_video.processing.worker.errors import LeaseGone

_log = logging.getLogger("clipmesh.video.worker")

_CALL_S = 5.0
_SHORTEST_CALL_S = 0.1
_SHORTEST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 2.0
_MOVED_PERCENT = 10
_PROGRESS_EVERY_S = 1.0
MAX_DETAIL_BYTES = 4096

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a job could not be done."""

    reason: str
    detail: str
    rejected: bool = False
    """True when the input itself is bad."""


class HeldJob:
    """One leased job."""

    def __init__(self, *, stub: JobServiceStub, job: pb2.Job, clock: Clock, heartbeat_ms: int) -> None:
        self._stub = stub
        self._job = job
        self._clock = clock
        self._heartbeat_s = heartbeat_ms / 1000
        self._ends_at_ms = clock.monotonic_ms() + job.lease_ms
        self._percent = 0
        self._told_percent = 0

    def report(self, share: float) -> None:
        """Note the share that is done, 0 to 1; the next heartbeat tells it."""
        self._percent = max(self._percent, min(100, int(share * 100)))

    async def keep(self) -> None:
        """Send heartbeats, the first at once; returns when the lease is lost or has run out by this machine's own clock.

        A service that is away may come back and still count this lease, but one that cannot be reached gives the job to somebody else.
        """
        tick_s = min(self._heartbeat_s, _PROGRESS_EVERY_S)
        silent_s = self._heartbeat_s
        while self.left_s() > 0:
            if silent_s < self._heartbeat_s and self._percent - self._told_percent < _MOVED_PERCENT:
                await asyncio.sleep(tick_s)
                silent_s += tick_s
                continue
            try:
                await self._beat()
            except LeaseGone:
                return
            except MeshError as error:
                _log.warning("no answer to a heartbeat", extra={"job_key": self._job.job_key, "error_type": type(error).__name__})
                await asyncio.sleep(min(tick_s, max(0.0, self.left_s())))
            else:
                silent_s = 0.0
        _log.warning("the lease ran out without an answer", extra={"job_key": self._job.job_key})

    def left_s(self) -> float:
        """How long the lease lasts at least, by this machine's own clock, in seconds."""
        return (self._ends_at_ms - self._clock.monotonic_ms()) / 1000

    async def still_ours(self) -> None:
        """Ask until the service says that the lease is ours. Raises LeaseGone."""
        await self._insist(self._beat)

    async def commit(self, result_json: str) -> None:
        """Say that the job is done, until the service knows. Raises LeaseGone."""
        request = pb2.CommitJobRequest(
            video_id=self._job.video_id, job_key=self._job.job_key, fence=self._job.fence, result_json=result_json
        )
        await self._insist(lambda: self._stub.CommitJob(request, timeout=_CALL_S))

    async def fail(self, failure: Failure) -> None:
        """Give the job back, until the service knows. Raises LeaseGone."""
        request = pb2.FailJobRequest(
            video_id=self._job.video_id,
            job_key=self._job.job_key,
            fence=self._job.fence,
            rejected=failure.rejected,
            reason=failure.reason,
            detail=tail(failure.detail),
        )
        await self._insist(lambda: self._stub.FailJob(request, timeout=_CALL_S))

    async def _beat(self) -> None:
        percent = self._percent
        request = pb2.HeartbeatRequest(
            video_id=self._job.video_id, job_key=self._job.job_key, fence=self._job.fence, progress_percent=percent
        )
        sent_at_ms = self._clock.monotonic_ms()
        answer = await _or_gone(self._stub.Heartbeat(request, timeout=min(_CALL_S, max(_SHORTEST_CALL_S, self.left_s()))))
        self._ends_at_ms = max(self._ends_at_ms, sent_at_ms + answer.lease_ms)
        self._told_percent = percent

    async def _insist(self, call: Callable[[], Awaitable[object]]) -> None:
        pause_s = _SHORTEST_PAUSE_S
        while True:
            try:
                await _or_gone(call())
            except (Unavailable, DeadlineExceeded, ResourceExhausted) as error:
                _log.warning("the service does not answer", extra={"job_key": self._job.job_key, "error_type": type(error).__name__})
            except MeshError as error:
                if error.reason != "CONFLICT":
                    raise
            else:
                return
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)


async def _or_gone(call: Awaitable[T]) -> T:
    try:
        return await call
    except RpcFailed as failed:
        if failed.reason == "LEASE_LOST":
            raise LeaseGone from failed
        raise


def tail(text: str) -> str:
    """The end of a text, as much as the service takes."""
    return text.encode()[-MAX_DETAIL_BYTES:].decode(errors="ignore")
