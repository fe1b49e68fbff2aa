"""Brings a file to the declared tables by adding only, in one transaction, or refuses it by name."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable

from mesh.stores.tables.definitions import LATER, compare, definition
from mesh.stores.tables.port import IncompatibleTable
from mesh.stores.tables.rows import encode_value
from mesh.stores.tables.sqlite.statements import DELETED, TableSql, column_sql, quoted

FORMAT_VERSION = 1
"""Version of the engine's own tables; raised when they change."""

_ENGINE_TABLES = (
    "CREATE TABLE IF NOT EXISTS _tables (name TEXT PRIMARY KEY, definition TEXT NOT NULL) STRICT",
    "CREATE TABLE IF NOT EXISTS _outbox_buckets (bucket_ms INTEGER PRIMARY KEY) STRICT",
    "CREATE TABLE IF NOT EXISTS _outbox_dropped (id INTEGER PRIMARY KEY CHECK (id = 1), sequence INTEGER NOT NULL, bucket_ms INTEGER NOT NULL) STRICT",
    "INSERT OR IGNORE INTO _outbox_dropped VALUES (1, 0, 0)",
)


def migrate(connection: sqlite3.Connection, tables: Iterable[TableSql]) -> None:
    """Create new tables and columns; IncompatibleTable when anything else differs, then the file stays as it was."""
    (stored_format,) = connection.execute("PRAGMA user_version").fetchone()
    if stored_format > FORMAT_VERSION:
        raise IncompatibleTable(
            f"CLIPMESH_TABLES: the schema version {stored_format} of the file is newer than the code's {FORMAT_VERSION}{LATER}"
        )
    connection.execute("BEGIN IMMEDIATE")
    try:
        for statement in _ENGINE_TABLES:
            connection.execute(statement)
        for table in tables:
            _bring_up(connection, table)
        connection.execute(f"PRAGMA user_version = {FORMAT_VERSION}")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _bring_up(connection: sqlite3.Connection, table: TableSql) -> None:
    schema = table.schema
    wanted = definition(schema)
    found = connection.execute("SELECT definition FROM _tables WHERE name = ?", (schema.name,)).fetchone()
    if found is None:
        _create(connection, table)
    else:
        stored = json.loads(found[0])
        compare(schema.name, stored, wanted)
        for column in schema.columns:
            if column.name not in stored["columns"]:
                default = encode_value(schema.name, column, column.default)
                connection.execute(f"ALTER TABLE {table.name} ADD COLUMN {column_sql(column, default)}")
                if column.name == "expires_at_ms":
                    _index_expiry(connection, table)
    connection.execute("INSERT OR REPLACE INTO _tables VALUES (?, ?)", (schema.name, json.dumps(wanted)))


def _create(connection: sqlite3.Connection, table: TableSql) -> None:
    schema = table.schema
    columns = [
        column_sql(column, None if column.name in schema.key else encode_value(schema.name, column, column.default))
        for column in schema.columns
    ]
    if not table.guarded:
        columns.append(f"{quoted(DELETED)} INTEGER NOT NULL DEFAULT 0")
    key = [quoted(name) for name in schema.partition]
    key += [f"{quoted(name)} {'DESC' if descending else 'ASC'}" for name, descending in schema.clustering]
    connection.execute(f"CREATE TABLE {table.name} ({', '.join(columns)}, PRIMARY KEY ({', '.join(key)})) STRICT, WITHOUT ROWID")
    if schema.expires:
        _index_expiry(connection, table)
    if not table.guarded:
        name = quoted(f"_deleted_{schema.name}")
        connection.execute(f"CREATE INDEX {name} ON {table.name} ({quoted(DELETED)}) WHERE {quoted(DELETED)} > 0")


def _index_expiry(connection: sqlite3.Connection, table: TableSql) -> None:
    name = quoted(f"_expires_{table.schema.name}")
    connection.execute(f'CREATE INDEX {name} ON {table.name} ("expires_at_ms") WHERE "expires_at_ms" > 0')
