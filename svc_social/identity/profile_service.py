"""ProfileService over gRPC: parse, call an action, answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc
from clipmesh.social.v1 import profile_service_pb2 as pb
from clipmesh.social.v1 import profile_service_pb2_grpc

from mesh.auth import require_signed_in
from mesh.clock import Clock
from mesh.server import SIGNED_IN, Access, Priority, ServedService
from svc_social.identity.actions import Profiles
from svc_social.identity.convert import account_to_proto, profile_to_proto, standing_to_proto

if TYPE_CHECKING:
    Context = grpc.aio.ServicerContext[Any, Any]

_GATEWAY = frozenset({"gateway"})
_LEFT_OF_SOCIAL = frozenset({"gateway", "feed", "video", "sound"})

ACCESS = {
    "BatchGetProfiles": Access(callers=_LEFT_OF_SOCIAL, idempotent=True),
    "GetProfileByHandle": Access(callers=_GATEWAY, idempotent=True),
    "GetMyAccount": Access(callers=_GATEWAY, viewer=SIGNED_IN, idempotent=True),
    "UpdateProfile": Access(callers=_GATEWAY, viewer=SIGNED_IN, idempotent=True, keeps_answers=True, priority=Priority.WRITE),
    "UpdateConsents": Access(callers=_GATEWAY, viewer=SIGNED_IN, idempotent=True, priority=Priority.WRITE),
    # The age band is not for viewers: only services that decide about people ask.
    "BatchGetStandings": Access(callers=frozenset({"feed", "video", "sound"}), idempotent=True, priority=Priority.WRITE),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileServicer(profile_service_pb2_grpc.ProfileServiceServicer):
    """Answers ProfileService."""

    profiles: Profiles
    clock: Clock

    async def BatchGetProfiles(  # noqa: N802
        self, request: pb.BatchGetProfilesRequest, context: Context
    ) -> pb.BatchGetProfilesResponse:
        """Public profiles."""
        accounts = await self.profiles.many(request.user_ids)
        return pb.BatchGetProfilesResponse(profiles=[profile_to_proto(account) for account in accounts])

    async def GetProfileByHandle(  # noqa: N802
        self, request: pb.GetProfileByHandleRequest, context: Context
    ) -> pb.GetProfileByHandleResponse:
        """One profile."""
        account = await self.profiles.by_handle(request.handle)
        return pb.GetProfileByHandleResponse(profile=profile_to_proto(account))

    async def GetMyAccount(  # noqa: N802
        self, request: pb.GetMyAccountRequest, context: Context
    ) -> pb.GetMyAccountResponse:
        """The viewer's own account."""
        account, email = await self.profiles.mine(require_signed_in().user_id)
        return pb.GetMyAccountResponse(account=account_to_proto(account, email=email))

    async def UpdateProfile(  # noqa: N802
        self, request: pb.UpdateProfileRequest, context: Context
    ) -> pb.UpdateProfileResponse:
        """Change the viewer's profile."""
        account = await self.profiles.update(
            require_signed_in().user_id,
            display_name=request.display_name if request.HasField("display_name") else None,
            bio=request.bio if request.HasField("bio") else None,
            languages=list(request.languages.languages) if request.HasField("languages") else None,
            request_id=request.request_id,
            body=request.SerializeToString(deterministic=True),
        )
        return pb.UpdateProfileResponse(profile=profile_to_proto(account))

    async def UpdateConsents(  # noqa: N802
        self, request: pb.UpdateConsentsRequest, context: Context
    ) -> pb.UpdateConsentsResponse:
        """Replace the viewer's consents."""
        account, email = await self.profiles.consent(require_signed_in().user_id, request.consents)
        return pb.UpdateConsentsResponse(account=account_to_proto(account, email=email))

    async def BatchGetStandings(  # noqa: N802
        self, request: pb.BatchGetStandingsRequest, context: Context
    ) -> pb.BatchGetStandingsResponse:
        """How far accounts are trusted."""
        accounts = await self.profiles.many(request.user_ids)
        now_ms = self.clock.now_ms()
        return pb.BatchGetStandingsResponse(standings=[standing_to_proto(account, now_ms=now_ms) for account in accounts])


def profile_service(servicer: ProfileServicer) -> ServedService:
    """ProfileService as a server takes it."""
    return ServedService(
        add_to_server=profile_service_pb2_grpc.add_ProfileServiceServicer_to_server,
        servicer=servicer,
        descriptor=pb.DESCRIPTOR.services_by_name["ProfileService"],
        access=ACCESS,
    )
