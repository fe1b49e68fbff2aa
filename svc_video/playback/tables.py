"""Persisted nouns of playback: the list of revocations that the media edge copies."""

from __future__ import annotations

from dataclasses import dataclass

from mesh.stores.tables.schema import Clustering, Guard, Partition, table

REVOCATION_SHARD = 0
HEAD = 0
"""Position of the row that holds the last position given; entries begin at 1."""


@table("revocations", guard=Guard.GUARDED)
@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """One epoch that rose. Head and entry are written in one step, so positions have no gaps and become readable in order."""

    shard: Partition[int]
    position: Clustering[int]
    video_id: int = 0
    epoch: int = 0
    """The lowest epoch that still plays."""
    last: int = 0
    """Only in the head: the last position given."""
    expires_at_ms: int = 0
    version: int = 0


PLAYBACK_TABLES: tuple[type, ...] = (Revocation,)
