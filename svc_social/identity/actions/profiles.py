"""Profiles, consents and standings: what people show, what they allow, how far they are trusted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from clipmesh.common.v1 import viewer_pb2
from clipmesh.social.v1 import events_pb2

from mesh.clock import Clock
from mesh.errors import SignInRequired
from mesh.events.event import Event, EventMaker
from mesh.sealing import KeyGone
from mesh.stores.tables.requests import RequestLog, is_applied, with_applied
from mesh.tokens import KEYS_TOPIC
from svc_social.identity import rules
from svc_social.identity.convert import age_band_of, facts_to_proto
from svc_social.identity.errors import HandleNotAllowed, ProfileNotFound
from svc_social.identity.keyed import IdentityKeys
from svc_social.identity.masks import mask_of, purposes_of
from svc_social.identity.people import BIO, DISPLAY_NAME, People, Person
from svc_social.identity.store.accounts import AccountStore
from svc_social.identity.store.names import NameStore
from svc_social.identity.tables import Account, NameKind


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileChange:
    """What is to change; None leaves it as it is."""

    display_name: str | None = None
    bio: str | None = None
    languages: Sequence[str] | None = None
    region: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Profiles:
    """Reads and changes what people show and consent to."""

    accounts: AccountStore
    names: NameStore
    words: People
    keys: IdentityKeys
    requests: RequestLog
    next_id: Callable[[], int]
    clock: Clock
    events: EventMaker

    async def many(self, user_ids: Sequence[int]) -> list[Account]:
        """Accounts in the order asked, without the absent. None of their words: see `people`."""
        return await self.accounts.get_many(user_ids)

    async def people(self, user_ids: Sequence[int]) -> list[Person]:
        """Accounts with their words in the order asked, without the absent and the erased; two reads for all of them."""
        return await self.words.opened(await self.accounts.get_many(user_ids))

    async def shown(self, user_id: int, *, to_follower: bool) -> Account:
        """A person whose lists may be looked at, those of a private account by followers alone. Raises ProfileNotFound; the two look alike."""
        account = await self.accounts.get(user_id)
        if account is None or (account.is_private and not to_follower):
            raise ProfileNotFound()
        return account

    async def by_handle(self, handle: str) -> Person:
        """The person who has this handle now, with or without @. Raises ProfileNotFound."""
        try:
            name = self.keys.handle_name(rules.fold_handle(handle))
        except HandleNotAllowed as error:
            raise ProfileNotFound() from error
        row = await self.names.get(NameKind.HANDLE, name)
        account = await self.accounts.get(row.owner_id) if row is not None else None
        # A handle that was given up is still reserved for who had it.
        person = await self.words.one(account) if account is not None and account.handle_name == name else None
        if person is None:
            raise ProfileNotFound()
        return person

    async def by_handles(self, handles: Sequence[str]) -> dict[str, int]:
        """Who has these handles now, by the folded handle, without those that nobody has; two reads for all of them, 1,000 at most."""
        folded = dict[str, str]()
        for handle in handles:
            try:
                bare = rules.fold_handle(handle)
            except HandleNotAllowed:
                continue
            folded[self.keys.handle_name(bare)] = bare
        rows = await self.names.get_many(NameKind.HANDLE, list(folded))
        having = {account.handle_name: account.user_id for account in await self.accounts.get_many([row.owner_id for row in rows.values()])}
        return {bare: having[name] for name, bare in folded.items() if name in having}

    async def mine(self, user_id: int) -> tuple[Person, str]:
        """The person's own account and e-mail address. Raises SignInRequired when the account is gone."""
        account = await self.accounts.get(user_id)
        if account is None:
            raise SignInRequired()
        return await self._opened(account)

    async def update(self, user_id: int, wanted: ProfileChange, *, request_id: str, body: bytes) -> Person:
        """The person after the change; as they stand when the same request came before. Raises InvalidText, RequestIdReused."""
        display_name = None if wanted.display_name is None else rules.check_display_name(wanted.display_name)
        bio = None if wanted.bio is None else rules.check_text(wanted.bio, field="bio", most=160, lines=True)
        languages = None if wanted.languages is None else ",".join(rules.check_languages(wanted.languages))
        region = None if wanted.region is None else rules.check_region(wanted.region)
        standing, _ = await self.mine(user_id)
        claim = await self.requests.claim(caller=user_id, method="UpdateProfile", request_id=request_id, body=body, new_id=self.next_id)
        # Words that stay as they are keep their bytes: sealed anew they would look changed.
        sealer = self.words.sealer
        name = None if display_name in (None, standing.display_name) else await sealer.seal(user_id, DISPLAY_NAME, display_name or "")
        about = None if bio in (None, standing.bio) else await sealer.seal(user_id, BIO, bio or "")

        def change(row: Account) -> Account | None:
            if is_applied(row.applied_edits, claim):
                return None
            return replace(
                row,
                display_name_sealed=row.display_name_sealed if name is None else name,
                bio_sealed=row.bio_sealed if about is None else about,
                languages=row.languages if languages is None else languages,
                region=row.region if region is None else region,
                applied_edits=with_applied(row.applied_edits, claim),
            )

        account = await self.accounts.change(user_id, change, events=self._profile_changed)
        if account is None:
            raise SignInRequired()
        person, _ = await self._opened(account)
        return person

    async def consent(self, user_id: int, wanted: Sequence[viewer_pb2.ConsentPurpose.ValueType]) -> tuple[Person, str]:
        """The account with exactly these consents; what they were is kept as a period."""
        while True:
            account = await self.accounts.get(user_id)
            if account is None:
                raise SignInRequired()
            mask = mask_of(rules.allowed_consents(wanted, age_band_of(account)))
            if mask == account.consents_mask:
                return await self._opened(account)
            await self.accounts.keep_period(account)
            since_ms = max(self.clock.now_ms(), account.consents_since_ms + 1)
            changed = replace(account, consents_mask=mask, consents_since_ms=since_ms)
            written = await self.accounts.transition(changed, events=self._consents_changed(changed))
            if written is not None:
                return await self._opened(written)

    async def _opened(self, account: Account) -> tuple[Person, str]:
        person = await self.words.one(account)
        if person is None:
            raise SignInRequired()
        try:
            return person, await self.words.email(account)
        except KeyGone as error:
            raise SignInRequired() from error

    def _profile_changed(self, old: Account, new: Account) -> Sequence[Event]:
        if (old.display_name_sealed, old.bio_sealed) == (new.display_name_sealed, new.bio_sealed):
            return ()
        message = events_pb2.ProfileChanged(facts=facts_to_proto(new, version=old.version + 1))
        return [self.events.make(message, key=str(new.user_id), subject_ids=(new.user_id,))]

    def _consents_changed(self, account: Account) -> Sequence[Event]:
        """On `social` for those who keep personal facts, and on `keys` for those who verify tokens, which carry consents for 10 minutes."""
        message = events_pb2.ConsentsChanged(user_id=account.user_id, consents=purposes_of(account.consents_mask))
        subjects = (account.user_id,)
        return [
            self.events.make(message, key=str(account.user_id), subject_ids=subjects),
            self.events.make(message, key=f"consents:{account.user_id}", topic=KEYS_TOPIC, subject_ids=subjects),
        ]
