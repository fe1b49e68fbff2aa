"""Who may see a person and who may answer them."""

from __future__ import annotations

import strawberry
from clipmesh.social.v1 import profile_service_pb2 as pb

from gateway.context import GatewayInfo
from gateway.schema.enums import Audience
from gateway.schema.outcomes import UserError, attempt, user_errors_field
from gateway.schema.users import Account
from mesh.interceptors.request_id import new_request_id


@strawberry.input(description="Changes of one's privacy; null leaves a setting as it is, requestId makes it repeatable for 24 h.")
class UpdatePrivacyInput:
    request_id: strawberry.ID | None = None
    is_private: bool | None = None
    comments: Audience | None = None
    duets: Audience | None = None
    stitches: Audience | None = None
    messages: Audience | None = None


@strawberry.type(description="The account after the change, or why it did not change.")
class UpdatePrivacyPayload:
    account: Account | None
    user_errors: list[UserError] = user_errors_field()


def _audience(audience: Audience | None) -> pb.Audience.ValueType | None:
    return None if audience is None else pb.Audience.ValueType(audience.value)


@strawberry.type
class PrivacyMutation:
    @strawberry.mutation(description="Change who may see and answer the viewer.")
    async def update_privacy(self, info: GatewayInfo, input: UpdatePrivacyInput) -> UpdatePrivacyPayload | None:
        request = pb.UpdatePrivacyRequest(
            request_id=input.request_id if input.request_id is not None else new_request_id(),
            is_private=input.is_private,
            comments=_audience(input.comments),
            duets=_audience(input.duets),
            stitches=_audience(input.stitches),
            messages=_audience(input.messages),
        )
        answer, errors = await attempt(info.context.clients.profiles.UpdatePrivacy(request))
        return UpdatePrivacyPayload(account=Account.of(answer.account) if answer is not None else None, user_errors=errors)
