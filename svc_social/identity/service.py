"""IdentityService over gRPC: parse, call an action, answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc
from clipmesh.common.v1 import viewer_pb2
from clipmesh.social.v1 import identity_service_pb2 as pb
from clipmesh.social.v1 import identity_service_pb2_grpc

from mesh.auth import current_viewer, require_signed_in
from mesh.server import SIGNED_IN, SIGNED_IN_NOW, Access, Priority, ServedService, roles
from svc_social.identity.actions import (
    Bans,
    MailedLinks,
    NewPassword,
    NewPerson,
    OwnSessions,
    Roles,
    Sessions,
    SignIn,
    SigningKeys,
    SignInRequest,
    SignUp,
    TokenPair,
)
from svc_social.identity.convert import session_to_proto, signing_key_to_proto
from svc_social.identity.session_tables import SessionEnd

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
    "SetBan": Access(callers=_GATEWAY, viewer=roles(viewer_pb2.ROLE_OPERATOR), idempotent=True, priority=Priority.WRITE),
    "ListSessions": Access(callers=_GATEWAY, viewer=SIGNED_IN, idempotent=True, priority=Priority.WRITE),
    "EndSession": Access(callers=_GATEWAY, viewer=SIGNED_IN, idempotent=True, priority=Priority.PLAYBACK),
    "EndAllSessions": Access(callers=_GATEWAY, viewer=SIGNED_IN, idempotent=True, priority=Priority.PLAYBACK),
    "ChangePassword": Access(callers=_GATEWAY, viewer=SIGNED_IN_NOW, idempotent=True, keeps_answers=True, priority=Priority.PLAYBACK),
    # Asked for without signing in, so that nobody is there to whom a request id could belong: a repeat mails again.
    "RequestPasswordReset": Access(callers=_GATEWAY, priority=Priority.PLAYBACK),
    "ResetPassword": Access(callers=_GATEWAY, idempotent=True, keeps_answers=True, priority=Priority.PLAYBACK),
    "RequestEmailVerification": Access(callers=_GATEWAY, viewer=SIGNED_IN, idempotent=True, priority=Priority.WRITE),
    "VerifyEmail": Access(callers=_GATEWAY, idempotent=True, priority=Priority.PLAYBACK),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityServicer(identity_service_pb2_grpc.IdentityServiceServicer):
    """Answers IdentityService."""

    sign_up: SignUp
    sign_in: SignIn
    sessions: Sessions
    signing: SigningKeys
    roles: Roles
    bans: Bans
    own_sessions: OwnSessions
    new_password: NewPassword
    mailed_links: MailedLinks

    async def SignUp(  # noqa: N802
        self, request: pb.SignUpRequest, context: Context
    ) -> pb.SignUpResponse:
        """Make an account."""
        user_id, handle = await self.sign_up.sign_up(
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
        return pb.SignUpResponse(user_id=user_id, handle=handle)

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
            code=request.code,
            verifier=request.code_verifier,
            client_id=request.client_id,
            redirect_uri=request.redirect_uri,
            device=request.device,
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

    async def SetBan(  # noqa: N802
        self, request: pb.SetBanRequest, context: Context
    ) -> pb.SetBanResponse:
        """Shut a person out or let them in again."""
        banned_at_ms = await self.bans.set(by=current_viewer(), user_id=request.user_id, banned=request.banned)
        return pb.SetBanResponse(banned_at_ms=banned_at_ms)

    async def ListSessions(  # noqa: N802
        self, request: pb.ListSessionsRequest, context: Context
    ) -> pb.ListSessionsResponse:
        """The viewer's living sessions."""
        viewer = require_signed_in()
        shown, token = await self.own_sessions.page(viewer.user_id, page_size=request.page_size, page_token=request.page_token)
        sessions = [session_to_proto(one.session, device=one.device, current_id=viewer.login_session_id) for one in shown]
        return pb.ListSessionsResponse(sessions=sessions, next_page_token=token)

    async def EndSession(  # noqa: N802
        self, request: pb.EndSessionRequest, context: Context
    ) -> pb.EndSessionResponse:
        """End one session of the viewer."""
        await self.sessions.end_own(require_signed_in().user_id, request.session_id)
        return pb.EndSessionResponse()

    async def EndAllSessions(  # noqa: N802
        self, request: pb.EndAllSessionsRequest, context: Context
    ) -> pb.EndAllSessionsResponse:
        """End all sessions of the viewer, or all others."""
        viewer = require_signed_in()
        keep = viewer.login_session_id if request.keep_current else 0
        return pb.EndAllSessionsResponse(ended=await self.sessions.end_all(viewer.user_id, SessionEnd.ENDED_ELSEWHERE, keep=keep))

    async def ChangePassword(  # noqa: N802
        self, request: pb.ChangePasswordRequest, context: Context
    ) -> pb.ChangePasswordResponse:
        """Replace the viewer's password."""
        viewer = require_signed_in()
        await self.new_password.change(
            viewer.user_id,
            session_id=viewer.login_session_id,
            current=request.current_password,
            new=request.new_password,
            client_address=request.client_address,
            request_id=request.request_id,
            body=_body_of(request.current_password, request.new_password),
        )
        return pb.ChangePasswordResponse()

    async def RequestPasswordReset(  # noqa: N802
        self, request: pb.RequestPasswordResetRequest, context: Context
    ) -> pb.RequestPasswordResetResponse:
        """Mail a link, if there is somebody to mail it to."""
        await self.mailed_links.request_reset(request.email, client_address=request.client_address)
        return pb.RequestPasswordResetResponse()

    async def ResetPassword(  # noqa: N802
        self, request: pb.ResetPasswordRequest, context: Context
    ) -> pb.ResetPasswordResponse:
        """Set a password by a mailed secret."""
        await self.new_password.reset(
            request.token,
            new=request.new_password,
            client_address=request.client_address,
            request_id=request.request_id,
            body=_body_of(request.token, request.new_password),
        )
        return pb.ResetPasswordResponse()

    async def RequestEmailVerification(  # noqa: N802
        self, request: pb.RequestEmailVerificationRequest, context: Context
    ) -> pb.RequestEmailVerificationResponse:
        """Mail a link to the viewer."""
        await self.mailed_links.request_verification(
            require_signed_in().user_id, client_address=request.client_address, request_id=request.request_id
        )
        return pb.RequestEmailVerificationResponse()

    async def VerifyEmail(  # noqa: N802
        self, request: pb.VerifyEmailRequest, context: Context
    ) -> pb.VerifyEmailResponse:
        """Take a mailed secret back."""
        await self.mailed_links.verify_email(request.token, client_address=request.client_address)
        return pb.VerifyEmailResponse()


def _body_of(*secrets: str) -> bytes:
    """What makes two requests the same; the address may change between two tries."""
    return b"".join(len(secret.encode()).to_bytes(4, "big") + secret.encode() for secret in secrets)


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
