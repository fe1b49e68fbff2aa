"""The SQL of one table, written once when the store opens; every value travels as a parameter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mesh.stores.tables.port import IncompatibleTable
from mesh.stores.tables.rows import RowCodec, Scalar
from mesh.stores.tables.schema import Column, ColumnKind, Guard, Schema

DELETED = "_deleted_at_ms"
"""Column of plain tables: when the row was deleted; 0 while it stands."""

_TYPES = {
    ColumnKind.INTEGER: "INTEGER",
    ColumnKind.REAL: "REAL",
    ColumnKind.TEXT: "TEXT",
    ColumnKind.BLOB: "BLOB",
    ColumnKind.BOOLEAN: "INTEGER",
}


def quoted(name: str) -> str:
    """A name as SQL takes it whatever it spells."""
    return f'"{name}"'


def _literal(value: Scalar) -> str:
    if isinstance(value, bytes):
        return f"x'{value.hex()}'"
    if isinstance(value, str):
        if "\0" in value:
            raise IncompatibleTable("a column's default cannot contain NUL")
        return "'" + value.replace("'", "''") + "'"
    return repr(value).replace("inf", "9e999")


def column_sql(column: Column, default: Scalar | None) -> str:
    """A column as CREATE TABLE and ADD COLUMN take it; key columns have no default."""
    declared = f"{quoted(column.name)} {_TYPES[column.kind]} NOT NULL"
    return declared if default is None else f"{declared} DEFAULT {_literal(default)}"


class TableSql:
    """The statements of one table."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.codec = RowCodec(schema)
        self.guarded = schema.guard is Guard.GUARDED
        name = self.name = quoted(schema.name)
        names = self.codec.names
        hidden = () if self.guarded else (DELETED,)
        columns = ", ".join(map(quoted, names))
        values = [column for column in (*names, *hidden) if column not in schema.key]
        key = " AND ".join(f"{quoted(column)} = ?" for column in schema.key)
        marks = ", ".join("?" * (len(names) + len(hidden)))
        insert = f"INSERT INTO {name} ({', '.join(map(quoted, (*names, *hidden)))}) VALUES ({marks})"  # noqa: S608 (names are declared)
        merged = ", ".join(f"{quoted(column)} = excluded.{quoted(column)}" for column in values)
        conflict = f"ON CONFLICT ({', '.join(map(quoted, schema.key))})"

        self.columns = columns
        self.select_any = f"SELECT {columns} FROM {name} WHERE {key}"  # noqa: S608
        self.insert = f"{insert} {conflict} DO NOTHING"
        self.replace = f"{insert} {conflict} DO UPDATE SET {merged}"
        self.delete = f"DELETE FROM {name} WHERE {key}"  # noqa: S608
        self.put = f'{self.replace} WHERE excluded."version" > {name}."version"'
        self.bury = f'{self.replace} WHERE excluded."version" >= {name}."version"'
        alive = []
        if not self.guarded:
            alive.append(f"{quoted(DELETED)} = 0")
        if schema.expires:
            alive.append('("expires_at_ms" = 0 OR "expires_at_ms" > ?)')
        self.alive = " AND ".join(alive) or "TRUE"
        self.select = f"{self.select_any} AND {self.alive}"
        self._many: dict[int, str] = {}

    def alive_parameters(self, now_ms: int) -> tuple[int, ...]:
        """What the condition `alive` takes."""
        return (now_ms,) if self.schema.expires else ()

    def select_many(self, count: int) -> str:
        """Rows of `count` keys in one statement, looked up one by one in the primary key."""
        known = self._many.get(count)
        if known is None:
            known = self._many[count] = self._select_many(count)
        return known

    def _select_many(self, count: int) -> str:
        keys = self.schema.key
        asked = ", ".join(f"{quoted(f'k{at}')}" for at in range(len(keys)))
        row = f"({', '.join('?' * len(keys))})"
        on = " AND ".join(f"{self.name}.{quoted(key)} = asked.{quoted(f'k{at}')}" for at, key in enumerate(keys))
        columns = ", ".join(f"{self.name}.{quoted(column)}" for column in self.codec.names)
        return (
            f"WITH asked ({asked}) AS (VALUES {', '.join([row] * count)}) "  # noqa: S608
            f"SELECT {columns} FROM asked CROSS JOIN {self.name} ON {on} WHERE {self.alive}"
        )


def order_by(columns: Sequence[tuple[str, bool]]) -> str:
    """ORDER BY of (column, descending) pairs; nothing when there is none."""
    terms = ", ".join(f"{quoted(column)} {'DESC' if descending else 'ASC'}" for column, descending in columns)
    return f"ORDER BY {terms}" if terms else ""


def segments_from(
    columns: Sequence[tuple[str, bool]], start: Sequence[Scalar], *, inclusive: bool
) -> Iterator[tuple[str, tuple[Scalar, ...]]]:
    """Conditions that, one after the other, cover all rows at or behind `start` in the order of `columns`.

    A row comparison cannot mix directions, and one OR would visit the rows before `start` again: each condition here is one range of the key.
    """
    if not start:
        yield "TRUE", ()
        return
    for at in reversed(range(len(start))):
        column, descending = columns[at]
        sign = "<" if descending else ">"
        if inclusive and at == len(start) - 1:
            sign += "="
        same = [f"{quoted(name)} = ?" for name, _ in columns[:at]]
        yield " AND ".join([*same, f"{quoted(column)} {sign} ?"]), tuple(start[: at + 1])


def is_past(key: Sequence[Scalar], columns: Sequence[tuple[str, bool]], last: Sequence[Scalar]) -> bool:
    """True when a clustering key lies behind the prefix `last` in the order of `columns`; compares as SQLite's BINARY collation does."""
    for value, bound, (_, descending) in zip(key, last, columns, strict=False):
        if value != bound:
            return value < bound if descending else value > bound  # type: ignore[operator]
    return False
