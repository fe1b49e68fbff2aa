"""Persisted nouns of signals."""

from __future__ import annotations

from dataclasses import dataclass

from mesh.stores.tables.schema import Clustering, ClusteringDescending, Guard, Partition, table

SHARDS = 8
"""Partitions of one video's ledger: conditional writes of one partition queue behind one another."""


@table("watch_ledger", guard=Guard.GUARDED)
@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """One entry of a video's watch ledger: its tally, a view token or a report.

    They share a partition so that a report, its token and the tally change in one step: nothing is counted twice, nothing half.
    Tokens and reports expire with the token; the tally stays. Nobody is named here: a token's id is random.
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


@table("reported_events", guard=Guard.GUARDED)
@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedEvent:
    """Which view token a client's event id belongs to, put if absent: with another token the id is a repetition."""

    event_key: Partition[str]
    """Pseudonym of viewer and event id."""
    token_id: str = ""
    expires_at_ms: int = 0
    version: int = 0


@table("watched_videos", guard=Guard.PLAIN)
@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedVideo:
    """What a person who consents watched of one offer: the seen set and the history of tastes, newest first. Old rows expire.

    It repeats the token's entry of the ledger under that entry's version, so that it can be written again at any time.
    """

    viewer_id: Partition[int]
    offered_at_ms: ClusteringDescending[int]
    token_id: Clustering[str]
    video_id: int = 0
    creator_id: int = 0
    category: int = 0
    hashtags: str = ""
    """Separated by blanks."""
    share: float = 0.0
    """Share of the clip that was watched, 0 to 1."""
    watched_at_ms: int = 0
    expires_at_ms: int = 0
    version: int = 0


@table("viewer_paces", guard=Guard.GUARDED)
@dataclass(frozen=True, slots=True, kw_only=True)
class ViewerPace:
    """Until when the claims of a person, or of everybody anonymous in one network, take up the time: nobody watches faster than time goes by.

    It says nothing of what was watched, is kept under a pseudonym and ends by itself as soon as it could no longer refuse anything.
    """

    pace_key: Partition[str]
    """Pseudonym of the person, or of the network's own pseudonym: personal data, kept here and nowhere else."""
    paid_until_ms: int = 0
    """When all claimed watching would be over, one piece after the other."""
    expires_at_ms: int = 0
    version: int = 0
