"""IdentityService over gRPC: parse, call an action, answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc
from clipmesh.common.v1 import viewer_pb2
from clipmesh.social.v1 import identity_service_pb2 as pb
from clipmesh.social.v1 import identity_service_pb2_grpc

from mesh.auth import current_viewer
from mesh.server import Access, Priority, ServedService, roles
from svc_social.identity.actions import NewPerson, Roles, Sessions, SignIn, SigningKeys, SignInRequest, SignUp, TokenPair
from svc_social.identity.convert import signing_key_to_proto

if TYPE_CHECKING:
    Context = grpc.aio.ServicerContext[Any, Any]

_GATEWAY = frozenset({"gateway"})

ACCESS = {
    "SignUp": Access(callers=_GATEWAY, idempotent=True, keeps_answers=True, priority=Priority.PLAYBACK),
    "Authorize": Access(callers=_GATEWAY, priority=Priority.PLAYBACK),
    "ExchangeCode": Access(callers=_GATEWAY, priority=Priority.PLAYBACK),
    # Not idempotent by name, though a retry within the grace gets the same successor: a slower one would end the session.
    "RefreshTokens": Access(callers=_GATEWAY, priority=Priority.PLAYBACK),
    "RevokeSession": Access(callers=_GATEWAY, idempotent=True, priority=Priority.PLAYBACK),
    "ListSigningKeys": Access(callers=_GATEWAY, idempotent=True, priority=Priority.PLAYBACK),
    "GetSession": Access(callers=_GATEWAY, idempotent=True, priority=Priority.PLAYBACK),
    "GrantRole": Access(callers=_GATEWAY, viewer=roles(viewer_pb2.ROLE_OPERATOR), idempotent=True, priority=Priority.WRITE),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityServicer(identity_service_pb2_grpc.IdentityServiceServicer):
    """Answers IdentityService."""

    sign_up: SignUp
    sign_in: SignIn
    sessions: Sessions
    signing: SigningKeys
    roles: Roles

    async def SignUp(  # noqa: N802
        self, request: pb.SignUpRequest, context: Context
    ) -> pb.SignUpResponse:
        """Make an account."""
        account = await self.sign_up.sign_up(
            NewPerson(
                request_id=request.request_id,
                handle=request.handle,
                email=request.email,
                password=request.password,
                birth_date=request.birth_date,
                display_name=request.display_name,
                consents=tuple(request.consents),
                languages=tuple(request.languages),
            )
        )
        return pb.SignUpResponse(user_id=account.user_id, handle=account.handle)

    async def Authorize(  # noqa: N802
        self, request: pb.AuthorizeRequest, context: Context
    ) -> pb.AuthorizeResponse:
        """Check a password and give a code."""
        code = await self.sign_in.authorize(
            SignInRequest(
                login=request.login,
                password=request.password,
                client_id=request.client_id,
                redirect_uri=request.redirect_uri,
                code_challenge=request.code_challenge,
                code_challenge_method=request.code_challenge_method,
                client_address=request.client_address,
            )
        )
        return pb.AuthorizeResponse(code=code)

    async def ExchangeCode(  # noqa: N802
        self, request: pb.ExchangeCodeRequest, context: Context
    ) -> pb.ExchangeCodeResponse:
        """Turn a code into tokens."""
        pair = await self.sessions.exchange(
            code=request.code, verifier=request.code_verifier, client_id=request.client_id, redirect_uri=request.redirect_uri
        )
        return pb.ExchangeCodeResponse(tokens=_pair_to_proto(pair))

    async def RefreshTokens(  # noqa: N802
        self, request: pb.RefreshTokensRequest, context: Context
    ) -> pb.RefreshTokensResponse:
        """Rotate a refresh token."""
        pair = await self.sessions.refresh(refresh_token=request.refresh_token, client_id=request.client_id)
        return pb.RefreshTokensResponse(tokens=_pair_to_proto(pair))

    async def RevokeSession(  # noqa: N802
        self, request: pb.RevokeSessionRequest, context: Context
    ) -> pb.RevokeSessionResponse:
        """End a session."""
        await self.sessions.revoke(request.refresh_token)
        return pb.RevokeSessionResponse()

    async def ListSigningKeys(  # noqa: N802
        self, request: pb.ListSigningKeysRequest, context: Context
    ) -> pb.ListSigningKeysResponse:
        """All public keys in use."""
        keys = await self.signing.published()
        return pb.ListSigningKeysResponse(keys=[signing_key_to_proto(key) for key in keys])

    async def GetSession(  # noqa: N802
        self, request: pb.GetSessionRequest, context: Context
    ) -> pb.GetSessionResponse:
        """How a session stands."""
        consents = await self.sessions.consents_of(request.session_id)
        return pb.GetSessionResponse(active=consents is not None, consents=consents or ())

    async def GrantRole(  # noqa: N802
        self, request: pb.GrantRoleRequest, context: Context
    ) -> pb.GrantRoleResponse:
        """Give or take a role."""
        granted = await self.roles.grant(by=current_viewer(), user_id=request.user_id, role=request.role, granted=request.granted)
        return pb.GrantRoleResponse(roles=granted)


def _pair_to_proto(pair: TokenPair) -> pb.TokenPair:
    return pb.TokenPair(
        access_token=pair.access_token,
        expires_in_ms=pair.expires_in_ms,
        refresh_token=pair.refresh_token,
        user_id=pair.user_id,
    )


def identity_service(servicer: IdentityServicer) -> ServedService:
    """IdentityService as a server takes it."""
    return ServedService(
        add_to_server=identity_service_pb2_grpc.add_IdentityServiceServicer_to_server,
        servicer=servicer,
        descriptor=pb.DESCRIPTOR.services_by_name["IdentityService"],
        access=ACCESS,
    )
