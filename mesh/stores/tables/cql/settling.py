"""Settles the entries that a reader of the outbox finds undecided: their writer is at work, or died between two steps."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping

from mesh.clock import Clock
from mesh.stores.tables.cql.marks import Marks
from mesh.stores.tables.cql.outbox_log import Entry, OutboxLog
from mesh.stores.tables.cql.outbox_tables import Place, State
from mesh.stores.tables.cql.plain import promised, write_rows
from mesh.stores.tables.cql.positions import Positions, at_ms
from mesh.stores.tables.cql.session import CqlSession, MaybeWritten
from mesh.stores.tables.cql.tables import CqlTable
from mesh.stores.tables.port import InvalidUse, TablesUnavailable

_log = logging.getLogger("clipmesh.tables")

LOOK_AFTER_S = 0.3
"""Age from which the marks are asked: most writers are done before."""
PATIENCE_S = 7.0
"""Age from which a write that did not happen is kept from happening: longer than any write's deadline."""
_MOST_REMEMBERED = 10_000


class Settling:
    """Tells what became of an undecided entry."""

    def __init__(self, session: CqlSession, log: OutboxLog, positions: Positions, tables: Mapping[str, CqlTable], clock: Clock) -> None:
        self._session = session
        self._log = log
        self._positions = positions
        self._tables = tables
        self._clock = clock
        self._first_seen_s: dict[tuple[int, Place], float] = {}

    def _age_s(self, shard: int, place: Place) -> float:
        if len(self._first_seen_s) > _MOST_REMEMBERED:
            self._first_seen_s.clear()
        now_s = time.monotonic()
        seen_s = now_s - self._first_seen_s.setdefault((shard, place), now_s)
        return max(seen_s, (self._clock.now_ms() - at_ms(place.position)) / 1000)

    async def settle(self, shard: int, place: Place, state: State, origin: str) -> bool | None:
        """Whether the entry may be sent; None while its writer may still be at work. Raises TablesUnavailable."""
        if self._log.is_under_way(place):
            return None
        known = self._log.fate(place)
        age_s = self._age_s(shard, place)
        if known is None and age_s >= LOOK_AFTER_S:
            if state is State.PROMISED:
                known = await self._keep_promise(place, origin)
            else:
                known = await self._ask(place, origin, patient=age_s < PATIENCE_S)
            if known is not None:
                await (self._log.confirm_at(shard, place) if known else self._log.cancel_at(shard, place))
        if known is not None:
            self._first_seen_s.pop((shard, place), None)
        return known

    async def _ask(self, place: Place, origin: str, *, patient: bool) -> bool | None:
        name, values = json.loads(origin)
        table = self._tables.get(name)
        if table is None:
            # Code that does not know the table cannot say that nothing happened: it waits for code that does.
            return None
        partition = [bytes.fromhex(value[0]) if isinstance(value, list) else value for value in values]
        marks = Marks(self._session, table, partition)
        if patient:
            return await marks.happened(place.position, place.writer)
        return await marks.settle(place.position, place.writer)

    async def _keep_promise(self, place: Place, origin: str) -> bool:
        """Finish a plain write that was left behind. Its other shards may not have got their entries: they get them now."""
        writes, entries = promised(origin)
        try:
            await write_rows(self._session, writes)
            if len({shard for shard, _, _ in entries}) > 1:
                position = self._positions.next()
                fresh = [Entry(shard, Place(position, self._log.writer, number), entry) for shard, number, entry in entries]
                await self._log.write(fresh, State.HAPPENED, "")
                self._log.happened(fresh)
        except InvalidUse:
            _log.exception("an entry of the outbox belongs to rows that the store refuses: %s", place)
            return False
        except MaybeWritten as error:
            raise TablesUnavailable(f"a write that was left behind cannot be finished yet: {error}") from error
        return True
