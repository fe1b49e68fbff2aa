"""The writing end of the outbox: entries are there before their write is, and are decided after it."""

from __future__ import annotations

import asyncio
import contextvars
from collections import OrderedDict
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from mesh.stores.tables.cql.gathering import Gathering
from mesh.stores.tables.cql.outbox_tables import IN_FRONT_MS, OutboxCql, Place, State
from mesh.stores.tables.cql.positions import BUCKET_MS, Positions, bucket_of, first_of
from mesh.stores.tables.cql.session import CqlSession, MaybeWritten, Query, Values
from mesh.stores.tables.entries import SHARDS, PreparedEvent
from mesh.stores.tables.port import OutboxEntry, TablesError, TablesUnavailable
from mesh.stores.tables.waiting import OutboxWaiters

_REMEMBERED = 20_000
"""Own entries whose fate is kept in memory, so that they can be sent before their decision is written."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry on its way."""

    shard: int
    place: Place
    content: OutboxEntry

    @property
    def bucket_ms(self) -> int:
        """The partition it lies in."""
        return bucket_of(self.place.position)

    @property
    def key(self) -> Values:
        """Its primary key."""
        return (self.shard, self.bucket_ms, self.place.position, self.place.writer, self.place.number)


class OutboxLog:
    """Writes entries and decides them; knows the fate of those that this process wrote."""

    def __init__(self, session: CqlSession, cql: OutboxCql, positions: Positions, *, writer: int) -> None:
        self.writer = writer
        self.waiters = OutboxWaiters([0] * SHARDS)
        self.counts = [0] * SHARDS
        """How often each shard grew by writes of this process."""
        self._session = session
        self._cql = cql
        self._positions = positions
        self._registered: set[tuple[int, int]] = set()
        self._fates: OrderedDict[int, bool | None] = OrderedDict()
        """By position: whether the write of this process happened, None while that is not known."""
        self._tasks: set[asyncio.Task[Any]] = set()
        self._written = Gathering(session, cql.write, partition=2, run=self.run)
        self._confirmed = Gathering(session, cql.confirm, partition=2, run=self.run)
        self.oldest_ms = [0] * SHARDS
        """Buckets before these were dropped."""
        self._swept = [False] * SHARDS
        """Whether this process looked for what a drop that died had left behind."""

    async def load(self) -> None:
        """Begin behind everything that is there, so that a clock that went back between two starts does no harm."""
        await asyncio.gather(*(self._load(shard) for shard in range(SHARDS)))

    async def _load(self, shard: int) -> None:
        found = await self._session.read(self._cql.oldest, (shard,))
        self._advance(shard, max((row[0] or 0 for row in found), default=0))
        buckets = await self.buckets(shard, from_ms=0)
        if buckets:
            last = await self._session.read(self._cql.last, (shard, buckets[-1]))
            self._positions.go_behind(max((row[0] for row in last), default=first_of(buckets[-1])))

    def _advance(self, shard: int, oldest_ms: int) -> None:
        self.oldest_ms[shard] = max(self.oldest_ms[shard], oldest_ms)
        self._positions.go_behind(first_of(self.oldest_ms[shard]))

    async def buckets(self, shard: int, *, from_ms: int) -> list[int]:
        """The buckets of a shard that are kept, from one on, oldest first."""
        found = await self._session.read(self._cql.buckets, (shard, max(from_ms, self.oldest_ms[shard])))
        for _, oldest_ms in found[:1]:
            self._advance(shard, oldest_ms or 0)
        return [bucket_ms for bucket_ms, _ in found if bucket_ms >= self.oldest_ms[shard]]

    def entries(self, events: Sequence[PreparedEvent], *, position: int, row_version: int) -> tuple[Entry, ...]:
        """The entries of one write."""
        return tuple(
            Entry(
                prepared.shard,
                Place(position, self.writer, number),
                OutboxEntry(prepared.event.event_id, prepared.event.topic, prepared.event.key, prepared.envelope_for(row_version)),
            )
            for number, prepared in enumerate(events)
        )

    async def write(self, entries: Sequence[Entry], state: State, origin: str) -> None:
        """Write entries, those of one shard in one atomic step. Raises TablesUnavailable when none was written, MaybeWritten when some may have been."""
        if not entries:
            return
        self._remember(entries[0].place.position, True if state is State.HAPPENED else None)
        first = entries[0]
        if len(entries) == 1 or all(entry.shard == first.shard for entry in entries):
            await self._register(first.shard, first.bucket_ms)
            await self._write_shard(entries, state, origin)
            return
        shards: dict[int, list[Entry]] = {}
        for entry in entries:
            shards.setdefault(entry.shard, []).append(entry)
        await asyncio.gather(*(self._register(shard, entries[0].bucket_ms) for shard in shards))
        answers = await asyncio.gather(*(self._write_shard(found, state, origin) for found in shards.values()), return_exceptions=True)
        errors = [answer for answer in answers if isinstance(answer, BaseException)]
        if not errors:
            return
        if len(errors) == len(answers) and not any(isinstance(error, MaybeWritten) for error in errors):
            raise errors[0]
        raise MaybeWritten("some shards of the outbox did not take their entries") from errors[0]

    async def _write_shard(self, entries: Sequence[Entry], state: State, origin: str) -> None:
        rows = []
        for entry in entries:
            content = entry.content
            rows.append((*entry.key, state, content.event_id, content.topic, content.key, content.envelope, origin))
        await self._written.write(rows, size_bytes=sum(len(entry.content.envelope) + len(origin) for entry in entries))

    async def _register(self, shard: int, bucket_ms: int) -> None:
        if (shard, bucket_ms) not in self._registered:
            try:
                await self._session.write(self._cql.register, (shard, bucket_ms))
            except MaybeWritten as error:
                raise TablesUnavailable(f"a bucket of the outbox could not be opened: {error}") from error
            self._registered.add((shard, bucket_ms))

    def _remember(self, position: int, fate: bool | None) -> None:
        self._fates[position] = fate
        self._fates.move_to_end(position)
        if len(self._fates) > _REMEMBERED:
            self._fates.popitem(last=False)

    def is_under_way(self, place: Place) -> bool:
        """True while this process works on the write of an entry."""
        return place.writer == self.writer and self._fates.get(place.position, False) is None

    def fate(self, place: Place) -> bool | None:
        """Whether the write of an entry happened, as far as this process knows."""
        return self._fates.get(place.position) if place.writer == self.writer else None

    def leave(self, position: int) -> None:
        """Stop working on a write whose outcome is unknown: readers of the outbox may settle it."""
        self._fates.pop(position, None)

    def happened(self, entries: Sequence[Entry]) -> None:
        """Let readers send the entries from now on."""
        if not entries:
            return
        self._remember(entries[0].place.position, True)
        grown: dict[int, int] = {}
        for shard in {entry.shard for entry in entries}:
            self.counts[shard] += 1
            grown[shard] = self.counts[shard]
        self.waiters.committed(grown)

    async def confirm(self, entries: Sequence[Entry]) -> None:
        """Write down that a write happened, together with others that did. Raises TablesUnavailable."""
        try:
            if len(entries) == 1:
                await self._confirmed.write([entries[0].key])
            else:
                await asyncio.gather(*(self._confirmed.write([entry.key]) for entry in entries))
        except MaybeWritten as error:
            raise TablesUnavailable(f"a decision could not be written: {error}") from error

    async def confirm_now(self, entries: Sequence[Entry]) -> None:
        """The same within the deadline of the caller. Raises TablesUnavailable."""
        await self._decide(self._cql.confirm, [entry.key for entry in entries])

    async def confirm_at(self, shard: int, place: Place) -> None:
        """The same for an entry that somebody else wrote."""
        await self._decide(self._cql.confirm, [Entry(shard, place, OutboxEntry(0, "", "", b"")).key])

    async def cancel_at(self, shard: int, place: Place) -> None:
        """Write down that an entry's write did not happen and never will. Raises TablesUnavailable."""
        await self._decide(self._cql.cancel, [Entry(shard, place, OutboxEntry(0, "", "", b"")).key])

    def cancel(self, entries: Sequence[Entry]) -> None:
        """Write down, in the background, that a write did not happen; a reader finds out by itself if this is lost."""
        if entries:
            self._remember(entries[0].place.position, False)
            self.run(self._cancel([entry.key for entry in entries]))

    async def _cancel(self, keys: Sequence[Values]) -> None:
        try:
            await self._decide(self._cql.cancel, keys)
        except TablesError:
            return

    async def _decide(self, query: Query, keys: Sequence[Values]) -> None:
        try:
            await asyncio.gather(*(self._session.write(query, key) for key in keys))
        except MaybeWritten as error:
            raise TablesUnavailable(f"a decision could not be written: {error}") from error

    def run(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Keep background work until `finish`; it carries no deadline of whoever began it."""
        task = asyncio.create_task(work, context=contextvars.Context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def finish(self) -> None:
        """Wait for the background work."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def drop(self, before_ms: int) -> int:
        """Drop the buckets that ended before a moment; returns how many. Readers stop looking at them before they go."""
        dropped: set[int] = set()
        for shard in range(SHARDS):
            # What was dropped is a row of tombstones in front of the others: it is looked through once, no more.
            found = await self._session.read(self._cql.buckets, (shard, self.oldest_ms[shard] if self._swept[shard] else 0))
            old = [bucket_ms for bucket_ms, _ in found if bucket_ms + BUCKET_MS <= before_ms]
            if not old:
                self._swept[shard] = True
                continue
            oldest_ms = old[-1] + BUCKET_MS
            await self._write_or_refuse(self._cql.register, (shard, IN_FRONT_MS))
            await self._write_or_refuse(self._cql.move_oldest, (max(1, oldest_ms), oldest_ms, shard))
            self._advance(shard, oldest_ms)
            for bucket_ms in old:
                await self._write_or_refuse(self._cql.drop, (shard, bucket_ms))
                await self._write_or_refuse(self._cql.forget, (shard, bucket_ms))
                self._registered.discard((shard, bucket_ms))
            self._swept[shard] = True
            dropped.update(old)
        return len(dropped)

    async def _write_or_refuse(self, query: Query, values: Values) -> None:
        try:
            await self._session.write(query, values)
        except MaybeWritten as error:
            raise TablesUnavailable(f"the outbox could not be dropped: {error}") from error
