"""The outbox as a log: one table per hour, entries of a shard in commit order, whole hours dropped at once."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from mesh.stores.tables.entries import SHARDS, PreparedEvent
from mesh.stores.tables.port import InvalidUse, OutboxEntry, OutboxPage
from mesh.stores.tables.sqlite.statements import quoted

BUCKET_MS = 3_600_000
"""How much time one bucket covers."""


def _table(bucket_ms: int) -> str:
    return quoted(f"_outbox_{bucket_ms}")


def buckets(connection: sqlite3.Connection, *, from_ms: int = 0) -> list[int]:
    """The buckets that are kept, oldest first."""
    found = connection.execute("SELECT bucket_ms FROM _outbox_buckets WHERE bucket_ms >= ? ORDER BY bucket_ms", (from_ms,))
    return [bucket_ms for (bucket_ms,) in found]


def _tails(connection: sqlite3.Connection, bucket_ms: int) -> list[int]:
    """The last sequence of each shard in a bucket, 0 where it has none; each is one look into the primary key."""
    last = f"SELECT coalesce(max(sequence), 0) FROM {_table(bucket_ms)} WHERE shard = ?"  # noqa: S608
    return [connection.execute(last, (shard,)).fetchone()[0] for shard in range(SHARDS)]


class OutboxLog:
    """The writing end; only the writer thread calls it, inside its transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.load()

    def load(self) -> None:
        """Take the state from the file, as after a transaction that was rolled back."""
        self._sequence, self._bucket_ms = self._connection.execute("SELECT sequence, bucket_ms FROM _outbox_dropped").fetchone()
        self._open = False
        for bucket_ms in reversed(buckets(self._connection)):
            self._bucket_ms = max(self._bucket_ms, bucket_ms)
            sequence = max(_tails(self._connection, bucket_ms))
            if sequence:
                self._sequence = max(self._sequence, sequence)
                break

    def tails(self) -> list[int]:
        """The last sequence of each shard."""
        kept = [_tails(self._connection, bucket_ms) for bucket_ms in buckets(self._connection)]
        return [max(shard) for shard in zip([0] * SHARDS, *kept, strict=True)]

    def open_bucket(self, now_ms: int) -> None:
        """Make the bucket of this moment ready; buckets never go back, so their order stays the commit order when the clock does."""
        bucket_ms = max(self._bucket_ms, now_ms // BUCKET_MS * BUCKET_MS)
        if self._open and bucket_ms == self._bucket_ms:
            return
        self._connection.execute(
            f"CREATE TABLE IF NOT EXISTS {_table(bucket_ms)} (shard INTEGER NOT NULL, sequence INTEGER NOT NULL, event_id INTEGER NOT NULL,"
            " topic TEXT NOT NULL, key TEXT NOT NULL, envelope BLOB NOT NULL, PRIMARY KEY (shard, sequence)) STRICT, WITHOUT ROWID"
        )
        self._connection.execute("INSERT OR IGNORE INTO _outbox_buckets VALUES (?)", (bucket_ms,))
        self._bucket_ms, self._open = bucket_ms, True
        self._append = f"INSERT INTO {_table(bucket_ms)} VALUES (?, ?, ?, ?, ?, ?)"  # noqa: S608

    def append(self, events: Sequence[PreparedEvent], *, row_version: int) -> dict[int, int]:
        """Write entries behind all others; returns the last sequence of each shard that grew."""
        grown: dict[int, int] = {}
        for prepared in events:
            event = prepared.event
            shard = prepared.shard
            self._sequence += 1
            self._connection.execute(
                self._append, (shard, self._sequence, event.event_id, event.topic, event.key, prepared.envelope_for(row_version))
            )
            grown[shard] = self._sequence
        return grown

    def drop_oldest(self, before_ms: int) -> bool:
        """Drop the oldest bucket if everything in it was written before `before_ms`; False when it has to stay."""
        oldest = buckets(self._connection)[:1]
        if not oldest or oldest[0] + BUCKET_MS > before_ms:
            return False
        self._connection.execute("UPDATE _outbox_dropped SET sequence = ?, bucket_ms = ?", (self._sequence, self._bucket_ms))
        self._connection.execute(f"DROP TABLE {_table(oldest[0])}")
        self._connection.execute("DELETE FROM _outbox_buckets WHERE bucket_ms = ?", (oldest[0],))
        self._open = self._open and oldest[0] != self._bucket_ms
        return True


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the log of one shard."""

    bucket_ms: int = 0
    sequence: int = 0

    @classmethod
    def parse(cls, shard: int, text: str) -> Position:
        """Read a position back; InvalidUse when it is no position of this shard."""
        if not text:
            return cls()
        parts = text.split(".")
        if len(parts) != 3 or not all(part.isascii() and part.isdigit() for part in parts) or int(parts[0]) != shard:
            raise InvalidUse(f"{text!r} is no position of outbox shard {shard}")
        return cls(int(parts[1]), int(parts[2]))

    def text(self, shard: int) -> str:
        """The opaque form."""
        return f"{shard}.{self.bucket_ms}.{self.sequence}"


def read_page(connection: sqlite3.Connection, shard: int, after: str, limit: int) -> OutboxPage:
    """Entries behind a position, across buckets, as one moment shows them."""
    position = Position.parse(shard, after)
    entries: list[OutboxEntry] = []
    connection.execute("BEGIN")
    try:
        for bucket_ms in buckets(connection, from_ms=position.bucket_ms):
            found = connection.execute(
                f"SELECT sequence, event_id, topic, key, envelope FROM {_table(bucket_ms)}"  # noqa: S608
                " WHERE shard = ? AND sequence > ? ORDER BY sequence LIMIT ?",
                (shard, position.sequence, limit - len(entries)),
            )
            for sequence, *entry in found:
                entries.append(OutboxEntry(*entry))
                position = Position(bucket_ms, sequence)
            if len(entries) == limit:
                break
    finally:
        connection.execute("COMMIT")
    return OutboxPage(tuple(entries), position.text(shard) if entries else after)
