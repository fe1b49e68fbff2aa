"""EngagementService over gRPC: parse, call an action, answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc
from clipmesh.common.v1 import viewer_pb2
from clipmesh.social.v1 import engagement_service_pb2 as pb
from clipmesh.social.v1 import engagement_service_pb2_grpc

from mesh.auth import current_viewer, require_signed_in
from mesh.pages import PageTokens, clamp
from mesh.server import ANYONE, SIGNED_IN, Access, Priority, ServedService
from svc_social.engagement.actions import Acting, Actor, Asked, Collecting, Reading, Sight
from svc_social.engagement.convert import collection_to_proto, counters_to_proto, engaged_to_proto, share_target_from_proto
from svc_social.engagement.tables import EngagementKind

if TYPE_CHECKING:
    Context = grpc.aio.ServicerContext[Any, Any]

_GATEWAY = frozenset({"gateway"})
_READERS = frozenset({"gateway", "feed"})
# The answer of an act is how things stand now, so that none is kept for repeats.
_ACT = Access(callers=_GATEWAY, viewer=SIGNED_IN, idempotent=True, priority=Priority.WRITE)
_OWN = Access(callers=_GATEWAY, viewer=SIGNED_IN, idempotent=True)

ACCESS = {
    **dict.fromkeys(("Like", "Unlike", "Save", "Unsave", "Share", "Repost", "UndoRepost"), _ACT),
    **dict.fromkeys(("CreateCollection", "RenameCollection", "DeleteCollection"), _ACT),
    **dict.fromkeys(("ListCollections", "ListSaved", "ListLiked"), _OWN),
    "ListReposts": Access(callers=_GATEWAY, viewer=ANYONE, idempotent=True),
    **dict.fromkeys(("BatchGetCounters", "BatchGetViewerState"), Access(callers=_READERS, viewer=ANYONE, idempotent=True)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EngagementServicer(engagement_service_pb2_grpc.EngagementServiceServicer):
    """Answers EngagementService."""

    acting: Acting
    collecting: Collecting
    reading: Reading
    tokens: PageTokens

    async def Like(self, request: pb.LikeRequest, context: Context) -> pb.LikeResponse:  # noqa: N802
        """Like a video."""
        return pb.LikeResponse(state=await self._do(request, EngagementKind.LIKE))

    async def Unlike(self, request: pb.UnlikeRequest, context: Context) -> pb.UnlikeResponse:  # noqa: N802
        """Take a like back."""
        return pb.UnlikeResponse(state=await self._undo(request, EngagementKind.LIKE))

    async def Save(self, request: pb.SaveRequest, context: Context) -> pb.SaveResponse:  # noqa: N802
        """Keep a video."""
        return pb.SaveResponse(state=await self._do(request, EngagementKind.SAVE, collection_id=request.collection_id))

    async def Unsave(self, request: pb.UnsaveRequest, context: Context) -> pb.UnsaveResponse:  # noqa: N802
        """Take a save back."""
        return pb.UnsaveResponse(state=await self._undo(request, EngagementKind.SAVE))

    async def Share(self, request: pb.ShareRequest, context: Context) -> pb.ShareResponse:  # noqa: N802
        """Record a share."""
        share_id = await self.acting.share(
            _actor(),
            video_id=request.video_id,
            permit=request.permit,
            target=share_target_from_proto(request.target),
            asked=_asked(request),
        )
        return pb.ShareResponse(share_id=share_id)

    async def Repost(self, request: pb.RepostRequest, context: Context) -> pb.RepostResponse:  # noqa: N802
        """Repost a video."""
        return pb.RepostResponse(state=await self._do(request, EngagementKind.REPOST))

    async def UndoRepost(self, request: pb.UndoRepostRequest, context: Context) -> pb.UndoRepostResponse:  # noqa: N802
        """Take a repost back."""
        return pb.UndoRepostResponse(state=await self._undo(request, EngagementKind.REPOST))

    async def CreateCollection(  # noqa: N802
        self, request: pb.CreateCollectionRequest, context: Context
    ) -> pb.CreateCollectionResponse:
        """Make a collection."""
        made = await self.collecting.create(require_signed_in().user_id, name=request.name, asked=_asked(request))
        return pb.CreateCollectionResponse(collection=collection_to_proto(made.collection, name=made.name))

    async def RenameCollection(  # noqa: N802
        self, request: pb.RenameCollectionRequest, context: Context
    ) -> pb.RenameCollectionResponse:
        """Name a collection anew."""
        named = await self.collecting.rename(require_signed_in().user_id, request.collection_id, name=request.name, asked=_asked(request))
        return pb.RenameCollectionResponse(collection=collection_to_proto(named.collection, name=named.name))

    async def DeleteCollection(  # noqa: N802
        self, request: pb.DeleteCollectionRequest, context: Context
    ) -> pb.DeleteCollectionResponse:
        """End a collection."""
        await self.collecting.delete(require_signed_in().user_id, request.collection_id)
        return pb.DeleteCollectionResponse()

    async def ListCollections(  # noqa: N802
        self, request: pb.ListCollectionsRequest, context: Context
    ) -> pb.ListCollectionsResponse:
        """The viewer's collections."""
        user_id = require_signed_in().user_id
        after = self.tokens.decode("collections", str(user_id), request.page_token)
        collections = [one for one in await self.collecting.all(user_id) if one.collection.collection_id > int(after or 0)]
        page = collections[: clamp(request.page_size)]
        last = str(page[-1].collection.collection_id) if len(page) < len(collections) else ""
        return pb.ListCollectionsResponse(
            collections=[collection_to_proto(one.collection, name=one.name) for one in page],
            next_page_token=self.tokens.encode("collections", str(user_id), last),
        )

    async def ListSaved(self, request: pb.ListSavedRequest, context: Context) -> pb.ListSavedResponse:  # noqa: N802
        """What the viewer saved."""
        user_id = require_signed_in().user_id
        scope = f"{user_id}:{request.collection_id}"
        after = self.tokens.decode("saved", scope, request.page_token)
        page = await self.reading.saved(user_id, request.collection_id, after=after, limit=clamp(request.page_size))
        return pb.ListSavedResponse(
            videos=[engaged_to_proto(place) for place in page.places], next_page_token=self.tokens.encode("saved", scope, page.next)
        )

    async def ListLiked(self, request: pb.ListLikedRequest, context: Context) -> pb.ListLikedResponse:  # noqa: N802
        """What the viewer likes."""
        user_id = require_signed_in().user_id
        after = self.tokens.decode("liked", str(user_id), request.page_token)
        page = await self.reading.liked(user_id, after=after, limit=clamp(request.page_size))
        return pb.ListLikedResponse(
            videos=[engaged_to_proto(place) for place in page.places],
            next_page_token=self.tokens.encode("liked", str(user_id), page.next),
        )

    async def ListReposts(self, request: pb.ListRepostsRequest, context: Context) -> pb.ListRepostsResponse:  # noqa: N802
        """What a person reposted."""
        after = self.tokens.decode("reposts", str(request.user_id), request.page_token)
        page = await self.reading.reposted(request.user_id, viewer_id=current_viewer().user_id, after=after, limit=clamp(request.page_size))
        return pb.ListRepostsResponse(
            videos=[engaged_to_proto(place) for place in page.places],
            next_page_token=self.tokens.encode("reposts", str(request.user_id), page.next),
        )

    async def BatchGetCounters(  # noqa: N802
        self, request: pb.BatchGetCountersRequest, context: Context
    ) -> pb.BatchGetCountersResponse:
        """Counts of videos."""
        found = await self.reading.counters(request.video_ids)
        return pb.BatchGetCountersResponse(counters=[counters_to_proto(one.video_id, one.of, approximate=one.approximate) for one in found])

    async def BatchGetViewerState(  # noqa: N802
        self, request: pb.BatchGetViewerStateRequest, context: Context
    ) -> pb.BatchGetViewerStateResponse:
        """What the viewer did with videos."""
        found = await self.reading.sights(current_viewer().user_id, request.video_ids)
        return pb.BatchGetViewerStateResponse(states=[_state(one) for one in found])

    async def _do(
        self, request: pb.LikeRequest | pb.SaveRequest | pb.RepostRequest, kind: EngagementKind, *, collection_id: int = 0
    ) -> pb.ViewerState:
        sight = await self.acting.do(
            _actor(), video_id=request.video_id, kind=kind, permit=request.permit, asked=_asked(request), collection_id=collection_id
        )
        return _state(sight)

    async def _undo(self, request: pb.UnlikeRequest | pb.UnsaveRequest | pb.UndoRepostRequest, kind: EngagementKind) -> pb.ViewerState:
        return _state(await self.acting.undo(_actor(), video_id=request.video_id, kind=kind, asked=_asked(request)))


def engagement_service(servicer: EngagementServicer) -> ServedService:
    """EngagementService as a server takes it."""
    return ServedService(
        add_to_server=engagement_service_pb2_grpc.add_EngagementServiceServicer_to_server,
        servicer=servicer,
        descriptor=pb.DESCRIPTOR.services_by_name["EngagementService"],
        access=ACCESS,
    )


def _actor() -> Actor:
    viewer = require_signed_in()
    return Actor(user_id=viewer.user_id, personalisation=viewer_pb2.CONSENT_PURPOSE_PERSONALISATION in viewer.consents)


def _asked(request: Any) -> Asked:
    """What the request log is told: everything but the permit, of which a repeat brings a new one."""
    said = type(request)()
    said.CopyFrom(request)
    if "permit" in request.DESCRIPTOR.fields_by_name:
        said.ClearField("permit")
    return Asked(
        method=request.DESCRIPTOR.name.removesuffix("Request"),
        request_id=request.request_id,
        body=said.SerializeToString(deterministic=True),
    )


def _state(sight: Sight) -> pb.ViewerState:
    return pb.ViewerState(video_id=sight.video_id, liked=sight.liked, saved=sight.saved, reposted=sight.reposted)
