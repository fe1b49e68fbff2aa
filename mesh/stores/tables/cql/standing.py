"""What a conditional write expects to stand where it goes, and how that is said in CQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mesh.stores.tables.calls import GuardedChange
from mesh.stores.tables.cql.session import Query, Values
from mesh.stores.tables.cql.tables import CqlTable
from mesh.stores.tables.port import RowExists, VersionConflict


@dataclass(frozen=True, slots=True)
class Standing:
    """A row as it is expected."""

    version: int
    """0 when there is none."""
    ends_at_ms: int | None
    """What its `expires_at_ms` is; None when it has none."""
    seen: bool
    """False while the end is not known: then the write may only meet a row that lives."""


def expected(change: GuardedChange) -> Standing:
    """What a change says of the row that it wants to meet."""
    return Standing(change.expected_version, None, seen=change.expected_version == 0)


def found(table: CqlTable, change: GuardedChange, rows: Sequence[Sequence[object]], now_ms: int) -> Standing:
    """What stands there, if the change may replace it; else RowExists or VersionConflict."""
    if not rows:
        if change.expected_version:
            raise VersionConflict(None)
        return Standing(0, None, seen=True)
    raw, codec = rows[0], table.codec
    values = table.filled(raw)
    version = int(values[codec.version_at])
    living = values if table.alive(values, now_ms) else None
    if change.expected_version == 0:
        if living is not None:
            raise RowExists(codec.decode(living))
    elif living is None or version != change.expected_version:
        raise VersionConflict(None if living is None else codec.decode(living))
    ends_at_ms = raw[codec.expires_at] if codec.expires_at >= 0 else None
    return Standing(version, ends_at_ms if isinstance(ends_at_ms, int) else None, seen=True)


def statement(table: CqlTable, change: GuardedChange, stands: Standing, now_ms: int) -> tuple[Query, Values]:
    """The conditional statement of one change."""
    conditions: tuple[int | None, ...] = (stands.version or None,)
    lives = False
    if table.codec.expires_at >= 0:
        # CQL knows no "or": a row that never ends has 0, which is no moment after now. The new row is a good guess at the old one's kind.
        lives = not stands.seen and (change.values is None or change.values[table.codec.expires_at] != 0)
        conditions += (now_ms if lives else stands.ends_at_ms if stands.seen else 0,)
    if change.values is None:
        return (table.remove_living if lives else table.remove), (*change.key, *conditions)
    cells = table.cells(change.values, stands.version + 1)
    query = table.change_living if lives else table.change
    return query, (table.ttl_s(change.values, now_ms), *cells, *change.key, *conditions)
