"""What a person liked, saved, reposted: lists and collections."""

from __future__ import annotations

from collections.abc import Collection as Ids
from operator import attrgetter
from typing import Any, Protocol

import strawberry
from clipmesh.social.v1 import engagement_service_pb2 as pb

from gateway.context import GatewayInfo
from gateway.errors import Fault
from gateway.execution.costs import ListSize
from gateway.execution.fields import OfMessage, part
from gateway.schema.fetching import batched
from gateway.schema.outcomes import ask, ask_or_degrade, present
from gateway.schema.pages import PageInfo, Place, ends_of, page_info, page_size
from gateway.schema.scalars import DateTime, id_of, number_of
from gateway.schema.videos import Video

_SIZED = [ListSize(assumed_size=20, slicing_arguments=["first"], sized_fields=["edges"])]


@strawberry.type(description="One video of a person's list.")
class EngagedEdge:
    cursor: str
    video_id: strawberry.ID = strawberry.field(description="Which video it is, also where it can no longer be shown.")
    acted_at: DateTime = strawberry.field(description="When the person acted.")
    number: strawberry.Private[int]

    node: Video | None = batched(
        lambda loaders: loaders.video,
        key=lambda edge: edge.number,
        shown=Video.of,
        description="The video; null when it is not there for this viewer any more.",
    )


@strawberry.type(description="A page of a person's list; it may hold fewer than asked for, or none, though more follow.")
class EngagedConnection:
    edges: list[EngagedEdge]
    page_info: PageInfo


@strawberry.type(description="A named place for saves.")
class Collection(OfMessage):
    message: strawberry.Private[pb.Collection]
    id: strawberry.ID = part(lambda collection: id_of(collection.collection_id))
    name: str = part(attrgetter("name"))
    created_at: DateTime = part(attrgetter("created_at_ms"))


@strawberry.type(description="One collection of a list.")
class CollectionEdge:
    cursor: str
    node: Collection


@strawberry.type(description="A page of collections.")
class CollectionConnection:
    edges: list[CollectionEdge]
    page_info: PageInfo


class _Listed(Protocol):
    @property
    def videos(self) -> Any: ...

    @property
    def next_page_token(self) -> str: ...


def _connection(answer: _Listed, place: Place, after: str | None, *, shown: Ids[int] | None = None) -> EngagedConnection:
    """The page as it is; with `shown` nothing tells of the other videos, and what follows them is where it was."""
    listed = answer.videos[place.skip :]
    cursors = place.cursors(len(listed), answer.next_page_token)
    edges = [
        EngagedEdge(cursor=cursor, video_id=id_of(one.video_id), acted_at=DateTime(one.acted_at_ms), number=one.video_id)
        for cursor, one in zip(cursors, listed, strict=True)
        if shown is None or one.video_id in shown
    ]
    ends = ends_of(cursors, answer.next_page_token)
    return EngagedConnection(edges=edges, page_info=page_info(ends, has_next=bool(answer.next_page_token), after=after))


async def reposts_of(info: GatewayInfo, user_id: int, first: int, after: str | None) -> EngagedConnection | None:
    """A page of a person's reposts; None when they may not be looked at. Videos that the viewer may not see are named to the person alone."""
    size, place = page_size(first), Place.decode(after)
    request = pb.ListRepostsRequest(user_id=user_id, page_size=size + place.skip, page_token=place.token)
    try:
        answer = await ask_or_degrade(info.context, "social", info.context.clients.engagement.ListReposts(request))
    except Fault as fault:
        if fault.code == "NOT_FOUND":
            return None
        raise
    if answer is None or info.context.viewer.user_id == user_id:
        return _connection(answer, place, after) if answer is not None else None
    ids = [one.video_id for one in answer.videos[place.skip :]]
    found = await info.context.loaders.video.load_many(ids)
    shown = {video_id for video_id, video in zip(ids, found, strict=True) if present(info.context, video) is not None}
    return _connection(answer, place, after, shown=shown)


@strawberry.type
class EngagementQuery:
    @strawberry.field(description="What the viewer saved, newest first: all of it, or what is in one collection.", directives=_SIZED)
    async def saved_videos(
        self, info: GatewayInfo, collection_id: strawberry.ID | None = None, first: int = 20, after: str | None = None
    ) -> EngagedConnection | None:
        size, place = page_size(first), Place.decode(after)
        number = number_of(collection_id) if collection_id is not None else 0
        request = pb.ListSavedRequest(collection_id=number, page_size=size + place.skip, page_token=place.token)
        return _connection(await ask(info.context.clients.engagement.ListSaved(request)), place, after)

    @strawberry.field(description="What the viewer likes, newest first; nobody else can ask.", directives=_SIZED)
    async def liked_videos(self, info: GatewayInfo, first: int = 20, after: str | None = None) -> EngagedConnection | None:
        size, place = page_size(first), Place.decode(after)
        request = pb.ListLikedRequest(page_size=size + place.skip, page_token=place.token)
        return _connection(await ask(info.context.clients.engagement.ListLiked(request)), place, after)

    @strawberry.field(description="The viewer's collections, oldest first.", directives=_SIZED)
    async def collections(self, info: GatewayInfo, first: int = 20, after: str | None = None) -> CollectionConnection | None:
        size, place = page_size(first), Place.decode(after)
        request = pb.ListCollectionsRequest(page_size=size + place.skip, page_token=place.token)
        answer = await ask(info.context.clients.engagement.ListCollections(request))
        found = answer.collections[place.skip :]
        cursors = place.cursors(len(found), answer.next_page_token)
        return CollectionConnection(
            edges=[CollectionEdge(cursor=cursor, node=Collection.of(one)) for cursor, one in zip(cursors, found, strict=True)],
            page_info=page_info(ends_of(cursors, answer.next_page_token), has_next=bool(answer.next_page_token), after=after),
        )
