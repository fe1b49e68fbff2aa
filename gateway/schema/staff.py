"""What those who run the place do to accounts: they give and take roles, and shut people out."""

from __future__ import annotations

import strawberry
from clipmesh.common.v1 import viewer_pb2
from clipmesh.social.v1 import identity_service_pb2 as pb

from gateway.context import GatewayInfo
from gateway.schema.enums import Role
from gateway.schema.outcomes import UserError, attempt, user_errors_field
from gateway.schema.scalars import number_of


@strawberry.input(description="Whom to shut out, or to let in again.")
class SetBanInput:
    user_id: strawberry.ID
    banned: bool


@strawberry.input(description="Which role to give to whom, or to take.")
class GrantRoleInput:
    user_id: strawberry.ID
    role: Role
    granted: bool


@strawberry.type(description="Whether the person is shut out now, or why nothing changed.")
class SetBanPayload:
    banned: bool | None
    user_errors: list[UserError] = user_errors_field()


@strawberry.type(description="All roles of the person now, or why nothing changed.")
class GrantRolePayload:
    roles: list[Role] | None
    user_errors: list[UserError] = user_errors_field()


@strawberry.type
class StaffMutation:
    @strawberry.mutation(description="Shut a person out, with the end of every session, or let them in again; for operators.")
    async def set_ban(self, info: GatewayInfo, input: SetBanInput) -> SetBanPayload | None:
        request = pb.SetBanRequest(user_id=number_of(input.user_id), banned=input.banned)
        answer, errors = await attempt(info.context.clients.identity.SetBan(request))
        return SetBanPayload(banned=None if answer is None else answer.banned_at_ms > 0, user_errors=errors)

    @strawberry.mutation(description="Give a person a role, or take one, with the end of every session; for operators.")
    async def grant_role(self, info: GatewayInfo, input: GrantRoleInput) -> GrantRolePayload | None:
        role = viewer_pb2.Role.ValueType(input.role.value)
        request = pb.GrantRoleRequest(user_id=number_of(input.user_id), role=role, granted=input.granted)
        answer, errors = await attempt(info.context.clients.identity.GrantRole(request))
        return GrantRolePayload(roles=None if answer is None else [Role(one) for one in answer.roles], user_errors=errors)
