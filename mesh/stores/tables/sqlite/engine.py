"""The embedded engine of the tables port: checks what a call asks, then hands it to the writer or to a reader."""

from __future__ import annotations

import asyncio
import dataclasses
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from mesh.clock import Clock
from mesh.events.event import Event
from mesh.stores.tables.port import (
    MAX_BATCH_BYTES,
    BatchTooLarge,
    Change,
    IncompatibleTable,
    Insert,
    InvalidUse,
    OutboxPage,
    Page,
    Remove,
    Transition,
)
from mesh.stores.tables.rows import Scalar, counted_bytes
from mesh.stores.tables.schema import InvalidTable, Scope, schema_of
from mesh.stores.tables.sqlite.lock import FileLock
from mesh.stores.tables.sqlite.migrations import migrate
from mesh.stores.tables.sqlite.outbox import SHARDS, OutboxLog, Position, PreparedEvent, read_page
from mesh.stores.tables.sqlite.readers import Readers, connect
from mesh.stores.tables.sqlite.reads import Range, read_many, read_one
from mesh.stores.tables.sqlite.settling import Submissions
from mesh.stores.tables.sqlite.statements import TableSql
from mesh.stores.tables.sqlite.waiting import OutboxWaiters
from mesh.stores.tables.sqlite.writer import GroupWriter
from mesh.stores.tables.sqlite.writes import DropBucket, GuardedChange, GuardedWrite, PlainWrite

R = TypeVar("R")

MAX_KEYS = 1_000
"""Most keys of one get_many, rows of one page and entries of one outbox page."""
_MIN_SQLITE = (3, 37, 0)


class SqliteTables:
    """Tables in one SQLite file; implements `mesh.stores.tables.port.Tables`."""

    def __init__(self, *, path: Path, row_types: Sequence[type], clock: Clock, loop: asyncio.AbstractEventLoop) -> None:
        """Open and migrate; blocks. TablesInUse or IncompatibleTable leave the file as it was."""
        if sqlite3.sqlite_version_info < _MIN_SQLITE:
            raise IncompatibleTable(f"SQLite {sqlite3.sqlite_version} has no STRICT tables; 3.37 or later is needed")
        self._clock = clock
        self._tables = {row_type: TableSql(schema_of(row_type)) for row_type in row_types}
        names = [table.schema.name for table in self._tables.values()]
        if len(names) != len(set(names)):
            raise InvalidTable(f"two row types declare the same table: {', '.join(sorted(names))}")
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(path)
        try:
            self._connection = connect(path)
            try:
                migrate(self._connection, self._tables.values())
                outbox = OutboxLog(self._connection)
                self._waiters = OutboxWaiters(outbox.tails())
            except BaseException:
                self._connection.close()
                raise
        except BaseException:
            self._lock.release()
            raise
        self._readers = Readers(path, name=f"{path.stem}-tables-read")
        self._writer = GroupWriter(
            connection=self._connection,
            outbox=outbox,
            tables=tuple(self._tables.values()),
            clock=clock,
            loop=loop,
            committed=self._waiters.committed,
            name=f"{path.stem}-tables-write",
        )
        self._submissions = Submissions(self._writer)
        self._closing: asyncio.Task[None] | None = None

    async def get(self, row_type: type[R], *key: Any) -> R | None:
        """See the port."""
        table, now_ms = self._table(row_type), self._clock.now_ms()
        values = table.codec.encode_key(key)
        return await self._readers.run(lambda connection: read_one(connection, table, values, now_ms))

    async def get_many(self, row_type: type[R], keys: Sequence[tuple[Any, ...]]) -> dict[tuple[Any, ...], R]:
        """See the port."""
        table, now_ms = self._table(row_type), self._clock.now_ms()
        if len(keys) > MAX_KEYS:
            raise InvalidUse(f"{table.schema.name}: {len(keys)} keys asked, at most {MAX_KEYS}")
        values = list(dict.fromkeys(table.codec.encode_key(key) for key in keys))
        if not values:
            return {}
        return await self._readers.run(lambda connection: read_many(connection, table, values, now_ms))

    async def scan(
        self,
        row_type: type[R],
        *partition: Any,
        first: tuple[Any, ...] = (),
        last: tuple[Any, ...] = (),
        after: str = "",
        limit: int = 100,
        backwards: bool = False,
    ) -> Page[R]:
        """See the port."""
        table = self._table(row_type)
        codec = table.codec
        asked = Range(table, codec.encode_partition(partition), codec.encode_bound(first), codec.encode_bound(last), backwards)
        return await self._read_range(asked, after, limit)

    async def walk(self, row_type: type[R], *, after: str = "", limit: int = 500) -> Page[R]:
        """See the port."""
        return await self._read_range(Range(self._table(row_type), None), after, limit)

    async def _read_range(self, asked: Range, after: str, limit: int) -> Page[Any]:
        _check_limit(limit)
        now_ms = self._clock.now_ms()
        return await self._readers.run(lambda connection: asked.read(connection, after, limit, now_ms))

    async def insert(self, row: R, *, events: Sequence[Event] = ()) -> R:
        """See the port."""
        (written,) = await self.commit(Insert(row), events=events)
        return written  # type: ignore[no-any-return]

    async def transition(self, row: R, *, expected_version: int, events: Sequence[Event] = ()) -> R:
        """See the port."""
        (written,) = await self.commit(Transition(row, expected_version), events=events)
        return written  # type: ignore[no-any-return]

    async def remove(self, row: Any, *, expected_version: int, events: Sequence[Event] = ()) -> None:
        """See the port."""
        await self.commit(Remove(row, expected_version), events=events)

    async def commit(self, *changes: Change, events: Sequence[Event] = ()) -> tuple[Any, ...]:
        """See the port."""
        if not changes:
            raise InvalidUse("a commit needs a change")
        table = self._table(type(changes[0].row), guarded=True)
        prepared, size = [], 0
        for change in changes:
            if type(change.row) is not table.schema.row_type:
                raise InvalidUse(f"a commit spans {table.schema.name} and {type(change.row).__name__}; it belongs to one table")
            values = table.codec.encode(change.row)
            size += counted_bytes(values)
            prepared.append(_guarded_change(table, change, values))
        keys = [change.key for change in prepared]
        parts = len(table.schema.partition)
        if len({key[:parts] for key in keys}) > 1:
            raise InvalidUse(f"{table.schema.name}: a commit belongs to one partition")
        if len(set(keys)) < len(keys):
            raise InvalidUse(f"{table.schema.name}: a commit changes a row once")
        entries = _prepare_events(events, row_version=prepared[0].likely_version, size=size)
        versions = await self._submissions.run(GuardedWrite(table, tuple(prepared), entries))
        return tuple(
            None if isinstance(change, Remove) else dataclasses.replace(change.row, version=version)
            for change, version in zip(changes, versions, strict=True)
        )

    async def put(self, *rows: Any, events: Sequence[Event] = ()) -> None:
        """See the port."""
        await self._write_plain(rows, events, deletes=False)

    async def delete(self, *rows: Any, events: Sequence[Event] = ()) -> None:
        """See the port."""
        await self._write_plain(rows, events, deletes=True)

    async def _write_plain(self, rows: Sequence[Any], events: Sequence[Event], *, deletes: bool) -> None:
        if not rows and not events:
            return
        encoded: list[tuple[TableSql, tuple[Scalar, ...]]] = []
        scopes: set[Scope] = set()
        for row in rows:
            table = self._table(type(row), guarded=False)
            scopes.add(table.schema.scope)
            if row.version < 1:
                raise InvalidUse(f"{table.schema.name}: a plain row brings its own version, from 1")
            encoded.append((table, table.codec.encode(row)))
        if len(scopes) > 1:
            raise InvalidUse("a write belongs to one scope: global or home region")
        size = sum(counted_bytes(values) for _, values in encoded)
        entries = _prepare_events(events, row_version=rows[0].version if rows else 0, size=size)
        await self._submissions.run(PlainWrite(tuple(encoded), entries, deletes))

    async def settle(self, token: str) -> bool:
        """See the port."""
        return await self._submissions.settle(token)

    @property
    def broken(self) -> asyncio.Event:
        """See the port."""
        return self._writer.broken

    @property
    def outbox_shards(self) -> int:
        """See the port."""
        return SHARDS

    async def read_outbox(self, shard: int, *, after: str = "", limit: int = 500) -> OutboxPage:
        """See the port."""
        self._submissions.check_open()
        _check_limit(limit)
        if not 0 <= shard < SHARDS:
            raise InvalidUse(f"the outbox has shards 0 to {SHARDS - 1}, not {shard}")
        sequence = Position.parse(shard, after).sequence
        if not self._waiters.has_after(shard, sequence):
            self._waiters.was_read(shard, sequence)
            return OutboxPage((), after)
        page = await self._readers.run(lambda connection: read_page(connection, shard, after, limit))
        self._waiters.was_read(shard, Position.parse(shard, page.position).sequence)
        return page

    async def wait_outbox(self, timeout_s: float) -> None:
        """See the port."""
        await self._waiters.wait(timeout_s)

    async def drop_outbox(self, *, before_ms: int) -> int:
        """See the port. A bucket is an hour of the clock, and counts from when its entries were written."""
        dropped = 0
        while await self._submissions.run(DropBucket(before_ms)):
            dropped += 1
        return dropped

    async def close(self) -> None:
        """See the port."""
        self._submissions.refuse()
        if self._closing is None:
            self._closing = asyncio.create_task(asyncio.to_thread(self._stop))
        await asyncio.shield(self._closing)

    def _stop(self) -> None:
        self._writer.stop()
        self._readers.stop()
        self._connection.close()
        self._lock.release()

    def _table(self, row_type: type, *, guarded: bool | None = None) -> TableSql:
        table = self._tables.get(row_type)
        if table is None:
            raise InvalidUse(f"{row_type.__name__} is not among the row types the tables were opened with")
        if guarded is True and not table.guarded:
            raise InvalidUse(f"{table.schema.name} is plain: use put and delete")
        if guarded is False and table.guarded:
            raise InvalidUse(f"{table.schema.name} is guarded: use insert, transition, remove or commit")
        self._submissions.check_open()
        return table


def _check_limit(limit: int) -> None:
    if not 1 <= limit <= MAX_KEYS:
        raise InvalidUse(f"a limit is 1 to {MAX_KEYS}, not {limit}")


def _guarded_change(table: TableSql, change: Change, values: tuple[Scalar, ...]) -> GuardedChange:
    key = table.codec.key(values)
    if isinstance(change, Insert):
        return GuardedChange(key, values, 0)
    if change.expected_version < 1:
        raise InvalidUse(f"{table.schema.name}: a guarded row that stands has a version from 1, not {change.expected_version}")
    return GuardedChange(key, None if isinstance(change, Remove) else values, change.expected_version)


def _prepare_events(events: Sequence[Event], *, row_version: int, size: int) -> tuple[PreparedEvent, ...]:
    """Serialise the events of a write whose rows count `size` bytes; BatchTooLarge when both together exceed the limit."""
    prepared = tuple(PreparedEvent.of(event, row_version=row_version) for event in events)
    size += sum(event.counted_bytes for event in prepared)
    if size > MAX_BATCH_BYTES:
        raise BatchTooLarge(f"the write counts {size} bytes, at most {MAX_BATCH_BYTES}")
    return prepared
