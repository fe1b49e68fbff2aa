"""The persisted nouns of reviews."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from mesh.stores.tables.schema import Clustering, ClusteringDescending, Guard, Partition, Scope, table


class ReviewState(enum.IntEnum):
    """Where a review stands."""

    OPEN = 1
    DECIDED = 2
    SUPERSEDED = 3


@table("reviews", guard=Guard.GUARDED, scope=Scope.GLOBAL)
@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """One case. What was decided is a fact of the verdict; this row follows it."""

    review_id: Partition[int]
    video_id: int = 0
    creator_id: int = 0
    state: ReviewState = ReviewState.OPEN
    verdict_number: int = 0
    """Which verdict of the video opened it."""
    severity: int = 0
    """0 to 100."""
    caption: str = ""
    created_at_ms: int = 0
    decided_by: int = 0
    decision: int = 0
    """rights.v1.VerdictKind; 0 while open."""
    decision_reason: str = ""
    decided_at_ms: int = 0
    version: int = 0


@table("review_queue", guard=Guard.PLAIN, scope=Scope.GLOBAL)
@dataclass(frozen=True, slots=True, kw_only=True)
class QueueEntry:
    """A place in a list of reviews: most severe first, then oldest. Shards keep a partition small; readers merge them."""

    state: Partition[ReviewState]
    shard: Partition[int]
    severity: ClusteringDescending[int]
    created_at_ms: Clustering[int]
    review_id: Clustering[int]
    expires_at_ms: int = 0
    """Reviews that are over stay listed for 90 days; the log of verdicts keeps them for ever."""
    version: int = 0
