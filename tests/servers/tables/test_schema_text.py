"""What creates keyspaces, tables and columns."""

from __future__ import annotations

from mesh.stores.tables.cql.schema_text import add_column, create_keyspace, create_table
from mesh.stores.tables.cql.tables import CqlTable
from mesh.stores.tables.schema import schema_of
from mesh.testing.tables_rows import Everything, Seat, Ticket


def test_a_guarded_table_has_marks_in_front_of_its_rows() -> None:
    assert create_table(CqlTable("k", schema_of(Seat))) == (
        'CREATE TABLE IF NOT EXISTS "k"."seats" ("hall" bigint, "seat" bigint, "guest" text, "version" bigint, "_mark" bigint, "_position" bigint, '
        'PRIMARY KEY (("hall"), "_mark", "seat")) WITH CLUSTERING ORDER BY ("_mark" ASC, "seat" ASC)'
    )
    assert create_table(CqlTable("k", schema_of(Ticket))).endswith(
        'PRIMARY KEY (("ticket_id"), "_mark")) WITH CLUSTERING ORDER BY ("_mark" ASC)'
    )


def test_a_plain_table_is_as_declared() -> None:
    assert create_table(CqlTable("k", schema_of(Everything))) == (
        'CREATE TABLE IF NOT EXISTS "k"."everything" ("group" text, "order" bigint, "select" blob, "where" boolean, "integer" bigint, "real" double, '
        '"text" text, "blob" blob, "yes" boolean, "mood" bigint, "colour" text, "version" bigint, '
        'PRIMARY KEY (("group", "order"), "select", "where")) WITH CLUSTERING ORDER BY ("select" ASC, "where" ASC)'
    )


def test_a_column_is_added_without_a_default() -> None:
    table = CqlTable("k", schema_of(Ticket))
    assert add_column(table, table.schema.columns[1]) == 'ALTER TABLE "k"."tickets" ADD "note" text'


def test_rows_of_all_regions_have_copies_in_every_data_centre() -> None:
    words = "CREATE KEYSPACE IF NOT EXISTS \"k\" WITH replication = {'class': 'NetworkTopologyStrategy', 'east': 3, 'west': 3}"
    assert create_keyspace("k", data_centres=["east", "west"], replication=3, scylla=False) == words


def test_tablets_are_kept_away_where_the_server_knows_them() -> None:
    words = "CREATE KEYSPACE IF NOT EXISTS \"k\" WITH replication = {'class': 'NetworkTopologyStrategy', 'd''c': 3}"
    assert create_keyspace("k", data_centres=["d'c"], replication=3, scylla=False) == words
    assert create_keyspace("k", data_centres=["d'c"], replication=3, scylla=True) == words + " AND tablets = {'enabled': false}"
