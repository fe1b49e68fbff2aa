"""The distributed engine of the tables port: checks what a call asks, then hands it to the reads, to the writes or to the outbox."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, TypeVar

from mesh.clock import Clock
from mesh.events.event import Event
from mesh.stores.tables.calls import Calls, check_limit, check_shard, written
from mesh.stores.tables.cql import reads
from mesh.stores.tables.cql.guarded import GuardedWrites
from mesh.stores.tables.cql.outbox_log import OutboxLog
from mesh.stores.tables.cql.outbox_reader import OutboxReader
from mesh.stores.tables.cql.outbox_tables import OutboxCql
from mesh.stores.tables.cql.plain import PlainWrites
from mesh.stores.tables.cql.positions import Positions
from mesh.stores.tables.cql.session import CqlSession
from mesh.stores.tables.cql.settling import Settling
from mesh.stores.tables.cql.tables import CqlTable
from mesh.stores.tables.cql.unsettled import Unsettled
from mesh.stores.tables.entries import SHARDS
from mesh.stores.tables.port import Change, Insert, OutboxPage, OutcomeUnknown, Page, Remove, TablesUnavailable, Transition

R = TypeVar("R")
T = TypeVar("T")

POLL_S = 0.5
"""Longest wait for entries of other processes: nobody wakes us for them."""


class CqlTables:
    """Tables in a keyspace of a cluster; implements `mesh.stores.tables.port.Tables`."""

    def __init__(self, *, session: CqlSession, keyspace: str, tables: Mapping[type, CqlTable], clock: Clock, writer: int) -> None:
        self._session = session
        self._clock = clock
        self._calls = Calls(tables)
        cql, positions, unsettled = OutboxCql(keyspace), Positions(clock), Unsettled()
        self._log = OutboxLog(session, cql, positions, writer=writer)
        self._unsettled = unsettled
        self._guarded = GuardedWrites(session, self._log, positions, clock, unsettled)
        self._plain = PlainWrites(session, self._log, positions, clock, unsettled)
        settling = Settling(session, self._log, positions, {table.schema.name: table for table in tables.values()}, clock)
        self._reader = OutboxReader(session, cql, self._log, settling, clock)
        self._everyday = [*cql.everyday, *(query for table in tables.values() for query in table.everyday)]
        self._broken = asyncio.Event()
        self._under_way: set[asyncio.Task[Any]] = set()
        self._closing: asyncio.Task[None] | None = None

    async def load(self) -> None:
        """Find out where the outbox ends; before anything else."""
        await self._session.prepare(self._everyday)
        await self._log.load()

    async def get(self, row_type: type[R], *key: Any) -> R | None:
        """See the port."""
        table, now_ms = self._table(row_type), self._clock.now_ms()
        row: R | None = await reads.read_one(self._session, table, table.codec.encode_key(key), now_ms)
        return row

    async def get_many(self, row_type: type[R], keys: Sequence[tuple[Any, ...]]) -> dict[tuple[Any, ...], R]:
        """See the port."""
        table, now_ms = self._table(row_type), self._clock.now_ms()
        return await reads.read_many(self._session, table, self._calls.keys(table, keys), now_ms)

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
        asked = codec.encode_partition(partition), codec.encode_bound(first), codec.encode_bound(last)
        check_limit(limit)
        return await reads.scan(
            self._session,
            table,
            asked[0],
            first=asked[1],
            last=asked[2],
            after=after,
            limit=limit,
            backwards=backwards,
            now_ms=self._clock.now_ms(),
        )

    async def walk(self, row_type: type[R], *, after: str = "", limit: int = 500) -> Page[R]:
        """See the port."""
        table = self._table(row_type)
        check_limit(limit)
        return await reads.walk(self._session, table, after=after, limit=limit, now_ms=self._clock.now_ms())

    async def insert(self, row: R, *, events: Sequence[Event] = ()) -> R:
        """See the port."""
        (made,) = await self.commit(Insert(row), events=events)
        return made  # type: ignore[no-any-return]

    async def transition(self, row: R, *, expected_version: int, events: Sequence[Event] = ()) -> R:
        """See the port."""
        (made,) = await self.commit(Transition(row, expected_version), events=events)
        return made  # type: ignore[no-any-return]

    async def remove(self, row: Any, *, expected_version: int, events: Sequence[Event] = ()) -> None:
        """See the port."""
        await self.commit(Remove(row, expected_version), events=events)

    async def commit(self, *changes: Change, events: Sequence[Event] = ()) -> tuple[Any, ...]:
        """See the port."""
        self._session.check_open()
        commit = self._calls.commit(changes, events)
        return written(changes, await self._finish(self._guarded.write(commit)))

    async def put(self, *rows: Any, events: Sequence[Event] = ()) -> None:
        """See the port."""
        await self._write_plain(rows, events, deletes=False)

    async def put_once(self, first: Any, *rows: Any, events: Sequence[Event] = ()) -> None:
        """See the port. Two steps: a condition holds for its own partition alone."""
        self._session.check_open()
        commit, put = self._calls.commit((Insert(first),), ()), self._calls.put(rows, events)

        async def write() -> None:
            await self._guarded.write(commit)
            try:
                await self._plain.write(put, deletes=False)
            except OutcomeUnknown as unknown:
                # Its token tells of the rows; that the first one stands is certain, and all that the port says.
                raise TablesUnavailable("the rows behind a first one may not have been written") from unknown

        await self._finish(write())

    async def delete(self, *rows: Any, events: Sequence[Event] = ()) -> None:
        """See the port."""
        await self._write_plain(rows, events, deletes=True)

    async def _write_plain(self, rows: Sequence[Any], events: Sequence[Event], *, deletes: bool) -> None:
        if not rows and not events:
            return
        self._session.check_open()
        put = self._calls.put(rows, events)
        write = self._plain.write(put, deletes=deletes)
        # Without events it is one request, which its caller cannot leave half made.
        await (self._finish(write) if put.events else write)

    async def _finish(self, write: Coroutine[Any, Any, T]) -> T:
        """What a write answers; a caller that is cancelled leaves it to its fate, with every step made in order."""
        task = asyncio.ensure_future(write)
        self._under_way.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            task.exception()  # heard, though its caller may be gone

    async def settle(self, token: str) -> bool:
        """See the port."""
        return await self._unsettled.settle(token)

    @property
    def broken(self) -> asyncio.Event:
        """See the port. A cluster comes back by itself, so it is never set."""
        return self._broken

    @property
    def outbox_shards(self) -> int:
        """See the port."""
        return SHARDS

    async def read_outbox(self, shard: int, *, after: str = "", limit: int = 500) -> OutboxPage:
        """See the port."""
        self._session.check_open()
        check_limit(limit)
        check_shard(shard)
        return await self._reader.read(shard, after, limit)

    async def wait_outbox(self, timeout_s: float) -> None:
        """See the port."""
        await self._log.waiters.wait(min(timeout_s, POLL_S))

    async def drop_outbox(self, *, before_ms: int) -> int:
        """See the port. A bucket is ten minutes, and counts from when its entries were written."""
        self._session.check_open()
        return await self._log.drop(before_ms)

    async def close(self) -> None:
        """See the port."""
        self._session.refuse()
        if self._closing is None:
            self._closing = asyncio.create_task(self._stop())
        await asyncio.shield(self._closing)

    async def _stop(self) -> None:
        if self._under_way:
            await asyncio.wait(tuple(self._under_way))
        await self._log.finish()
        await self._session.close()

    def _table(self, row_type: type) -> CqlTable:
        table = self._calls.table(row_type)
        self._session.check_open()
        return table
