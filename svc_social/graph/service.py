"""GraphService over gRPC: parse, call an action, answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc
from clipmesh.social.v1 import graph_service_pb2 as pb
from clipmesh.social.v1 import graph_service_pb2_grpc

from mesh.auth import current_caller, current_viewer, require_signed_in
from mesh.server import ANYONE, SIGNED_IN, Access, Priority, ServedService
from svc_social.graph.actions import Act, Acts, GraphLists, ListKind, Page, Relations
from svc_social.graph.convert import place_to_proto, relation_to_proto

if TYPE_CHECKING:
    Context = grpc.aio.ServicerContext[Any, Any]

_GATEWAY = frozenset({"gateway"})
_DECIDING = frozenset({"feed", "video"})
"""Services that keep what a block parts from whoever asks them."""
_COUNTING = frozenset({"video"})
"""Services that put work in order by how many people wait for it."""

_ACT = Access(callers=_GATEWAY, viewer=SIGNED_IN, idempotent=True, priority=Priority.WRITE)
_OWN_LIST = Access(callers=_GATEWAY, viewer=SIGNED_IN, idempotent=True)
_LIST = Access(callers=_GATEWAY, viewer=ANYONE, idempotent=True)

ACCESS = {
    "Follow": _ACT,
    "Unfollow": _ACT,
    "ApproveFollow": _ACT,
    "DeclineFollow": _ACT,
    "RemoveFollower": _ACT,
    "Block": _ACT,
    "Unblock": _ACT,
    "Mute": _ACT,
    "Unmute": _ACT,
    "ListFollowers": _LIST,
    "ListFollowing": _LIST,
    "ListFollowRequests": _OWN_LIST,
    "ListBlocked": _OWN_LIST,
    "ListMuted": _OWN_LIST,
    "BatchGetRelationships": Access(callers=_GATEWAY | _DECIDING, viewer=SIGNED_IN, idempotent=True, priority=Priority.PLAYBACK),
    "BatchGetGraphCounts": Access(callers=_GATEWAY | _COUNTING, viewer=ANYONE, idempotent=True),
}

ActRequest = (
    pb.FollowRequest
    | pb.UnfollowRequest
    | pb.ApproveFollowRequest
    | pb.DeclineFollowRequest
    | pb.RemoveFollowerRequest
    | pb.BlockRequest
    | pb.UnblockRequest
    | pb.MuteRequest
    | pb.UnmuteRequest
)
OwnListRequest = pb.ListFollowRequestsRequest | pb.ListBlockedRequest | pb.ListMutedRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphServicer(graph_service_pb2_grpc.GraphServiceServicer):
    """Answers GraphService."""

    acts: Acts
    lists: GraphLists
    relations: Relations

    async def Follow(self, request: pb.FollowRequest, context: Context) -> pb.FollowResponse:  # noqa: N802
        """Follow a person, or ask to."""
        return pb.FollowResponse(relationship=await self._act(Act.FOLLOW, request))

    async def Unfollow(self, request: pb.UnfollowRequest, context: Context) -> pb.UnfollowResponse:  # noqa: N802
        """End a follow."""
        return pb.UnfollowResponse(relationship=await self._act(Act.UNFOLLOW, request))

    async def ApproveFollow(self, request: pb.ApproveFollowRequest, context: Context) -> pb.ApproveFollowResponse:  # noqa: N802
        """Let a person follow."""
        return pb.ApproveFollowResponse(relationship=await self._act(Act.APPROVE, request))

    async def DeclineFollow(self, request: pb.DeclineFollowRequest, context: Context) -> pb.DeclineFollowResponse:  # noqa: N802
        """Turn a request down."""
        return pb.DeclineFollowResponse(relationship=await self._act(Act.DECLINE, request))

    async def RemoveFollower(self, request: pb.RemoveFollowerRequest, context: Context) -> pb.RemoveFollowerResponse:  # noqa: N802
        """End a person's follow."""
        return pb.RemoveFollowerResponse(relationship=await self._act(Act.REMOVE, request))

    async def Block(self, request: pb.BlockRequest, context: Context) -> pb.BlockResponse:  # noqa: N802
        """Part two people."""
        return pb.BlockResponse(relationship=await self._act(Act.BLOCK, request))

    async def Unblock(self, request: pb.UnblockRequest, context: Context) -> pb.UnblockResponse:  # noqa: N802
        """Lift a block."""
        return pb.UnblockResponse(relationship=await self._act(Act.UNBLOCK, request))

    async def Mute(self, request: pb.MuteRequest, context: Context) -> pb.MuteResponse:  # noqa: N802
        """Keep a person out of what is shown."""
        return pb.MuteResponse(relationship=await self._act(Act.MUTE, request))

    async def Unmute(self, request: pb.UnmuteRequest, context: Context) -> pb.UnmuteResponse:  # noqa: N802
        """Lift a mute."""
        return pb.UnmuteResponse(relationship=await self._act(Act.UNMUTE, request))

    async def ListFollowers(  # noqa: N802
        self, request: pb.ListFollowersRequest, context: Context
    ) -> pb.ListFollowersResponse:
        """Newest first."""
        page = await self._list(request, ListKind.FOLLOWERS)
        return pb.ListFollowersResponse(people=map(place_to_proto, page.places), next_page_token=page.next_page_token)

    async def ListFollowing(  # noqa: N802
        self, request: pb.ListFollowingRequest, context: Context
    ) -> pb.ListFollowingResponse:
        """Newest first."""
        page = await self._list(request, ListKind.FOLLOWING)
        return pb.ListFollowingResponse(people=map(place_to_proto, page.places), next_page_token=page.next_page_token)

    async def ListFollowRequests(  # noqa: N802
        self, request: pb.ListFollowRequestsRequest, context: Context
    ) -> pb.ListFollowRequestsResponse:
        """Newest first."""
        page = await self._own(request, ListKind.REQUESTS)
        return pb.ListFollowRequestsResponse(people=map(place_to_proto, page.places), next_page_token=page.next_page_token)

    async def ListBlocked(  # noqa: N802
        self, request: pb.ListBlockedRequest, context: Context
    ) -> pb.ListBlockedResponse:
        """Newest first."""
        page = await self._own(request, ListKind.BLOCKED)
        return pb.ListBlockedResponse(people=map(place_to_proto, page.places), next_page_token=page.next_page_token)

    async def ListMuted(  # noqa: N802
        self, request: pb.ListMutedRequest, context: Context
    ) -> pb.ListMutedResponse:
        """Newest first."""
        page = await self._own(request, ListKind.MUTED)
        return pb.ListMutedResponse(people=map(place_to_proto, page.places), next_page_token=page.next_page_token)

    async def BatchGetRelationships(  # noqa: N802
        self, request: pb.BatchGetRelationshipsRequest, context: Context
    ) -> pb.BatchGetRelationshipsResponse:
        """What stands between the viewer and people."""
        found = await self.relations.of(require_signed_in().user_id, request.user_ids)
        tells = current_caller() in _DECIDING
        return pb.BatchGetRelationshipsResponse(relationships=[relation_to_proto(one, tells_blocked_by=tells) for one in found])

    async def BatchGetGraphCounts(  # noqa: N802
        self, request: pb.BatchGetGraphCountsRequest, context: Context
    ) -> pb.BatchGetGraphCountsResponse:
        """How many follow people and are followed by them."""
        found = await self.lists.counts(current_viewer().user_id, request.user_ids)
        return pb.BatchGetGraphCountsResponse(
            counts=[pb.GraphCounts(user_id=user_id, followers=followers, following=following) for user_id, followers, following in found]
        )

    async def _act(self, act: Act, request: ActRequest) -> pb.Relationship:
        relation = await self.acts.act(
            act,
            require_signed_in().user_id,
            request.user_id,
            request_id=request.request_id,
            body=request.SerializeToString(deterministic=True),
        )
        return relation_to_proto(relation, tells_blocked_by=False)

    async def _list(self, request: pb.ListFollowersRequest | pb.ListFollowingRequest, kind: ListKind) -> Page:
        return await self.lists.of_person(
            current_viewer().user_id, request.user_id, kind, page_size=request.page_size, page_token=request.page_token
        )

    async def _own(self, request: OwnListRequest, kind: ListKind) -> Page:
        return await self.lists.own(require_signed_in().user_id, kind, page_size=request.page_size, page_token=request.page_token)


def graph_service(servicer: GraphServicer) -> ServedService:
    """GraphService as a server takes it."""
    return ServedService(
        add_to_server=graph_service_pb2_grpc.add_GraphServiceServicer_to_server,
        servicer=servicer,
        descriptor=pb.DESCRIPTOR.services_by_name["GraphService"],
        access=ACCESS,
    )
