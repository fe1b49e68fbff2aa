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
from gateway.schema.enums import AgeBand, Audience, ConsentPurpose, Role
from gateway.schema.faces import Avatar, face
from gateway.schema.fetching import batched
from gateway.schema.nodes import Node
from gateway.schema.outcomes import UserError, ask, ask_or_none, attempt, present, required, user_errors_field
from gateway.schema.relationships import Relationship
from gateway.schema.scalars import BigInt, DateTime, big, id_of, number_of
from mesh.interceptors.request_id import new_request_id

if TYPE_CHECKING:
    from gateway.schema.engaged import EngagedConnection
    from gateway.schema.graph import UserConnection
    from gateway.schema.sessions import SessionConnection
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
    avatar: Avatar | None = face(lambda user: user.message.avatar_id)
    follower_count: BigInt | None = batched(
        lambda loaders: loaders.graph_counts,
        key=lambda user: user.message.user_id,
        shown=lambda counts: big(counts.followers),
        description="How many follow this person; a few seconds behind. Null when it is not known at this moment.",
    )
    following_count: BigInt | None = batched(
        lambda loaders: loaders.graph_counts,
        key=lambda user: user.message.user_id,
        shown=lambda counts: big(counts.following),
        description="How many this person follows; a few seconds behind. Null when it is not known at this moment.",
    )
    relationship: Relationship | None = batched(
        lambda loaders: loaders.relationship,
        key=lambda user: user.message.user_id,
        shown=Relationship.of,
        description="What stands between the viewer and this person; null for oneself, for anonymous, and when it is not known at this moment.",
    )

    @strawberry.field(
        description="Who follows this person, newest first; null where the account is private and the viewer does not follow it.",
        directives=[Cost(weight=CALL_EACH_WEIGHT), ListSize(assumed_size=20, slicing_arguments=["first"], sized_fields=["edges"])],
    )
    async def followers(
        self, info: GatewayInfo, first: int = 20, after: str | None = None
    ) -> Annotated[UserConnection, strawberry.lazy("gateway.schema.graph")] | None:
        from gateway.schema.graph import followers  # noqa: PLC0415 - the two types name each other

        return await followers(info, self.message.user_id, first, after)

    @strawberry.field(
        description="Whom this person follows, newest first; null where the account is private and the viewer does not follow it.",
        directives=[Cost(weight=CALL_EACH_WEIGHT), ListSize(assumed_size=20, slicing_arguments=["first"], sized_fields=["edges"])],
    )
    async def following(
        self, info: GatewayInfo, first: int = 20, after: str | None = None
    ) -> Annotated[UserConnection, strawberry.lazy("gateway.schema.graph")] | None:
        from gateway.schema.graph import following  # noqa: PLC0415 - the two types name each other

        return await following(info, self.message.user_id, first, after)

    @strawberry.field(
        description="Videos of this person, newest first: all of them for themselves, the visible ones for others.",
        directives=[Cost(weight=CALL_EACH_WEIGHT), ListSize(assumed_size=20, slicing_arguments=["first"], sized_fields=["edges"])],
    )
    async def videos(
        self, info: GatewayInfo, first: int = 20, after: str | None = None
    ) -> Annotated[VideoConnection, strawberry.lazy("gateway.schema.videos")] | None:
        from gateway.schema.videos import creator_videos  # noqa: PLC0415 - the two types name each other

        return await creator_videos(info, self.message.user_id, first, after)

    @strawberry.field(
        description="What this person reposted, newest first; null where that may not be looked at.",
        directives=[Cost(weight=CALL_EACH_WEIGHT), ListSize(assumed_size=20, slicing_arguments=["first"], sized_fields=["edges"])],
    )
    async def reposts(
        self, info: GatewayInfo, first: int = 20, after: str | None = None
    ) -> Annotated[EngagedConnection, strawberry.lazy("gateway.schema.engaged")] | None:
        from gateway.schema.engaged import reposts_of  # noqa: PLC0415 - the two types name each other

        return await reposts_of(info, self.message.user_id, first, after)

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


@strawberry.type(description="Who may see a person and who may answer them, as it holds now.")
class Privacy(OfMessage):
    message: strawberry.Private[profile_service_pb2.Privacy]
    is_private: bool = part(attrgetter("is_private"), description="True when follows need approval.")
    comments: Audience = part(lambda privacy: Audience(privacy.comments))
    duets: Audience = part(lambda privacy: Audience(privacy.duets))
    stitches: Audience = part(lambda privacy: Audience(privacy.stitches))
    messages: Audience = part(lambda privacy: Audience(privacy.messages), description="Nobody for people under 16.")


@strawberry.type(description="What only its owner sees.")
class Account:
    user: User
    email: str
    email_verified: bool
    age_band: AgeBand
    roles: list[Role]
    consents: list[ConsentPurpose]
    languages: list[str]
    privacy: Privacy
    region: str | None

    @strawberry.field(
        description="Where the person is signed in, newest first.",
        directives=[Cost(weight=CALL_EACH_WEIGHT), ListSize(assumed_size=20, slicing_arguments=["first"], sized_fields=["edges"])],
    )
    async def sessions(
        self, info: GatewayInfo, first: int = 20, after: str | None = None
    ) -> Annotated[SessionConnection, strawberry.lazy("gateway.schema.sessions")] | None:
        from gateway.schema.sessions import own_sessions  # noqa: PLC0415 - the two types name each other

        return await own_sessions(info, first, after)

    @classmethod
    def of(cls, account: profile_service_pb2.Account) -> Self:
        """The type of a message."""
        return cls(
            user=User.of(account.profile),
            email=account.email,
            email_verified=account.email_verified,
            age_band=AgeBand(account.age_band),
            roles=[Role(role) for role in account.roles],
            consents=[ConsentPurpose(purpose) for purpose in account.consents],
            languages=list(account.languages),
            privacy=Privacy.of(account.privacy),
            region=account.region or None,
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
    region: str | None = None


@strawberry.input(description="Another handle; the old one is kept for you for 30 days. At most 3 changes in 30 days.")
class ChangeHandleInput:
    request_id: strawberry.ID | None = None
    handle: str


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


@strawberry.type(description="The person with the handle, or why it stays as it was.")
class ChangeHandlePayload:
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
            region=input.region,
        )
        if input.languages is not None:
            request.languages.languages.extend(input.languages)
            request.languages.SetInParent()
        answer, errors = await attempt(info.context.clients.profiles.UpdateProfile(request))
        return UpdateProfilePayload(user=User.of(answer.profile) if answer is not None else None, user_errors=errors)

    @strawberry.mutation(description="Take another handle.")
    async def change_handle(self, info: GatewayInfo, input: ChangeHandleInput) -> ChangeHandlePayload | None:
        request = profile_service_pb2.ChangeHandleRequest(
            request_id=input.request_id if input.request_id is not None else new_request_id(), handle=input.handle
        )
        answer, errors = await attempt(info.context.clients.profiles.ChangeHandle(request))
        return ChangeHandlePayload(user=User.of(answer.profile) if answer is not None else None, user_errors=errors)

    @strawberry.mutation(description="Replace one's consents.")
    async def update_consents(self, info: GatewayInfo, input: UpdateConsentsInput) -> UpdateConsentsPayload | None:
        request = profile_service_pb2.UpdateConsentsRequest(consents=_purposes(input.consents))
        answer, errors = await attempt(info.context.clients.profiles.UpdateConsents(request))
        return UpdateConsentsPayload(account=Account.of(answer.account) if answer is not None else None, user_errors=errors)
