"""Conditional writes: rows, marks and versions change in one lightweight transaction; the entries of their events were there before it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence

from mesh import deadline
from mesh.clock import Clock
from mesh.stores.tables import cursors
from mesh.stores.tables.calls import Commit
from mesh.stores.tables.cql import standing
from mesh.stores.tables.cql.lanes import Attempt, Lane, Lanes
from mesh.stores.tables.cql.marks import Marks
from mesh.stores.tables.cql.outbox_log import OutboxLog
from mesh.stores.tables.cql.outbox_tables import State
from mesh.stores.tables.cql.positions import Positions
from mesh.stores.tables.cql.session import DEFAULT_S, CqlSession, MaybeWritten, Query, Values
from mesh.stores.tables.cql.standing import Standing
from mesh.stores.tables.cql.tables import LAST, CqlTable
from mesh.stores.tables.cql.unsettled import Unsettled
from mesh.stores.tables.port import OutcomeUnknown, TablesError, TablesUnavailable
from mesh.stores.tables.rows import Scalar


def origin_of(attempt: Attempt) -> str:
    """What an entry keeps of its write while nobody knows whether it happened."""
    return json.dumps([attempt.table.schema.name, *cursors.identity("", attempt.partition)[1:]])


class GuardedWrites:
    """Makes conditional writes and settles those whose answer was lost."""

    def __init__(self, session: CqlSession, log: OutboxLog, positions: Positions, clock: Clock, unsettled: Unsettled) -> None:
        self._session = session
        self._log = log
        self._positions = positions
        self._clock = clock
        self._unsettled = unsettled
        self._lanes = Lanes()

    async def write(self, commit: Commit[CqlTable]) -> tuple[int, ...]:
        """Make the changes; the versions they wrote. Raises what the port says of a commit."""
        table = commit.table
        partition = table.partition_of(commit.changes[0].key)
        async with self._lanes.turn((table.schema.name, partition)) as lane:
            await self._finish(lane)
            return await self._write(lane, commit, partition)

    async def _write(self, lane: Lane, commit: Commit[CqlTable], partition: tuple[Scalar, ...]) -> tuple[int, ...]:
        table = commit.table
        marks = Marks(self._session, table, partition)
        stands = tuple(map(standing.expected, commit.changes))
        attempt = self._attempt(commit, partition, stands)
        # A row that has a version was written before, so its partition has a last position.
        marked = any(stood.version for stood in stands) or self._lanes.is_marked(attempt.lane)
        await self._intend(attempt)
        while True:
            if await self._try(lane, attempt, commit, stands, marked=marked):
                self._lanes.note(attempt.lane, marked=True)
                self._succeed(lane, attempt)
                return attempt.versions
            try:
                last, stands = await asyncio.gather(marks.last(), self._stands(commit))
            except TablesError:
                self._log.cancel(attempt.entries)
                raise
            marked = last is not None
            self._lanes.note(attempt.lane, marked=marked)
            versions = tuple(stood.version + 1 for stood in stands)
            if versions != attempt.versions or (last is not None and last >= attempt.position):
                self._log.cancel(attempt.entries)
                self._positions.go_behind(last or 0)
                attempt = self._attempt(commit, partition, stands)
                await self._intend(attempt)

    def _attempt(self, commit: Commit[CqlTable], partition: tuple[Scalar, ...], stands: Sequence[Standing]) -> Attempt:
        versions = tuple(stood.version + 1 for stood in stands)
        position = self._positions.next()
        entries = self._log.entries(commit.events, position=position, row_version=versions[0])
        return Attempt(commit.table, partition, position, versions, entries)

    async def _intend(self, attempt: Attempt) -> None:
        """Let the entries wait for the write: whoever finds them can tell what became of it."""
        try:
            await self._log.write(attempt.entries, State.INTENT, origin_of(attempt))
        except MaybeWritten as error:
            self._log.cancel(attempt.entries)
            raise TablesUnavailable(f"nothing was written: {error}") from error
        except TablesError:
            self._log.cancel(attempt.entries)
            raise

    async def _try(self, lane: Lane, attempt: Attempt, commit: Commit[CqlTable], stands: Sequence[Standing], *, marked: bool) -> bool:
        """Send the write; False when it was refused."""
        try:
            found = await self._session.write_all(
                self._statements(attempt, commit, stands, marked=marked),
                level=attempt.table.levels.plain,
                serial=attempt.table.levels.serial,
            )
        except MaybeWritten:
            lane.unfinished.append(attempt)
            try:
                await self._settle(attempt)
            except TablesUnavailable as error:
                self._log.leave(attempt.position)
                raise OutcomeUnknown(self._unsettled.remember(lambda: self.settle(attempt))) from error
            self._lanes.finished(attempt)
            # What was kept from happening has to be tried behind the position that kept it.
            return bool(attempt.happened)
        except TablesError:
            self._log.cancel(attempt.entries)
            raise
        return bool(found[0][0])

    def _statements(
        self, attempt: Attempt, commit: Commit[CqlTable], stands: Sequence[Standing], *, marked: bool
    ) -> list[tuple[Query, Values]]:
        table, now_ms, position = attempt.table, self._clock.now_ms(), attempt.position
        writes = [standing.statement(table, change, stood, now_ms) for change, stood in zip(commit.changes, stands, strict=True)]
        last = (position, *attempt.partition, LAST, *table.clustering_zeros)
        writes.append((table.pass_by, (*last, position)) if marked else (table.begin, (*last, None)))
        writes.append((table.note, (position, *attempt.partition, self._log.writer, *table.clustering_zeros)))
        return writes

    async def _stands(self, commit: Commit[CqlTable]) -> tuple[Standing, ...]:
        """What stands where the changes want to go, if these fit; RowExists or VersionConflict for the first that does not."""
        table, now_ms = commit.table, self._clock.now_ms()
        found = await asyncio.gather(*(self._session.read(table.get_settled, change.key) for change in commit.changes))
        return tuple(standing.found(table, change, rows, now_ms) for change, rows in zip(commit.changes, found, strict=True))

    def _succeed(self, lane: Lane, attempt: Attempt) -> None:
        attempt.happened = True
        self._log.happened(attempt.entries)
        if attempt.entries:
            lane.unfinished.append(attempt)
            attempt.confirmed = self._log.run(self._confirm(attempt))

    async def _confirm(self, attempt: Attempt) -> None:
        await self._log.confirm(attempt.entries)
        self._lanes.finished(attempt)

    async def _finish(self, lane: Lane) -> None:
        """Decide all that this process sent to the partition before: its mark is about to move on. Raises TablesUnavailable."""
        for attempt in tuple(lane.unfinished):
            if attempt.happened is None:
                await self._settle(attempt)
            if attempt.happened and not await _ended(attempt.confirmed):
                await self._log.confirm_now(attempt.entries)
            self._lanes.finished(attempt)

    async def _settle(self, attempt: Attempt) -> None:
        marks = Marks(self._session, attempt.table, attempt.partition)
        attempt.happened = await marks.settle(attempt.position, self._log.writer)
        if attempt.happened:
            self._log.happened(attempt.entries)
        else:
            self._log.cancel(attempt.entries)

    async def settle(self, attempt: Attempt) -> bool:
        """Whether a write happened, for good. Raises TablesUnavailable."""
        if attempt.happened is None:
            async with self._lanes.turn(attempt.lane) as lane:
                await self._finish(lane)
        return bool(attempt.happened)


async def _ended(confirmed: asyncio.Task[None] | None) -> bool:
    """True once the entries of an earlier write are written down as decided."""
    if confirmed is None:
        return False
    await asyncio.wait([confirmed], timeout=deadline.remaining_s(DEFAULT_S))
    return confirmed.done() and not confirmed.cancelled() and confirmed.exception() is None
