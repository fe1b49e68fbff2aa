"""The servicer of PlaybackService: parse, call, answer."""

from __future__ import annotations

from typing import Any

import grpc
from clipmesh.video.v1 import playback_service_pb2 as pb2
from clipmesh.video.v1.playback_service_pb2_grpc import PlaybackServiceServicer

from mesh.auth import current_viewer
from svc_video.playback.actions import PlaybackActions, Revocations
from svc_video.playback.convert import network_from_proto, playback_to_proto, revocation_to_proto
from svc_video.viewers import viewer_at_hand

_Context = grpc.aio.ServicerContext[Any, Any]


class PlaybackServicer(PlaybackServiceServicer):
    """PlaybackService over the actions of playback."""

    def __init__(self, *, actions: PlaybackActions, revocations: Revocations) -> None:
        self._actions = actions
        self._revocations = revocations

    async def BatchGetPlayback(  # noqa: N802
        self, request: pb2.BatchGetPlaybackRequest, context: _Context
    ) -> pb2.BatchGetPlaybackResponse:
        """A playback or a refusal for each id."""
        asker = current_viewer()
        playbacks = await self._actions.of_many(
            viewer_at_hand(), request.video_ids, network=network_from_proto(asker.network_class), save_data=asker.save_data
        )
        return pb2.BatchGetPlaybackResponse(playbacks=[playback_to_proto(playback) for playback in playbacks])

    async def ListRevocations(  # noqa: N802
        self, request: pb2.ListRevocationsRequest, context: _Context
    ) -> pb2.ListRevocationsResponse:
        """Epochs that rose since a position."""
        revocations, position = await self._revocations.list_after(request.after, page_size=request.page_size)
        return pb2.ListRevocationsResponse(revocations=[revocation_to_proto(one) for one in revocations], position=position)
