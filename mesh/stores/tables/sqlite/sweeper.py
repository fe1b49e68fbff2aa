"""Takes away rows that expired or were deleted so long ago that no late write can ask for them."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from mesh.stores.tables.sqlite.statements import DELETED, TableSql, quoted

SLACK_MS = 10 * 24 * 3_600_000
"""How long an expired row's version and a tombstone stay: longer than any event or retry lives."""
EVERY_MS = 60_000
"""How often a table that had nothing left to sweep is looked at."""
ROWS = 200
"""Most rows that one pass removes from a table: other writes wait meanwhile."""


class Sweeper:
    """Removes dead rows a few at a time, between other writes."""

    def __init__(self, tables: Sequence[TableSql]) -> None:
        self._statements = [statement for table in tables for statement in _statements(table)]
        self._next_ms = 0

    def sweep(self, connection: sqlite3.Connection, now_ms: int) -> None:
        """One pass, if it is time for one."""
        if not self._statements or (now_ms < self._next_ms and now_ms + 2 * EVERY_MS > self._next_ms):
            return
        connection.execute("BEGIN IMMEDIATE")
        removed = [connection.execute(statement, (now_ms - SLACK_MS, ROWS)).rowcount for statement in self._statements]
        connection.execute("COMMIT")
        self._next_ms = now_ms + (0 if ROWS in removed else EVERY_MS)


def _statements(table: TableSql) -> list[str]:
    moments = []
    if table.schema.expires:
        moments.append("expires_at_ms")
    if not table.guarded:
        moments.append(DELETED)
    key = ", ".join(map(quoted, table.schema.key))
    return [
        f"DELETE FROM {table.name} WHERE ({key}) IN "  # noqa: S608 (names are declared)
        f"(SELECT {key} FROM {table.name} WHERE {quoted(moment)} > 0 AND {quoted(moment)} < ? LIMIT ?)"
        for moment in moments
    ]
