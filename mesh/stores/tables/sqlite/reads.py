"""What a read does on a reader's connection: by key, by many keys, by range."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from mesh.stores.tables import cursors
from mesh.stores.tables.port import Page
from mesh.stores.tables.rows import Scalar
from mesh.stores.tables.sqlite.statements import TableSql, is_past, order_by, segments_from


def read_one(connection: sqlite3.Connection, table: TableSql, key: tuple[Scalar, ...], now_ms: int) -> Any:
    """The living row of a key, or None."""
    values = connection.execute(table.select, (*key, *table.alive_parameters(now_ms))).fetchone()
    return None if values is None else table.codec.decode(values)


def read_many(
    connection: sqlite3.Connection, table: TableSql, keys: Sequence[tuple[Scalar, ...]], now_ms: int
) -> dict[tuple[Any, ...], Any]:
    """The living rows of keys, by key."""
    # A power of two keeps the number of different statements small; the filler asks again for the last key.
    size = 1 << (len(keys) - 1).bit_length()
    filled = [*keys, *[keys[-1]] * (size - len(keys))]
    parameters = [value for key in filled for value in key]
    found = connection.execute(table.select_many(size), (*parameters, *table.alive_parameters(now_ms)))
    codec = table.codec
    rows = [codec.decode(values) for values in found]
    return {tuple(getattr(row, name) for name in table.schema.key): row for row in rows}


@dataclass(frozen=True, slots=True)
class Range:
    """A scan: the rows of one partition, or of the whole table when `partition` is None."""

    table: TableSql
    partition: tuple[Scalar, ...] | None
    first: tuple[Scalar, ...] = ()
    last: tuple[Scalar, ...] = ()
    backwards: bool = False

    def identity(self) -> list[Any]:
        """What its cursors are bound to."""
        name = self.table.schema.name
        if self.partition is None:
            return cursors.identity(name)
        return cursors.identity(name, self.partition, self.first, self.last, self.backwards)

    def read(self, connection: sqlite3.Connection, after: str, limit: int, now_ms: int) -> Page[Any]:
        """One page behind a cursor."""
        table, identity = self.table, self.identity()
        clustering = [(name, descending is not self.backwards) for name, descending in table.schema.clustering]
        fixed = self.partition or ()
        if self.partition is None:
            columns, same = [*((name, False) for name in table.schema.partition), *clustering], "TRUE"
        else:
            columns = clustering
            same = " AND ".join(f'"{name}" = ?' for name in table.schema.partition)
        skipped = len(fixed)
        start, inclusive = self.first, True
        if after:
            start, inclusive = cursors.decode(identity, after), False
        if after and not columns:
            return Page((), "")
        found: list[Any] = []
        for condition, parameters in segments_from(columns, start, inclusive=inclusive):
            statement = (
                f"SELECT {table.columns} FROM {table.name} WHERE {same} AND {condition} AND {table.alive} "  # noqa: S608
                f"{order_by(columns)} LIMIT ?"
            )
            wanted = limit + 1 - len(found)
            asked = (*fixed, *parameters, *table.alive_parameters(now_ms), wanted)
            # An unfinished cursor would hold this connection on an old snapshot.
            with closing(connection.execute(statement, asked)) as rows:
                for values in rows:
                    if is_past(values[skipped:], columns, self.last):
                        return Page(tuple(map(table.codec.decode, found)), "")
                    found.append(values)
            if len(found) > limit:
                break
        more = len(found) > limit
        page = found[:limit]
        cursor = cursors.encode(identity, table.codec.key(page[-1])[skipped:]) if more else ""
        return Page(tuple(map(table.codec.decode, page)), cursor)
