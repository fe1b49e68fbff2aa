"""The rows that the benches write: one guarded, one that an event leaves behind."""

from __future__ import annotations

from dataclasses import dataclass

from mesh.stores.tables.schema import Clustering, Guard, Partition, table


@table("bench_written", guard=Guard.GUARDED)
@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """One of many rows of a writer."""

    writer: Partition[int]
    number: Clustering[int]
    words: str = ""
    version: int = 0


@table("bench_heard", guard=Guard.PLAIN)
@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What one event left."""

    video_id: Partition[int]
    size_bytes: int = 0
    version: int = 0
