"""The tables of the outbox: entries in partitions of a shard and ten minutes, and which of these partitions there are."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final

from mesh.stores.tables.cql.levels import LOCAL
from mesh.stores.tables.cql.session import Query
from mesh.stores.tables.cql.slices import quoted

ENTRIES: Final = "_outbox"
BUCKETS: Final = "_outbox_buckets"


class State(enum.IntEnum):
    """What is known of an entry."""

    INTENT = 0
    """Its conditional write may have happened or may still happen; the marks of the row's partition tell."""
    HAPPENED = 1
    CANCELLED = 2
    """Its write was refused; nobody will ever send it."""
    PROMISED = 3
    """The entry itself says which plain rows belong to it: whoever finds it so writes them and goes on."""


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where an entry stands in its shard; larger ones are sent later."""

    position: int
    writer: int
    number: int


ENTRY_COLUMNS: Final = ("position", "writer", "number", "state", "event_id", "topic", "key", "envelope", "origin")

# An entry is written first with timestamp 1 and decided with 2, whoever does it; a bucket is dropped with 3: no clock has a say in which is the latest.
AS_WRITTEN, AS_DECIDED, AS_DROPPED = 1, 2, 3


IN_FRONT_MS: Final = -1
"""A bucket that never was: its row stays in front of those that are dropped, so that whoever asks for the oldest does not walk over what was."""


def engine_tables(keyspace: str) -> tuple[str, ...]:
    """What creates them."""
    return (
        f"CREATE TABLE IF NOT EXISTS {quoted(keyspace)}.{quoted(ENTRIES)} (shard int, bucket_ms bigint, position bigint, writer bigint, number int, "
        "state tinyint, event_id bigint, topic text, key text, envelope blob, origin text, "
        "PRIMARY KEY ((shard, bucket_ms), position, writer, number))",
        f"CREATE TABLE IF NOT EXISTS {quoted(keyspace)}.{quoted(BUCKETS)} (shard int, bucket_ms bigint, oldest_ms bigint STATIC, "
        "PRIMARY KEY ((shard), bucket_ms))",
    )


class OutboxCql:
    """The statements of the outbox."""

    def __init__(self, keyspace: str) -> None:
        entries, buckets = f"{quoted(keyspace)}.{quoted(ENTRIES)}", f"{quoted(keyspace)}.{quoted(BUCKETS)}"
        level = LOCAL.plain
        columns = ", ".join(ENTRY_COLUMNS)
        one = "shard = ? AND bucket_ms = ? AND position = ? AND writer = ? AND number = ?"
        bucket = "shard = ? AND bucket_ms = ?"
        self.write = Query(
            f"INSERT INTO {entries} (shard, bucket_ms, {columns}) VALUES (?, ?, {', '.join('?' * len(ENTRY_COLUMNS))}) "  # noqa: S608
            f"USING TIMESTAMP {AS_WRITTEN}",
            level,
        )
        # What only the decision needed goes: nothing is set to null, which would leave tombstones to walk over.
        self.confirm = Query(
            f"UPDATE {entries} USING TIMESTAMP {AS_DECIDED} SET state = {State.HAPPENED:d}, origin = '' WHERE {one}",  # noqa: S608
            level,
        )
        self.cancel = Query(
            f"UPDATE {entries} USING TIMESTAMP {AS_DECIDED} SET state = {State.CANCELLED:d}, origin = '', envelope = 0x WHERE {one}",  # noqa: S608
            level,
        )
        self.look = Query(
            f"SELECT position, writer, number, state FROM {entries} "  # noqa: S608
            f"WHERE {bucket} AND (position, writer, number) > (?, ?, ?) LIMIT ?",
            level,
        )
        self.fetch = Query(
            f"SELECT {columns} FROM {entries} "  # noqa: S608
            f"WHERE {bucket} AND (position, writer, number) >= (?, ?, ?) AND (position, writer, number) <= (?, ?, ?)",
            level,
        )
        self.last = Query(f"SELECT position FROM {entries} WHERE {bucket} ORDER BY position DESC LIMIT 1", level)  # noqa: S608
        self.drop = Query(f"DELETE FROM {entries} USING TIMESTAMP {AS_DROPPED} WHERE {bucket}", level)  # noqa: S608
        self.register = Query(f"INSERT INTO {buckets} (shard, bucket_ms) VALUES (?, ?) USING TIMESTAMP {AS_WRITTEN}", level)  # noqa: S608
        self.buckets = Query(f"SELECT bucket_ms, oldest_ms FROM {buckets} WHERE shard = ? AND bucket_ms >= ?", level)  # noqa: S608
        self.oldest = Query(f"SELECT oldest_ms FROM {buckets} WHERE shard = ? LIMIT 1", level)  # noqa: S608
        # Its value is its timestamp, so that it only moves forward.
        self.move_oldest = Query(f"UPDATE {buckets} USING TIMESTAMP ? SET oldest_ms = ? WHERE shard = ?", level)  # noqa: S608
        self.forget = Query(f"DELETE FROM {buckets} USING TIMESTAMP {AS_DROPPED} WHERE shard = ? AND bucket_ms = ?", level)  # noqa: S608

    @property
    def everyday(self) -> tuple[Query, ...]:
        """What is asked all the time."""
        return self.write, self.confirm, self.cancel, self.look, self.fetch, self.register, self.buckets
