"""Rows of secrets that were mailed to people."""

from __future__ import annotations

from dataclasses import dataclass

from mesh.stores.tables.port import Tables
from svc_social.identity.session_tables import MailPurpose, MailToken


@dataclass(frozen=True, slots=True, kw_only=True)
class MailTokenStore:
    """Repository of mailed secrets. Expired ones are absent."""

    tables: Tables

    async def add(self, token: MailToken) -> None:
        """Write a new one."""
        await self.tables.insert(token)

    async def get(self, token_hash: bytes, purpose: MailPurpose) -> MailToken | None:
        """The secret with this hash, when it is for this."""
        row = await self.tables.get(MailToken, token_hash)
        return row if row is not None and row.purpose is purpose else None
