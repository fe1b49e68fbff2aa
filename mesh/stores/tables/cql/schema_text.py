"""The statements that create keyspaces, tables and columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from mesh.stores.tables.cql.slices import quoted
from mesh.stores.tables.cql.tables import MARK, POSITION, TYPES, CqlTable
from mesh.stores.tables.schema import Column

QUOTE: Final = "'"


def create_keyspace(keyspace: str, *, data_centres: Sequence[str], replication: int, scylla: bool) -> str:
    """A keyspace whose rows have `replication` copies in each of the data centres."""
    copies = "".join(f", '{centre.replace(QUOTE, QUOTE * 2)}': {replication}" for centre in data_centres)
    text = f"CREATE KEYSPACE IF NOT EXISTS {quoted(keyspace)} WITH replication = {{'class': 'NetworkTopologyStrategy'{copies}}}"
    # ScyllaDB lays new keyspaces out in tablets, which know conditional writes since 2025.4 only; Cassandra does not know the word.
    return f"{text} AND tablets = {{'enabled': false}}" if scylla else text


def create_table(table: CqlTable) -> str:
    """A declared table; guarded ones have marks in front of their rows."""
    columns = [f"{quoted(column.name)} {TYPES[column.kind]}" for column in table.schema.columns]
    if table.guarded:
        columns += [f"{quoted(MARK)} bigint", f"{quoted(POSITION)} bigint"]
    partition = ", ".join(map(quoted, table.schema.partition))
    key = ", ".join([f"({partition})", *(quoted(name) for name, _ in table.order)])
    order = ", ".join(f"{quoted(name)} {'DESC' if descending else 'ASC'}" for name, descending in table.order)
    options = f" WITH CLUSTERING ORDER BY ({order})" if order else ""
    return f"CREATE TABLE IF NOT EXISTS {table.name} ({', '.join(columns)}, PRIMARY KEY ({key})){options}"


def add_column(table: CqlTable, column: Column) -> str:
    """A column that came later; rows from before it have no value there, and read as its default."""
    return f"ALTER TABLE {table.name} ADD {quoted(column.name)} {TYPES[column.kind]}"
