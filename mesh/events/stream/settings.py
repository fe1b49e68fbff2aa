"""Settings of an event stream, shared by every process that uses it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSettings:
    """How a stream is cut, kept and leased; every process of a deployment has to use the same."""

    prefix: str = "clipmesh:"
    """Start of every key, channel and topic name in the server, so that several deployments may share one."""
    partitions: int = 8
    """Partitions of a topic; never changed while it holds records, because a key's partition follows from it."""
    retention_ms: int = 7 * 24 * 3_600_000
    """How long records are kept, in milliseconds; about, never less."""
    max_records: int = 1_000_000
    """Most records of one partition, whatever their age; a bound for memory."""
    hint_retention_ms: int = 5 * 60_000
    """How long hints are kept, in milliseconds."""
    hint_records: int = 1_000
    """Most hints of one partition."""
    lease_ms: int = 10_000
    """How long a partition stays with a member that does not speak up, in milliseconds."""
    heartbeat_ms: int = 3_000
    """How often a member speaks up, in milliseconds; at most a third of the lease."""

    def __post_init__(self) -> None:
        if not 1 <= self.partitions <= 1_024:
            raise ValueError(f"partitions={self.partitions}: from 1 to 1,024")
        if not 0 < self.heartbeat_ms * 3 <= self.lease_ms:
            raise ValueError(f"heartbeat_ms={self.heartbeat_ms} has to be at most a third of lease_ms={self.lease_ms}")
        if min(self.retention_ms, self.max_records, self.hint_retention_ms, self.hint_records) <= 0:
            raise ValueError("retention and record limits have to be above 0")
