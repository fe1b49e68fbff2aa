"""Privacy settings: who may see a person, and who may answer them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from clipmesh.social.v1 import events_pb2

from mesh.errors import SignInRequired
from mesh.events.event import Event, EventMaker
from mesh.stores.tables.requests import RequestLog, is_applied, with_applied
from svc_social.identity import rules
from svc_social.identity.convert import facts_to_proto
from svc_social.identity.store.accounts import AccountStore
from svc_social.identity.tables import Account, Audience


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivacyChange:
    """What is to change; None leaves a setting as it is."""

    is_private: bool | None = None
    comments: Audience | None = None
    duets: Audience | None = None
    stitches: Audience | None = None
    messages: Audience | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivacySettings:
    """Changes privacy settings."""

    accounts: AccountStore
    requests: RequestLog
    next_id: Callable[[], int]
    events: EventMaker

    async def update(self, user_id: int, wanted: PrivacyChange, *, request_id: str, body: bytes) -> Account:
        """The account after the change; as it stands when the same request came before. Raises NotAtThisAge and RequestIdReused."""
        account = await self.accounts.get(user_id)
        if account is None:
            raise SignInRequired()
        if wanted.messages is not None:
            rules.check_messages(wanted.messages, account.age_band)
        claim = await self.requests.claim(caller=user_id, method="UpdatePrivacy", request_id=request_id, body=body, new_id=self.next_id)

        def change(row: Account) -> Account | None:
            if is_applied(row.applied_edits, claim):
                return None
            return replace(
                row,
                is_private=row.is_private if wanted.is_private is None else wanted.is_private,
                comments_from=wanted.comments or row.comments_from,
                duets_from=wanted.duets or row.duets_from,
                stitches_from=wanted.stitches or row.stitches_from,
                messages_from=wanted.messages or row.messages_from,
                applied_edits=with_applied(row.applied_edits, claim),
            )

        changed = await self.accounts.change(user_id, change, events=self._changed)
        if changed is None:
            raise SignInRequired()
        return changed

    def _changed(self, old: Account, new: Account) -> Sequence[Event]:
        """Only what everybody may see is said to everybody."""
        if old.is_private == new.is_private:
            return ()
        message = events_pb2.ProfileChanged(facts=facts_to_proto(new, version=old.version + 1))
        return [self.events.make(message, key=str(new.user_id), subject_ids=(new.user_id,))]
