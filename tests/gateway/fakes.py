"""Fakes of the five services behind real gRPC servers: they answer from dictionaries and write down who asked what."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from clipmesh.common.v1 import permit_pb2, viewer_pb2
from clipmesh.feed.v1 import feed_service_pb2 as feed
from clipmesh.feed.v1 import feed_service_pb2_grpc, signal_service_pb2_grpc
from clipmesh.feed.v1 import signal_service_pb2 as signals
from clipmesh.rights.v1 import publication_service_pb2, review_service_pb2_grpc
from clipmesh.rights.v1 import review_service_pb2 as reviews
from clipmesh.social.v1 import comment_service_pb2 as comments
from clipmesh.social.v1 import (
    comment_service_pb2_grpc,
    engagement_service_pb2_grpc,
    graph_service_pb2_grpc,
    identity_service_pb2_grpc,
    notification_service_pb2_grpc,
    profile_service_pb2_grpc,
)
from clipmesh.social.v1 import engagement_service_pb2 as engagement
from clipmesh.social.v1 import graph_service_pb2 as graph
from clipmesh.social.v1 import identity_service_pb2 as identity
from clipmesh.social.v1 import notification_service_pb2 as notifications
from clipmesh.social.v1 import profile_service_pb2 as profiles
from clipmesh.sound.v1 import catalogue_service_pb2 as sounds
from clipmesh.sound.v1 import catalogue_service_pb2_grpc
from clipmesh.video.v1 import image_service_pb2 as images
from clipmesh.video.v1 import (
    image_service_pb2_grpc,
    playback_service_pb2_grpc,
    upload_service_pb2_grpc,
    video_service_pb2_grpc,
)
from clipmesh.video.v1 import playback_service_pb2 as playback
from clipmesh.video.v1 import upload_service_pb2 as uploads
from clipmesh.video.v1 import video_service_pb2 as videos
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mesh.auth import current_viewer
from mesh.clock import Clock
from mesh.errors import NotFound
from mesh.ids import EPOCH_MS, SERVICES
from mesh.server import Access, ServedService
from mesh.testing.rpc import Served, serve
from tests.gateway.commented import CommentFakes
from tests.gateway.engaging import EngagementFakes
from tests.gateway.notifying import FakeInbox, NotificationFakes

CREATED_AT_MS = 1_760_000_000_000
SIGNING_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KEY_ID = "test-key"


def snowflake(service: str, number: int) -> int:
    """An id that `service` could have minted."""
    return ((CREATED_AT_MS - EPOCH_MS + number) << 22) | (SERVICES[service] << 15)


def _snake(method: str) -> str:
    return re.sub(r"(?<=.)([A-Z])", r"_\1", method).lower()


class UploadNotFound(NotFound):
    """There is no such upload."""

    reason = "UPLOAD_NOT_FOUND"


class UserNotFound(NotFound):
    """There is no such person."""

    reason = "USER_NOT_FOUND"


@dataclass(frozen=True, slots=True)
class Called:
    """One call that a fake took."""

    service: str
    method: str
    request: Any
    viewer: viewer_pb2.ViewerContext


@dataclass(slots=True)
class Fakes(CommentFakes, EngagementFakes, NotificationFakes):
    """What the services know, and what they were asked."""

    calls: list[Called] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    finished: list[str] = field(default_factory=list)
    servers: dict[str, Served] = field(default_factory=dict)
    videos: dict[int, videos.Video] = field(default_factory=dict)
    people: dict[int, profiles.Profile] = field(default_factory=dict)
    sounds: dict[int, sounds.Sound] = field(default_factory=dict)
    uploads: dict[int, uploads.Upload] = field(default_factory=dict)
    inbox: FakeInbox = field(default_factory=FakeInbox)
    sessions: list[int] = field(default_factory=lambda: [70, 71, 72])
    privacy: profiles.Privacy = field(
        default_factory=lambda: profiles.Privacy(
            comments=profiles.AUDIENCE_EVERYONE,
            duets=profiles.AUDIENCE_EVERYONE,
            stitches=profiles.AUDIENCE_FOLLOWERS,
            messages=profiles.AUDIENCE_FRIENDS,
        )
    )
    answers: dict[str, Callable[[Any], Awaitable[Any]]] = field(default_factory=dict)
    """Method -> what answers instead of the default."""

    @property
    def counted(self) -> Counter[str]:
        """How often each method was called; background work of the gateway left out."""
        background = {"ListRevocations", "ListSigningKeys"}
        return Counter(f"{one.service}.{one.method}" for one in self.calls if one.method not in background)

    def requests(self, method: str) -> list[Any]:
        """What a method was asked."""
        return [one.request for one in self.calls if one.method == method]

    def fill(self, count: int) -> list[int]:
        """`count` public videos of as many creators, each with a sound."""
        ids = []
        for number in range(1, count + 1):
            video_id, user_id, sound_id = snowflake("video", number), snowflake("social", number), snowflake("sound", number)
            self.people[user_id] = profiles.Profile(user_id=user_id, handle=f"person{number}", created_at_ms=CREATED_AT_MS)
            self.sounds[sound_id] = sounds.Sound(
                sound_id=sound_id,
                kind=sounds.SOUND_KIND_ORIGINAL,
                creator_id=user_id,
                source_video_id=video_id,
                duration_ms=15_000,
                video_count=1,
                created_at_ms=CREATED_AT_MS,
            )
            self.videos[video_id] = videos.Video(
                video_id=video_id,
                creator_id=user_id,
                sound_id=sound_id,
                state=videos.VIDEO_STATE_READY,
                caption=f"clip {number}",
                hashtags=["demo"],
                visibility=videos.VISIBILITY_PUBLIC,
                duration_ms=15_000,
                width=720,
                height=1280,
                has_audio=True,
                created_at_ms=CREATED_AT_MS,
                published_at_ms=CREATED_AT_MS + 1,
                version=3,
            )
            ids.append(video_id)
        return ids

    def upload(self, upload_id: int, **changes: Any) -> None:
        """Let an upload stand like this."""
        values: dict[str, Any] = {
            "upload_id": upload_id,
            "state": uploads.UPLOAD_STATE_COMPLETED,
            "size_bytes": 1_000,
            "mime_type": "video/mp4",
            "part_count": 1,
            "part_size_bytes": 1_000,
            "created_at_ms": CREATED_AT_MS,
            "expires_at_ms": CREATED_AT_MS + 1,
            "stage": uploads.PROCESSING_STAGE_QUEUED,
        }
        self.uploads[upload_id] = uploads.Upload(**values | changes)

    async def take(self, service: str, method: str, request: Any) -> Any:
        """Write a call down and answer it."""
        self.calls.append(Called(service, method, request, current_viewer()))
        try:
            answer = self.answers.get(method) or getattr(self, _snake(method), None)
            if answer is None:
                raise AssertionError(f"the fake {service} has no answer to {method}")
            response = await answer(request)
        except asyncio.CancelledError:
            self.cancelled.append(method)
            raise
        self.finished.append(method)
        return response

    async def batch_get_videos(self, request: Any) -> Any:
        return videos.BatchGetVideosResponse(videos=[self.videos[one] for one in request.video_ids if one in self.videos])

    async def list_creator_videos(self, request: Any) -> Any:
        own = [video for video in self.videos.values() if video.creator_id == request.creator_id]
        return videos.ListCreatorVideosResponse(videos=own)

    async def publish_video(self, request: Any) -> Any:
        return videos.PublishVideoResponse(video=self.videos[request.video_id])

    async def delete_video(self, request: Any) -> Any:
        return videos.DeleteVideoResponse()

    async def batch_get_playback(self, request: Any) -> Any:
        found = [
            playback.Playback(
                video_id=one,
                start_playlist_path=f"/m/g/{one}/720p.m3u8",
                mp4_path=f"/m/g/{one}/720p.mp4",
                start_level=720,
                storyboard_path=f"/m/i/{one}/storyboard.vtt",
                renditions=[720],
                expires_at_ms=CREATED_AT_MS,
            )
            for one in request.video_ids
        ]
        return playback.BatchGetPlaybackResponse(playbacks=found)

    async def list_revocations(self, request: Any) -> Any:
        return playback.ListRevocationsResponse(position=request.after)

    async def get_upload(self, request: Any) -> Any:
        if request.upload_id not in self.uploads:
            raise UploadNotFound
        return uploads.GetUploadResponse(upload=self.uploads[request.upload_id])

    async def list_uploads(self, request: Any) -> Any:
        return uploads.ListUploadsResponse(uploads=list(self.uploads.values())[: request.page_size])

    async def get_profile_by_handle(self, request: Any) -> Any:
        found = [one for one in self.people.values() if one.handle == request.handle]
        if not found:
            raise UserNotFound
        return profiles.GetProfileByHandleResponse(profile=found[0])

    async def batch_get_profiles(self, request: Any) -> Any:
        return profiles.BatchGetProfilesResponse(profiles=[self.people[one] for one in request.user_ids if one in self.people])

    def image(self, image_id: int) -> images.Image:
        """A picture that is ready."""
        return images.Image(image_id=image_id, root_path=f"/m/p{image_id}/", sides=[64, 128, 512], expires_at_ms=CREATED_AT_MS)

    async def batch_get_images(self, request: Any) -> Any:
        return images.BatchGetImagesResponse(images=[self.image(one) for one in request.image_ids])

    async def start_image(self, request: Any) -> Any:
        return images.StartImageResponse(image_id=5, url="/upload/sent/5?a", expires_at_ms=CREATED_AT_MS)

    async def complete_image(self, request: Any) -> Any:
        permit = permit_pb2.SignedPermit(permit=b"p", key_id="k", signature=b"s")
        return images.CompleteImageResponse(image=self.image(request.image_id), permit=permit)

    async def set_avatar(self, request: Any) -> Any:
        return profiles.SetAvatarResponse(profile=profiles.Profile(user_id=7, handle="me", avatar_id=request.image_id))

    async def remove_avatar(self, request: Any) -> Any:
        return profiles.RemoveAvatarResponse(profile=profiles.Profile(user_id=7, handle="me"))

    async def list_sessions(self, request: Any) -> Any:
        first, size = int(request.page_token or 0), request.page_size or 20
        current = current_viewer().login_session_id
        all_of_them = [
            identity.LoginSession(
                session_id=one,
                client_id="clipmesh-web",
                device="Firefox on Linux",
                created_at_ms=CREATED_AT_MS,
                last_used_at_ms=CREATED_AT_MS + 1,
                current=one == current,
            )
            for one in self.sessions
        ]
        more = first + size < len(all_of_them)
        return identity.ListSessionsResponse(sessions=all_of_them[first : first + size], next_page_token=str(first + size) if more else "")

    async def get_my_account(self, request: Any) -> Any:
        viewer = current_viewer()
        profile = self.people.get(viewer.user_id) or profiles.Profile(user_id=viewer.user_id, handle=viewer.handle, created_at_ms=1)
        return profiles.GetMyAccountResponse(
            account=profiles.Account(profile=profile, email="a@example.com", roles=viewer.roles, privacy=self.privacy)
        )

    async def update_profile(self, request: Any) -> Any:
        profile = profiles.Profile(user_id=current_viewer().user_id, handle="me", bio=request.bio, created_at_ms=1)
        return profiles.UpdateProfileResponse(profile=profile)

    async def batch_get_relationships(self, request: Any) -> Any:
        return graph.BatchGetRelationshipsResponse(
            relationships=[graph.Relationship(user_id=one, follow=graph.FOLLOW_STATE_FOLLOWING, mutes=True) for one in request.user_ids]
        )

    async def batch_get_graph_counts(self, request: Any) -> Any:
        return graph.BatchGetGraphCountsResponse(
            counts=[graph.GraphCounts(user_id=one, followers=2**40, following=5) for one in request.user_ids]
        )

    def _people(self, request: Any) -> dict[str, Any]:
        first = int(request.page_token or 0)
        ids = list(self.people)[first:]
        size = request.page_size or 20
        listed = [graph.ListedPerson(user_id=one, since_ms=CREATED_AT_MS + at) for at, one in enumerate(ids[:size])]
        return {"people": listed, "next_page_token": str(first + size) if len(ids) > size else ""}

    async def list_followers(self, request: Any) -> Any:
        return graph.ListFollowersResponse(**self._people(request))

    async def list_following(self, request: Any) -> Any:
        return graph.ListFollowingResponse(**self._people(request))

    async def list_follow_requests(self, request: Any) -> Any:
        return graph.ListFollowRequestsResponse(**self._people(request))

    async def list_blocked(self, request: Any) -> Any:
        return graph.ListBlockedResponse(**self._people(request))

    async def list_muted(self, request: Any) -> Any:
        return graph.ListMutedResponse(**self._people(request))

    async def follow(self, request: Any) -> Any:
        return graph.FollowResponse(relationship=graph.Relationship(user_id=request.user_id, follow=graph.FOLLOW_STATE_FOLLOWING))

    async def block(self, request: Any) -> Any:
        return graph.BlockResponse(relationship=graph.Relationship(user_id=request.user_id, blocks=True))

    async def list_signing_keys(self, request: Any) -> Any:
        key = identity.SigningKey(
            key_id=KEY_ID, public_key=SIGNING_KEY.public_key().public_bytes_raw(), not_before_ms=0, expires_at_ms=2**52
        )
        return identity.ListSigningKeysResponse(keys=[key])

    async def sign_up(self, request: Any) -> Any:
        return identity.SignUpResponse(user_id=snowflake("social", 1), handle=request.handle)

    async def batch_get_sounds(self, request: Any) -> Any:
        return sounds.BatchGetSoundsResponse(sounds=[self.sounds[one] for one in request.sound_ids if one in self.sounds])

    async def list_sound_videos(self, request: Any) -> Any:
        return sounds.ListSoundVideosResponse(video_ids=[one.video_id for one in self.videos.values() if one.sound_id == request.sound_id])

    async def get_for_you(self, request: Any) -> Any:
        ids = list(self.videos)
        items = [feed.FeedItem(video_id=one, view_token=f"t{one}", cursor=f"c{one}", sources=["fresh"]) for one in ids]
        size = request.page_size
        return feed.GetForYouResponse(
            items=items[:size], reserve=items[size : size + 5], feed_session_id="s", served_by="contextual", has_more=len(ids) > size
        )

    async def batch_get_view_counts(self, request: Any) -> Any:
        return signals.BatchGetViewCountsResponse(counts=[signals.ViewCount(video_id=one, views=7) for one in request.video_ids])

    async def mint_view_tokens(self, request: Any) -> Any:
        return signals.MintViewTokensResponse(tokens=[signals.ViewToken(video_id=one, view_token=f"v{one}") for one in request.video_ids])

    async def report_watch(self, request: Any) -> Any:
        return signals.ReportWatchResponse(outcomes=[signals.WATCH_OUTCOME_ACCEPTED] * len(request.reports))

    async def list_reviews(self, request: Any) -> Any:
        review = reviews.Review(
            review_id=snowflake("rights", 1),
            video_id=snowflake("video", 1),
            creator_id=snowflake("social", 1),
            state=reviews.REVIEW_STATE_OPEN,
            verdict=publication_service_pb2.Verdict(kind=publication_service_pb2.VERDICT_KIND_REVIEW),
            created_at_ms=CREATED_AT_MS,
        )
        return reviews.ListReviewsResponse(reviews=[review])


_SERVED: Mapping[str, tuple[tuple[Any, Callable[[Any, Any], None]], ...]] = {
    "feed": (
        (feed.DESCRIPTOR.services_by_name["FeedService"], feed_service_pb2_grpc.add_FeedServiceServicer_to_server),
        (signals.DESCRIPTOR.services_by_name["SignalService"], signal_service_pb2_grpc.add_SignalServiceServicer_to_server),
    ),
    "video": (
        (videos.DESCRIPTOR.services_by_name["VideoService"], video_service_pb2_grpc.add_VideoServiceServicer_to_server),
        (uploads.DESCRIPTOR.services_by_name["UploadService"], upload_service_pb2_grpc.add_UploadServiceServicer_to_server),
        (playback.DESCRIPTOR.services_by_name["PlaybackService"], playback_service_pb2_grpc.add_PlaybackServiceServicer_to_server),
        (images.DESCRIPTOR.services_by_name["ImageService"], image_service_pb2_grpc.add_ImageServiceServicer_to_server),
    ),
    "sound": ((sounds.DESCRIPTOR.services_by_name["CatalogueService"], catalogue_service_pb2_grpc.add_CatalogueServiceServicer_to_server),),
    "social": (
        (identity.DESCRIPTOR.services_by_name["IdentityService"], identity_service_pb2_grpc.add_IdentityServiceServicer_to_server),
        (profiles.DESCRIPTOR.services_by_name["ProfileService"], profile_service_pb2_grpc.add_ProfileServiceServicer_to_server),
        (
            engagement.DESCRIPTOR.services_by_name["EngagementService"],
            engagement_service_pb2_grpc.add_EngagementServiceServicer_to_server,
        ),
        (comments.DESCRIPTOR.services_by_name["CommentService"], comment_service_pb2_grpc.add_CommentServiceServicer_to_server),
        (graph.DESCRIPTOR.services_by_name["GraphService"], graph_service_pb2_grpc.add_GraphServiceServicer_to_server),
        (
            notifications.DESCRIPTOR.services_by_name["NotificationService"],
            notification_service_pb2_grpc.add_NotificationServiceServicer_to_server,
        ),
    ),
    "rights": ((reviews.DESCRIPTOR.services_by_name["ReviewService"], review_service_pb2_grpc.add_ReviewServiceServicer_to_server),),
}


def _servicer(fakes: Fakes, service: str, methods: list[str]) -> object:
    def handler(method: str) -> Callable[[Any, Any], Awaitable[Any]]:
        async def call(request: Any, context: Any) -> Any:
            return await fakes.take(service, method, request)

        return call

    return SimpleNamespace(**{method: handler(method) for method in methods})


@contextlib.asynccontextmanager
async def serve_fakes(fakes: Fakes, *, clock: Clock | None = None) -> AsyncIterator[dict[str, str]]:
    """Serve all five, each on a socket of its own; gives service -> address. A server may be closed earlier by the test."""
    async with contextlib.AsyncExitStack() as stack:
        for name, parts in _SERVED.items():
            services = []
            for descriptor, add in parts:
                methods = [method.name for method in descriptor.methods]
                # As every service has it: what takes a request id may be repeated.
                access = {
                    method.name: Access(callers={"gateway"}, idempotent="request_id" in method.input_type.fields_by_name)
                    for method in descriptor.methods
                }
                services.append(
                    ServedService(add_to_server=add, servicer=_servicer(fakes, name, methods), descriptor=descriptor, access=access)
                )
            fakes.servers[name] = await stack.enter_async_context(serve(*services, service=name, clock=clock))
        yield {name: served.address for name, served in fakes.servers.items()}
