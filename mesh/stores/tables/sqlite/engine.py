"""The embedded engine of the tables port: checks what a call asks, then hands it to the writer or to a reader."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from mesh.clock import Clock
from mesh.events.event import Event
from mesh.stores.tables.calls import Calls, check_limit, check_names, check_shard, written
from mesh.stores.tables.entries import SHARDS
from mesh.stores.tables.port import Change, IncompatibleTable, Insert, OutboxPage, Page, Remove, Transition
from mesh.stores.tables.schema import schema_of
from mesh.stores.tables.sqlite.lock import FileLock
from mesh.stores.tables.sqlite.migrations import migrate
from mesh.stores.tables.sqlite.outbox import OutboxLog, Position, read_page
from mesh.stores.tables.sqlite.readers import Readers, connect
from mesh.stores.tables.sqlite.reads import Range, read_many, read_one
from mesh.stores.tables.sqlite.settling import Submissions
from mesh.stores.tables.sqlite.statements import TableSql
from mesh.stores.tables.sqlite.writer import GroupWriter
from mesh.stores.tables.sqlite.writes import DropBucket, GuardedWrite, OnceWrite, PlainWrite
from mesh.stores.tables.waiting import OutboxWaiters

R = TypeVar("R")

_MIN_SQLITE = (3, 37, 0)


class SqliteTables:
    """Tables in one SQLite file; implements `mesh.stores.tables.port.Tables`."""

    def __init__(self, *, path: Path, row_types: Sequence[type], clock: Clock, loop: asyncio.AbstractEventLoop) -> None:
        """Open and migrate; blocks. TablesInUse or IncompatibleTable leave the file as it was."""
        if sqlite3.sqlite_version_info < _MIN_SQLITE:
            raise IncompatibleTable(f"SQLite {sqlite3.sqlite_version} has no STRICT tables; 3.37 or later is needed")
        self._clock = clock
        check_names(row_types)
        tables = {row_type: TableSql(schema_of(row_type)) for row_type in row_types}
        self._calls = Calls(tables)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(path)
        try:
            self._connection = connect(path)
            try:
                migrate(self._connection, tables.values())
                outbox = OutboxLog(self._connection)
                self._waiters = OutboxWaiters(outbox.tails())
            except BaseException:
                self._connection.close()
                raise
        except BaseException:
            self._lock.release()
            raise
        self._readers = Readers(path, name=f"{path.stem}-tables-read", loop=loop)
        self._writer = GroupWriter(
            connection=self._connection,
            outbox=outbox,
            tables=tuple(tables.values()),
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
        values = self._calls.keys(table, keys)
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
        check_limit(limit)
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
        self._submissions.check_open()
        commit = self._calls.commit(changes, events)
        return written(changes, await self._submissions.run(GuardedWrite(commit.table, commit.changes, commit.events)))

    async def put(self, *rows: Any, events: Sequence[Event] = ()) -> None:
        """See the port."""
        await self._write_plain(rows, events, deletes=False)

    async def put_once(self, first: Any, *rows: Any, events: Sequence[Event] = ()) -> None:
        """See the port. One transaction: the rows are there when the first one is."""
        self._submissions.check_open()
        commit, put = self._calls.commit((Insert(first),), ()), self._calls.put(rows, events)
        await self._submissions.run(OnceWrite(GuardedWrite(commit.table, commit.changes, ()), PlainWrite(put.rows, put.events, False)))

    async def delete(self, *rows: Any, events: Sequence[Event] = ()) -> None:
        """See the port."""
        await self._write_plain(rows, events, deletes=True)

    async def _write_plain(self, rows: Sequence[Any], events: Sequence[Event], *, deletes: bool) -> None:
        if not rows and not events:
            return
        self._submissions.check_open()
        put = self._calls.put(rows, events)
        await self._submissions.run(PlainWrite(put.rows, put.events, deletes))

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
        check_limit(limit)
        check_shard(shard)
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

    def _table(self, row_type: type) -> TableSql:
        table = self._calls.table(row_type)
        self._submissions.check_open()
        return table
