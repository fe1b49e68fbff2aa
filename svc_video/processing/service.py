"""JobService over gRPC: parse, call, answer."""

from __future__ import annotations

from typing import Any

import grpc
from clipmesh.video.v1 import job_service_pb2 as pb2
from clipmesh.video.v1 import job_service_pb2_grpc as pb2_grpc

from mesh.server import Access, Priority, ServedService
from svc_video.processing.actions import JobActions
from svc_video.processing.convert import job_to_proto

_LONGEST_LEASE_CALL_MS = 30_000
_WORKERS = frozenset({"video", "video-worker"})
"""Workers carry the name of this service, or one of their own where the operator gives them their own keys."""

_Context = grpc.aio.ServicerContext[Any, Any]


class JobServicer(pb2_grpc.JobServiceServicer):
    """Hands jobs to workers."""

    def __init__(self, actions: JobActions) -> None:
        self._actions = actions

    async def LeaseJob(self, request: pb2.LeaseJobRequest, context: _Context) -> pb2.LeaseJobResponse:  # noqa: N802
        """The most urgent job, or none."""
        leased = await self._actions.lease(worker=request.worker_id, wait_ms=request.wait_ms)
        return pb2.LeaseJobResponse(job=job_to_proto(leased) if leased is not None else None)

    async def Heartbeat(self, request: pb2.HeartbeatRequest, context: _Context) -> pb2.HeartbeatResponse:  # noqa: N802
        """A longer lease."""
        expires_at_ms = await self._actions.heartbeat(
            video_id=request.video_id, job_key=request.job_key, fence=request.fence, percent=request.progress_percent
        )
        return pb2.HeartbeatResponse(lease_expires_at_ms=expires_at_ms)

    async def CommitJob(self, request: pb2.CommitJobRequest, context: _Context) -> pb2.CommitJobResponse:  # noqa: N802
        """A durable result."""
        await self._actions.commit(video_id=request.video_id, job_key=request.job_key, fence=request.fence, result_json=request.result_json)
        return pb2.CommitJobResponse()

    async def FailJob(self, request: pb2.FailJobRequest, context: _Context) -> pb2.FailJobResponse:  # noqa: N802
        """A job given back."""
        await self._actions.fail(
            video_id=request.video_id,
            job_key=request.job_key,
            fence=request.fence,
            rejected=request.rejected,
            reason=request.reason,
            detail=request.detail,
        )
        return pb2.FailJobResponse()


def job_service(actions: JobActions) -> ServedService:
    """JobService with the rules of its methods."""
    return ServedService(
        add_to_server=pb2_grpc.add_JobServiceServicer_to_server,
        servicer=JobServicer(actions),
        descriptor=pb2.DESCRIPTOR.services_by_name["JobService"],
        access={
            # Not idempotent: a repeat would hold two jobs.
            "LeaseJob": Access(callers=_WORKERS, priority=Priority.WRITE, max_deadline_ms=_LONGEST_LEASE_CALL_MS),
            "Heartbeat": Access(callers=_WORKERS, idempotent=True, priority=Priority.WRITE),
            "CommitJob": Access(callers=_WORKERS, idempotent=True, priority=Priority.WRITE),
            "FailJob": Access(callers=_WORKERS, idempotent=True, priority=Priority.WRITE),
        },
    )
