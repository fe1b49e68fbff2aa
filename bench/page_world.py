"""Videos and people as the services would answer them, and servers of ours that do: what the RPC and the page benches ask."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from types import SimpleNamespace
from typing import Any, Final

from clipmesh.social.v1 import identity_service_pb2, identity_service_pb2_grpc, profile_service_pb2, profile_service_pb2_grpc
from clipmesh.video.v1 import playback_service_pb2, playback_service_pb2_grpc, video_service_pb2, video_service_pb2_grpc
from google.protobuf.descriptor import ServiceDescriptor

from mesh.errors import NotFound
from mesh.server import Access, ServedService

VIDEOS = 20
CREATED_AT_MS = 1_760_000_000_000


def video_ids() -> list[int]:
    """The page."""
    return [1_000_000_000_000 + number for number in range(VIDEOS)]


def _video(video_id: int) -> video_service_pb2.Video:
    return video_service_pb2.Video(
        video_id=video_id,
        creator_id=video_id + 500,
        state=video_service_pb2.VIDEO_STATE_READY,
        caption=f"clip {video_id} with a caption of ordinary length",
        hashtags=["demo", "bench"],
        visibility=video_service_pb2.VISIBILITY_PUBLIC,
        duration_ms=15_000,
        width=720,
        height=1280,
        has_audio=True,
        created_at_ms=CREATED_AT_MS,
        published_at_ms=CREATED_AT_MS + 1,
        version=3,
    )


Answer = Callable[[Any], Any]


def batch_get_videos(request: video_service_pb2.BatchGetVideosRequest) -> video_service_pb2.BatchGetVideosResponse:
    """Any id is there."""
    return video_service_pb2.BatchGetVideosResponse(videos=[_video(one) for one in request.video_ids])


def _batch_get_profiles(request: profile_service_pb2.BatchGetProfilesRequest) -> profile_service_pb2.BatchGetProfilesResponse:
    people = [profile_service_pb2.Profile(user_id=one, handle=f"person{one}", created_at_ms=CREATED_AT_MS) for one in request.user_ids]
    return profile_service_pb2.BatchGetProfilesResponse(profiles=people)


def _list_revocations(request: playback_service_pb2.ListRevocationsRequest) -> playback_service_pb2.ListRevocationsResponse:
    return playback_service_pb2.ListRevocationsResponse(position=request.after)


def _list_signing_keys(request: identity_service_pb2.ListSigningKeysRequest) -> identity_service_pb2.ListSigningKeysResponse:
    return identity_service_pb2.ListSigningKeysResponse()


def _refresh_tokens(request: identity_service_pb2.RefreshTokensRequest) -> identity_service_pb2.RefreshTokensResponse:
    tokens = identity_service_pb2.TokenPair(access_token="a" * 400, refresh_token="r" * 43, expires_in_ms=600_000, user_id=7)
    return identity_service_pb2.RefreshTokensResponse(tokens=tokens)


def servicer(descriptor: ServiceDescriptor, **answers: Answer) -> Any:
    """Answers the named methods; of the others nobody has asked anything yet."""

    def method(name: str) -> Callable[[Any, Any], Awaitable[Any]]:
        async def call(request: Any, context: Any) -> Any:
            if name not in answers:
                raise NotFound(f"{name} is not part of the bench")
            return answers[name](request)

        return call

    return SimpleNamespace(**{one.name: method(one.name) for one in descriptor.methods})


VIDEO_SERVICE: Final = video_service_pb2.DESCRIPTOR.services_by_name["VideoService"]


def _served(descriptor: ServiceDescriptor, add: Callable[[Any, Any], None], **answers: Answer) -> ServedService:
    access = {
        method.name: Access(callers={"gateway"}, idempotent="request_id" in method.input_type.fields_by_name)
        for method in descriptor.methods
    }
    return ServedService(add_to_server=add, servicer=servicer(descriptor, **answers), descriptor=descriptor, access=access)


def video_services() -> Sequence[ServedService]:
    """What the video service serves here; nothing was ever revoked."""
    playback = playback_service_pb2.DESCRIPTOR.services_by_name["PlaybackService"]
    add_videos, add_playback = (
        video_service_pb2_grpc.add_VideoServiceServicer_to_server,
        playback_service_pb2_grpc.add_PlaybackServiceServicer_to_server,
    )
    return (
        _served(VIDEO_SERVICE, add_videos, BatchGetVideos=batch_get_videos),
        _served(playback, add_playback, ListRevocations=_list_revocations),
    )


def social_services() -> Sequence[ServedService]:
    """What the social service serves here; without keys everybody is anonymous, whoever signs in."""
    profiles = profile_service_pb2.DESCRIPTOR.services_by_name["ProfileService"]
    identity = identity_service_pb2.DESCRIPTOR.services_by_name["IdentityService"]
    add_profiles, add_identity = (
        profile_service_pb2_grpc.add_ProfileServiceServicer_to_server,
        identity_service_pb2_grpc.add_IdentityServiceServicer_to_server,
    )
    return (
        _served(profiles, add_profiles, BatchGetProfiles=_batch_get_profiles),
        _served(identity, add_identity, ListSigningKeys=_list_signing_keys, RefreshTokens=_refresh_tokens),
    )
