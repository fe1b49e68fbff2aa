"""The servicer of ImageService: parse, call, answer."""

from __future__ import annotations

from typing import Any

import grpc
from clipmesh.common.v1 import permit_pb2
from clipmesh.video.v1 import image_service_pb2 as pb2
from clipmesh.video.v1.image_service_pb2_grpc import ImageServiceServicer

from mesh.permits import Permits
from svc_video.images.actions import ImageActions
from svc_video.images.convert import place_to_proto, shown_to_proto
from svc_video.viewers import viewer_at_hand

_Context = grpc.aio.ServicerContext[Any, Any]


class ImageServicer(ImageServiceServicer):
    """ImageService over the actions of pictures."""

    def __init__(self, *, actions: ImageActions, permits: Permits) -> None:
        self._actions = actions
        self._permits = permits

    async def StartImage(self, request: pb2.StartImageRequest, context: _Context) -> pb2.StartImageResponse:  # noqa: N802
        """Open a place."""
        body = request.SerializeToString(deterministic=True)
        place = await self._actions.start(viewer_at_hand(), size_bytes=request.size_bytes, request_id=request.request_id, body=body)
        return place_to_proto(place)

    async def CompleteImage(self, request: pb2.CompleteImageRequest, context: _Context) -> pb2.CompleteImageResponse:  # noqa: N802
        """Make the squares and give a permit."""
        viewer = viewer_at_hand()
        shown = await self._actions.complete(viewer, request.image_id)
        permit = self._permits.issue(
            subject_id=shown.image_id,
            viewer_id=viewer.user_id,
            kinds=(permit_pb2.PERMIT_KIND_AVATAR,),
            epoch=0,
            owner_id=viewer.user_id,
        )
        return pb2.CompleteImageResponse(image=shown_to_proto(shown), permit=permit)

    async def BatchGetImages(self, request: pb2.BatchGetImagesRequest, context: _Context) -> pb2.BatchGetImagesResponse:  # noqa: N802
        """Addresses."""
        return pb2.BatchGetImagesResponse(images=[shown_to_proto(one) for one in await self._actions.shown(request.image_ids)])
