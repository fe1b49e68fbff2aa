"""Bans: whoever is banned loses every session and gets no other."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from clipmesh.common.v1 import viewer_pb2
from clipmesh.social.v1 import events_pb2

from mesh.clock import Clock
from mesh.errors import PermissionDenied
from mesh.events.event import Event, EventMaker
from svc_social.identity.actions.sessions import Sessions
from svc_social.identity.errors import AccountNotFound
from svc_social.identity.masks import mask_of
from svc_social.identity.session_tables import SessionEnd
from svc_social.identity.store.accounts import AccountStore
from svc_social.identity.tables import Account

_ABOVE = mask_of((viewer_pb2.ROLE_OPERATOR, viewer_pb2.ROLE_ADMIN))

_log = logging.getLogger("clipmesh.social")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bans:
    """Shuts people out and lets them in again."""

    accounts: AccountStore
    sessions: Sessions
    clock: Clock
    events: EventMaker

    async def set(self, *, by: viewer_pb2.ViewerContext, user_id: int, banned: bool) -> int:
        """Since when the account is banned, 0 for not; safe to repeat. Only admins ban operators and admins, nobody bans themselves.

        The account says first that it is banned, then its sessions end: a session that begins meanwhile sees the ban or is seen. Raises
        AccountNotFound and PermissionDenied.
        """
        if user_id == by.user_id:
            raise PermissionDenied("nobody bans themselves")
        may_all = viewer_pb2.ROLE_ADMIN in by.roles
        now_ms = self.clock.now_ms()

        def change(row: Account) -> Account | None:
            if row.roles_mask & _ABOVE and not may_all:
                raise PermissionDenied("only an admin bans operators and admins")
            return None if bool(row.banned_at_ms) is banned else replace(row, banned_at_ms=now_ms if banned else 0)

        account = await self.accounts.change(user_id, change, events=self._changed)
        if account is None:
            raise AccountNotFound()
        if account.banned_at_ms:
            await self.sessions.end_all(user_id, SessionEnd.BANNED)
        _log.info("a ban was set or lifted", extra={"user_id": user_id})
        return account.banned_at_ms

    def _changed(self, old: Account, new: Account) -> Sequence[Event]:
        if old.banned_at_ms == new.banned_at_ms:
            return ()
        message = events_pb2.BanChanged(user_id=new.user_id, banned_at_ms=new.banned_at_ms)
        return [self.events.make(message, key=str(new.user_id), subject_ids=(new.user_id,))]
