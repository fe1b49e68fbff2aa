"""Pure decisions about comments: where a reply stands, what a change does to what is above it, who may write, what is ranked how."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import replace

from svc_social.comments.errors import CommentNotFound, TooManyReplies
from svc_social.comments.tables import Comment, CommentState

MOST_LEVELS = 5
INLINE_CHILDREN = 10
"""Children of a comment that are found without looking for them (spec/social.md)."""
MOST_CHILDREN = 10_000
"""Children of one comment: its thread is one partition."""
MOST_NODES = 500
"""Comments of one answer, all levels together."""
REVISIONS_KEPT = 10
LIKE_SHARDS = 16
"""Partitions of one comment's likes."""

ROOT_SHARDS = 8
"""Partitions of the threads of one video; must never change."""

UNRANKED = -1
"""The score of a thread that does not stand."""
_DECADE_MS = 3 * 24 * 3_600_000
"""By how much newer a comment has to be to stand beside one with ten times its points."""
_DECADE = 100
"""Steps of the score within a factor of ten: a thread moves in the order when its points grew by 2 % or so, not with each like."""
_SINCE_MS = 1_704_067_200_000
"""From when age is counted: the beginning of 2024, as ids do."""

EVERYONE, FOLLOWERS, FRIENDS = 1, 2, 3
"""Numbers of social.v1.Audience."""


def shard_of(user_id: int) -> int:
    """The partition of a comment's likes in which a person's is."""
    return zlib.crc32(str(user_id).encode()) % LIKE_SHARDS


def root_shard_of(thread_id: int) -> int:
    """The partition of a video's threads in which one is: by its moment, since the lower digits are the same in ids of one node."""
    return (thread_id >> 22) % ROOT_SHARDS


def stands(comment: Comment) -> bool:
    """Whether it has a place in its thread: published, or a tombstone that keeps what answers it."""
    return comment.state is CommentState.PUBLISHED or (comment.state is CommentState.REMOVED and comment.child_count > 0)


def path_below(answered: Comment, comment_id: int) -> tuple[int, ...]:
    """Where an answer stands: below what it answers, on the last level beside it."""
    above = answered.ids if answered.level < MOST_LEVELS else answered.ids[:-1]
    return (*above, comment_id)


def check_answerable(chain: Sequence[Comment]) -> None:
    """The last of a chain can be answered: it is published, and everything above it stands. Raises CommentNotFound, TooManyReplies."""
    if not chain or chain[-1].state is not CommentState.PUBLISHED or not all(map(stands, chain)):
        raise CommentNotFound()
    parent = chain[-1] if chain[-1].level < MOST_LEVELS else chain[-2]
    if parent.child_count >= MOST_CHILDREN:
        raise TooManyReplies(most=MOST_CHILDREN)


def woven(above: Sequence[Comment], before: Comment | None, after: Comment) -> list[Comment]:
    """What a changed comment does to its thread: itself, and upwards everything that lost or gained a child by it; `above` begins at the top."""
    changed = [after]
    stood, stays = before is not None and stands(before), stands(after)
    child_id = after.comment_id
    for parent in reversed(above):
        if stood == stays:
            break
        other = _with_child(parent, child_id) if stays else _without_child(parent, child_id)
        changed.append(other)
        stood, stays, child_id = stands(parent), stands(other), parent.comment_id
    return changed


def _with_child(parent: Comment, child_id: int) -> Comment:
    first = sorted({*parent.children, child_id})[:INLINE_CHILDREN]
    return replace(parent, child_count=parent.child_count + 1, first_children=joined(first))


def _without_child(parent: Comment, child_id: int) -> Comment:
    first = [one for one in parent.children if one != child_id]
    return replace(parent, child_count=parent.child_count - 1, first_children=joined(first))


def lacks_children(comment: Comment) -> bool:
    """Whether more children stand than the first ones that are noted, though there is room."""
    return len(comment.children) < min(INLINE_CHILDREN, comment.child_count)


def joined(ids: Sequence[int]) -> str:
    """Ids as a column holds them."""
    return " ".join(map(str, ids))


def removed(comment: Comment) -> Comment:
    """The tombstone of a comment: nothing of its author stays."""
    return replace(
        comment,
        state=CommentState.REMOVED,
        author_id=0,
        text_sealed=b"",
        language="",
        mentioned="",
        limited=False,
        personalisation=False,
        edited_at_ms=0,
        edits=0,
    )


def may_comment(audience: int, *, is_owner: bool, follows: bool, followed: bool) -> bool:
    """Whether somebody is among those whom a creator lets comment; `followed` says that the creator follows them."""
    if is_owner or audience == EVERYONE:
        return True
    if audience == FOLLOWERS:
        return follows
    return audience == FRIENDS and follows and followed


def score(root: Comment, *, likes: int) -> int:
    """Where a thread stands among the others of its video, the largest first; UNRANKED for one that does not stand, 0 for a limited text.

    log10 of the points, each reply worth two likes, plus one for every three days that it is newer. That is Reddit's "hot" (`_sorts.pyx` of its
    published source; A. Salihefendic, How Reddit ranking algorithms work, 2015) without down-votes and with a longer decade: since age is
    added and not multiplied, nothing has to be computed anew as time goes by.
    """
    if not stands(root):
        return UNRANKED
    if root.limited:
        return 0
    points = max(1, likes + 2 * root.child_count)
    return 1 + int(_DECADE * math.log10(points)) + _DECADE * max(0, root.posted_at_ms - _SINCE_MS) // _DECADE_MS
