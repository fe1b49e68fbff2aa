"""What every engine checks of a call before it does anything: tables, keys, limits, and the rules of commits and puts."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from mesh.events.event import Event
from mesh.stores.tables.entries import SHARDS, PreparedEvent, prepare_events
from mesh.stores.tables.port import Change, Insert, InvalidUse, Remove
from mesh.stores.tables.rows import RowCodec, Scalar, counted_bytes
from mesh.stores.tables.schema import Guard, InvalidTable, Scope, schema_of

MAX_KEYS = 1_000
"""Most keys of one get_many, rows of one page and entries of one outbox page."""


class Declared(Protocol):
    """A table as an engine keeps it."""

    @property
    def codec(self) -> RowCodec:
        """How its rows become scalars."""
        ...


T = TypeVar("T", bound=Declared)


@dataclass(frozen=True, slots=True)
class GuardedChange:
    """One conditional change: `expected_version` 0 means the row must be absent, `values` None removes it."""

    key: tuple[Scalar, ...]
    values: tuple[Scalar, ...] | None
    expected_version: int

    @property
    def likely_version(self) -> int:
        """The version the row gets unless an expired one stands there."""
        return self.expected_version + 1


@dataclass(frozen=True, slots=True)
class Commit(Generic[T]):
    """Guarded changes of one partition of one table, with their events."""

    table: T
    changes: tuple[GuardedChange, ...]
    events: tuple[PreparedEvent, ...]


@dataclass(frozen=True, slots=True)
class Put(Generic[T]):
    """Plain rows to put or delete, with their events."""

    rows: tuple[tuple[T, tuple[Scalar, ...]], ...]
    events: tuple[PreparedEvent, ...]

    @property
    def row_version(self) -> int:
        """The version that events take which bring none."""
        if not self.rows:
            return 0
        table, values = self.rows[0]
        return int(values[table.codec.version_at])


class Calls(Generic[T]):
    """Checks calls against the tables that a store was opened with; whatever it raises, nothing was written."""

    def __init__(self, tables: Mapping[type, T]) -> None:
        self._tables = tables

    def table(self, row_type: type, *, guarded: bool | None = None) -> T:
        """The table of a row type; `guarded` says which kind the call is for."""
        table = self._tables.get(row_type)
        if table is None:
            raise InvalidUse(f"{row_type.__name__} is not among the row types the tables were opened with")
        schema = table.codec.schema
        if guarded is True and schema.guard is not Guard.GUARDED:
            raise InvalidUse(f"{schema.name} is plain: use put and delete")
        if guarded is False and schema.guard is Guard.GUARDED:
            raise InvalidUse(f"{schema.name} is guarded: use insert, transition, remove or commit")
        return table

    def keys(self, table: T, keys: Sequence[tuple[Any, ...]]) -> list[tuple[Scalar, ...]]:
        """The scalars of each different key of a get_many."""
        if len(keys) > MAX_KEYS:
            raise InvalidUse(f"{table.codec.schema.name}: {len(keys)} keys asked, at most {MAX_KEYS}")
        return list(dict.fromkeys(table.codec.encode_key(key) for key in keys))

    def commit(self, changes: Sequence[Change], events: Sequence[Event]) -> Commit[T]:
        """The changes of one commit, encoded."""
        if not changes:
            raise InvalidUse("a commit needs a change")
        table = self.table(type(changes[0].row), guarded=True)
        codec = table.codec
        prepared, size = [], 0
        for change in changes:
            if type(change.row) is not codec.schema.row_type:
                raise InvalidUse(f"a commit spans {codec.schema.name} and {type(change.row).__name__}; it belongs to one table")
            values = codec.encode(change.row)
            size += counted_bytes(values)
            prepared.append(_guarded_change(codec, change, values))
        keys = [change.key for change in prepared]
        parts = len(codec.schema.partition)
        if len({key[:parts] for key in keys}) > 1:
            raise InvalidUse(f"{codec.schema.name}: a commit belongs to one partition")
        if len(set(keys)) < len(keys):
            raise InvalidUse(f"{codec.schema.name}: a commit changes a row once")
        return Commit(table, tuple(prepared), prepare_events(events, row_version=prepared[0].likely_version, size=size))

    def put(self, rows: Sequence[Any], events: Sequence[Event]) -> Put[T]:
        """The rows of one put or delete, encoded."""
        encoded: list[tuple[T, tuple[Scalar, ...]]] = []
        scopes: set[Scope] = set()
        for row in rows:
            table = self.table(type(row), guarded=False)
            scopes.add(table.codec.schema.scope)
            if row.version < 1:
                raise InvalidUse(f"{table.codec.schema.name}: a plain row brings its own version, from 1")
            encoded.append((table, table.codec.encode(row)))
        if len(scopes) > 1:
            raise InvalidUse("a write belongs to one scope: global or home region")
        size = sum(counted_bytes(values) for _, values in encoded)
        entries = prepare_events(events, row_version=rows[0].version if rows else 0, size=size)
        return Put(tuple(encoded), entries)


def _guarded_change(codec: RowCodec, change: Change, values: tuple[Scalar, ...]) -> GuardedChange:
    key = codec.key(values)
    if isinstance(change, Insert):
        return GuardedChange(key, values, 0)
    if change.expected_version < 1:
        raise InvalidUse(f"{codec.schema.name}: a guarded row that stands has a version from 1, not {change.expected_version}")
    return GuardedChange(key, None if isinstance(change, Remove) else values, change.expected_version)


def written(changes: Sequence[Change], versions: Sequence[int]) -> tuple[Any, ...]:
    """What a commit answers: each row with its version, None for what was removed."""
    return tuple(
        None if isinstance(change, Remove) else dataclasses.replace(change.row, version=version)
        for change, version in zip(changes, versions, strict=True)
    )


def check_limit(limit: int) -> None:
    """InvalidUse unless a page can have so many rows."""
    if not 1 <= limit <= MAX_KEYS:
        raise InvalidUse(f"a limit is 1 to {MAX_KEYS}, not {limit}")


def check_shard(shard: int) -> None:
    """InvalidUse for a shard that the outbox does not have."""
    if not 0 <= shard < SHARDS:
        raise InvalidUse(f"the outbox has shards 0 to {SHARDS - 1}, not {shard}")


def check_names(row_types: Sequence[type]) -> None:
    """InvalidTable when two row types declare the same table."""
    names = [schema_of(row_type).name for row_type in row_types]
    if len(names) != len(set(names)):
        raise InvalidTable(f"two row types declare the same table: {', '.join(sorted(names))}")
