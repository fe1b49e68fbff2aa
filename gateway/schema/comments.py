"""Comments: pages of threads, replies, and what stands above a comment; what creators do with them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any, Protocol

import strawberry
from clipmesh.common.v1 import permit_pb2
from clipmesh.social.v1 import comment_service_pb2 as pb

from gateway.context import GatewayInfo
from gateway.errors import Fault
from gateway.execution.costs import ListSize
from gateway.execution.fields import OfMessage, part
from gateway.schema.enums import CommentOrder, CommentState
from gateway.schema.fetching import batched
from gateway.schema.outcomes import ask, ask_or_degrade, present
from gateway.schema.pages import PageInfo, Place, ends_of, page_info, page_size
from gateway.schema.scalars import BigInt, DateTime, big, id_of, moment, number_of
from gateway.schema.users import User

MOST_A_PAGE = 50
MOST_LEVELS, MOST_CHILDREN, MOST_MENTIONS = 5, 10, 10
_SIZED = [ListSize(assumed_size=20, slicing_arguments=["first"], sized_fields=["edges"])]


@strawberry.type(description="One comment as this viewer may know it.")
class Comment(OfMessage):
    message: strawberry.Private[pb.CommentNode]
    id: strawberry.ID = part(lambda node: id_of(node.comment.comment_id))
    video_id: strawberry.ID = part(lambda node: id_of(node.comment.video_id))
    thread_id: strawberry.ID = part(lambda node: id_of(node.comment.thread_id), description="The comment at the top of the thread.")
    parent_id: strawberry.ID | None = part(
        lambda node: _id_or_none(node.comment.parent_id), description="What it stands below; null at the top."
    )
    answers_id: strawberry.ID | None = part(
        lambda node: _id_or_none(node.comment.answers_id),
        description="What it answers: its parent, but below level 5, where replies stand beside what they answer.",
    )
    author_id: strawberry.ID | None = part(lambda node: _id_or_none(node.comment.author_id), description="Null when it was removed.")
    text: str = part(attrgetter("comment.text"), description="Plain text; empty when it was removed.")
    language: str | None = part(lambda node: node.comment.language or None)
    state: CommentState = part(lambda node: CommentState(node.comment.state))
    posted_at: DateTime = part(attrgetter("comment.posted_at_ms"))
    edited_at: DateTime | None = part(lambda node: moment(node.comment.edited_at_ms))
    revision: BigInt = part(lambda node: big(node.comment.revision), description="How often the text was replaced.")
    like_count: BigInt = part(lambda node: big(node.comment.likes))
    liked: bool = part(attrgetter("comment.liked"), description="Whether the viewer likes it.")
    pinned: bool = part(attrgetter("comment.pinned"), description="Whether the creator of the video puts it first.")
    total_children: BigInt = part(lambda node: big(node.comment.total_children), description="How many comments stand right below it.")
    level: int = part(attrgetter("comment.level"), description="1 at the top, at most 5.")
    children_cursor: str | None = part(
        lambda node: node.next_children_token or None,
        description="Where `replies` of the video goes on behind `children`; null when no more follow.",
    )
    children: list[CommentEdge] = part(
        lambda node: _edges(node.children),
        description="The oldest of what stands right below it, as far as it was asked for.",
        directives=(ListSize(assumed_size=3),),
    )

    author: User | None = batched(
        lambda loaders: loaders.profile,
        key=lambda one: one.message.comment.author_id,
        shown=User.of,
        description="Who wrote it; null when it was removed, and when that is not known at this moment.",
    )

    @strawberry.field(
        description="The people whom the text names with @; null when they are not known at this moment.",
        directives=[ListSize(assumed_size=MOST_MENTIONS)],
    )
    async def mentions(self, info: GatewayInfo) -> list[User] | None:
        found = await info.context.loaders.profile.load_many(self.message.comment.mentioned_ids)
        return [User.of(profile) for one in found if (profile := present(info.context, one)) is not None]


@strawberry.type(description="One comment of a list.")
class CommentEdge:
    cursor: str
    node: Comment


@strawberry.type(description="A page of comments; it may hold fewer than asked for, or none, though more follow.")
class CommentConnection:
    edges: list[CommentEdge]
    page_info: PageInfo


@strawberry.type(description="An earlier text of a comment.")
class CommentRevision(OfMessage):
    message: strawberry.Private[pb.CommentRevision]
    revision: BigInt = part(lambda one: big(one.revision), description="Counts the texts of the comment from 0.")
    text: str = part(attrgetter("text"))
    written_at: DateTime = part(attrgetter("written_at_ms"))


@strawberry.type(description="One earlier text of a list.")
class CommentRevisionEdge:
    cursor: str
    node: CommentRevision


@strawberry.type(description="A page of earlier texts.")
class CommentRevisionConnection:
    edges: list[CommentRevisionEdge]
    page_info: PageInfo


@strawberry.type(description="What a creator wants held on their videos.")
class CommentFilters(OfMessage):
    message: strawberry.Private[pb.CommentFilters]
    words: list[str] = part(lambda filters: list(filters.words))
    hold_links: bool = part(attrgetter("hold_links"), description="Whether texts with links wait.")
    hold_all: bool = part(attrgetter("hold_all"), description="Whether every text of somebody else waits.")


class _Answer(Protocol):
    @property
    def people(self) -> Any: ...


def _id_or_none(number: int) -> strawberry.ID | None:
    return id_of(number) if number else None


def _edges(nodes: Iterable[pb.CommentNode]) -> list[CommentEdge]:
    return [CommentEdge(cursor=node.page_token, node=Comment.of(node)) for node in nodes]


def _connection(nodes: Sequence[pb.CommentNode], next_token: str, after: str | None) -> CommentConnection:
    """Each comment brings its own cursor, so that a page goes on where it was whatever was written meanwhile."""
    edges = _edges(nodes)
    ends = [edge.cursor for edge in edges]
    if next_token:
        # What was looked at behind the last comment and is not shown need not be looked at again.
        ends = [*ends[:-1], next_token]
    return CommentConnection(edges=edges, page_info=page_info(ends, has_next=bool(next_token), after=after))


def know_people(info: GatewayInfo, answer: _Answer) -> None:
    """The people come with their comments: no second call asks for them."""
    for profile in answer.people:
        info.context.loaders.profile.prime(profile.user_id, profile)


def alone(comment: pb.Comment) -> Comment:
    """A comment without what stands below it."""
    return Comment.of(pb.CommentNode(comment=comment))


async def _permit(info: GatewayInfo, video_id: int) -> permit_pb2.SignedPermit | None:
    """Video's word that the viewer may see a video; None when it is not there for them, or video is away."""
    return present(info.context, await info.context.loaders.permit.load(video_id))


def _check(levels: int, children: int) -> None:
    if not 1 <= levels <= MOST_LEVELS or not 1 <= children <= MOST_CHILDREN:
        raise Fault("BAD_USER_INPUT", f"levels lies between 1 and {MOST_LEVELS}, children between 1 and {MOST_CHILDREN}")


async def comments_of(
    info: GatewayInfo, video_id: int, order: CommentOrder, *, first: int, after: str | None, levels: int, children: int
) -> CommentConnection | None:
    """A page of a video's comments: one call of video for the permit, one of social for everything else."""
    _check(levels, children)
    size = page_size(first, most=MOST_A_PAGE)
    permit = await _permit(info, video_id)
    if permit is None:
        return None
    request = pb.ListCommentsRequest(
        video_id=video_id,
        permit=permit,
        order=pb.CommentOrder.ValueType(order.value),
        page_size=size,
        page_token=after or "",
        levels=levels,
        children=children,
    )
    answer = await ask_or_degrade(info.context, "social", info.context.clients.comments.ListComments(request))
    if answer is None:
        return None
    know_people(info, answer)
    return _connection(answer.comments, answer.next_page_token, after)


async def replies_of(
    info: GatewayInfo, video_id: int, comment_id: int, *, first: int, after: str | None, levels: int, children: int
) -> CommentConnection | None:
    """A page of what answers a comment; None when that is not there."""
    _check(levels, children)
    size = page_size(first, most=MOST_A_PAGE)
    permit = await _permit(info, video_id)
    if permit is None:
        return None
    request = pb.ListRepliesRequest(
        video_id=video_id,
        permit=permit,
        comment_id=comment_id,
        page_size=size,
        page_token=after or "",
        levels=levels,
        children=children,
    )
    try:
        answer = await ask_or_degrade(info.context, "social", info.context.clients.comments.ListReplies(request))
    except Fault as fault:
        if fault.code == "NOT_FOUND":
            return None
        raise
    if answer is None:
        return None
    know_people(info, answer)
    return _connection(answer.replies, answer.next_page_token, after)


async def path_of(info: GatewayInfo, video_id: int, comment_id: int) -> list[Comment] | None:
    """A comment after everything above it; None when it is not there."""
    permit = await _permit(info, video_id)
    if permit is None:
        return None
    request = pb.GetCommentRequest(video_id=video_id, permit=permit, comment_id=comment_id)
    try:
        answer = await ask_or_degrade(info.context, "social", info.context.clients.comments.GetComment(request))
    except Fault as fault:
        if fault.code == "NOT_FOUND":
            return None
        raise
    if answer is None:
        return None
    know_people(info, answer)
    return [alone(one) for one in answer.path]


@strawberry.type
class CommentQuery:
    @strawberry.field(description="What waits for the viewer's approval on the viewer's videos, oldest first.", directives=_SIZED)
    async def held_comments(self, info: GatewayInfo, first: int = 20, after: str | None = None) -> CommentConnection | None:
        request = pb.ListHeldCommentsRequest(page_size=page_size(first, most=MOST_A_PAGE), page_token=after or "")
        answer = await ask(info.context.clients.comments.ListHeldComments(request))
        know_people(info, answer)
        return _connection(answer.comments, answer.next_page_token, after)

    @strawberry.field(
        description="Earlier texts of a comment, newest first, for its author, the creator of the video and moderators.", directives=_SIZED
    )
    async def comment_revisions(
        self, info: GatewayInfo, comment_id: strawberry.ID, first: int = 10, after: str | None = None
    ) -> CommentRevisionConnection | None:
        size, place = page_size(first, most=MOST_A_PAGE), Place.decode(after)
        request = pb.ListCommentRevisionsRequest(comment_id=number_of(comment_id), page_size=size + place.skip, page_token=place.token)
        answer = await ask(info.context.clients.comments.ListCommentRevisions(request))
        found = answer.revisions[place.skip :]
        cursors = place.cursors(len(found), answer.next_page_token)
        return CommentRevisionConnection(
            edges=[CommentRevisionEdge(cursor=cursor, node=CommentRevision.of(one)) for cursor, one in zip(cursors, found, strict=True)],
            page_info=page_info(ends_of(cursors, answer.next_page_token), has_next=bool(answer.next_page_token), after=after),
        )

    @strawberry.field(description="What the viewer wants held on their videos.")
    async def comment_filters(self, info: GatewayInfo) -> CommentFilters | None:
        answer = await ask(info.context.clients.comments.GetCommentFilters(pb.GetCommentFiltersRequest()))
        return CommentFilters.of(answer.filters)
