"""The persisted nouns of engagement: acts, what follows from them by person and in numbers, and collections of saves."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from mesh.stores.tables.schema import Clustering, ClusteringDescending, Guard, Partition, table


class EngagementKind(enum.IntEnum):
    """What a person does with a video; social.v1.EngagementKind."""

    LIKE = 1
    SAVE = 2
    SHARE = 3
    REPOST = 4
    COMMENT = 5
    """Counted from the events of comments; no act of this area."""


class ShareTarget(enum.IntEnum):
    """Where a share goes; social.v1.ShareTarget."""

    NONE = 0
    """The act is no share."""
    LINK = 1
    MESSAGE = 2
    OTHER_APP = 3


@table("acts", guard=Guard.PLAIN)
@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """What a person last did with a video in one way: the truth of engagement. The version is the id of the operation, claimed by its request."""

    video_id: Partition[int]
    shard: Partition[int]
    kind: Clustering[EngagementKind]
    user_id: Clustering[int]
    share_id: Clustering[int]
    """The operation of a share, each of which is an act of its own; 0 for other kinds."""
    creator_id: int = 0
    """Who made the video, as video's permit said."""
    active: bool = False
    acted_at_ms: int = 0
    first_acted_at_ms: int = 0
    """When the person first did it, however often it was taken back since; 0 in rows that are older than the column."""
    collection_id: int = 0
    """Where it was saved; 0 for no collection."""
    share_target: ShareTarget = ShareTarget.NONE
    version: int = 0


@table("engaged_videos", guard=Guard.PLAIN)
@dataclass(frozen=True, slots=True, kw_only=True)
class EngagedVideo:
    """One place of a person's list, made from the events of acts. It may be stale: only the act says whether it counts."""

    user_id: Partition[int]
    kind: Partition[EngagementKind]
    collection_id: Partition[int]
    """0 for the list of everything of the kind."""
    month: Partition[int]
    """Months since year 0, of acted_at_ms in UTC."""
    acted_at_ms: ClusteringDescending[int]
    video_id: ClusteringDescending[int]
    version: int = 0


@table("engaged_months", guard=Guard.PLAIN)
@dataclass(frozen=True, slots=True, kw_only=True)
class EngagedMonth:
    """A month in which a person's list has or had places, so that no empty one is looked through."""

    user_id: Partition[int]
    kind: Partition[EngagementKind]
    collection_id: Partition[int]
    month: ClusteringDescending[int]
    version: int = 0


@table("counted_acts", guard=Guard.GUARDED)
@dataclass(frozen=True, slots=True, kw_only=True)
class CountedAct:
    """A member of the tallied set of a video and kind: a person, or one share; and the tally beside them."""

    video_id: Partition[int]
    kind: Partition[EngagementKind]
    shard: Partition[int]
    member: Clustering[int]
    """The person, of a share its id; 0 for the tally."""
    source_version: int = 0
    present: bool = False
    size: int = 0
    version: int = 0


@table("busy_videos", guard=Guard.PLAIN)
@dataclass(frozen=True, slots=True, kw_only=True)
class BusyVideo:
    """While the row lasts, counts of the video lag behind what was done."""

    video_id: Partition[int]
    expires_at_ms: int = 0
    version: int = 0


@table("collections", guard=Guard.GUARDED)
@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """A named place for saves, the count of them, or the mark of a deleted one: all stand in one partition and change in one step."""

    user_id: Partition[int]
    collection_id: Clustering[int]
    """0 for the count; below 0 the mark of the deleted collection with the opposite id, so that lists never read it."""
    name_sealed: bytes = b""
    created_at_ms: int = 0
    count: int = 0
    """Of the row 0: how many collections the person has."""
    applied_edits: str = ""
    """Operation ids of the last changes, so that the repeat of one is told apart from another change."""
    expires_at_ms: int = 0
    """Of the mark of a deleted collection: it stays until no repeat of its creation can come."""
    version: int = 0
