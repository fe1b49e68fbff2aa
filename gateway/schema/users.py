"""People: profiles, the viewer's own account, sign-up and changes."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Annotated, Self

import strawberry
from clipmesh.common.v1 import viewer_pb2
from clipmesh.social.v1 import identity_service_pb2, profile_service_pb2

from gateway.context import GatewayInfo
from gateway.errors import Fault
from gateway.execution.costs import CALL_EACH_WEIGHT, Cost, ListSize
from gateway.execution.fields import OfMessage, part
from gateway.loaders import Missing
from gateway.schema.enums import AgeBand, ConsentPurpose, Role
from gateway.schema.nodes import Node
from gateway.schema.outcomes import UserError, ask, ask_or_none, attempt, present, required, user_errors_field
from gateway.schema.scalars import DateTime, id_of, number_of
from mesh.interceptors.request_id import new_request_id

if TYPE_CHECKING:
    from gateway.schema.videos import VideoConnection


@strawberry.type(description="A person as everybody may see them.")
class User(OfMessage, Node):
    message: strawberry.Private[profile_service_pb2.Profile]
    id: strawberry.ID = part(lambda profile: id_of(profile.user_id))
    handle: str = part(attrgetter("handle"))
    display_name: str = part(lambda profile: profile.display_name or profile.handle)
    bio: str = part(attrgetter("bio"))
    verified: bool = part(attrgetter("verified"))
    is_private: bool = part(attrgetter("is_private"))
    created_at: DateTime = part(attrgetter("created_at_ms"))

    @strawberry.field(
        description="Videos of this person, newest first: all of them for themselves, the visible ones for others.",
        directives=[Cost(weight=CALL_EACH_WEIGHT), ListSize(assumed_size=20, slicing_arguments=["first"], sized_fields=["edges"])],
    )
    async def videos(
        self, info: GatewayInfo, first: int = 20, after: str | None = None
    ) -> Annotated[VideoConnection, strawberry.lazy("gateway.schema.videos")] | None:
        from gateway.schema.videos import creator_videos  # noqa: PLC0415 - the two types name each other

        return await creator_videos(info, self.message.user_id, first, after)

    @classmethod
    async def resolve_reference(cls, info: GatewayInfo, id: strawberry.ID) -> User | None:
        """The entity of a key, batched with all others of the operation."""
        return await load_user(info, number_of(id))


async def load_user(info: GatewayInfo, user_id: int) -> User | None:
    """A person by id through the operation's loader; None when absent or social is."""
    if not user_id:
        return None
    profile = present(info.context, await info.context.loaders.profile.load(user_id))
    return User.of(profile) if profile is not None else None


@strawberry.type(description="What only its owner sees.")
class Account:
    user: User
    email: str
    age_band: AgeBand
    roles: list[Role]
    consents: list[ConsentPurpose]
    languages: list[str]

    @classmethod
    def of(cls, account: profile_service_pb2.Account) -> Self:
        """The type of a message."""
        return cls(
            user=User.of(account.profile),
            email=account.email,
            age_band=AgeBand(account.age_band),
            roles=[Role(role) for role in account.roles],
            consents=[ConsentPurpose(purpose) for purpose in account.consents],
            languages=list(account.languages),
        )


@strawberry.type
class UserQuery:
    @strawberry.field(description="The viewer's own account; null for anonymous.")
    async def me(self, info: GatewayInfo) -> Account | None:
        if not info.context.viewer.user_id:
            return None
        answer = await ask(info.context.clients.profiles.GetMyAccount(profile_service_pb2.GetMyAccountRequest()))
        return Account.of(answer.account)

    @strawberry.field(description="A person by id or by handle, exactly one of the two.")
    async def user(self, info: GatewayInfo, id: strawberry.ID | None = None, handle: str | None = None) -> User | None:
        if (id is None) == (handle is None):
            raise Fault("BAD_USER_INPUT", "give either id or handle")
        if id is not None:
            profile = required(await info.context.loaders.profile.load(number_of(id)))
            return User.of(profile) if profile is not None else None
        request = profile_service_pb2.GetProfileByHandleRequest(handle=handle or "")
        answer = await ask_or_none(info.context.clients.profiles.GetProfileByHandle(request))
        return User.of(answer.profile) if answer is not None else None


@strawberry.input(description="A new person.")
class SignUpInput:
    request_id: strawberry.ID
    handle: str
    email: str
    password: str
    birth_date: str
    display_name: str | None = None
    consents: list[ConsentPurpose] | None = None
    languages: list[str] | None = None


@strawberry.input(description="Changes of one's profile; null leaves a field as it is, requestId makes it repeatable for 24 h.")
class UpdateProfileInput:
    request_id: strawberry.ID | None = None
    display_name: str | None = None
    bio: str | None = None
    languages: list[str] | None = None


@strawberry.input(description="All purposes that are allowed from now on.")
class UpdateConsentsInput:
    consents: list[ConsentPurpose]


@strawberry.type(description="The new person, or why there is none.")
class SignUpPayload:
    user: User | None
    user_errors: list[UserError] = user_errors_field()


@strawberry.type(description="The profile after the change, or why it did not change.")
class UpdateProfilePayload:
    user: User | None
    user_errors: list[UserError] = user_errors_field()


@strawberry.type(description="The account after the change, or why it did not change.")
class UpdateConsentsPayload:
    account: Account | None
    user_errors: list[UserError] = user_errors_field()


def _purposes(consents: list[ConsentPurpose] | None) -> list[viewer_pb2.ConsentPurpose.ValueType]:
    return [viewer_pb2.ConsentPurpose.ValueType(purpose.value) for purpose in consents or ()]


@strawberry.type
class UserMutation:
    @strawberry.mutation(description="Make an account; sign in with it afterwards.")
    async def sign_up(self, info: GatewayInfo, input: SignUpInput) -> SignUpPayload | None:
        request = identity_service_pb2.SignUpRequest(
            request_id=input.request_id,
            handle=input.handle,
            email=input.email,
            password=input.password,
            birth_date=input.birth_date,
            display_name=input.display_name or "",
            consents=_purposes(input.consents),
            languages=input.languages or (),
        )
        answer, errors = await attempt(info.context.clients.identity.SignUp(request))
        if answer is None:
            return SignUpPayload(user=None, user_errors=errors)
        profile = await info.context.loaders.profile.load(answer.user_id)
        return SignUpPayload(user=None if profile is None or isinstance(profile, Missing) else User.of(profile), user_errors=[])

    @strawberry.mutation(description="Change one's profile.")
    async def update_profile(self, info: GatewayInfo, input: UpdateProfileInput) -> UpdateProfilePayload | None:
        request = profile_service_pb2.UpdateProfileRequest(
            request_id=input.request_id if input.request_id is not None else new_request_id(),
            display_name=input.display_name,
            bio=input.bio,
        )
        if input.languages is not None:
            request.languages.languages.extend(input.languages)
            request.languages.SetInParent()
        answer, errors = await attempt(info.context.clients.profiles.UpdateProfile(request))
        return UpdateProfilePayload(user=User.of(answer.profile) if answer is not None else None, user_errors=errors)

    @strawberry.mutation(description="Replace one's consents.")
    async def update_consents(self, info: GatewayInfo, input: UpdateConsentsInput) -> UpdateConsentsPayload | None:
        request = profile_service_pb2.UpdateConsentsRequest(consents=_purposes(input.consents))
        answer, errors = await attempt(info.context.clients.profiles.UpdateConsents(request))
        return UpdateConsentsPayload(account=Account.of(answer.account) if answer is not None else None, user_errors=errors)
