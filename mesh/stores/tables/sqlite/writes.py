"""What a write does inside the writer's transaction: conditional changes, versioned puts, and the events beside them."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mesh.stores.tables.calls import GuardedChange
from mesh.stores.tables.entries import PreparedEvent
from mesh.stores.tables.port import RowExists, VersionConflict
from mesh.stores.tables.rows import ZERO, Scalar
from mesh.stores.tables.sqlite.outbox import OutboxLog
from mesh.stores.tables.sqlite.statements import TableSql


@dataclass(frozen=True, slots=True)
class Transaction:
    """What a write sees of the transaction it takes part in."""

    connection: sqlite3.Connection
    outbox: OutboxLog
    now_ms: int


@dataclass(frozen=True, slots=True)
class Done:
    """What a write answers: what it returns, and how far the outbox shards grew."""

    value: Any
    grown: dict[int, int]


@dataclass(frozen=True, slots=True)
class GuardedWrite:
    """Conditional changes of one partition, all or nothing, with their events."""

    table: TableSql
    changes: tuple[GuardedChange, ...]
    events: tuple[PreparedEvent, ...]

    def run(self, transaction: Transaction) -> Done:
        """Make the changes; returns the versions they wrote. RowExists or VersionConflict for the first that does not fit."""
        versions = [self._change(transaction, change) for change in self.changes]
        return Done(versions, transaction.outbox.append(self.events, row_version=versions[0]))

    def _change(self, transaction: Transaction, change: GuardedChange) -> int:
        table, codec, connection = self.table, self.table.codec, transaction.connection
        if change.expected_version == 0 and change.values is not None:
            # Most rows that are new stand nowhere yet: one statement finds that out and writes them.
            at = codec.version_at
            if connection.execute(table.insert, (*change.values[:at], 1, *change.values[at + 1 :])).rowcount:
                return 1
        stored = connection.execute(table.select_any, change.key).fetchone()
        found = stored
        if stored is not None and codec.expires_at >= 0 and 0 < stored[codec.expires_at] <= transaction.now_ms:
            found = None
        version = change.expected_version + 1
        if change.expected_version == 0:
            if found is not None:
                raise RowExists(codec.decode(found))
            # Events of the key keep their order when a row comes back after it expired.
            version = 1 if stored is None else stored[codec.version_at] + 1
        elif found is None or found[codec.version_at] != change.expected_version:
            raise VersionConflict(None if found is None else codec.decode(found))
        if change.values is None:
            connection.execute(table.delete, change.key)
        else:
            at = codec.version_at
            connection.execute(table.replace, (*change.values[:at], version, *change.values[at + 1 :]))
        return version


@dataclass(frozen=True, slots=True)
class PlainWrite:
    """Rows that carry their own versions, put or deleted, with their events."""

    rows: tuple[tuple[TableSql, tuple[Scalar, ...]], ...]
    events: tuple[PreparedEvent, ...]
    deletes: bool

    def run(self, transaction: Transaction) -> Done:
        """Write each row unless a newer one stands there."""
        for table, values in self.rows:
            if self.deletes:
                # A moment of 0 or less would read as a row that stands.
                transaction.connection.execute(table.bury, (*_blank(table, values), max(1, transaction.now_ms)))
            else:
                transaction.connection.execute(table.put, (*values, 0))
        first_version = self.rows[0][1][self.rows[0][0].codec.version_at] if self.rows else 0
        return Done(None, transaction.outbox.append(self.events, row_version=int(first_version)))


@dataclass(frozen=True, slots=True)
class OnceWrite:
    """A guarded row that must not stand yet, and the plain rows that are put when it does not."""

    first: GuardedWrite
    put: PlainWrite

    @property
    def events(self) -> tuple[PreparedEvent, ...]:
        """Those of the plain rows."""
        return self.put.events

    def run(self, transaction: Transaction) -> Done:
        """RowExists before anything is written."""
        self.first.run(transaction)
        return self.put.run(transaction)


def _blank(table: TableSql, values: Sequence[Scalar]) -> tuple[Scalar, ...]:
    """Key and version of a row, nothing else: what was deleted is not kept."""
    kept = {*table.schema.key, "version"}
    return tuple(value if column.name in kept else ZERO[column.kind] for column, value in zip(table.schema.columns, values, strict=True))


@dataclass(frozen=True, slots=True)
class DropBucket:
    """Drop the oldest bucket of the outbox; answers whether one went."""

    before_ms: int
    events: tuple[PreparedEvent, ...] = ()

    def run(self, transaction: Transaction) -> Done:
        """Drop at most one bucket, so that other writes go on in between."""
        return Done(transaction.outbox.drop_oldest(self.before_ms), {})


Operation = GuardedWrite | PlainWrite | OnceWrite | DropBucket
