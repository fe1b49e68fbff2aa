"""Reads by key, by many keys, by range and over a whole table."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from mesh.stores.tables import cursors
from mesh.stores.tables.cql.session import CqlSession
from mesh.stores.tables.cql.slices import slices
from mesh.stores.tables.cql.tables import CqlTable
from mesh.stores.tables.port import Page
from mesh.stores.tables.rows import Scalar

_MOST_LOOKED_AT = 5_000
"""Rows that one page looks at: a long stretch of expired ones ends a page early instead of the deadline."""
_ALMOST_ALL = 64
"""Fewest rows that are fetched at once behind a cursor of a small page, so that expired ones do not cost a round trip each."""


async def read_one(session: CqlSession, table: CqlTable, key: tuple[Scalar, ...], now_ms: int) -> Any:
    """The living row of a key, or None."""
    found = await session.read(table.get, key)
    if not found:
        return None
    values = table.filled(found[0])
    return table.codec.decode(values) if table.alive(values, now_ms) else None


async def read_many(session: CqlSession, table: CqlTable, keys: Sequence[tuple[Scalar, ...]], now_ms: int) -> dict[tuple[Any, ...], Any]:
    """The living rows of keys, by key: each asked of a node that has it, all at once."""
    rows = await asyncio.gather(*(read_one(session, table, key, now_ms) for key in keys))
    return {tuple(getattr(row, name) for name in table.schema.key): row for row in rows if row is not None}


class _Gathered:
    """The rows of a page as they come in."""

    def __init__(self, table: CqlTable, limit: int, now_ms: int) -> None:
        self._table = table
        self._limit = limit
        self._now_ms = now_ms
        self.rows: list[tuple[Any, ...]] = []
        self.last: tuple[Any, ...] = ()
        """The last row looked at, living or not."""
        self._looked_at = 0

    @property
    def chunk(self) -> int:
        """How many rows to ask for next."""
        return max(self._limit + 1 - len(self.rows), min(_ALMOST_ALL, self._limit + 1))

    @property
    def full(self) -> bool:
        """True when there is one row more than the page takes, or enough was looked at."""
        return len(self.rows) > self._limit or (self._looked_at >= _MOST_LOOKED_AT and bool(self.last))

    def take(self, found: Sequence[Sequence[Any]]) -> None:
        """Keep what lives."""
        for raw in found:
            self.last = self._table.filled(raw)
            if self._table.alive(self.last, self._now_ms):
                self.rows.append(self.last)
        self._looked_at += len(found)

    def page(self, identity: list[Any], *, skipped: int, more: bool) -> Page[Any]:
        """The page; its cursor leaves out the first `skipped` columns of the key."""
        codec = self._table.codec
        kept = self.rows[: self._limit]
        cursor = ""
        if len(self.rows) > self._limit:
            cursor = cursors.encode(identity, codec.key(kept[-1])[skipped:])
        elif more:
            cursor = cursors.encode(identity, codec.key(self.last)[skipped:])
        return Page(tuple(map(codec.decode, kept)), cursor)


async def scan(
    session: CqlSession,
    table: CqlTable,
    partition: tuple[Scalar, ...],
    *,
    first: tuple[Scalar, ...],
    last: tuple[Scalar, ...],
    after: str,
    limit: int,
    backwards: bool,
    now_ms: int,
) -> Page[Any]:
    """One page of a partition."""
    identity = cursors.identity(table.schema.name, partition, first, last, backwards)
    start = cursors.decode(identity, after) if after else first
    if after and not table.schema.clustering:
        return Page((), "")
    gathered = _Gathered(table, limit, now_ms)
    more = await _gather(session, table, partition, gathered, start=start, last=last, inclusive=not after, backwards=backwards)
    return gathered.page(identity, skipped=len(partition), more=more)


async def _gather(
    session: CqlSession,
    table: CqlTable,
    partition: tuple[Scalar, ...],
    gathered: _Gathered,
    *,
    start: tuple[Scalar, ...],
    last: tuple[Scalar, ...] = (),
    inclusive: bool,
    backwards: bool = False,
) -> bool:
    """Take rows of one partition until the page is full; False when there were no more."""
    columns = [(name, descending is not backwards) for name, descending in table.schema.clustering]
    while True:
        goes_on = False
        for asked in slices(columns, start, last, inclusive=inclusive):
            chunk = gathered.chunk
            found = await session.read(table.slice_query(asked, backwards=backwards, limit=chunk), (*partition, *asked.values))
            gathered.take(found)
            if gathered.full:
                return True
            if len(found) == chunk:
                goes_on = True
                break
        if not goes_on or not columns:
            return False
        start, inclusive = table.codec.key(gathered.last)[len(partition) :], False


async def walk(session: CqlSession, table: CqlTable, *, after: str, limit: int, now_ms: int) -> Page[Any]:
    """One page of the whole table, in the order of the ring."""
    identity = cursors.identity(table.schema.name)
    gathered = _Gathered(table, limit, now_ms)
    behind: tuple[Any, ...] = ()
    if after:
        key = cursors.decode(identity, after)
        behind = table.partition_of(key)
        if await _gather_rest(session, table, behind, gathered, key[len(behind) :]):
            return gathered.page(identity, skipped=0, more=True)
    while True:
        chunk = gathered.chunk
        found = await session.read(table.walk_query(begun=bool(behind), limit=chunk), behind)
        gathered.take([raw[: len(table.codec.names)] for raw in found if not table.guarded or raw[-1] == 0])
        if len(found) < chunk:
            return gathered.page(identity, skipped=0, more=False)
        if gathered.full:
            return gathered.page(identity, skipped=0, more=True)
        # The last partition of a chunk may have more: what is behind its last row, or all of it when only its first mark came.
        raw = found[-1]
        key = table.codec.key(raw)
        behind = table.partition_of(key)
        if table.guarded and raw[-1] != 0:
            rest = await _gather(session, table, behind, gathered, start=(), inclusive=True) if raw[-1] < 0 else False
        else:
            rest = await _gather_rest(session, table, behind, gathered, key[len(behind) :])
        if rest:
            return gathered.page(identity, skipped=0, more=True)


async def _gather_rest(
    session: CqlSession, table: CqlTable, partition: tuple[Any, ...], gathered: _Gathered, start: tuple[Any, ...]
) -> bool:
    if not table.schema.clustering:
        return False
    return await _gather(session, table, partition, gathered, start=start, inclusive=False)
