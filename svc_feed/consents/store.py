"""Rows of withdrawals."""

from __future__ import annotations

from mesh.stores.tables.port import Tables
from svc_feed.consents.tables import Withdrawal


class WithdrawalStore:
    """Reads and writes withdrawals."""

    def __init__(self, *, tables: Tables) -> None:
        self._tables = tables

    async def get(self, viewer_id: int) -> Withdrawal | None:
        """The last withdrawal of a person."""
        return await self._tables.get(Withdrawal, viewer_id)

    async def put(self, withdrawal: Withdrawal) -> None:
        """Write one; a later one that stands stays."""
        await self._tables.put(withdrawal)
