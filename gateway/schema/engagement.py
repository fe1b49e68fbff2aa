"""Engagement: liking, saving with collections, sharing, reposting, and taking back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import strawberry
from clipmesh.common.v1 import permit_pb2
from clipmesh.social.v1 import engagement_service_pb2 as pb
from clipmesh.video.v1 import video_service_pb2

from gateway.context import GatewayInfo
from gateway.errors import Fault
from gateway.schema.counters import ViewerState
from gateway.schema.engaged import Collection
from gateway.schema.enums import ShareTarget
from gateway.schema.outcomes import UserError, ask, attempt, user_errors, user_errors_field
from gateway.schema.scalars import id_of, number_of
from mesh.errors import MeshError, NotFound
from mesh.interceptors.request_id import new_request_id

T = TypeVar("T")


@strawberry.input
class _OnVideo:
    request_id: strawberry.ID | None = None
    video_id: strawberry.ID


@strawberry.input(description="Which video to like; requestId makes it repeatable for 24 h.")
class LikeInput(_OnVideo):
    pass


@strawberry.input(description="Whose like to take back; requestId makes it repeatable for 24 h.")
class UnlikeInput(_OnVideo):
    pass


@strawberry.input(description="Which video to keep no longer; requestId makes it repeatable for 24 h.")
class UnsaveInput(_OnVideo):
    pass


@strawberry.input(description="Which video to repost; requestId makes it repeatable for 24 h.")
class RepostInput(_OnVideo):
    pass


@strawberry.input(description="Which repost to take back; requestId makes it repeatable for 24 h.")
class UndoRepostInput(_OnVideo):
    pass


@strawberry.input(description="Which video, and in which collection; requestId makes it repeatable for 24 h.")
class SaveInput(_OnVideo):
    collection_id: strawberry.ID | None = None


@strawberry.input(description="Which video goes where; requestId makes it count once.")
class ShareInput(_OnVideo):
    target: ShareTarget


@strawberry.input(description="A new collection; requestId makes it repeatable for 24 h.")
class CreateCollectionInput:
    request_id: strawberry.ID | None = None
    name: str


@strawberry.input(description="Another name for a collection; requestId makes it repeatable for 24 h.")
class RenameCollectionInput:
    request_id: strawberry.ID | None = None
    collection_id: strawberry.ID
    name: str


@strawberry.input(description="Which collection to delete.")
class DeleteCollectionInput:
    collection_id: strawberry.ID


@strawberry.type(description="What the viewer did with the video after the call, or why nothing happened.")
class EngagementPayload:
    video_id: strawberry.ID
    viewer_state: ViewerState | None
    user_errors: list[UserError] = user_errors_field()


@strawberry.type(description="The share, or why there is none.")
class SharePayload:
    share_id: strawberry.ID | None
    user_errors: list[UserError] = user_errors_field()


@strawberry.type(description="The collection after the call, or why nothing happened.")
class CollectionPayload:
    collection: Collection | None
    user_errors: list[UserError] = user_errors_field()


@strawberry.type(description="The id of what is gone, or why nothing happened.")
class DeleteCollectionPayload:
    deleted_collection_id: strawberry.ID | None
    user_errors: list[UserError] = user_errors_field()


class _VideoNotFound(NotFound):
    """There is no such video for this viewer."""

    reason = "VIDEO_NOT_FOUND"


async def permitted(
    info: GatewayInfo, video_id: int, call: Callable[[permit_pb2.SignedPermit], Awaitable[T]]
) -> tuple[T | None, list[UserError]]:
    """The answer of an act that video permits, or its user errors: a video that cannot be seen is not there."""
    if not info.context.viewer.user_id:
        raise Fault("UNAUTHENTICATED", "sign in first")
    wanted = video_service_pb2.BatchIssuePermitsRequest(video_ids=[video_id])
    issued = await ask(info.context.clients.videos.BatchIssuePermits(wanted))
    if not issued.permits:
        return None, user_errors(_VideoNotFound())
    try:
        return await attempt(call(issued.permits[0]))
    except Fault as fault:
        # Video lets the viewer look and no more: an outcome like others, not a fault of who asks.
        if isinstance(cause := fault.__cause__, MeshError) and cause.reason == "INVALID_PERMIT":
            return None, user_errors(cause)
        raise


def _state(input: _OnVideo, answer: Any, errors: list[UserError]) -> EngagementPayload:
    state = ViewerState.of(answer.state) if answer is not None else None
    return EngagementPayload(video_id=input.video_id, viewer_state=state, user_errors=errors)


def _request_id(given: strawberry.ID | None) -> str:
    return given if given is not None else new_request_id()


@strawberry.type
class EngagementMutation:
    @strawberry.mutation(description="Like a video; a repeat changes nothing.")
    async def like(self, info: GatewayInfo, input: LikeInput) -> EngagementPayload | None:
        video_id, request_id = number_of(input.video_id), _request_id(input.request_id)
        like = info.context.clients.engagement.Like
        answer, errors = await permitted(
            info, video_id, lambda permit: like(pb.LikeRequest(request_id=request_id, video_id=video_id, permit=permit))
        )
        return _state(input, answer, errors)

    @strawberry.mutation(description="Take a like back, also from a video that went away.")
    async def unlike(self, info: GatewayInfo, input: UnlikeInput) -> EngagementPayload | None:
        request = pb.UnlikeRequest(request_id=_request_id(input.request_id), video_id=number_of(input.video_id))
        return _state(input, *await attempt(info.context.clients.engagement.Unlike(request)))

    @strawberry.mutation(description="Keep a video for later, in one collection or in none; saving it again moves it.")
    async def save(self, info: GatewayInfo, input: SaveInput) -> EngagementPayload | None:
        video_id, request_id = number_of(input.video_id), _request_id(input.request_id)
        collection_id = number_of(input.collection_id) if input.collection_id is not None else 0
        save = info.context.clients.engagement.Save
        answer, errors = await permitted(
            info,
            video_id,
            lambda permit: save(pb.SaveRequest(request_id=request_id, video_id=video_id, permit=permit, collection_id=collection_id)),
        )
        return _state(input, answer, errors)

    @strawberry.mutation(description="Take a save back, also from a video that went away.")
    async def unsave(self, info: GatewayInfo, input: UnsaveInput) -> EngagementPayload | None:
        request = pb.UnsaveRequest(request_id=_request_id(input.request_id), video_id=number_of(input.video_id))
        return _state(input, *await attempt(info.context.clients.engagement.Unsave(request)))

    @strawberry.mutation(description="Tell that the viewer passed a video on; each requestId counts once.")
    async def share(self, info: GatewayInfo, input: ShareInput) -> SharePayload | None:
        video_id, request_id = number_of(input.video_id), _request_id(input.request_id)
        target, share = pb.ShareTarget.ValueType(input.target.value), info.context.clients.engagement.Share
        answer, errors = await permitted(
            info, video_id, lambda permit: share(pb.ShareRequest(request_id=request_id, video_id=video_id, permit=permit, target=target))
        )
        return SharePayload(share_id=id_of(answer.share_id) if answer is not None else None, user_errors=errors)

    @strawberry.mutation(description="Show a video to those who look at the viewer's reposts.")
    async def repost(self, info: GatewayInfo, input: RepostInput) -> EngagementPayload | None:
        video_id, request_id = number_of(input.video_id), _request_id(input.request_id)
        repost = info.context.clients.engagement.Repost
        answer, errors = await permitted(
            info, video_id, lambda permit: repost(pb.RepostRequest(request_id=request_id, video_id=video_id, permit=permit))
        )
        return _state(input, answer, errors)

    @strawberry.mutation(description="Take a repost back, also of a video that went away.")
    async def undo_repost(self, info: GatewayInfo, input: UndoRepostInput) -> EngagementPayload | None:
        request = pb.UndoRepostRequest(request_id=_request_id(input.request_id), video_id=number_of(input.video_id))
        return _state(input, *await attempt(info.context.clients.engagement.UndoRepost(request)))

    @strawberry.mutation(description="Make a named place for saves; a person has at most 200.")
    async def create_collection(self, info: GatewayInfo, input: CreateCollectionInput) -> CollectionPayload | None:
        request = pb.CreateCollectionRequest(request_id=_request_id(input.request_id), name=input.name)
        answer, errors = await attempt(info.context.clients.engagement.CreateCollection(request))
        return CollectionPayload(collection=Collection.of(answer.collection) if answer is not None else None, user_errors=errors)

    @strawberry.mutation(description="Name a collection anew.")
    async def rename_collection(self, info: GatewayInfo, input: RenameCollectionInput) -> CollectionPayload | None:
        request = pb.RenameCollectionRequest(
            request_id=_request_id(input.request_id), collection_id=number_of(input.collection_id), name=input.name
        )
        answer, errors = await attempt(info.context.clients.engagement.RenameCollection(request))
        return CollectionPayload(collection=Collection.of(answer.collection) if answer is not None else None, user_errors=errors)

    @strawberry.mutation(description="End a collection; what was saved in it stays saved.")
    async def delete_collection(self, info: GatewayInfo, input: DeleteCollectionInput) -> DeleteCollectionPayload | None:
        request = pb.DeleteCollectionRequest(collection_id=number_of(input.collection_id))
        answer, errors = await attempt(info.context.clients.engagement.DeleteCollection(request))
        return DeleteCollectionPayload(deleted_collection_id=input.collection_id if answer is not None else None, user_errors=errors)
