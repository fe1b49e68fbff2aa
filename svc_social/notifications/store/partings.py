"""Rows of people who fell out of inboxes."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from mesh.stores.tables.port import Tables
from svc_social.notifications.tables import PartedPerson

_MOST_KEYS = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PartingStore:
    """Repository of partings."""

    tables: Tables

    async def note(self, parting: PartedPerson) -> PartedPerson:
        """Write one, and read what stands then: one of a larger version of the bond stays."""
        await self.tables.put(parting)
        return await self.tables.get(PartedPerson, parting.user_id, parting.gone_id) or parting

    async def of(self, pairs: Collection[tuple[int, int]]) -> dict[tuple[int, int], PartedPerson]:
        """The last partings by (whose inbox, who fell out of it), without the absent; one read for each 1,000."""
        keys = list(dict.fromkeys(pairs))
        found: dict[tuple[int, int], PartedPerson] = {}
        for start in range(0, len(keys), _MOST_KEYS):
            rows = await self.tables.get_many(PartedPerson, keys[start : start + _MOST_KEYS])
            found |= {(row.user_id, row.gone_id): row for row in rows.values()}
        return found
