"""Persisted nouns of affinities; copies made from social's events, versions are those of the acts."""

from __future__ import annotations

from dataclasses import dataclass

from mesh.stores.tables.schema import Clustering, Guard, Partition, table


@table("viewer_engagements", guard=Guard.PLAIN)
@dataclass(frozen=True, slots=True, kw_only=True)
class ViewerEngagement:
    """What a person last did with a video in one way while they consented, under its creator. Strength is summed when it is read, so it
    cannot drift. Old rows expire."""

    viewer_id: Partition[int]
    creator_id: Clustering[int]
    video_id: Clustering[int]
    kind: Clustering[int]
    """social.v1.EngagementKind."""
    active: bool = False
    """False for what was taken back; the row stays to keep older news away."""
    acted_at_ms: int = 0
    expires_at_ms: int = 0
    version: int = 0


@table("viewer_comments", guard=Guard.PLAIN)
@dataclass(frozen=True, slots=True, kw_only=True)
class ViewerComment:
    """A comment that a person wrote while they consented, under the creator of the video; the version is the comment's. Old rows expire."""

    viewer_id: Partition[int]
    creator_id: Clustering[int]
    comment_id: Clustering[int]
    active: bool = False
    """False for what is not published any more; the row stays to keep older news away."""
    acted_at_ms: int = 0
    expires_at_ms: int = 0
    version: int = 0
