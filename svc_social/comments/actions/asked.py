"""Who acts on comments, and the request behind it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mesh.stores.tables.requests import Claim, RequestLog


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who acts."""

    user_id: int
    is_moderator: bool = False
    personalisation: bool = False
    """True when the person allows that acts shape what is shown to them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The request behind an act."""

    method: str
    request_id: str
    body: bytes
    """The request without its permit, which a repeat may bring anew."""

    async def known(self, requests: RequestLog, actor: Actor) -> Claim | None:
        """What an earlier call claimed, None when there was none. Raises RequestIdReused."""
        return await requests.known(caller=actor.user_id, method=self.method, request_id=self.request_id, body=self.body)

    async def claim(self, requests: RequestLog, actor: Actor, new_id: Callable[[], int]) -> Claim:
        """Claim the request, or find what an earlier call claimed. Raises RequestIdReused."""
        return await requests.claim(caller=actor.user_id, method=self.method, request_id=self.request_id, body=self.body, new_id=new_id)
