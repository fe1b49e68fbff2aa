"""Rows of bonds: the truth of the graph."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from mesh.events.event import Event
from mesh.stores.tables.port import OutcomeUnknown, RowExists, Tables
from mesh.stores.tables.retry import update
from svc_social.graph.rules import pair_of
from svc_social.graph.tables import Bond

MOST_KEYS = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class BondStore:
    """Repository of bonds; two people without a row have a bond in which nothing stands."""

    tables: Tables

    async def get(self, one: int, other: int) -> Bond:
        """The bond of two people; version 0 when there is no row."""
        low_id, high_id = pair_of(one, other)
        return await self.tables.get(Bond, low_id, high_id) or Bond(low_id=low_id, high_id=high_id)

    async def get_many(self, pairs: Collection[tuple[int, int]]) -> dict[tuple[int, int], Bond]:
        """Bonds by (smaller id, larger id), without the absent; one read for each 1,000."""
        keys = list(dict.fromkeys(pairs))
        found: dict[tuple[int, int], Bond] = {}
        for start in range(0, len(keys), MOST_KEYS):
            rows = await self.tables.get_many(Bond, keys[start : start + MOST_KEYS])
            found |= {(bond.low_id, bond.high_id): bond for bond in rows.values()}
        return found

    async def change(self, bond: Bond, change: Callable[[Bond], Bond | None], *, events: Callable[[Bond, Bond], Sequence[Event]]) -> Bond:
        """Apply a pure change to the bond of two people, whatever stands there by now, with its events in the same write.

        `change` answers None to leave the bond as it is, and what it raises passes through.
        """
        empty = Bond(low_id=bond.low_id, high_id=bond.high_id)
        while True:
            written = await update(self.tables, Bond, (bond.low_id, bond.high_id), change, events=events)
            if written is not None:
                return written
            first = change(empty)
            if first is None:
                return empty
            try:
                return await self.tables.insert(first, events=events(empty, first))
            except RowExists:
                continue
            except OutcomeUnknown as unknown:
                await self.tables.settle(unknown.token)
