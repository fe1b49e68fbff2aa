"""What a person sees of their own sessions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mesh.pages import PageTokens, clamp
from mesh.sealing import KeyGone, PersonSealer
from svc_social.identity.actions.sessions import DEVICE
from svc_social.identity.session_tables import Session
from svc_social.identity.store.sessions import SessionStore

_LIST = "sessions"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownSession:
    """A session with its device words, empty when not known."""

    session: Session
    device: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnSessions:
    """Lists sessions to the person they are of."""

    sessions: SessionStore
    sealer: PersonSealer
    page_tokens: PageTokens

    async def page(self, user_id: int, *, page_size: int, page_token: str) -> tuple[list[ShownSession], str]:
        """Living sessions, newest first, and the token of the next page. Raises InvalidPageToken."""
        after = self.page_tokens.decode(_LIST, str(user_id), page_token)
        rows, cursor = await self.sessions.page_of_person(user_id, after=after, limit=clamp(page_size))
        devices = await self._devices(user_id, rows)
        shown = [ShownSession(session=row, device=devices.get(row.session_id, "")) for row in rows]
        return shown, self.page_tokens.encode(_LIST, str(user_id), cursor)

    async def _devices(self, user_id: int, rows: Sequence[Session]) -> dict[int, str]:
        known = [row for row in rows if row.device_sealed]
        if not known:
            return {}
        try:
            words = await self.sealer.unseal_all(user_id, DEVICE, [row.device_sealed for row in known])
        except KeyGone:
            return {}
        return {row.session_id: word for row, word in zip(known, words, strict=True)}
