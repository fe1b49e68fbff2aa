"""The tables port in its plainest form, in memory: what random sequences are compared against."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from mesh.stores.tables.port import RowExists, VersionConflict
from mesh.stores.tables.schema import key_of, schema_of


class ModelTables:
    """Rows in a dict; says what the port's words mean without any engine."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self._rows: dict[tuple[type, tuple[Any, ...]], Any] = {}
        self._deleted: dict[tuple[type, tuple[Any, ...]], int] = {}
        self.events: dict[str, list[tuple[int, int]]] = {}
        """(event id, key version) of each key, in order."""

    def _alive(self, row: Any) -> bool:
        ends_at_ms: int = getattr(row, "expires_at_ms", 0)
        return row is not None and (ends_at_ms == 0 or ends_at_ms > self._now_ms())

    def get(self, row_type: type, *key: Any) -> Any:
        """The living row of a key."""
        row = self._rows.get((row_type, key))
        return row if self._alive(row) else None

    def rows(self, row_type: type, partition: tuple[Any, ...]) -> list[Any]:
        """The living rows of a partition in clustering order; works for clustering columns of numbers and text."""
        schema = schema_of(row_type)
        found = [
            row for (kind, key), row in self._rows.items() if kind is row_type and key[: len(partition)] == partition and self._alive(row)
        ]
        for name, descending in reversed(schema.clustering):
            found.sort(key=lambda row: getattr(row, name), reverse=descending)
        return found

    def _emit(self, event_key: str, event_id: int, version: int) -> None:
        if event_id:
            self.events.setdefault(event_key, []).append((event_id, version))

    def write(self, row: Any, expected_version: int, *, removes: bool = False, event_key: str = "", event_id: int = 0) -> Any:
        """Insert (expected version 0), transition or remove one guarded row."""
        place = (type(row), key_of(row))
        stands = self.get(type(row), *key_of(row))
        if expected_version == 0:
            if stands is not None:
                raise RowExists(stands)
            old = self._rows.get(place)
            version = 1 if old is None else old.version + 1
        else:
            if stands is None or stands.version != expected_version:
                raise VersionConflict(stands)
            version = expected_version + 1
        self._emit(event_key, event_id, version)
        if removes:
            del self._rows[place]
            return None
        self._rows[place] = replace(row, version=version)
        return self._rows[place]

    def put(self, rows: Sequence[Any], *, event_key: str = "", event_id: int = 0) -> None:
        """Put plain rows."""
        for row in rows:
            place = (type(row), key_of(row))
            stands = self._rows.get(place)
            if row.version > max(self._deleted.get(place, 0), 0 if stands is None else stands.version):
                self._rows[place] = row
        self._emit(event_key, event_id, rows[0].version)

    def delete(self, rows: Sequence[Any], *, event_key: str = "", event_id: int = 0) -> None:
        """Delete plain rows."""
        for row in rows:
            place = (type(row), key_of(row))
            stands = self._rows.get(place)
            if stands is None or row.version >= stands.version:
                self._rows.pop(place, None)
                self._deleted[place] = max(row.version, self._deleted.get(place, 0))
        self._emit(event_key, event_id, rows[0].version)
