"""Roles: given and taken by operators and admins; what was taken is not believed any more within a minute."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

from clipmesh.common.v1 import viewer_pb2

from mesh.errors import PermissionDenied
from svc_social.identity.actions.sessions import Sessions
from svc_social.identity.errors import AccountNotFound
from svc_social.identity.masks import mask_of, roles_of
from svc_social.identity.session_tables import SessionEnd
from svc_social.identity.store.accounts import AccountStore
from svc_social.identity.tables import Account

_log = logging.getLogger("clipmesh.social")


@dataclass(frozen=True, slots=True, kw_only=True)
class Roles:
    """Changes roles."""

    accounts: AccountStore
    sessions: Sessions

    async def grant(
        self, *, by: viewer_pb2.ViewerContext, user_id: int, role: viewer_pb2.Role.ValueType, granted: bool
    ) -> tuple[viewer_pb2.Role.ValueType, ...]:
        """All roles of the account afterwards. Only admins give or take ADMIN. Taking a role ends the person's sessions, because their
        tokens name it. Raises AccountNotFound and PermissionDenied."""
        if role == viewer_pb2.ROLE_ADMIN and viewer_pb2.ROLE_ADMIN not in by.roles:
            raise PermissionDenied("only an admin makes or unmakes admins")
        bit = mask_of([role])

        def change(row: Account) -> Account | None:
            mask = row.roles_mask | bit if granted else row.roles_mask & ~bit
            return None if mask == row.roles_mask else replace(row, roles_mask=mask)

        account = await self.accounts.change(user_id, change, events=lambda _old, _new: ())
        if account is None:
            raise AccountNotFound()
        if not granted:
            await self.sessions.end_all(user_id, SessionEnd.ROLE_TAKEN)
        _log.info("roles changed", extra={"user_id": user_id})
        return roles_of(account.roles_mask)
