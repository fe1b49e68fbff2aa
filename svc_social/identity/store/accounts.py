"""Rows of accounts, credentials, consent periods and sign-ups under way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mesh.events.event import Event
from mesh.stores.tables.port import RowExists, Tables, VersionConflict
from mesh.stores.tables.retry import update
from svc_social.identity.tables import Account, AccountState, ConsentPeriod, Credential, SignUpIntent

SIGN_UP_SHARDS = 16
_VOID_KEPT_MS = 7 * 24 * 3_600_000


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountStore:
    """Repository of accounts."""

    tables: Tables

    async def get(self, user_id: int) -> Account | None:
        """The account, None when there is none or its sign-up was given up."""
        account = await self.tables.get(Account, user_id)
        return account if account is not None and account.state is AccountState.ACTIVE else None

    async def get_many(self, user_ids: Sequence[int]) -> list[Account]:
        """Accounts in the order asked, each once, without the absent."""
        wanted = list(dict.fromkeys(user_ids))
        rows = await self.tables.get_many(Account, [(user_id,) for user_id in wanted])
        found = (rows.get((user_id,)) for user_id in wanted)
        return [account for account in found if account is not None and account.state is AccountState.ACTIVE]

    async def create(self, account: Account, *, events: Sequence[Event]) -> Account | None:
        """Write a new account with its events; the account that stands there when it was written before, None when the id is void."""
        try:
            return await self.tables.insert(account, events=events)
        except RowExists as exists:
            standing: Account = exists.row
            return standing if standing.state is AccountState.ACTIVE else None

    async def void(self, user_id: int, *, now_ms: int) -> bool:
        """Make sure that the id never becomes an account; False when it is one already."""
        try:
            await self.tables.insert(Account(user_id=user_id, state=AccountState.VOID, expires_at_ms=now_ms + _VOID_KEPT_MS))
        except RowExists as exists:
            return bool(exists.row.state is AccountState.VOID)
        return True

    async def change(
        self, user_id: int, change: Callable[[Account], Account | None], *, events: Callable[[Account, Account], Sequence[Event]]
    ) -> Account | None:
        """Apply a pure change optimistically; None when there is no such account."""
        if await self.get(user_id) is None:
            return None
        return await update(self.tables, Account, (user_id,), change, events=events)

    async def keep_period(self, account: Account) -> None:
        """Keep the consents as they are; written before the account changes, and the same row when it is tried again."""
        await self.tables.put(
            ConsentPeriod(user_id=account.user_id, since_ms=account.consents_since_ms, consents_mask=account.consents_mask, version=1)
        )

    async def periods(self, user_id: int) -> tuple[ConsentPeriod, ...]:
        """Past periods, oldest first."""
        rows: list[ConsentPeriod] = []
        cursor = ""
        while True:
            page = await self.tables.scan(ConsentPeriod, user_id, after=cursor, limit=1000)
            rows.extend(page.rows)
            cursor = page.next
            if not cursor:
                return tuple(rows)

    async def transition(self, account: Account, *, events: Sequence[Event]) -> Account | None:
        """Replace the account that was read in this version; None when somebody was faster."""
        try:
            return await self.tables.transition(account, expected_version=account.version, events=events)
        except VersionConflict:
            return None

    async def credential(self, user_id: int) -> Credential | None:
        """The password of an account."""
        return await self.tables.get(Credential, user_id)

    async def add_credential(self, credential: Credential) -> Credential:
        """Write a password; the one that stands there when there is one already."""
        try:
            return await self.tables.insert(credential)
        except RowExists as exists:
            standing: Credential = exists.row
            return standing

    async def replace_credential(self, credential: Credential) -> Credential | None:
        """Replace the password that was read in this version; None when somebody was faster."""
        try:
            return await self.tables.transition(credential, expected_version=credential.version)
        except VersionConflict:
            return None

    async def remove_credential(self, user_id: int) -> None:
        """Forget the password of a sign-up that was given up."""
        credential = await self.credential(user_id)
        if credential is not None:
            await self.tables.remove(credential, expected_version=credential.version)

    async def begin(self, *, user_id: int, handle_name: str, email_hash: str, now_ms: int) -> SignUpIntent:
        """Note that a sign-up is under way."""
        intent = SignUpIntent(
            shard=user_id % SIGN_UP_SHARDS,
            user_id=user_id,
            handle_name=handle_name,
            email_hash=email_hash,
            started_at_ms=now_ms,
            version=now_ms,
        )
        await self.tables.put(intent)
        return intent

    async def end(self, intent: SignUpIntent) -> None:
        """Note that nothing of a sign-up is left to do."""
        await self.tables.delete(intent)

    async def intent(self, user_id: int) -> SignUpIntent | None:
        """The sign-up under way with this id."""
        return await self.tables.get(SignUpIntent, user_id % SIGN_UP_SHARDS, user_id)

    async def intents(self, shard: int, *, limit: int = 200) -> tuple[SignUpIntent, ...]:
        """Sign-ups under way, oldest first."""
        return (await self.tables.scan(SignUpIntent, shard, limit=limit)).rows
