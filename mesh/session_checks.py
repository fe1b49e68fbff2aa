"""Asking social about single sessions: what a verifier of tokens does while it hears nothing of revocations."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from clipmesh.common.v1 import viewer_pb2

from mesh import deadline
from mesh.clock import Clock
from mesh.errors import MeshError

BELIEVED_MS: Final = 30_000
"""How long an answer is believed, in milliseconds: half of the silence after which a session is asked about at all."""
AWAY_MS: Final = 5_000
"""How long nobody is asked after a question failed, in milliseconds: an outage of social must not slow every request."""
ASK_S: Final = 1.0
_REMEMBERED: Final = 4_096


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionNow:
    """A session as social knows it."""

    active: bool
    consents: tuple[viewer_pb2.ConsentPurpose.ValueType, ...] = ()


class SessionChecks:
    """Remembers answers for a short while."""

    def __init__(self, *, clock: Clock, ask: Callable[[int], Awaitable[SessionNow]]) -> None:
        self._clock = clock
        self._ask = ask
        self._known: dict[int, tuple[SessionNow, int]] = {}
        self._away_until_ms: int | None = None

    @property
    def away(self) -> bool:
        """True while the last question failed."""
        return self._away_until_ms is not None

    async def of(self, session_id: int) -> SessionNow | None:
        """How a session stands; None when nobody answers."""
        now_ms = self._clock.monotonic_ms()
        known = self._known.get(session_id)
        if known is not None and now_ms < known[1]:
            return known[0]
        if self._away_until_ms is not None and now_ms < self._away_until_ms:
            return None
        try:
            with deadline.scope(ASK_S):
                session = await self._ask(session_id)
        except MeshError:
            self._away_until_ms = self._clock.monotonic_ms() + AWAY_MS
            return None
        self._away_until_ms = None
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known[session_id] = (session, now_ms + BELIEVED_MS)
        return session

    def forget(self) -> None:
        """Believe no earlier answer any more."""
        self._known.clear()
