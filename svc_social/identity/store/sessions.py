"""Rows of authorization codes and sessions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mesh.events.event import Event
from mesh.stores.tables.port import Tables, VersionConflict
from svc_social.identity.session_tables import AuthorizationCode, Session, SessionEnd, SessionOfPerson


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionStore:
    """Repository of codes and sessions. Expired ones are absent."""

    tables: Tables

    async def add_code(self, code: AuthorizationCode) -> None:
        """Write a new code."""
        await self.tables.insert(code)

    async def code(self, code_hash: bytes) -> AuthorizationCode | None:
        """The code with this hash."""
        return await self.tables.get(AuthorizationCode, code_hash)

    async def use_code(self, code: AuthorizationCode, *, session_id: int) -> AuthorizationCode | None:
        """Bind an unused code to its session; None when it was used meanwhile."""
        try:
            return await self.tables.transition(replace(code, session_id=session_id), expected_version=code.version)
        except VersionConflict:
            return None

    async def add(self, session: Session, *, index_until_ms: int) -> Session:
        """Write a new session; first it is listed with its person, so that no session can be missed when all have to end."""
        await self.tables.put(
            SessionOfPerson(
                user_id=session.user_id,
                session_id=session.session_id,
                expires_at_ms=index_until_ms,
                version=session.created_at_ms,
            )
        )
        return await self.tables.insert(session)

    async def get(self, session_id: int) -> Session | None:
        """The session."""
        return await self.tables.get(Session, session_id)

    async def change(self, session: Session, *, events: Sequence[Event] = ()) -> Session | None:
        """Replace a session that was read in this version; None when somebody was faster."""
        try:
            return await self.tables.transition(session, expected_version=session.version, events=events)
        except VersionConflict:
            return None

    async def page_of_person(self, user_id: int, *, after: str, limit: int) -> tuple[list[Session], str]:
        """Living sessions of a person, newest first, and where to go on; a page may be short and still have a next one."""
        page = await self.tables.scan(SessionOfPerson, user_id, after=after, limit=limit, backwards=True)
        ids = [(row.session_id,) for row in page.rows]
        rows = await self.tables.get_many(Session, ids)
        found = (rows.get(one) for one in ids)
        return [row for row in found if row is not None and row.ended is SessionEnd.NONE], page.next

    async def of_person(self, user_id: int) -> tuple[int, ...]:
        """Ids of all sessions of a person that may still live."""
        ids: list[int] = []
        cursor = ""
        while True:
            page = await self.tables.scan(SessionOfPerson, user_id, after=cursor, limit=1000)
            ids.extend(row.session_id for row in page.rows)
            cursor = page.next
            if not cursor:
                return tuple(ids)
