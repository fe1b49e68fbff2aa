"""Plain writes: the row's version is its timestamp, so servers keep the larger one by themselves, and any write can be repeated by anybody."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from mesh.clock import Clock
from mesh.stores.tables.calls import Put
from mesh.stores.tables.cql.levels import LEVELS
from mesh.stores.tables.cql.outbox_log import Entry, OutboxLog
from mesh.stores.tables.cql.outbox_tables import State
from mesh.stores.tables.cql.positions import Positions
from mesh.stores.tables.cql.session import CqlSession, MaybeWritten, Query, Values
from mesh.stores.tables.cql.tables import CqlTable, level_of
from mesh.stores.tables.cql.unsettled import Unsettled
from mesh.stores.tables.port import InvalidUse, OutboxEntry, OutcomeUnknown, TablesUnavailable

Writes = Sequence[tuple[Query, Values]]


def statements(put: Put[CqlTable], *, deletes: bool, now_ms: int) -> list[tuple[Query, Values]]:
    """One idempotent statement for each row."""
    writes: list[tuple[Query, Values]] = []
    for table, values in put.rows:
        version = values[table.codec.version_at]
        if deletes:
            # At equal timestamps a deletion wins, as the port has it.
            writes.append((table.bury, (version, *table.codec.key(values))))
        else:
            writes.append((table.put, (*values, version, table.ttl_s(values, now_ms))))
    return writes


def promise_of(writes: Writes, entries: Sequence[Entry]) -> str:
    """What an entry keeps of its write, so that anybody can finish it: the statements, and the entries of other shards."""
    return json.dumps(
        {
            "writes": [[query.text, query.level.value, list(map(_plain, values))] for query, values in writes],
            "entries": [
                [
                    entry.shard,
                    entry.place.number,
                    entry.content.event_id,
                    entry.content.topic,
                    entry.content.key,
                    entry.content.envelope.hex(),
                ]
                for entry in entries
            ],
        }
    )


def promised(origin: str) -> tuple[list[tuple[Query, Values]], list[tuple[int, int, OutboxEntry]]]:
    """What `promise_of` kept: the statements, and (shard, number, entry) of every entry of the write."""
    kept = json.loads(origin)
    writes: list[tuple[Query, Values]] = [
        (Query(text, level_of(level)), [_value(value) for value in values]) for text, level, values in kept["writes"]
    ]
    entries = [
        (shard, number, OutboxEntry(event_id, topic, key, bytes.fromhex(envelope)))
        for shard, number, event_id, topic, key, envelope in kept["entries"]
    ]
    return writes, entries


def _plain(value: Any) -> Any:
    return [value.hex()] if isinstance(value, bytes) else value


def _value(value: Any) -> Any:
    return bytes.fromhex(value[0]) if isinstance(value, list) else value


class PlainWrites:
    """Makes plain writes; one whose answer was lost is settled by making it again."""

    def __init__(self, session: CqlSession, log: OutboxLog, positions: Positions, clock: Clock, unsettled: Unsettled) -> None:
        self._session = session
        self._log = log
        self._positions = positions
        self._clock = clock
        self._unsettled = unsettled

    async def write(self, put: Put[CqlTable], *, deletes: bool) -> None:
        """Put or delete the rows. Raises TablesUnavailable or OutcomeUnknown."""
        writes = statements(put, deletes=deletes, now_ms=self._clock.now_ms())
        left: list[tuple[Entry, ...]] = []

        async def again() -> bool:
            try:
                await self._write(put, writes, left)
            except MaybeWritten as error:
                raise TablesUnavailable(f"the outcome cannot be told yet: {error}") from error
            # The same events went out behind these.
            while left:
                self._log.cancel(left.pop())
            return True

        try:
            await self._write(put, writes, left)
        except MaybeWritten as error:
            raise OutcomeUnknown(self._unsettled.remember(again)) from error

    async def _write(self, put: Put[CqlTable], writes: Writes, left: list[tuple[Entry, ...]]) -> None:
        """Make the write; entries that it leaves undecided are added to `left`."""
        if put.events:
            entries = self._log.entries(put.events, position=self._positions.next(), row_version=put.row_version)
            try:
                await self._with_entries(entries, writes)
            except (MaybeWritten, TablesUnavailable):
                self._log.leave(entries[0].place.position)
                left.append(entries)
                raise
        elif len(writes) == 1:
            await self._session.write(*writes[0])
        else:
            await self._session.write_all(writes, level=LEVELS[put.rows[0][0].schema.scope].plain, logged=True)

    async def _with_entries(self, entries: Sequence[Entry], writes: Writes) -> None:
        """The entries hold the whole write until it is done: they are its log, and whoever reads one that was left behind finishes the write."""
        if not writes and len({entry.shard for entry in entries}) == 1:
            await self._log.write(entries, State.HAPPENED, "")
            self._log.happened(entries)
            return
        await self._log.write(entries, State.PROMISED, promise_of(writes, entries))
        try:
            await write_rows(self._session, writes)
        except InvalidUse:
            self._log.cancel(entries)
            raise
        except TablesUnavailable as error:
            raise MaybeWritten(str(error)) from error
        self._log.happened(entries)
        self._log.run(self._confirm(entries))

    async def _confirm(self, entries: Sequence[Entry]) -> None:
        try:
            await self._log.confirm(entries)
        except TablesUnavailable:
            return  # whoever finds the entries repeats the write, which changes nothing


async def write_rows(session: CqlSession, writes: Writes) -> None:
    """Make each write, all at once. Raises what the first that failed raised."""
    answers = await asyncio.gather(*(session.write(query, values) for query, values in writes), return_exceptions=True)
    errors = [answer for answer in answers if isinstance(answer, BaseException)]
    if errors:
        raise next((error for error in errors if isinstance(error, MaybeWritten)), errors[0])
