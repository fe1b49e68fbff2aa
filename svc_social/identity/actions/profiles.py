"""Profiles, consents and standings: what people show, what they allow, how far they are trusted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from clipmesh.common.v1 import viewer_pb2
from clipmesh.social.v1 import events_pb2

from mesh.clock import Clock
from mesh.errors import SignInRequired
from mesh.events.event import Event, EventMaker
from mesh.sealing import KeyGone, PersonSealer
from mesh.stores.tables.requests import RequestLog, is_applied, with_applied
from mesh.tokens import KEYS_TOPIC
from svc_social.identity import rules
from svc_social.identity.convert import age_band_of, profile_to_proto
from svc_social.identity.errors import HandleNotAllowed, ProfileNotFound
from svc_social.identity.masks import mask_of, purposes_of
from svc_social.identity.store.accounts import AccountStore
from svc_social.identity.store.names import NameStore
from svc_social.identity.tables import Account, NameKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Profiles:
    """Reads and changes what people show and consent to."""

    accounts: AccountStore
    names: NameStore
    sealer: PersonSealer
    requests: RequestLog
    next_id: Callable[[], int]
    clock: Clock
    events: EventMaker

    async def many(self, user_ids: Sequence[int]) -> list[Account]:
        """Accounts in the order asked, without the absent."""
        return await self.accounts.get_many(user_ids)

    async def shown(self, user_id: int, *, to_follower: bool) -> Account:
        """A person whose lists may be looked at, those of a private account by followers alone. Raises ProfileNotFound; the two look alike."""
        account = await self.accounts.get(user_id)
        if account is None or (account.is_private and not to_follower):
            raise ProfileNotFound()
        return account

    async def by_handle(self, handle: str) -> Account:
        """The account with this handle, with or without @. Raises ProfileNotFound."""
        try:
            row = await self.names.get(NameKind.HANDLE, rules.fold_handle(handle))
        except HandleNotAllowed as error:
            raise ProfileNotFound() from error
        account = await self.accounts.get(row.owner_id) if row is not None else None
        if account is None:
            raise ProfileNotFound()
        return account

    async def mine(self, user_id: int) -> tuple[Account, str]:
        """The person's own account and e-mail address. Raises SignInRequired when the account is gone."""
        account = await self.accounts.get(user_id)
        if account is None:
            raise SignInRequired()
        return account, await self._email(account)

    async def update(
        self,
        user_id: int,
        *,
        display_name: str | None,
        bio: str | None,
        languages: Sequence[str] | None,
        request_id: str,
        body: bytes,
    ) -> Account:
        """The account with what is not None replaced; as it stands when the same request came before. Raises InvalidText, RequestIdReused."""
        changes: dict[str, str] = {}
        if display_name is not None:
            changes["display_name"] = rules.check_display_name(display_name)
        if bio is not None:
            changes["bio"] = rules.check_text(bio, field="bio", most=160, lines=True)
        if languages is not None:
            changes["languages"] = ",".join(rules.check_languages(languages))
        if await self.accounts.get(user_id) is None:
            raise SignInRequired()
        claim = await self.requests.claim(caller=user_id, method="UpdateProfile", request_id=request_id, body=body, new_id=self.next_id)

        def change(row: Account) -> Account | None:
            if is_applied(row.applied_edits, claim):
                return None
            return replace(row, applied_edits=with_applied(row.applied_edits, claim), **changes)  # type: ignore[arg-type]

        account = await self.accounts.change(user_id, change, events=self._profile_changed)
        if account is None:
            raise SignInRequired()
        return account

    async def consent(self, user_id: int, wanted: Sequence[viewer_pb2.ConsentPurpose.ValueType]) -> tuple[Account, str]:
        """The account with exactly these consents; what they were is kept as a period."""
        while True:
            account = await self.accounts.get(user_id)
            if account is None:
                raise SignInRequired()
            mask = mask_of(rules.allowed_consents(wanted, age_band_of(account)))
            if mask == account.consents_mask:
                return account, await self._email(account)
            await self.accounts.keep_period(account)
            since_ms = max(self.clock.now_ms(), account.consents_since_ms + 1)
            changed = replace(account, consents_mask=mask, consents_since_ms=since_ms)
            written = await self.accounts.transition(changed, events=self._consents_changed(changed))
            if written is not None:
                return written, await self._email(written)

    async def _email(self, account: Account) -> str:
        try:
            return await self.sealer.unseal(account.user_id, "email", account.email_sealed)
        except KeyGone as error:
            raise SignInRequired() from error

    def _profile_changed(self, old: Account, new: Account) -> Sequence[Event]:
        if profile_to_proto(old) == profile_to_proto(replace(new, version=old.version)):
            return ()
        profile = profile_to_proto(new)
        profile.version = old.version + 1
        message = events_pb2.ProfileChanged(profile=profile)
        return [self.events.make(message, key=str(new.user_id), subject_ids=(new.user_id,))]

    def _consents_changed(self, account: Account) -> Sequence[Event]:
        """On `social` for those who keep personal facts, and on `keys` for those who verify tokens, which carry consents for 10 minutes."""
        message = events_pb2.ConsentsChanged(user_id=account.user_id, consents=purposes_of(account.consents_mask))
        subjects = (account.user_id,)
        return [
            self.events.make(message, key=str(account.user_id), subject_ids=subjects),
            self.events.make(message, key=f"consents:{account.user_id}", topic=KEYS_TOPIC, subject_ids=subjects),
        ]
