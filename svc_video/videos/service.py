"""The servicer of VideoService: parse, call, answer."""

from __future__ import annotations

from typing import Any

import grpc
from clipmesh.video.v1 import video_service_pb2 as pb2
from clipmesh.video.v1.video_service_pb2_grpc import VideoServiceServicer

from mesh.permits import Permits
from svc_video.videos.actions import Edit, Publication, Switches, VideoActions
from svc_video.videos.convert import PERMIT_KINDS, video_to_proto
from svc_video.videos.tables import Video, Visibility
from svc_video.viewers import Viewer, viewer_at_hand

_Context = grpc.aio.ServicerContext[Any, Any]


class VideoServicer(VideoServiceServicer):
    """VideoService over the actions of videos."""

    def __init__(self, *, actions: VideoActions, permits: Permits) -> None:
        self._actions = actions
        self._permits = permits

    async def PublishVideo(self, request: pb2.PublishVideoRequest, context: _Context) -> pb2.PublishVideoResponse:  # noqa: N802
        """Leave DRAFT."""
        viewer = viewer_at_hand()
        publication = Publication(
            caption=request.caption,
            hashtags=tuple(request.hashtags),
            category=request.category,
            language=request.language,
            visibility=Visibility(request.visibility or Visibility.PUBLIC),
            switches=_switches(request.switches) if request.HasField("switches") else Switches(),
            sound_id=request.sound_id,
        )
        body = request.SerializeToString(deterministic=True)
        video = await self._actions.publish(viewer, request.video_id, publication, request_id=request.request_id, body=body)
        return pb2.PublishVideoResponse(video=self._shown(video, viewer))

    async def UpdateVideo(self, request: pb2.UpdateVideoRequest, context: _Context) -> pb2.UpdateVideoResponse:  # noqa: N802
        """Change words, category, visibility or switches."""
        viewer = viewer_at_hand()
        edit = Edit(
            caption=request.caption if request.HasField("caption") else None,
            hashtags=tuple(request.hashtags.hashtags) if request.HasField("hashtags") else None,
            category=request.category if request.HasField("category") else None,
            visibility=Visibility(request.visibility) if request.HasField("visibility") else None,
            switches=_switches(request.switches) if request.HasField("switches") else None,
        )
        video = await self._actions.update(
            viewer,
            request.video_id,
            edit,
            expected_version=request.expected_version,
            request_id=request.request_id,
            body=request.SerializeToString(deterministic=True),
        )
        return pb2.UpdateVideoResponse(video=self._shown(video, viewer))

    async def DeleteVideo(self, request: pb2.DeleteVideoRequest, context: _Context) -> pb2.DeleteVideoResponse:  # noqa: N802
        """End a video."""
        await self._actions.delete(viewer_at_hand(), request.video_id)
        return pb2.DeleteVideoResponse()

    async def BatchGetVideos(self, request: pb2.BatchGetVideosRequest, context: _Context) -> pb2.BatchGetVideosResponse:  # noqa: N802
        """Videos that the viewer may see."""
        viewer = viewer_at_hand()
        videos = await self._actions.see(viewer, request.video_ids)
        return pb2.BatchGetVideosResponse(videos=[self._shown(video, viewer) for video in videos])

    async def ListCreatorVideos(  # noqa: N802
        self, request: pb2.ListCreatorVideosRequest, context: _Context
    ) -> pb2.ListCreatorVideosResponse:
        """A page of a creator's videos."""
        viewer = viewer_at_hand()
        videos, token = await self._actions.list_of_creator(
            viewer, request.creator_id, page_size=request.page_size, page_token=request.page_token
        )
        return pb2.ListCreatorVideosResponse(videos=[self._shown(video, viewer) for video in videos], next_page_token=token)

    async def BatchIssuePermits(  # noqa: N802
        self, request: pb2.BatchIssuePermitsRequest, context: _Context
    ) -> pb2.BatchIssuePermitsResponse:
        """What the viewer may do with each video, signed."""
        viewer = viewer_at_hand()
        permits = [
            self._permits.issue(
                subject_id=video.video_id,
                viewer_id=viewer.user_id,
                kinds=[PERMIT_KINDS[act] for act in acts],
                epoch=video.epoch,
                owner_id=video.creator_id,
            )
            for video, acts in await self._actions.permitted(viewer, request.video_ids)
        ]
        return pb2.BatchIssuePermitsResponse(permits=permits)

    def _shown(self, video: Video, viewer: Viewer) -> pb2.Video:
        is_own = bool(viewer.user_id) and viewer.user_id == video.creator_id
        percent = self._actions.progress_of(video).percent if is_own else 0
        return video_to_proto(video, progress_percent=percent, with_failure=is_own or viewer.is_moderator)


def _switches(switches: pb2.Switches) -> Switches:
    return Switches(
        allow_comments=switches.allow_comments,
        allow_duet=switches.allow_duet,
        allow_stitch=switches.allow_stitch,
        allow_download=switches.allow_download,
    )
