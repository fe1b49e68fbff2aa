"""Rows, events and small readers that the contract suite of the tables port works with."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from clipmesh.common.v1 import envelope_pb2

from mesh.events.event import Event
from mesh.stores.tables.port import OutboxEntry, Tables
from mesh.stores.tables.schema import Clustering, ClusteringDescending, Guard, Partition, Scope, table


class Mood(enum.IntEnum):
    """A column that is an IntEnum."""

    CALM = 0
    LOUD = 7


class Colour(enum.StrEnum):
    """A column that is a StrEnum."""

    RED = "red"
    BLUE = "blue"


@table("tickets", guard=Guard.GUARDED)
@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """A guarded row with a partition key alone."""

    ticket_id: Partition[int]
    note: str = ""
    version: int = 0


@table("leases", guard=Guard.GUARDED)
@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A guarded row that expires."""

    name: Partition[str]
    holder: str = ""
    expires_at_ms: int = 0
    version: int = 0


@table("seats", guard=Guard.GUARDED)
@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """Guarded rows that share a partition."""

    hall: Partition[int]
    seat: Clustering[int]
    guest: str = ""
    version: int = 0


@table("scores", guard=Guard.PLAIN)
@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Plain rows in two clustering columns of opposite direction, which expire."""

    game: Partition[int]
    points: ClusteringDescending[int]
    player: Clustering[str]
    note: str = ""
    expires_at_ms: int = 0
    version: int = 0


@table("everything", guard=Guard.PLAIN)
@dataclass(frozen=True, slots=True, kw_only=True)
class Everything:
    """A plain row with each kind of column, in key and value; its names are SQL's own words."""

    group: Partition[str]
    order: Partition[Mood]
    select: Clustering[bytes]
    where: Clustering[bool]
    integer: int = 0
    real: float = 0.0
    text: str = ""
    blob: bytes = b""
    yes: bool = False
    mood: Mood = Mood.CALM
    colour: Colour = Colour.RED
    version: int = 0


@table("world", guard=Guard.PLAIN, scope=Scope.GLOBAL)
@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A plain row of global scope."""

    name: Partition[str]
    version: int = 0


@table("undeclared", guard=Guard.PLAIN)
@dataclass(frozen=True, slots=True, kw_only=True)
class Undeclared:
    """A table that the store is not opened with."""

    name: Partition[str]
    version: int = 0


ROW_TYPES: tuple[type, ...] = (Ticket, Lease, Seat, Score, Everything, World)
"""What the suite's store is opened with."""


def event(event_id: int, key: str = "k", *, topic: str = "contract", key_version: int = 0, filler: str = "") -> Event:
    """An event about `key`."""
    return Event(
        event_id=event_id,
        topic=topic,
        key=key,
        message=envelope_pb2.ChangeHint(topic=topic, key=filler or key, version=event_id),
        occurred_at_ms=1_760_000_000_000,
        producer="contract",
        subject_ids=(7,),
        key_version=key_version,
    )


async def entries_after(tables: Tables, positions: dict[int, str], *, limit: int = 500) -> list[OutboxEntry]:
    """All entries behind the positions, shard by shard; moves the positions on."""
    found: list[OutboxEntry] = []
    for shard in range(tables.outbox_shards):
        while True:
            page = await tables.read_outbox(shard, after=positions.get(shard, ""), limit=limit)
            if not page.entries:
                break
            found.extend(page.entries)
            positions[shard] = page.position
    return found


def versions_by_key(entries: Sequence[OutboxEntry]) -> dict[str, list[tuple[int, int]]]:
    """(event id, key version) of each key's entries, in the order they came; an entry that came twice counts once."""
    found: dict[str, dict[int, int]] = {}
    for entry in entries:
        envelope = envelope_pb2.EventEnvelope.FromString(entry.envelope)
        assert (envelope.event_id, envelope.topic, envelope.key) == (entry.event_id, entry.topic, entry.key)
        found.setdefault(entry.key, {})[entry.event_id] = envelope.key_version
    return {key: list(versions.items()) for key, versions in found.items()}
