"""JobService over gRPC, for workers and for operators: parse, call, answer."""

from __future__ import annotations

from typing import Any

import grpc
from clipmesh.video.v1 import job_service_pb2 as pb2
from clipmesh.video.v1 import job_service_pb2_grpc as pb2_grpc

from mesh.operating import OPERATOR
from mesh.server import Access, Priority, ServedService
from svc_video.processing.actions import JobActions
from svc_video.processing.convert import dead_to_proto, job_to_proto

_LONGEST_LEASE_CALL_MS = 30_000
_WORKERS = frozenset({"video", "video-worker"})
"""Workers carry the name of this service, or one of their own where the operator gives them their own keys."""
_OPERATORS = frozenset({OPERATOR})
_DEFAULT_PAGE = 100

_Context = grpc.aio.ServicerContext[Any, Any]


class JobServicer(pb2_grpc.JobServiceServicer):
    """Hands jobs to workers."""

    def __init__(self, actions: JobActions) -> None:
        self._actions = actions

    async def LeaseJob(self, request: pb2.LeaseJobRequest, context: _Context) -> pb2.LeaseJobResponse:  # noqa: N802
        """The most urgent job, or none."""
        leased = await self._actions.lease(worker=request.worker_id, wait_ms=request.wait_ms, recipe=request.recipe_version)
        return pb2.LeaseJobResponse(job=job_to_proto(leased, lease_ms=self._actions.lease_ms) if leased is not None else None)

    async def Heartbeat(self, request: pb2.HeartbeatRequest, context: _Context) -> pb2.HeartbeatResponse:  # noqa: N802
        """A longer lease."""
        expires_at_ms = await self._actions.heartbeat(
            video_id=request.video_id, job_key=request.job_key, fence=request.fence, percent=request.progress_percent
        )
        return pb2.HeartbeatResponse(lease_expires_at_ms=expires_at_ms, lease_ms=self._actions.lease_ms)

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

    async def ListDeadVideos(self, request: pb2.ListDeadVideosRequest, context: _Context) -> pb2.ListDeadVideosResponse:  # noqa: N802
        """A page of videos that lack something."""
        page_size = request.page_size or _DEFAULT_PAGE
        found, next_token = await self._actions.dead_videos(page_size=page_size, page_token=request.page_token)
        return pb2.ListDeadVideosResponse(videos=[dead_to_proto(dead) for dead in found], next_page_token=next_token)

    async def RedoVideo(self, request: pb2.RedoVideoRequest, context: _Context) -> pb2.RedoVideoResponse:  # noqa: N802
        """Jobs that are open again."""
        await (self._actions.remake(request.video_id) if request.whole else self._actions.redo(request.video_id))
        return pb2.RedoVideoResponse()


def job_service(actions: JobActions) -> ServedService:
    """JobService with the rules of its methods."""
    return ServedService(
        add_to_server=pb2_grpc.add_JobServiceServicer_to_server,
        servicer=JobServicer(actions),
        descriptor=pb2.DESCRIPTOR.services_by_name["JobService"],
        access={
            # Not idempotent: a repeat would hold two jobs.
            "LeaseJob": Access(callers=_WORKERS, priority=Priority.WRITE, waits=True, max_deadline_ms=_LONGEST_LEASE_CALL_MS),
            "Heartbeat": Access(callers=_WORKERS, idempotent=True, priority=Priority.WRITE),
            "CommitJob": Access(callers=_WORKERS, idempotent=True, priority=Priority.WRITE),
            "FailJob": Access(callers=_WORKERS, idempotent=True, priority=Priority.WRITE),
            "ListDeadVideos": Access(callers=_OPERATORS, idempotent=True, priority=Priority.ANALYTICS),
            "RedoVideo": Access(callers=_OPERATORS, priority=Priority.WRITE),
        },
    )
