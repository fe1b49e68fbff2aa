"""Pictures of people: sent to video, shown by social, joined here."""

from __future__ import annotations

import strawberry
from clipmesh.social.v1 import profile_service_pb2
from clipmesh.video.v1 import image_service_pb2 as pb

from gateway.context import GatewayInfo
from gateway.execution.fields import OfMessage, part
from gateway.schema.outcomes import UserError, attempt, user_errors_field
from gateway.schema.scalars import BigInt, DateTime, id_of, moment, number_of
from gateway.schema.users import User
from mesh.interceptors.request_id import new_request_id


@strawberry.input(
    description="The file that will come; what kind of picture it is, its bytes alone say. requestId makes it repeatable for 24 h."
)
class StartAvatarUploadInput:
    request_id: strawberry.ID | None = None
    size_bytes: BigInt


@strawberry.input(description="A picture whose bytes were sent; requestId makes it repeatable for 24 h.")
class CompleteAvatarInput:
    request_id: strawberry.ID | None = None
    image_id: strawberry.ID


@strawberry.input(description="requestId makes it repeatable for 24 h.")
class RemoveAvatarInput:
    request_id: strawberry.ID | None = None


@strawberry.type(description="Where a picture goes: one PUT with its bytes.")
class AvatarUpload(OfMessage):
    message: strawberry.Private[pb.StartImageResponse]
    image_id: strawberry.ID = part(lambda place: id_of(place.image_id))
    url: str | None = part(lambda place: place.url or None, description="Null when the picture is awaited no more.")
    expires_at: DateTime | None = part(lambda place: moment(place.expires_at_ms))


@strawberry.type(description="Where the picture goes, or why nowhere.")
class StartAvatarUploadPayload:
    upload: AvatarUpload | None
    user_errors: list[UserError] = user_errors_field()


@strawberry.type(description="The person with the picture, or why there is none.")
class CompleteAvatarPayload:
    user: User | None
    user_errors: list[UserError] = user_errors_field()


@strawberry.type(description="The person without a picture, or why they still have one.")
class RemoveAvatarPayload:
    user: User | None
    user_errors: list[UserError] = user_errors_field()


@strawberry.type
class AvatarMutation:
    @strawberry.mutation(description="Begin to send a picture of oneself: a JPEG, PNG or WebP that stands still.")
    async def start_avatar_upload(self, info: GatewayInfo, input: StartAvatarUploadInput) -> StartAvatarUploadPayload | None:
        request = pb.StartImageRequest(request_id=_request_id(input.request_id), size_bytes=input.size_bytes)
        answer, errors = await attempt(info.context.clients.images.StartImage(request))
        return StartAvatarUploadPayload(upload=AvatarUpload.of(answer) if answer is not None else None, user_errors=errors)

    @strawberry.mutation(description="Show the picture that was sent instead of any other. Only its pixels are kept, as squares.")
    async def complete_avatar(self, info: GatewayInfo, input: CompleteAvatarInput) -> CompleteAvatarPayload | None:
        clients, image_id = info.context.clients, number_of(input.image_id)
        made, errors = await attempt(clients.images.CompleteImage(pb.CompleteImageRequest(image_id=image_id)))
        if made is None:
            return CompleteAvatarPayload(user=None, user_errors=errors)
        request = profile_service_pb2.SetAvatarRequest(request_id=_request_id(input.request_id), image_id=image_id, permit=made.permit)
        answer, errors = await attempt(clients.profiles.SetAvatar(request))
        info.context.loaders.image.overwrite(image_id, made.image)
        return CompleteAvatarPayload(user=User.of(answer.profile) if answer is not None else None, user_errors=errors)

    @strawberry.mutation(description="Show no picture of oneself.")
    async def remove_avatar(self, info: GatewayInfo, input: RemoveAvatarInput) -> RemoveAvatarPayload | None:
        request = profile_service_pb2.RemoveAvatarRequest(request_id=_request_id(input.request_id))
        answer, errors = await attempt(info.context.clients.profiles.RemoveAvatar(request))
        return RemoveAvatarPayload(user=User.of(answer.profile) if answer is not None else None, user_errors=errors)


def _request_id(given: strawberry.ID | None) -> str:
    return given if given is not None else new_request_id()
