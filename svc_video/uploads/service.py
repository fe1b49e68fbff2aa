"""The servicer of UploadService: parse, call, answer."""

from __future__ import annotations

from typing import Any

import grpc
from clipmesh.video.v1 import upload_service_pb2 as pb2
from clipmesh.video.v1.upload_service_pb2_grpc import UploadServiceServicer

from mesh.failpoints import Failpoint, hit
from svc_video.uploads.actions import UploadActions
from svc_video.uploads.convert import declared_from_proto, offset_to_proto, part_to_proto, upload_to_proto
from svc_video.viewers import viewer_at_hand

_Context = grpc.aio.ServicerContext[Any, Any]


class UploadServicer(UploadServiceServicer):
    """UploadService over the actions of uploads."""

    def __init__(self, *, actions: UploadActions) -> None:
        self._actions = actions

    async def StartUpload(self, request: pb2.StartUploadRequest, context: _Context) -> pb2.StartUploadResponse:  # noqa: N802
        """Open a session."""
        body = request.SerializeToString(deterministic=True)
        declared = declared_from_proto(request)
        seen = await self._actions.start(viewer_at_hand(), declared, request_id=request.request_id, body=body)
        return pb2.StartUploadResponse(upload=upload_to_proto(seen))

    async def SignUploadParts(  # noqa: N802
        self, request: pb2.SignUploadPartsRequest, context: _Context
    ) -> pb2.SignUploadPartsResponse:
        """URLs for parts."""
        parts = await self._actions.sign_parts(viewer_at_hand(), request.upload_id, request.part_numbers)
        return pb2.SignUploadPartsResponse(parts=[part_to_proto(part) for part in parts])

    async def GetUpload(self, request: pb2.GetUploadRequest, context: _Context) -> pb2.GetUploadResponse:  # noqa: N802
        """One session."""
        seen = await self._actions.get(viewer_at_hand(), request.upload_id)
        return pb2.GetUploadResponse(upload=upload_to_proto(seen))

    async def GetUploadOffset(  # noqa: N802
        self, request: pb2.GetUploadOffsetRequest, context: _Context
    ) -> pb2.GetUploadOffsetResponse:
        """Where a stream goes on."""
        return offset_to_proto(await self._actions.offset(viewer_at_hand(), request.upload_id))

    async def ListUploads(self, request: pb2.ListUploadsRequest, context: _Context) -> pb2.ListUploadsResponse:  # noqa: N802
        """The viewer's sessions."""
        seen, token = await self._actions.list_own(viewer_at_hand(), page_size=request.page_size, page_token=request.page_token)
        return pb2.ListUploadsResponse(uploads=[upload_to_proto(one) for one in seen], next_page_token=token)

    async def CompleteUpload(  # noqa: N802
        self, request: pb2.CompleteUploadRequest, context: _Context
    ) -> pb2.CompleteUploadResponse:
        """Close a session."""
        etags = {part.part_number: part.etag for part in request.parts if part.etag}
        seen = await self._actions.complete(viewer_at_hand(), request.upload_id, etags)
        hit(Failpoint.UPLOAD_AFTER_COMPLETE_ROW)
        return pb2.CompleteUploadResponse(upload=upload_to_proto(seen))

    async def AbortUpload(self, request: pb2.AbortUploadRequest, context: _Context) -> pb2.AbortUploadResponse:  # noqa: N802
        """End a session."""
        seen = await self._actions.abort(viewer_at_hand(), request.upload_id)
        return pb2.AbortUploadResponse(upload=upload_to_proto(seen))
