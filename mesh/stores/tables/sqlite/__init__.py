"""The embedded engine: one SQLite file per service, WAL, group commit, opened by one process."""

from mesh.stores.tables.sqlite.engine import SqliteTables

__all__ = ["SqliteTables"]
