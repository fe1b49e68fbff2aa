"""Rows of what people chose."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from mesh.stores.tables.port import OutcomeUnknown, RowExists, Tables
from mesh.stores.tables.retry import update
from svc_social.notifications.tables import SettingsRow

MOST_KEYS = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsStore:
    """Repository of settings; who chose nothing has none of its own."""

    tables: Tables

    async def get(self, user_id: int) -> SettingsRow:
        """The settings of a person."""
        return await self.tables.get(SettingsRow, user_id) or SettingsRow(user_id=user_id)

    async def get_many(self, user_ids: Collection[int]) -> dict[int, SettingsRow]:
        """Settings by person, of all of them; one read for each 1,000."""
        wanted = list(dict.fromkeys(user_ids))
        found = {user_id: SettingsRow(user_id=user_id) for user_id in wanted}
        for start in range(0, len(wanted), MOST_KEYS):
            rows = await self.tables.get_many(SettingsRow, [(user_id,) for user_id in wanted[start : start + MOST_KEYS]])
            found |= {row.user_id: row for row in rows.values()}
        return found

    async def change(self, user_id: int, change: Callable[[SettingsRow], SettingsRow | None]) -> SettingsRow:
        """The settings after a pure change; None of it leaves them as they stand."""
        empty = SettingsRow(user_id=user_id)
        while True:
            written = await update(self.tables, SettingsRow, (user_id,), change)
            if written is not None:
                return written
            first = change(empty)
            if first is None:
                return empty
            try:
                return await self.tables.insert(first)
            except RowExists:
                continue
            except OutcomeUnknown as unknown:
                await self.tables.settle(unknown.token)
