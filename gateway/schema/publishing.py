"""Publishing, changing and deleting videos."""

from __future__ import annotations

import strawberry
from clipmesh.common.v1 import category_pb2
from clipmesh.video.v1 import video_service_pb2

from gateway.context import GatewayInfo
from gateway.schema.enums import Category, Visibility
from gateway.schema.outcomes import UserError, attempt, user_errors_field
from gateway.schema.scalars import BigInt, number_of
from gateway.schema.videos import Video
from mesh.interceptors.request_id import new_request_id


@strawberry.input(description="What others may do with a video.")
class SwitchesInput:
    allow_comments: bool
    allow_duet: bool
    allow_stitch: bool
    allow_download: bool

    def message(self) -> video_service_pb2.Switches:
        """As a message."""
        return video_service_pb2.Switches(**vars(self))


@strawberry.input(description="What a creator says of a draft when it is published.")
class PublishVideoInput:
    request_id: strawberry.ID
    video_id: strawberry.ID
    caption: str
    hashtags: list[str] | None = None
    category: Category | None = None
    language: str | None = None
    visibility: Visibility | None = None
    switches: SwitchesInput | None = None
    sound_id: strawberry.ID | None = None


@strawberry.input(description="Changes of a video; null leaves a field as it is, requestId makes it repeatable for 24 h.")
class UpdateVideoInput:
    request_id: strawberry.ID | None = None
    video_id: strawberry.ID
    caption: str | None = None
    hashtags: list[str] | None = None
    category: Category | None = None
    visibility: Visibility | None = None
    switches: SwitchesInput | None = None
    expected_version: BigInt | None = None


@strawberry.input(description="Which video to delete.")
class DeleteVideoInput:
    video_id: strawberry.ID


@strawberry.type(description="The video after the call, or why nothing happened.")
class VideoPayload:
    video: Video | None
    user_errors: list[UserError] = user_errors_field()


@strawberry.type(description="The id of what is gone, or why nothing happened.")
class DeleteVideoPayload:
    deleted_video_id: strawberry.ID | None
    user_errors: list[UserError] = user_errors_field()


def _category(category: Category | None) -> category_pb2.Category.ValueType:
    return category_pb2.Category.ValueType(category.value if category is not None else 0)


@strawberry.type
class VideoMutation:
    @strawberry.mutation(description="Publish a draft, at any time after startUpload: it is public once playable and allowed.")
    async def publish_video(self, info: GatewayInfo, input: PublishVideoInput) -> VideoPayload | None:
        request = video_service_pb2.PublishVideoRequest(
            request_id=input.request_id,
            video_id=number_of(input.video_id),
            caption=input.caption,
            hashtags=input.hashtags or (),
            category=_category(input.category),
            language=input.language or "",
            visibility=video_service_pb2.Visibility.ValueType(input.visibility.value if input.visibility is not None else 0),
            switches=input.switches.message() if input.switches is not None else None,
            sound_id=number_of(input.sound_id) if input.sound_id is not None else 0,
        )
        answer, errors = await attempt(info.context.clients.videos.PublishVideo(request))
        return VideoPayload(video=Video.of(answer.video) if answer is not None else None, user_errors=errors)

    @strawberry.mutation(description="Change a video; a changed caption or hashtag is assessed again.")
    async def update_video(self, info: GatewayInfo, input: UpdateVideoInput) -> VideoPayload | None:
        request = video_service_pb2.UpdateVideoRequest(
            request_id=input.request_id if input.request_id is not None else new_request_id(),
            video_id=number_of(input.video_id),
            caption=input.caption,
            hashtags=video_service_pb2.HashtagList(hashtags=input.hashtags) if input.hashtags is not None else None,
            category=_category(input.category) if input.category is not None else None,
            visibility=video_service_pb2.Visibility.ValueType(input.visibility.value) if input.visibility is not None else None,
            switches=input.switches.message() if input.switches is not None else None,
            expected_version=input.expected_version or 0,
        )
        answer, errors = await attempt(info.context.clients.videos.UpdateVideo(request))
        return VideoPayload(video=Video.of(answer.video) if answer is not None else None, user_errors=errors)

    @strawberry.mutation(description="Delete a video for everyone.")
    async def delete_video(self, info: GatewayInfo, input: DeleteVideoInput) -> DeleteVideoPayload | None:
        request = video_service_pb2.DeleteVideoRequest(video_id=number_of(input.video_id))
        answer, errors = await attempt(info.context.clients.videos.DeleteVideo(request))
        return DeleteVideoPayload(deleted_video_id=input.video_id if answer is not None else None, user_errors=errors)
