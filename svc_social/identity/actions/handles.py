"""Another handle: reserved first, then the account says it, then the old one is kept from others for a while."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from clipmesh.social.v1 import events_pb2

from mesh.errors import SignInRequired
from mesh.events.event import Event, EventMaker
from mesh.sealing import KeyGone
from mesh.stores.tables.requests import RequestLog, is_applied, with_applied
from svc_social.identity import rules
from svc_social.identity.actions.naming import Naming
from svc_social.identity.convert import facts_to_proto
from svc_social.identity.errors import HandleTaken, TooManyAttempts
from svc_social.identity.keyed import IdentityKeys
from svc_social.identity.people import HANDLE, People, Person
from svc_social.identity.store.accounts import AccountStore
from svc_social.identity.store.attempts import AttemptStore
from svc_social.identity.store.names import NameStore
from svc_social.identity.tables import Account, NameKind

MOST_CHANGES = 3
WINDOW_MS = 30 * 24 * 3_600_000
"""How often one may change the handle in how long: as long as each old one is kept, so that nobody collects them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Handles:
    """Changes handles. The one write that decides is that of the account: before it the new name is only reserved, after it the old one is
    kept; cut off anywhere, a repeat or whoever wants the name next ends it."""

    accounts: AccountStore
    names: NameStore
    naming: Naming
    attempts: AttemptStore
    words: People
    keys: IdentityKeys
    requests: RequestLog
    next_id: Callable[[], int]
    events: EventMaker

    async def change(self, user_id: int, handle: str, *, request_id: str, body: bytes) -> Person:
        """The person with this handle; as they stand when the same request came before.

        Raises SignInRequired, HandleNotAllowed, HandleTaken, TooManyAttempts and RequestIdReused; then the handle is what it was.
        """
        wanted = rules.check_new_handle(handle)
        name = self.keys.handle_name(wanted)
        person = await self._person(user_id)
        if person.account.handle_name == name:
            return person
        if not await self.naming.may_ask(NameKind.HANDLE, name, owner_id=user_id):
            raise HandleTaken()
        claim = await self.requests.claim(caller=user_id, method="ChangeHandle", request_id=request_id, body=body, new_id=self.next_id)
        if is_applied(person.account.applied_edits, claim):
            return person
        await self._count(user_id)
        await self.naming.reserve(NameKind.HANDLE, name, owner_id=user_id)
        sealed = await self._sealed(user_id, wanted)
        old = set[str]()

        def change(row: Account) -> Account | None:
            if is_applied(row.applied_edits, claim):
                return None
            old.add(row.handle_name)
            return replace(row, handle_name=name, handle_sealed=sealed, applied_edits=with_applied(row.applied_edits, claim))

        account = await self.accounts.change(user_id, change, events=self._changed)
        if account is None:
            raise SignInRequired()
        await self.names.confirm(NameKind.HANDLE, name, owner_id=user_id)
        for given_up in old - {account.handle_name}:
            await self.naming.give_up(NameKind.HANDLE, given_up, owner_id=user_id)
        return await self._person(user_id)

    async def _person(self, user_id: int) -> Person:
        account = await self.accounts.get(user_id)
        person = await self.words.one(account) if account is not None else None
        if person is None:
            raise SignInRequired()
        return person

    async def _count(self, user_id: int) -> None:
        subject = self.keys.attempt_subject("handle", str(user_id))
        wait_ms = await self.attempts.take(subject, most=MOST_CHANGES, window_ms=WINDOW_MS)
        if wait_ms:
            raise TooManyAttempts(retry_after_ms=wait_ms)

    async def _sealed(self, user_id: int, handle: str) -> bytes:
        try:
            return await self.words.sealer.seal(user_id, HANDLE, handle)
        except KeyGone as error:
            raise SignInRequired() from error

    def _changed(self, old: Account, new: Account) -> Sequence[Event]:
        message = events_pb2.ProfileChanged(facts=facts_to_proto(new, version=old.version + 1))
        return [self.events.make(message, key=str(new.user_id), subject_ids=(new.user_id,))]
