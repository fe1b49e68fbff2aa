"""The persisted nouns of comments: threads, where their comments are found, what creators want held and put first."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from mesh.stores.tables.schema import Clustering, ClusteringDescending, Guard, Partition, table

MONTH_MS = 30 * 24 * 3_600_000
"""How much time one partition of a video's threads covers."""


class CommentState(enum.IntEnum):
    """Where a comment stands; social.v1.CommentState."""

    PUBLISHED = 1
    HELD = 2
    HIDDEN = 3
    REMOVED = 4


@table("comments", guard=Guard.GUARDED)
@dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    """A comment as it is, or one of its earlier texts. A thread is one partition: a reply and what its parent says of it change in one step."""

    thread_id: Partition[int]
    revision: Clustering[int]
    """0 for the comment as it is; n for the text that its n-th edit replaced."""
    parent_id: Clustering[int]
    """What it stands below; 0 at the top. So the children of a comment stand side by side, in the order of their ids."""
    comment_id: Clustering[int]
    """Larger than the ids of what it answers."""
    path: str = ""
    """Ids from the top of the thread down to the comment itself, separated by spaces: the keys of everything above it."""
    video_id: int = 0
    owner_id: int = 0
    """Who made the video."""
    author_id: int = 0
    """0 when it was removed."""
    answers_id: int = 0
    """The parent, but below the last level what it stands beside; 0 at the top."""
    state: CommentState = CommentState.PUBLISHED
    text_sealed: bytes = b""
    """Sealed for its author; empty when it was removed."""
    language: str = ""
    mentioned: str = ""
    """Ids of the people whom the text names, separated by spaces."""
    limited: bool = False
    """The text policy lets it pass, but it is not put before others."""
    personalisation: bool = False
    posted_at_ms: int = 0
    """Of an earlier text: when that was written."""
    edited_at_ms: int = 0
    shown_at_ms: int = 0
    """When everybody could see it first; 0 for not yet."""
    edits: int = 0
    child_count: int = 0
    """How many comments stand right below it."""
    first_children: str = ""
    """Ids of the first of them, separated by spaces."""
    applied: str = ""
    """Operation ids of the last changes, so that the repeat of one is told apart from another change."""
    version: int = 0

    @property
    def ids(self) -> tuple[int, ...]:
        """The path as numbers."""
        return tuple(map(int, self.path.split()))

    @property
    def level(self) -> int:
        """1 at the top."""
        return len(self.path.split())

    @property
    def children(self) -> tuple[int, ...]:
        """The first children."""
        return tuple(map(int, self.first_children.split()))

    @property
    def mentioned_ids(self) -> tuple[int, ...]:
        """The people whom the text names."""
        return tuple(map(int, self.mentioned.split()))


@table("comment_places", guard=Guard.PLAIN)
@dataclass(frozen=True, slots=True, kw_only=True)
class CommentPlace:
    """Where the comment of an id is. Written before the comment, and never changed."""

    comment_id: Partition[int]
    video_id: int = 0
    path: str = ""
    version: int = 0


@table("video_threads", guard=Guard.PLAIN)
@dataclass(frozen=True, slots=True, kw_only=True)
class VideoThread:
    """A thread of a video in the order of time, under the version of the comment at its top; that one says whether it stands."""

    video_id: Partition[int]
    month: Partition[int]
    """The moment in `thread_id`, in whole MONTH_MS."""
    thread_id: ClusteringDescending[int]
    version: int = 0


@table("video_roots", guard=Guard.PLAIN)
@dataclass(frozen=True, slots=True, kw_only=True)
class VideoRoot:
    """A thread of a video, whatever became of it. Written before the comment at its top; deleted when the video is gone, and nothing of the thread
    is left to be taken back."""

    video_id: Partition[int]
    shard: Partition[int]
    """Of `thread_id`: rules.root_shard_of."""
    thread_id: Clustering[int]
    version: int = 0


@table("deleted_videos", guard=Guard.PLAIN)
@dataclass(frozen=True, slots=True, kw_only=True)
class DeletedVideo:
    """A video that is gone, of which what people said and did is still to be taken back."""

    shard: Partition[int]
    video_id: Clustering[int]
    due_at_ms: int = 0
    """When no permit for it can be alive any more."""
    version: int = 0


@table("video_thread_months", guard=Guard.PLAIN)
@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadMonth:
    """A month in which a video ever got a comment: readers skip all others."""

    video_id: Partition[int]
    month: ClusteringDescending[int]
    version: int = 0


@table("thread_ranks", guard=Guard.GUARDED)
@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadRank:
    """The score of a thread, which says which of its ranked rows holds."""

    thread_id: Partition[int]
    score: int = 0
    """UNRANKED for a thread that does not stand."""
    version: int = 0


@table("ranked_threads", guard=Guard.PLAIN)
@dataclass(frozen=True, slots=True, kw_only=True)
class RankedThread:
    """A thread of a video in the order of scores. It may be stale: only the rank says whether it holds."""

    video_id: Partition[int]
    score: ClusteringDescending[int]
    thread_id: ClusteringDescending[int]
    version: int = 0


@table("held_comments", guard=Guard.PLAIN)
@dataclass(frozen=True, slots=True, kw_only=True)
class HeldComment:
    """A comment that waits for the creator of its video, under the version of the comment; that one says whether it still does."""

    owner_id: Partition[int]
    comment_id: Clustering[int]
    version: int = 0


@table("pinned_comments", guard=Guard.GUARDED)
@dataclass(frozen=True, slots=True, kw_only=True)
class PinnedComment:
    """Which comment a creator puts before the others of a video."""

    video_id: Partition[int]
    comment_id: int = 0
    """0 for none."""
    applied: str = ""
    version: int = 0


@table("comment_likes", guard=Guard.PLAIN)
@dataclass(frozen=True, slots=True, kw_only=True)
class CommentLike:
    """What a person last said of a comment. The version is the id of the operation, claimed by its request."""

    comment_id: Partition[int]
    shard: Partition[int]
    user_id: Clustering[int]
    active: bool = False
    acted_at_ms: int = 0
    first_acted_at_ms: int = 0
    version: int = 0


@table("counted_comment_likes", guard=Guard.GUARDED)
@dataclass(frozen=True, slots=True, kw_only=True)
class CountedCommentLike:
    """A member of the tallied set of a comment's likes; and the tally beside them."""

    comment_id: Partition[int]
    shard: Partition[int]
    user_id: Clustering[int]
    """0 for the tally."""
    source_version: int = 0
    present: bool = False
    size: int = 0
    version: int = 0


@table("comment_filters", guard=Guard.GUARDED)
@dataclass(frozen=True, slots=True, kw_only=True)
class CommentFilter:
    """What a creator wants held on their videos."""

    user_id: Partition[int]
    words_sealed: bytes = b""
    """Words, one a line, sealed for the creator."""
    hold_links: bool = False
    hold_all: bool = False
    applied: str = ""
    version: int = 0
