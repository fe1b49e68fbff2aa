"""The picture that a person shows: video keeps it, and says by a permit that it is theirs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from clipmesh.common.v1 import permit_pb2
from clipmesh.social.v1 import events_pb2

from mesh.errors import SignInRequired
from mesh.events.event import Event, EventMaker
from mesh.permits import Permits
from mesh.stores.tables.requests import RequestLog, is_applied, with_applied
from svc_social.identity.convert import facts_to_proto
from svc_social.identity.people import People, Person
from svc_social.identity.store.accounts import AccountStore
from svc_social.identity.tables import Account

_ISSUER = "video"


@dataclass(frozen=True, slots=True, kw_only=True)
class Avatars:
    """Changes which picture people show."""

    accounts: AccountStore
    words: People
    requests: RequestLog
    permits: Permits
    next_id: Callable[[], int]
    events: EventMaker

    async def show(self, user_id: int, image_id: int, *, permit: permit_pb2.SignedPermit, request_id: str, body: bytes) -> Person:
        """The person with this picture; as they stand when the same request came before. Raises InvalidPermit and RequestIdReused."""
        # A repeat needs one as well: video lets a picture go when no permit for it can be alive any more.
        self.permits.verify(permit, issuer=_ISSUER, kind=permit_pb2.PERMIT_KIND_AVATAR, subject_id=image_id, viewer_id=user_id)
        return await self._change(user_id, image_id, method="SetAvatar", request_id=request_id, body=body)

    async def remove(self, user_id: int, *, request_id: str, body: bytes) -> Person:
        """The person without a picture; as they stand when the same request came before. Raises RequestIdReused."""
        return await self._change(user_id, 0, method="RemoveAvatar", request_id=request_id, body=body)

    async def _change(self, user_id: int, image_id: int, *, method: str, request_id: str, body: bytes) -> Person:
        if await self.accounts.get(user_id) is None:
            raise SignInRequired()
        claim = await self.requests.claim(caller=user_id, method=method, request_id=request_id, body=body, new_id=self.next_id)

        def change(row: Account) -> Account | None:
            if is_applied(row.applied_edits, claim):
                return None
            return replace(row, avatar_id=image_id, applied_edits=with_applied(row.applied_edits, claim))

        account = await self.accounts.change(user_id, change, events=self._changed)
        person = await self.words.one(account) if account is not None else None
        if person is None:
            raise SignInRequired()
        return person

    def _changed(self, old: Account, new: Account) -> Sequence[Event]:
        if old.avatar_id == new.avatar_id:
            return ()
        message = events_pb2.ProfileChanged(facts=facts_to_proto(new, version=old.version + 1))
        return [self.events.make(message, key=str(new.user_id), subject_ids=(new.user_id,))]
