"""Where a person is signed in, and passwords: sessions end, passwords change, links are asked for and used."""

from __future__ import annotations

from operator import attrgetter

import strawberry
from clipmesh.social.v1 import identity_service_pb2 as pb

from gateway.context import GatewayInfo
from gateway.execution.fields import OfMessage, part
from gateway.schema.outcomes import UserError, ask, attempt, user_errors_field
from gateway.schema.pages import PageInfo, Place, ends_of, page_info, page_size
from gateway.schema.scalars import DateTime, id_of, number_of
from mesh.interceptors.request_id import new_request_id

ADDRESS_CHARS = 64


@strawberry.type(description="One application in which the viewer is signed in.")
class Session(OfMessage):
    message: strawberry.Private[pb.LoginSession]
    id: strawberry.ID = part(lambda session: id_of(session.session_id))
    client: str = part(attrgetter("client_id"))
    device: str = part(attrgetter("device"), description="Browser and system, for example Firefox on Linux; empty when not known.")
    created_at: DateTime = part(attrgetter("created_at_ms"))
    last_used_at: DateTime = part(
        attrgetter("last_used_at_ms"), description="When it last asked for tokens; in use it asks every 10 minutes."
    )
    current: bool = part(attrgetter("current"), description="True for the session that asks.")


@strawberry.type(description="One session of a list.")
class SessionEdge:
    cursor: str
    node: Session


@strawberry.type(description="A page of sessions; it may hold fewer than asked for, or none, though more follow.")
class SessionConnection:
    edges: list[SessionEdge]
    page_info: PageInfo


async def own_sessions(info: GatewayInfo, first: int, after: str | None) -> SessionConnection:
    """A page of the viewer's sessions."""
    size, place = page_size(first), Place.decode(after)
    answer = await ask(
        info.context.clients.identity.ListSessions(pb.ListSessionsRequest(page_size=size + place.skip, page_token=place.token))
    )
    sessions = answer.sessions[place.skip :]
    cursors = place.cursors(len(sessions), answer.next_page_token)
    edges = [SessionEdge(cursor=cursor, node=Session.of(one)) for cursor, one in zip(cursors, sessions, strict=True)]
    ends = ends_of(cursors, answer.next_page_token)
    return SessionConnection(edges=edges, page_info=page_info(ends, has_next=bool(answer.next_page_token), after=after))


@strawberry.input(description="A session of the viewer.")
class EndSessionInput:
    session_id: strawberry.ID


@strawberry.input(description="Which sessions end: all others, or all.")
class EndOtherSessionsInput:
    including_this: bool = False


@strawberry.input(description="The present password and the next one; requestId makes it repeatable for 24 h.")
class ChangePasswordInput:
    current_password: str
    new_password: str
    request_id: strawberry.ID | None = None


@strawberry.input(description="An address, of an account or not.")
class RequestPasswordResetInput:
    email: str


@strawberry.input(description="A link to one's own address; requestId makes it repeatable for 24 h.")
class RequestEmailVerificationInput:
    request_id: strawberry.ID | None = None


@strawberry.input(description="The secret of a mailed link and the next password; requestId makes it repeatable for 24 h.")
class ResetPasswordInput:
    token: str
    new_password: str
    request_id: strawberry.ID | None = None


@strawberry.input(description="The secret of a mailed link.")
class VerifyEmailInput:
    token: str


@strawberry.type(description="Whether the session is over.")
class EndSessionPayload:
    ended_session_id: strawberry.ID | None
    user_errors: list[UserError] = user_errors_field()


@strawberry.type(description="How many sessions ended.")
class EndOtherSessionsPayload:
    ended: int | None
    user_errors: list[UserError] = user_errors_field()


@strawberry.type(description="Whether the new password holds; every other session is over then.")
class ChangePasswordPayload:
    changed: bool
    user_errors: list[UserError] = user_errors_field()


@strawberry.type(description="Taken: a link is on its way if the address belongs to an account, and nothing says whether it does.")
class RequestPasswordResetPayload:
    taken: bool
    user_errors: list[UserError] = user_errors_field()


@strawberry.type(description="Whether the new password holds; every session is over then.")
class ResetPasswordPayload:
    changed: bool
    user_errors: list[UserError] = user_errors_field()


@strawberry.type(description="Taken: a link is on its way unless the address is verified.")
class RequestEmailVerificationPayload:
    taken: bool
    user_errors: list[UserError] = user_errors_field()


@strawberry.type(description="Whether the address is verified.")
class VerifyEmailPayload:
    verified: bool
    user_errors: list[UserError] = user_errors_field()


def _address(info: GatewayInfo) -> str:
    return info.context.viewer.address[:ADDRESS_CHARS]


@strawberry.type
class SessionMutation:
    @strawberry.mutation(description="End one session of the viewer, this one too if it is named.")
    async def end_session(self, info: GatewayInfo, input: EndSessionInput) -> EndSessionPayload | None:
        session_id = number_of(input.session_id)
        answer, errors = await attempt(info.context.clients.identity.EndSession(pb.EndSessionRequest(session_id=session_id)))
        return EndSessionPayload(ended_session_id=id_of(session_id) if answer is not None else None, user_errors=errors)

    @strawberry.mutation(description="End every session of the viewer but this one, or this one too.")
    async def end_other_sessions(self, info: GatewayInfo, input: EndOtherSessionsInput) -> EndOtherSessionsPayload | None:
        request = pb.EndAllSessionsRequest(keep_current=not input.including_this)
        answer, errors = await attempt(info.context.clients.identity.EndAllSessions(request))
        return EndOtherSessionsPayload(ended=answer.ended if answer is not None else None, user_errors=errors)

    @strawberry.mutation(description="Replace one's password; every other session ends.")
    async def change_password(self, info: GatewayInfo, input: ChangePasswordInput) -> ChangePasswordPayload | None:
        request = pb.ChangePasswordRequest(
            request_id=input.request_id if input.request_id is not None else new_request_id(),
            current_password=input.current_password,
            new_password=input.new_password,
            client_address=_address(info),
        )
        answer, errors = await attempt(info.context.clients.identity.ChangePassword(request))
        return ChangePasswordPayload(changed=answer is not None, user_errors=errors)

    @strawberry.mutation(description="Ask for a link that sets a new password.")
    async def request_password_reset(self, info: GatewayInfo, input: RequestPasswordResetInput) -> RequestPasswordResetPayload | None:
        request = pb.RequestPasswordResetRequest(email=input.email, client_address=_address(info))
        answer, errors = await attempt(info.context.clients.identity.RequestPasswordReset(request))
        return RequestPasswordResetPayload(taken=answer is not None, user_errors=errors)

    @strawberry.mutation(description="Set a new password by a mailed link; every session ends.")
    async def reset_password(self, info: GatewayInfo, input: ResetPasswordInput) -> ResetPasswordPayload | None:
        request = pb.ResetPasswordRequest(
            request_id=input.request_id if input.request_id is not None else new_request_id(),
            token=input.token,
            new_password=input.new_password,
            client_address=_address(info),
        )
        answer, errors = await attempt(info.context.clients.identity.ResetPassword(request))
        return ResetPasswordPayload(changed=answer is not None, user_errors=errors)

    @strawberry.mutation(description="Ask for a link that proves that one's address is one's own.")
    async def request_email_verification(
        self, info: GatewayInfo, input: RequestEmailVerificationInput
    ) -> RequestEmailVerificationPayload | None:
        request = pb.RequestEmailVerificationRequest(
            request_id=input.request_id if input.request_id is not None else new_request_id(), client_address=_address(info)
        )
        answer, errors = await attempt(info.context.clients.identity.RequestEmailVerification(request))
        return RequestEmailVerificationPayload(taken=answer is not None, user_errors=errors)

    @strawberry.mutation(description="Prove by a mailed link that an address is one's own.")
    async def verify_email(self, info: GatewayInfo, input: VerifyEmailInput) -> VerifyEmailPayload | None:
        request = pb.VerifyEmailRequest(token=input.token, client_address=_address(info))
        answer, errors = await attempt(info.context.clients.identity.VerifyEmail(request))
        return VerifyEmailPayload(verified=answer is not None, user_errors=errors)
