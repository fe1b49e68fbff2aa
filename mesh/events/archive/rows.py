"""What an archiver keeps in the tables of the service it runs in."""

from __future__ import annotations

import json
from dataclasses import dataclass

from mesh.stores.tables.schema import Guard, Partition, table


@table("archive_positions", guard=Guard.GUARDED)
@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivePosition:
    """How far the outbox is archived and who archives it; one row, and its version is the fence."""

    row: Partition[int]
    """Always 0."""
    owner: str = ""
    held_until_ms: int = 0
    positions: str = ""
    """A JSON list: for each shard of the outbox the position up to which everything is in the archive."""
    archived: int = 0
    """Events archived since the first start."""
    swept_at_ms: int = 0
    """When files past their time were last deleted."""
    version: int = 0


def positions_of(row: ArchivePosition | None, shards: int) -> list[str]:
    """Position by shard; empty, which is the beginning, for what was never archived."""
    known = json.loads(row.positions) if row is not None and row.positions else []
    return [*known, *[""] * shards][:shards]
