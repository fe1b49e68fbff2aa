"""Persisted nouns of signals."""

from __future__ import annotations

from dataclasses import dataclass

from mesh.stores.tables.schema import Clustering, Guard, Partition, table

SHARDS = 8
"""Partitions of one video's ledger: conditional writes of one partition queue behind one another."""


@table("watch_ledger", guard=Guard.GUARDED)
@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """One entry of a video's watch ledger: its tally, a view token or a report.

    They share a partition so that a report, its token and the tally change in one step: nothing is counted twice, nothing half.
    Tokens and reports expire with the token; the tally stays.
    """

    video_id: Partition[int]
    shard: Partition[int]
    entry: Clustering[str]
    """Empty for the tally, `t:TOKEN` for a token, `e:TOKEN:EVENT` for a report."""
    views: int = 0
    """Tally: counted views. Token: 1 once it counted."""
    tokens: int = 0
    """Tally: tokens that were reported at least once."""
    watched_ms: int = 0
    """Tally and token: counted watching; report: what it added."""
    loops: int = 0
    share_sum: float = 0.0
    """Tally: sum over tokens of the share watched, each at most 1. Token: its share."""
    score: float = 0.0
    """Tally: share sum that halves every HALF_LIFE_MS, as of score_at_ms."""
    score_at_ms: int = 0
    expires_at_ms: int = 0
    version: int = 0


@table("watched_videos", guard=Guard.PLAIN)
@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedVideo:
    """What a person who consents watched of a video: the seen set and the history of tastes."""

    viewer_id: Partition[int]
    video_id: Clustering[int]
    creator_id: int = 0
    category: int = 0
    hashtags: str = ""
    """Separated by blanks."""
    share: float = 0.0
    """Largest share of the clip watched in one showing, 0 to 1."""
    watched_at_ms: int = 0
    version: int = 0
    """Server time of the write in milliseconds."""


@table("viewer_paces", guard=Guard.GUARDED)
@dataclass(frozen=True, slots=True, kw_only=True)
class ViewerPace:
    """How much a viewer claims to have watched lately: nobody watches faster than time goes by."""

    viewer_key: Partition[str]
    window_start_ms: int = 0
    watched_ms: int = 0
    expires_at_ms: int = 0
    version: int = 0
