"""Sign-up: checked, its names reserved, the account written, the names confirmed; cut off anywhere, it can be repeated or undone."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date

from clipmesh.common.v1 import viewer_pb2
from clipmesh.social.v1 import events_pb2

from mesh.clock import Clock
from mesh.errors import RequestIdReused
from mesh.events.event import EventMaker
from mesh.failpoints import Failpoint, hit
from mesh.sealing import PersonSealer
from mesh.stores.tables.requests import RequestLog
from svc_social.identity import rules
from svc_social.identity.actions.naming import TAKEN, Naming
from svc_social.identity.actions.settling import SignUpSettler
from svc_social.identity.convert import facts_to_proto
from svc_social.identity.errors import EmailTaken, HandleTaken
from svc_social.identity.keyed import IdentityKeys
from svc_social.identity.masks import mask_of
from svc_social.identity.passwords import PasswordHasher
from svc_social.identity.people import BIRTH_DATE, DISPLAY_NAME, EMAIL, HANDLE
from svc_social.identity.store.accounts import AccountStore
from svc_social.identity.store.keys import PersonKeyStore
from svc_social.identity.tables import Account, Credential, NameKind

_EVERYBODYS_ROLES = (viewer_pb2.ROLE_VIEWER, viewer_pb2.ROLE_CREATOR)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPerson:
    """A sign-up as it was asked for."""

    request_id: str
    handle: str
    email: str
    password: str
    birth_date: str
    display_name: str = ""
    consents: tuple[viewer_pb2.ConsentPurpose.ValueType, ...] = ()
    languages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Checked:
    request_id: str
    handle: str
    handle_name: str
    email: str
    email_hash: str
    password: str
    born: date
    display_name: str
    band: viewer_pb2.AgeBand.ValueType
    consents: tuple[viewer_pb2.ConsentPurpose.ValueType, ...]
    languages: tuple[str, ...]

    def body(self) -> bytes:
        """What makes two sign-ups the same, but the password, which is compared by its argon2 hash."""
        facts = (self.handle, self.email, self.born.isoformat(), self.display_name, self.consents, self.languages)
        return json.dumps(facts).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class SignUp:
    """Makes accounts. The insert of the account row is the one moment that decides; all before it can be undone."""

    accounts: AccountStore
    naming: Naming
    person_keys: PersonKeyStore
    sealer: PersonSealer
    settler: SignUpSettler
    requests: RequestLog
    hasher: PasswordHasher
    keys: IdentityKeys
    next_id: Callable[[], int]
    clock: Clock
    events: EventMaker
    bootstrap_roles: Mapping[str, tuple[viewer_pb2.Role.ValueType, ...]]
    """Roles given at sign-up by handle; how an installation gets its first operator."""

    async def sign_up(self, new: NewPerson) -> tuple[int, str]:
        """Id and handle of the new account; a repeat of the same request gets the same one. Raises the errors named in the proto, then nothing was kept."""
        checked = self._check(new)
        await self._refuse_taken(checked)
        password_hash = await self.hasher.hash(checked.password)
        claim = await self.requests.claim(
            caller=checked.email_hash,
            method="SignUp",
            request_id=checked.request_id,
            body=self.keys.request_body(checked.body()),
            new_id=self.next_id,
        )
        user_id = claim.resource_id
        if claim.repeated:
            await self._compare_password(user_id, checked.password)
        account = await self.accounts.get(user_id) or await self._write(user_id, checked, password_hash)
        intent = await self.accounts.intent(user_id)
        if intent is not None:
            await self.settler.finish(intent)
        return account.user_id, checked.handle

    def _check(self, new: NewPerson) -> _Checked:
        handle, email = rules.check_new_handle(new.handle), rules.fold_email(new.email)
        password = rules.check_password(new.password, handle=handle, email=email)
        today = rules.today_of(self.clock.now_ms())
        born = rules.check_birth_date(new.birth_date, today)
        band = rules.age_band(born, today)
        return _Checked(
            request_id=new.request_id,
            handle=handle,
            handle_name=self.keys.handle_name(handle),
            email=email,
            email_hash=self.keys.email_hash(email),
            password=password,
            born=born,
            display_name=rules.check_display_name(new.display_name) if new.display_name else handle,
            band=band,
            consents=rules.allowed_consents(new.consents, band),
            languages=rules.check_languages(new.languages),
        )

    async def _refuse_taken(self, checked: _Checked) -> None:
        """Refuse before anything is written; the reservations decide again for those who race."""
        tag = self.keys.request_tag(checked.email_hash, checked.request_id)
        for kind, name in ((NameKind.HANDLE, checked.handle_name), (NameKind.EMAIL, checked.email_hash)):
            if not await self.naming.may_ask(kind, name, request_tag=tag):
                raise TAKEN[kind]()

    async def _compare_password(self, user_id: int, password: str) -> None:
        credential = await self.accounts.credential(user_id)
        if credential is not None and not await self.hasher.verify(password, credential.password_hash):
            raise RequestIdReused()

    async def _write(self, user_id: int, checked: _Checked, password_hash: str) -> Account:
        now_ms = self.clock.now_ms()
        intent = await self.accounts.begin(user_id=user_id, handle_name=checked.handle_name, email_hash=checked.email_hash, now_ms=now_ms)
        await self.person_keys.create(user_id)
        credential = await self.accounts.add_credential(Credential(user_id=user_id, password_hash=password_hash, set_at_ms=now_ms))
        if credential.password_hash != password_hash:
            await self._compare_password(user_id, checked.password)
        try:
            tag = self.keys.request_tag(checked.email_hash, checked.request_id)
            await self.naming.reserve(NameKind.HANDLE, checked.handle_name, owner_id=user_id, request_tag=tag)
            await self.naming.reserve(NameKind.EMAIL, checked.email_hash, owner_id=user_id, request_tag=tag)
        except (HandleTaken, EmailTaken):
            await self.settler.settle(intent)
            raise
        hit(Failpoint.SIGN_UP_AFTER_RESERVATION)
        account = await self._account(user_id, checked, now_ms)
        created = events_pb2.AccountCreated(facts=facts_to_proto(account, version=1))
        event = self.events.make(created, key=str(user_id), subject_ids=(user_id,))
        written = await self.accounts.create(account, events=[event])
        if written is None:
            await self.settler.settle(intent)
            raise RequestIdReused("this sign-up was given up; use a new request id")
        return written

    async def _account(self, user_id: int, checked: _Checked, now_ms: int) -> Account:
        return Account(
            user_id=user_id,
            handle_name=checked.handle_name,
            handle_sealed=await self.sealer.seal(user_id, HANDLE, checked.handle),
            display_name_sealed=await self.sealer.seal(user_id, DISPLAY_NAME, checked.display_name),
            is_private=checked.band == viewer_pb2.AGE_BAND_13_TO_15,
            email_sealed=await self.sealer.seal(user_id, EMAIL, checked.email),
            birth_date_sealed=await self.sealer.seal(user_id, BIRTH_DATE, checked.born.isoformat()),
            age_band=checked.band,
            roles_mask=mask_of((*_EVERYBODYS_ROLES, *self.bootstrap_roles.get(checked.handle, ()))),
            consents_mask=mask_of(checked.consents),
            consents_since_ms=now_ms,
            languages=",".join(checked.languages),
            created_at_ms=now_ms,
        )
