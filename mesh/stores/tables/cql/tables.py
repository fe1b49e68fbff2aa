"""The CQL of one table, and how its rows go in and come out; every value travels as a parameter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mesh.stores.tables.cql.levels import LEVELS, Level
from mesh.stores.tables.cql.session import Query
from mesh.stores.tables.cql.slices import Slice, quoted
from mesh.stores.tables.rows import ZERO, RowCodec, Scalar, encode_value
from mesh.stores.tables.schema import Column, ColumnKind, Guard, Schema

TYPES = {
    ColumnKind.INTEGER: "bigint",
    ColumnKind.REAL: "double",
    ColumnKind.TEXT: "text",
    ColumnKind.BLOB: "blob",
    ColumnKind.BOOLEAN: "boolean",
}
MARK = "_mark"
"""First clustering column of guarded tables: 0 for rows, LAST for the partition's last position, a writer's number for that writer's last position."""
LAST = -1
POSITION = "_position"
"""Column of the marks."""
KEPT_S = 30 * 24 * 3_600
"""How long marks stay, in seconds: longer than any entry of the outbox waits to be settled."""
_SLACK_MS = 10 * 24 * 3_600_000
"""How long an expired row's version stays: longer than any event or retry lives."""
_LONGEST_TTL_S = 5 * 365 * 24 * 3_600
"""Rows that end later get no TTL: servers refuse what lies behind their last moment, 2038 for some."""


class CqlTable:
    """The statements of one table."""

    def __init__(self, keyspace: str, schema: Schema) -> None:
        self.keyspace = keyspace
        self.schema = schema
        self.codec = RowCodec(schema)
        self.guarded = schema.guard is Guard.GUARDED
        self.levels = LEVELS[schema.scope]
        self.name = f"{quoted(keyspace)}.{quoted(schema.name)}"
        self.order = [*([(MARK, False)] if self.guarded else []), *schema.clustering]
        """All clustering columns as (name, descending)."""
        by_name = {column.name: column for column in schema.columns}
        self._defaults = tuple(None if column.name in schema.key else _default(schema, column) for column in schema.columns)
        self.clustering_zeros = tuple(ZERO[by_name[name].kind] for name, _ in schema.clustering)
        self._same_partition = " AND ".join(f"{quoted(name)} = ?" for name in schema.partition)
        same_clustering = "".join(f" AND {quoted(name)} = ?" for name, _ in schema.clustering)
        self._of_rows = f" AND {quoted(MARK)} = 0" if self.guarded else ""
        self._columns = ", ".join(map(quoted, self.codec.names))
        row = f"{self._same_partition}{self._of_rows}{same_clustering}"
        mark = f"{self._same_partition} AND {quoted(MARK)} = ?{same_clustering}"
        values = [name for name in self.codec.names if name not in schema.key]
        assigned = ", ".join(f"{quoted(name)} = ?" for name in values)
        self._value_places = tuple(self.codec.names.index(name) for name in values)

        get = f"SELECT {self._columns} FROM {self.name} WHERE {row}"  # noqa: S608 (names are declared)
        self.get = Query(get, self.levels.plain)
        self.get_settled = Query(get, self.levels.serial)
        # Conditions read what Paxos agreed on: rows of these tables are written in no other way.
        change = f"UPDATE {self.name} USING TTL ? SET {assigned} WHERE {row} IF {quoted('version')} = ?"  # noqa: S608
        remove = f"DELETE FROM {self.name} WHERE {row} IF {quoted('version')} = ?"  # noqa: S608
        ends = f" AND {quoted('expires_at_ms')} = ?" if schema.expires else ""
        self.change = Query(f"{change}{ends}", self.levels.plain, idempotent=False)
        self.remove = Query(f"{remove}{ends}", self.levels.plain, idempotent=False)
        lives = f" AND {quoted('expires_at_ms')} > ?"
        self.change_living = Query(f"{change}{lives}", self.levels.plain, idempotent=False)
        self.remove_living = Query(f"{remove}{lives}", self.levels.plain, idempotent=False)
        note = f"UPDATE {self.name} USING TTL {KEPT_S} SET {quoted(POSITION)} = ? WHERE {mark}"  # noqa: S608
        self.note = Query(note, self.levels.plain, idempotent=False)
        self.pass_by = Query(f"{note} IF {quoted(POSITION)} < ?", self.levels.plain, idempotent=False)
        self.begin = Query(f"{note} IF {quoted(POSITION)} = ?", self.levels.plain, idempotent=False)
        find = f"SELECT {quoted(POSITION)} FROM {self.name} WHERE {mark}"  # noqa: S608
        self.find_mark = Query(find, self.levels.serial)
        marks = ", ".join("?" * len(self.codec.names))
        put = f"INSERT INTO {self.name} ({self._columns}) VALUES ({marks}) USING TIMESTAMP ? AND TTL ?"  # noqa: S608
        self.put = Query(put, self.levels.plain)
        bury = f"DELETE FROM {self.name} USING TIMESTAMP ? WHERE {row}"  # noqa: S608
        self.bury = Query(bury, self.levels.plain)

    @property
    def everyday(self) -> tuple[Query, ...]:
        """What is asked of the table all the time."""
        if not self.guarded:
            return self.get, self.put
        return self.get, self.get_settled, self.change, self.note, self.pass_by, self.begin

    def cells(self, values: Sequence[Scalar], version: int) -> tuple[Scalar, ...]:
        """The values that are no key, with the version the row gets."""
        at = self.codec.version_at
        return tuple(version if place == at else values[place] for place in self._value_places)

    def ttl_s(self, values: Sequence[Scalar], now_ms: int) -> int:
        """Seconds after which the server may forget a row; 0 for never. Reads do not rely on it: they look at the row's own moment."""
        if self.codec.expires_at < 0:
            return 0
        ends_at_ms = int(values[self.codec.expires_at])
        if ends_at_ms <= 0:
            return 0
        ttl_s = (max(0, ends_at_ms - now_ms) + _SLACK_MS) // 1000
        return ttl_s if ttl_s <= _LONGEST_TTL_S else 0

    def partition_of(self, key: Sequence[Scalar]) -> tuple[Scalar, ...]:
        """The partition's part of a full key."""
        return tuple(key[: len(self.schema.partition)])

    def filled(self, raw: Sequence[Any]) -> tuple[Any, ...]:
        """Values as stored, with the defaults of columns that came after the row."""
        return tuple(default if value is None else value for value, default in zip(raw, self._defaults, strict=True))

    def alive(self, values: Sequence[Any], now_ms: int) -> bool:
        """Whether reads may see the row."""
        at = self.codec.expires_at
        return at < 0 or not 0 < values[at] <= now_ms

    def slice_query(self, asked: Slice, *, backwards: bool, limit: int) -> Query:
        """Rows of one partition in one slice."""
        where = f"{self._same_partition}{self._of_rows}{f' AND {asked.conditions}' if asked.conditions else ''}"
        order = ", ".join(f"{quoted(name)} {'DESC' if descending is not backwards else 'ASC'}" for name, descending in self.order)
        ordered = f" ORDER BY {order}" if backwards and order else ""
        text = f"SELECT {self._columns} FROM {self.name} WHERE {where}{ordered} LIMIT {limit}"  # noqa: S608
        return Query(text, self.levels.plain)

    def walk_query(self, *, begun: bool, limit: int) -> Query:
        """Rows of the partitions behind one, in the order of the ring; guarded tables say of each whether it is a row (0) or a mark."""
        partition = ", ".join(map(quoted, self.schema.partition))
        marks = ", ".join("?" * len(self.schema.partition))
        where = f" WHERE token({partition}) > token({marks})" if begun else ""
        columns = f"{self._columns}, {quoted(MARK)}" if self.guarded else self._columns
        return Query(f"SELECT {columns} FROM {self.name}{where} LIMIT {limit}", self.levels.plain)  # noqa: S608


def _default(schema: Schema, column: Column) -> Scalar:
    return encode_value(schema.name, column, column.default)


def level_of(name: str) -> Level:
    """A level by its name, as an entry of the outbox keeps it."""
    return Level(name)
