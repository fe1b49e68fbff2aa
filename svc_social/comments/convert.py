"""Comments between rows, nodes and protos."""

from __future__ import annotations

from collections.abc import Sequence

from clipmesh.social.v1 import comment_service_pb2 as pb
from clipmesh.social.v1 import events_pb2

from svc_social.comments.rules import stands
from svc_social.comments.store import Place, places
from svc_social.comments.tables import Comment, CommentState, CountedCommentLike


def state_to_proto(state: CommentState) -> pb.CommentState.ValueType:
    """The state as it travels."""
    return pb.CommentState.ValueType(state)


def comment_to_proto(
    comment: Comment,
    *,
    text: str | None,
    likes: int,
    liked: bool,
    pinned: bool,
    total_children: int,
    mentioned_ids: Sequence[int],
) -> pb.Comment:
    """A comment as a viewer may know it; without a text, since its author was erased, it is a removed one."""
    state = comment.state if text is not None else CommentState.REMOVED
    return pb.Comment(
        comment_id=comment.comment_id,
        video_id=comment.video_id,
        thread_id=comment.thread_id,
        parent_id=comment.parent_id,
        answers_id=comment.answers_id,
        author_id=comment.author_id if text is not None else 0,
        text=text or "",
        language=comment.language,
        state=state_to_proto(state),
        posted_at_ms=comment.posted_at_ms,
        edited_at_ms=comment.edited_at_ms,
        revision=comment.edits,
        mentioned_ids=mentioned_ids,
        likes=likes,
        liked=liked,
        pinned=pinned,
        total_children=total_children,
        level=comment.level,
        version=comment.version,
    )


def facts_to_proto(comment: Comment, *, author_id: int, answered_author_id: int, first_shown: bool) -> events_pb2.CommentFacts:
    """What consumers hear of a comment: `author_id` also of one that has lost its author."""
    return events_pb2.CommentFacts(
        comment_id=comment.comment_id,
        video_id=comment.video_id,
        video_owner_id=comment.owner_id,
        author_id=author_id,
        thread_id=comment.thread_id,
        parent_id=comment.parent_id,
        answers_id=comment.answers_id,
        answered_author_id=answered_author_id,
        mentioned_ids=comment.mentioned_ids,
        state=state_to_proto(comment.state),
        stands=stands(comment),
        first_shown=first_shown,
        posted_at_ms=comment.posted_at_ms,
        personalisation=comment.personalisation,
    )


def places_from_facts(facts: events_pb2.CommentFacts, *, version: int) -> tuple[list[Place], list[Place]]:
    """Where a comment stands in lists from now on, and where it no longer does."""
    return places(
        video_id=facts.video_id,
        owner_id=facts.video_owner_id,
        thread_id=facts.thread_id,
        comment_id=facts.comment_id,
        stands=facts.stands,
        is_held=facts.state == pb.COMMENT_STATE_HELD,
        version=version,
    )


def like_from_event(message: events_pb2.CommentLiked, *, version: int) -> CountedCommentLike:
    """The member that an event makes of a like."""
    return CountedCommentLike(
        comment_id=message.comment_id, shard=0, user_id=message.user_id, source_version=version, present=message.active
    )


def revision_to_proto(comment: Comment, *, text: str | None) -> pb.CommentRevision:
    """An earlier text; revisions count from 0, edits from 1."""
    return pb.CommentRevision(revision=comment.revision - 1, text=text or "", written_at_ms=comment.posted_at_ms)
