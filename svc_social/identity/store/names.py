"""Rows of unique names: put if absent with a pending owner, then confirmed or freed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mesh.stores.tables.port import RowExists, Tables, VersionConflict
from svc_social.identity.tables import NameKind, Reservation

_LONG_PAST_MS = 1
"""Expiry of a freed name: before any clock's now, also one that steps back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NameStore:
    """Repository of reservations."""

    tables: Tables

    async def get(self, kind: NameKind, name: str) -> Reservation | None:
        """Who has a name, None when it is free."""
        return await self.tables.get(Reservation, kind, name)

    async def reserve(self, reservation: Reservation) -> Reservation:
        """Take a name if it is free; answers what stands there afterwards, maybe somebody else's."""
        try:
            return await self.tables.insert(reservation)
        except RowExists as exists:
            standing: Reservation = exists.row
            return standing

    async def get_many(self, kind: NameKind, names: Sequence[str]) -> dict[str, Reservation]:
        """Reservations by name, in one read, without the free ones."""
        rows = await self.tables.get_many(Reservation, [(kind, name) for name in names])
        return {row.name: row for row in rows.values()}

    async def replace(self, reservation: Reservation) -> Reservation | None:
        """Replace what was read in this version; None when somebody was faster."""
        try:
            return await self.tables.transition(reservation, expected_version=reservation.version)
        except VersionConflict:
            return None

    async def hold(self, kind: NameKind, name: str, *, owner_id: int, until_ms: int) -> None:
        """Keep a name that its owner gave up from everybody else until a moment; safe to repeat."""
        while True:
            row = await self.get(kind, name)
            if row is None or row.owner_id != owner_id or row.held_until_ms:
                return
            if await self.replace(replace(row, confirmed=True, held_until_ms=until_ms)) is not None:
                return

    async def confirm(self, kind: NameKind, name: str, *, owner_id: int) -> None:
        """Make a name the owner's for good; safe to repeat."""
        await self._change(kind, name, owner_id=owner_id, confirmed=True)

    async def free(self, kind: NameKind, name: str, *, owner_id: int) -> None:
        """Give an unconfirmed name back; a name of somebody else stays, safe to repeat."""
        await self._change(kind, name, owner_id=owner_id, confirmed=False)

    async def _change(self, kind: NameKind, name: str, *, owner_id: int, confirmed: bool) -> None:
        while True:
            row = await self.get(kind, name)
            if row is None or row.owner_id != owner_id or row.confirmed:
                return
            changed = replace(row, confirmed=True) if confirmed else replace(row, expires_at_ms=_LONG_PAST_MS)
            try:
                await self.tables.transition(changed, expected_version=row.version)
            except VersionConflict:
                continue
            return
