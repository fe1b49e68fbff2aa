"""The persisted nouns of the graph: the bond of two people, and the lists and counts that are folded from its events."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from mesh.stores.tables.schema import Clustering, ClusteringDescending, Guard, Partition, table

MONTH_MS = 30 * 24 * 3_600_000
"""How much time one partition of a list covers."""


class FollowState(enum.IntEnum):
    """How far one person's follow of another is; the numbers are those of the proto."""

    NONE = 0
    REQUESTED = 1
    FOLLOWING = 2


class Direction(enum.IntEnum):
    """Which edges of a person are counted."""

    FOLLOWERS = 1
    FOLLOWING = 2
    ASKING = 3
    """Whom the person asks to follow and has no answer from."""


class ListKind(enum.IntEnum):
    """Which list of a person it is."""

    FOLLOWERS = 1
    FOLLOWING = 2
    REQUESTS = 3
    """Who asks to follow the person."""
    BLOCKED = 4
    MUTED = 5


@table("bonds", guard=Guard.GUARDED)
@dataclass(frozen=True, slots=True, kw_only=True)
class Bond:
    """All that stands between two people. One row holds both directions, so that a follow and a block of the same pair can never both come through."""

    low_id: Partition[int]
    """The smaller id."""
    high_id: Partition[int]
    low_follow: FollowState = FollowState.NONE
    """What the person with the smaller id does to the other."""
    low_follow_since_ms: int = 0
    low_blocks_since_ms: int = 0
    """0 without a block."""
    low_mutes_since_ms: int = 0
    high_follow: FollowState = FollowState.NONE
    high_follow_since_ms: int = 0
    high_blocks_since_ms: int = 0
    high_mutes_since_ms: int = 0
    applied: str = ""
    """Operation ids of the last acts of both, also of those that changed nothing, so that the repeat of one is told apart from another act."""
    version: int = 0


@table("graph_edges", guard=Guard.GUARDED)
@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """A follow or an open request as one of its ends counts it; a tallied set for each person and direction."""

    user_id: Partition[int]
    direction: Partition[Direction]
    shard: Partition[int] = 0
    other_id: Clustering[int] = 0
    """0 for the tally."""
    source_version: int = 0
    """Version of the bond."""
    present: bool = False
    size: int = 0
    version: int = 0


@table("graph_lists", guard=Guard.PLAIN)
@dataclass(frozen=True, slots=True, kw_only=True)
class ListedPerson:
    """One place in a list of a person, under the version of the bond that it was read from; lists may lag and are compared with the bonds."""

    user_id: Partition[int]
    kind: Partition[ListKind]
    month: Partition[int]
    """`since_ms` in whole MONTH_MS: a list of years is no single partition."""
    since_ms: ClusteringDescending[int]
    other_id: Clustering[int]
    version: int = 0


@table("graph_list_months", guard=Guard.PLAIN)
@dataclass(frozen=True, slots=True, kw_only=True)
class ListedMonth:
    """A month in which a list of a person ever got somebody: readers skip all others."""

    user_id: Partition[int]
    kind: Partition[ListKind]
    month: ClusteringDescending[int]
    version: int = 0
