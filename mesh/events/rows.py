"""What relays and consumers keep in the tables of the service they run in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from mesh.stores.tables.schema import Clustering, Guard, Partition, table


@table("relay_positions", guard=Guard.GUARDED)
@dataclass(frozen=True, slots=True, kw_only=True)
class RelayPosition:
    """How far the outbox of a shard was relayed, and who relays it; the row's version is the fence."""

    shard: Partition[int]
    owner: str = ""
    held_until_ms: int = 0
    position: str = ""
    """Everything up to here was published at least once."""
    saved_at_ms: int = 0
    """When `position` was written."""
    checkpoint: str = ""
    """An earlier position, where a relay goes on that finds `position` too young to trust."""
    checkpoint_at_ms: int = 0
    overlap: str = ""
    """A still earlier one: published an overlap before `checkpoint_at_ms`."""
    generation: str = ""
    """The stream's marker when `position` was begun; another marker means that the stream lost its contents."""
    lineage: str = ""
    """Which run of marks the stream carries; a mark of another run says nothing about this row."""
    tick: int = 0
    """The number of the last mark that was published."""
    version: int = 0


@table("event_attempts", guard=Guard.PLAIN)
@dataclass(frozen=True, slots=True, kw_only=True)
class EventAttempt:
    """How often the event at the head of a partition was tried; it blocks the partition, so there is one a partition."""

    consumer: Partition[str]
    topic: Clustering[str]
    partition: Clustering[int]
    event_id: int = 0
    attempts: int = 0
    failed_first_at_ms: int = 0
    version: int = 0


@table("dead_letters", guard=Guard.PLAIN)
@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """An event that a consumer gave up on."""

    consumer: Partition[str]
    """The consumer group: `<service>.<consumer>`."""
    event_id: Clustering[int]
    topic: str = ""
    key: str = ""
    key_version: int = 0
    type: str = ""
    reason: str = ""
    """A stable word: the error's reason or class."""
    detail: str = ""
    """What the error said, cut short."""
    attempts: int = 0
    died_at_ms: int = 0
    envelope: bytes = b""
    """The event as it came; empty when it was too large to be kept, then only a rewind brings it again."""
    replayed_at_ms: int = 0
    """When a replay worked; 0 while the letter is dead."""
    expires_at_ms: int = 0
    version: int = 0


EVENT_TABLES: Final = (RelayPosition, EventAttempt, DeadLetter)
"""Every service that relays or consumes has these among its row types."""
