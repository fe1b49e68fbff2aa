"""Events on their way into the outbox: checked, serialised, and the shard they belong to."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from mesh.events.event import Event
from mesh.stores.tables.port import MAX_BATCH_BYTES, BatchTooLarge, InvalidUse
from mesh.stores.tables.rows import counted_bytes

SHARDS = 8
"""Shards of the outbox; a key's shard depends on it, so it never changes for a store."""


def shard_of(topic: str, key: str) -> int:
    """The shard in which all entries of a key live."""
    return zlib.crc32(f"{topic}\0{key}".encode()) % SHARDS


@dataclass(frozen=True, slots=True)
class PreparedEvent:
    """An event serialised for the version that its row will most likely get."""

    event: Event
    row_version: int
    envelope: bytes

    @classmethod
    def of(cls, event: Event, *, row_version: int) -> PreparedEvent:
        """Check and serialise; InvalidUse for an event without topic, key or version."""
        if not event.topic or not event.key:
            raise InvalidUse(f"event {event.event_id}: topic and key cannot be empty")
        if (event.key_version or row_version) < 1:
            raise InvalidUse(f"event {event.event_id}: without a row an event needs its own key_version")
        return cls(event, row_version, event.envelope(row_version=row_version).SerializeToString())

    def envelope_for(self, row_version: int) -> bytes:
        """The envelope for the version that the row got; another than expected only when an expired row stood there."""
        if row_version == self.row_version:
            return self.envelope
        return self.event.envelope(row_version=row_version).SerializeToString()

    @property
    def shard(self) -> int:
        """Where the entry lives."""
        return shard_of(self.event.topic, self.event.key)

    @property
    def counted_bytes(self) -> int:
        """What the entry adds to a batch."""
        return counted_bytes((0, self.event.event_id, self.event.topic, self.event.key, self.envelope))


def prepare_events(events: Sequence[Event], *, row_version: int, size: int) -> tuple[PreparedEvent, ...]:
    """Serialise the events of a write whose rows count `size` bytes; BatchTooLarge when both together exceed the limit."""
    prepared = tuple(PreparedEvent.of(event, row_version=row_version) for event in events)
    size += sum(event.counted_bytes for event in prepared)
    if size > MAX_BATCH_BYTES:
        raise BatchTooLarge(f"the write counts {size} bytes, at most {MAX_BATCH_BYTES}")
    return prepared
