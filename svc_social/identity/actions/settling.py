"""Ends sign-ups that were cut off: finished when their account stands, undone when it does not."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from mesh.clock import Clock
from svc_social.identity.store.accounts import SIGN_UP_SHARDS, AccountStore
from svc_social.identity.store.keys import PersonKeyStore
from svc_social.identity.store.names import NameStore
from svc_social.identity.tables import NameKind, Reservation, SignUpIntent

PENDING_MS = 60_000
"""How long a sign-up may take: longer than any of its deadlines, so that nobody who still works is cut off."""

_log = logging.getLogger("clipmesh.social")


@dataclass(frozen=True, slots=True, kw_only=True)
class SignUpSettler:
    """Decides every sign-up by one write: either its account exists, or its id is made void and the account can never come."""

    accounts: AccountStore
    names: NameStore
    person_keys: PersonKeyStore
    clock: Clock

    async def settle(self, intent: SignUpIntent) -> bool:
        """True when the account exists; afterwards nothing of the sign-up is left to do."""
        exists = not await self.accounts.void(intent.user_id, now_ms=self.clock.now_ms())
        if exists:
            await self.finish(intent)
            return True
        for kind, name in ((NameKind.HANDLE, intent.handle_name), (NameKind.EMAIL, intent.email_hash)):
            await self.names.free(kind, name, owner_id=intent.user_id)
        await self.accounts.remove_credential(intent.user_id)
        await self.person_keys.undo(intent.user_id)
        await self.accounts.end(intent)
        return False

    async def finish(self, intent: SignUpIntent) -> None:
        """Make the names of an account its own for good."""
        for kind, name in ((NameKind.HANDLE, intent.handle_name), (NameKind.EMAIL, intent.email_hash)):
            await self.names.confirm(kind, name, owner_id=intent.user_id)
        await self.accounts.end(intent)

    async def settle_name(self, row: Reservation) -> None:
        """Decide about the owner of a name whose time to confirm is over."""
        intent = await self.accounts.intent(row.owner_id)
        if intent is not None:
            await self.settle(intent)
        elif await self.accounts.void(row.owner_id, now_ms=self.clock.now_ms()) or not await self.has_name(row):
            await self.names.free(row.kind, row.name, owner_id=row.owner_id)
        else:
            await self.names.confirm(row.kind, row.name, owner_id=row.owner_id)

    async def has_name(self, row: Reservation) -> bool:
        """Whether the owner's account has the name. An account keeps its address for good; its handle may have changed since."""
        account = await self.accounts.get(row.owner_id)
        return account is not None and (row.kind is NameKind.EMAIL or account.handle_name == row.name)

    async def sweep(self) -> int:
        """Settle every sign-up whose time is over; returns how many there were."""
        settled = 0
        for shard in range(SIGN_UP_SHARDS):
            for intent in await self.accounts.intents(shard):
                if intent.started_at_ms + PENDING_MS <= self.clock.now_ms():
                    await self.settle(intent)
                    settled += 1
        if settled:
            _log.info("settled sign-ups that were cut off", extra={"count": settled})
        return settled
