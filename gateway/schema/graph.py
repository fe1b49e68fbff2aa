"""The follow graph: who follows, asks, blocks and mutes whom."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import strawberry
from clipmesh.social.v1 import graph_service_pb2 as pb

from gateway.context import GatewayInfo
from gateway.execution.costs import ListSize
from gateway.schema.fetching import batched
from gateway.schema.outcomes import UserError, ask, ask_or_degrade, attempt, present, user_errors_field
from gateway.schema.pages import PageInfo, Place, ends_of, page_info, page_size
from gateway.schema.relationships import Relationship
from gateway.schema.scalars import DateTime, id_of, number_of
from gateway.schema.users import User
from mesh.errors import NotFound, PermissionDenied
from mesh.interceptors.request_id import new_request_id

_SIZED = [ListSize(assumed_size=20, slicing_arguments=["first"], sized_fields=["edges"])]


@strawberry.type(description="One person of a list.")
class UserEdge:
    cursor: str
    user_id: strawberry.ID = strawberry.field(description="Who it is, also where nothing more may be shown of them.")
    since: DateTime = strawberry.field(description="When the follow, request, block or mute began.")
    number: strawberry.Private[int]

    node: User | None = batched(
        lambda loaders: loaders.profile,
        key=lambda edge: edge.number,
        shown=User.of,
        description="The person; null when they are not there for this viewer any more.",
    )


@strawberry.type(description="A page of people; it may hold fewer than asked for, or none, though more follow.")
class UserConnection:
    edges: list[UserEdge]
    page_info: PageInfo


class _People(Protocol):
    @property
    def people(self) -> Any: ...

    @property
    def next_page_token(self) -> str: ...


def _connection(answer: _People, place: Place, after: str | None) -> UserConnection:
    people = answer.people[place.skip :]
    cursors = place.cursors(len(people), answer.next_page_token)
    edges = [
        UserEdge(cursor=cursor, user_id=id_of(one.user_id), since=DateTime(one.since_ms), number=one.user_id)
        for cursor, one in zip(cursors, people, strict=True)
    ]
    ends = ends_of(cursors, answer.next_page_token)
    return UserConnection(edges=edges, page_info=page_info(ends, has_next=bool(answer.next_page_token), after=after))


async def _of_person(info: GatewayInfo, place: Place, after: str | None, call: Awaitable[_People]) -> UserConnection | None:
    """A list of a person, None where it is not for this viewer."""
    try:
        answer = await ask_or_degrade(info.context, "social", _unless_hidden(call))
    except _Hidden:
        return None
    return _connection(answer, place, after) if answer is not None else None


class _Hidden(Exception):
    """The list is not for this viewer."""


async def _unless_hidden(call: Awaitable[_People]) -> _People:
    try:
        return await call
    except (NotFound, PermissionDenied) as error:
        raise _Hidden from error


async def followers(info: GatewayInfo, user_id: int, first: int, after: str | None) -> UserConnection | None:
    """A page of who follows a person."""
    size, place = page_size(first), Place.decode(after)
    request = pb.ListFollowersRequest(user_id=user_id, page_size=size + place.skip, page_token=place.token)
    return await _of_person(info, place, after, info.context.clients.graph.ListFollowers(request))


async def following(info: GatewayInfo, user_id: int, first: int, after: str | None) -> UserConnection | None:
    """A page of whom a person follows."""
    size, place = page_size(first), Place.decode(after)
    request = pb.ListFollowingRequest(user_id=user_id, page_size=size + place.skip, page_token=place.token)
    return await _of_person(info, place, after, info.context.clients.graph.ListFollowing(request))


@strawberry.type
class GraphQuery:
    @strawberry.field(description="Who asks to follow the viewer, newest first.", directives=_SIZED)
    async def follow_requests(self, info: GatewayInfo, first: int = 20, after: str | None = None) -> UserConnection | None:
        size, place = page_size(first), Place.decode(after)
        request = pb.ListFollowRequestsRequest(page_size=size + place.skip, page_token=place.token)
        return _connection(await ask(info.context.clients.graph.ListFollowRequests(request)), place, after)

    @strawberry.field(description="Whom the viewer blocks, newest first.", directives=_SIZED)
    async def blocked_users(self, info: GatewayInfo, first: int = 20, after: str | None = None) -> UserConnection | None:
        size, place = page_size(first), Place.decode(after)
        request = pb.ListBlockedRequest(page_size=size + place.skip, page_token=place.token)
        return _connection(await ask(info.context.clients.graph.ListBlocked(request)), place, after)

    @strawberry.field(description="Whom the viewer mutes, newest first.", directives=_SIZED)
    async def muted_users(self, info: GatewayInfo, first: int = 20, after: str | None = None) -> UserConnection | None:
        size, place = page_size(first), Place.decode(after)
        request = pb.ListMutedRequest(page_size=size + place.skip, page_token=place.token)
        return _connection(await ask(info.context.clients.graph.ListMuted(request)), place, after)


@strawberry.input
class _ActInput:
    """Whom an act is about."""

    user_id: strawberry.ID
    request_id: strawberry.ID | None = None


@strawberry.input(description="Whom to follow; requestId makes it repeatable for 24 h.")
class FollowInput(_ActInput):
    pass


@strawberry.input(description="Whom to follow no more; requestId makes it repeatable for 24 h.")
class UnfollowInput(_ActInput):
    pass


@strawberry.input(description="Who asked and may follow; requestId makes it repeatable for 24 h.")
class ApproveFollowInput(_ActInput):
    pass


@strawberry.input(description="Who asked and may not follow; requestId makes it repeatable for 24 h.")
class DeclineFollowInput(_ActInput):
    pass


@strawberry.input(description="Who is to follow no more; requestId makes it repeatable for 24 h.")
class RemoveFollowerInput(_ActInput):
    pass


@strawberry.input(description="Whom to block; requestId makes it repeatable for 24 h.")
class BlockInput(_ActInput):
    pass


@strawberry.input(description="Whom to block no more; requestId makes it repeatable for 24 h.")
class UnblockInput(_ActInput):
    pass


@strawberry.input(description="Whom to mute; requestId makes it repeatable for 24 h.")
class MuteInput(_ActInput):
    pass


@strawberry.input(description="Whom to mute no more; requestId makes it repeatable for 24 h.")
class UnmuteInput(_ActInput):
    pass


@strawberry.type(description="What stands between the viewer and the person afterwards, or why nothing happened.")
class RelationshipPayload:
    user: User | None
    relationship: Relationship | None
    user_errors: list[UserError] = user_errors_field()


async def _act(
    info: GatewayInfo, input: _ActInput, request_type: type[Any], method: Callable[[Any], Awaitable[Any]]
) -> RelationshipPayload:
    user_id = number_of(input.user_id)
    request_id = input.request_id if input.request_id is not None else new_request_id()
    answer, errors = await attempt(method(request_type(user_id=user_id, request_id=request_id)))
    if answer is None:
        return RelationshipPayload(user=None, relationship=None, user_errors=errors)
    # An act that stands before in the same document may have been followed by a look.
    info.context.loaders.relationship.overwrite(user_id, answer.relationship)
    profile = present(info.context, await info.context.loaders.profile.load(user_id))
    return RelationshipPayload(
        user=User.of(profile) if profile is not None else None, relationship=Relationship.of(answer.relationship), user_errors=[]
    )


@strawberry.type
class GraphMutation:
    @strawberry.mutation(description="Follow a person, or ask to when the account is private.")
    async def follow(self, info: GatewayInfo, input: FollowInput) -> RelationshipPayload | None:
        return await _act(info, input, pb.FollowRequest, info.context.clients.graph.Follow)

    @strawberry.mutation(description="Follow a person no more, or take the request back.")
    async def unfollow(self, info: GatewayInfo, input: UnfollowInput) -> RelationshipPayload | None:
        return await _act(info, input, pb.UnfollowRequest, info.context.clients.graph.Unfollow)

    @strawberry.mutation(description="Let a person who asked follow the viewer.")
    async def approve_follow(self, info: GatewayInfo, input: ApproveFollowInput) -> RelationshipPayload | None:
        return await _act(info, input, pb.ApproveFollowRequest, info.context.clients.graph.ApproveFollow)

    @strawberry.mutation(description="Turn a person's request down; they are not told.")
    async def decline_follow(self, info: GatewayInfo, input: DeclineFollowInput) -> RelationshipPayload | None:
        return await _act(info, input, pb.DeclineFollowRequest, info.context.clients.graph.DeclineFollow)

    @strawberry.mutation(description="End a person's follow of the viewer; they are not told.")
    async def remove_follower(self, info: GatewayInfo, input: RemoveFollowerInput) -> RelationshipPayload | None:
        return await _act(info, input, pb.RemoveFollowerRequest, info.context.clients.graph.RemoveFollower)

    @strawberry.mutation(description="Block a person: both follows end, and to them the viewer is gone.")
    async def block(self, info: GatewayInfo, input: BlockInput) -> RelationshipPayload | None:
        return await _act(info, input, pb.BlockRequest, info.context.clients.graph.Block)

    @strawberry.mutation(description="Lift a block; follows do not come back.")
    async def unblock(self, info: GatewayInfo, input: UnblockInput) -> RelationshipPayload | None:
        return await _act(info, input, pb.UnblockRequest, info.context.clients.graph.Unblock)

    @strawberry.mutation(description="Keep a person out of what is shown unasked; they never learn of it.")
    async def mute(self, info: GatewayInfo, input: MuteInput) -> RelationshipPayload | None:
        return await _act(info, input, pb.MuteRequest, info.context.clients.graph.Mute)

    @strawberry.mutation(description="Lift a mute.")
    async def unmute(self, info: GatewayInfo, input: UnmuteInput) -> RelationshipPayload | None:
        return await _act(info, input, pb.UnmuteRequest, info.context.clients.graph.Unmute)
