"""ProfileService over gRPC: parse, call an action, answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc
from clipmesh.common.v1 import viewer_pb2
from clipmesh.social.v1 import profile_service_pb2 as pb
from clipmesh.social.v1 import profile_service_pb2_grpc

from mesh.auth import GATEWAY, current_caller, current_viewer, require_signed_in
from mesh.clock import Clock
from mesh.server import SIGNED_IN, SIGNED_IN_NOW, Access, Priority, ServedService
from svc_social.graph.actions import Relations
from svc_social.identity.actions import Avatars, Handles, PrivacyChange, PrivacySettings, ProfileChange, Profiles
from svc_social.identity.convert import account_to_proto, profile_to_proto, standing_to_proto
from svc_social.identity.errors import ProfileNotFound
from svc_social.identity.tables import Audience

if TYPE_CHECKING:
    Context = grpc.aio.ServicerContext[Any, Any]

_GATEWAY = frozenset({"gateway"})
_STAFF = frozenset({viewer_pb2.ROLE_MODERATOR, viewer_pb2.ROLE_ADMIN})
"""Who decides about people has to see them, blocked or not."""
_LEFT_OF_SOCIAL = frozenset({"gateway", "feed", "video", "sound"})

ACCESS = {
    "BatchGetProfiles": Access(callers=_LEFT_OF_SOCIAL, idempotent=True),
    "GetProfileByHandle": Access(callers=_GATEWAY, idempotent=True),
    "GetMyAccount": Access(callers=_GATEWAY, viewer=SIGNED_IN, idempotent=True),
    "UpdateProfile": Access(callers=_GATEWAY, viewer=SIGNED_IN, idempotent=True, keeps_answers=True, priority=Priority.WRITE),
    "ChangeHandle": Access(callers=_GATEWAY, viewer=SIGNED_IN_NOW, idempotent=True, keeps_answers=True, priority=Priority.WRITE),
    "SetAvatar": Access(callers=_GATEWAY, viewer=SIGNED_IN, idempotent=True, keeps_answers=True, priority=Priority.WRITE),
    "RemoveAvatar": Access(callers=_GATEWAY, viewer=SIGNED_IN, idempotent=True, keeps_answers=True, priority=Priority.WRITE),
    "UpdatePrivacy": Access(callers=_GATEWAY, viewer=SIGNED_IN_NOW, idempotent=True, keeps_answers=True, priority=Priority.WRITE),
    "UpdateConsents": Access(callers=_GATEWAY, viewer=SIGNED_IN, idempotent=True, priority=Priority.WRITE),
    # The age band is not for viewers: only services that decide about people ask.
    "BatchGetStandings": Access(callers=frozenset({"feed", "video", "sound"}), idempotent=True, priority=Priority.WRITE),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileServicer(profile_service_pb2_grpc.ProfileServiceServicer):
    """Answers ProfileService."""

    profiles: Profiles
    handles: Handles
    avatars: Avatars
    privacy: PrivacySettings
    relations: Relations
    clock: Clock

    async def BatchGetProfiles(  # noqa: N802
        self, request: pb.BatchGetProfilesRequest, context: Context
    ) -> pb.BatchGetProfilesResponse:
        """Public profiles."""
        people = await self.profiles.people(request.user_ids)
        hidden = await self._hidden([person.user_id for person in people])
        return pb.BatchGetProfilesResponse(profiles=[profile_to_proto(one) for one in people if one.user_id not in hidden])

    async def GetProfileByHandle(  # noqa: N802
        self, request: pb.GetProfileByHandleRequest, context: Context
    ) -> pb.GetProfileByHandleResponse:
        """One profile."""
        person = await self.profiles.by_handle(request.handle)
        if await self._hidden([person.user_id]):
            raise ProfileNotFound()
        return pb.GetProfileByHandleResponse(profile=profile_to_proto(person))

    async def GetMyAccount(  # noqa: N802
        self, request: pb.GetMyAccountRequest, context: Context
    ) -> pb.GetMyAccountResponse:
        """The viewer's own account."""
        person, email = await self.profiles.mine(require_signed_in().user_id)
        return pb.GetMyAccountResponse(account=account_to_proto(person, email=email))

    async def UpdateProfile(  # noqa: N802
        self, request: pb.UpdateProfileRequest, context: Context
    ) -> pb.UpdateProfileResponse:
        """Change the viewer's profile."""
        person = await self.profiles.update(
            require_signed_in().user_id,
            ProfileChange(
                display_name=request.display_name if request.HasField("display_name") else None,
                bio=request.bio if request.HasField("bio") else None,
                languages=list(request.languages.languages) if request.HasField("languages") else None,
                region=request.region if request.HasField("region") else None,
            ),
            request_id=request.request_id,
            body=request.SerializeToString(deterministic=True),
        )
        return pb.UpdateProfileResponse(profile=profile_to_proto(person))

    async def ChangeHandle(  # noqa: N802
        self, request: pb.ChangeHandleRequest, context: Context
    ) -> pb.ChangeHandleResponse:
        """Give the viewer another handle."""
        person = await self.handles.change(
            require_signed_in().user_id,
            request.handle,
            request_id=request.request_id,
            body=request.SerializeToString(deterministic=True),
        )
        return pb.ChangeHandleResponse(profile=profile_to_proto(person))

    async def SetAvatar(  # noqa: N802
        self, request: pb.SetAvatarRequest, context: Context
    ) -> pb.SetAvatarResponse:
        """Show a picture."""
        said = pb.SetAvatarRequest()
        said.CopyFrom(request)
        # A repeat brings a newer permit.
        said.ClearField("permit")
        person = await self.avatars.show(
            require_signed_in().user_id,
            request.image_id,
            permit=request.permit,
            request_id=request.request_id,
            body=said.SerializeToString(deterministic=True),
        )
        return pb.SetAvatarResponse(profile=profile_to_proto(person))

    async def RemoveAvatar(  # noqa: N802
        self, request: pb.RemoveAvatarRequest, context: Context
    ) -> pb.RemoveAvatarResponse:
        """Show none."""
        person = await self.avatars.remove(
            require_signed_in().user_id, request_id=request.request_id, body=request.SerializeToString(deterministic=True)
        )
        return pb.RemoveAvatarResponse(profile=profile_to_proto(person))

    async def UpdatePrivacy(  # noqa: N802
        self, request: pb.UpdatePrivacyRequest, context: Context
    ) -> pb.UpdatePrivacyResponse:
        """Change who may see and answer the viewer."""
        user_id = require_signed_in().user_id
        await self.privacy.update(
            user_id,
            PrivacyChange(
                is_private=request.is_private if request.HasField("is_private") else None,
                comments=Audience(request.comments) if request.HasField("comments") else None,
                duets=Audience(request.duets) if request.HasField("duets") else None,
                stitches=Audience(request.stitches) if request.HasField("stitches") else None,
                messages=Audience(request.messages) if request.HasField("messages") else None,
            ),
            request_id=request.request_id,
            body=request.SerializeToString(deterministic=True),
        )
        person, email = await self.profiles.mine(user_id)
        return pb.UpdatePrivacyResponse(account=account_to_proto(person, email=email))

    async def UpdateConsents(  # noqa: N802
        self, request: pb.UpdateConsentsRequest, context: Context
    ) -> pb.UpdateConsentsResponse:
        """Replace the viewer's consents."""
        person, email = await self.profiles.consent(require_signed_in().user_id, request.consents)
        return pb.UpdateConsentsResponse(account=account_to_proto(person, email=email))

    async def BatchGetStandings(  # noqa: N802
        self, request: pb.BatchGetStandingsRequest, context: Context
    ) -> pb.BatchGetStandingsResponse:
        """How far accounts are trusted."""
        accounts = await self.profiles.many(request.user_ids)
        now_ms = self.clock.now_ms()
        return pb.BatchGetStandingsResponse(standings=[standing_to_proto(account, now_ms=now_ms) for account in accounts])

    async def _hidden(self, user_ids: list[int]) -> frozenset[int]:
        """Who of these people blocks whoever looks: to them they are absent. What services ask for themselves nobody looks at."""
        viewer = current_viewer()
        if current_caller() != GATEWAY or not _STAFF.isdisjoint(viewer.roles):
            return frozenset()
        return await self.relations.hidden_from(viewer.user_id, user_ids)


def profile_service(servicer: ProfileServicer) -> ServedService:
    """ProfileService as a server takes it."""
    return ServedService(
        add_to_server=profile_service_pb2_grpc.add_ProfileServiceServicer_to_server,
        servicer=servicer,
        descriptor=pb.DESCRIPTOR.services_by_name["ProfileService"],
        access=ACCESS,
    )
