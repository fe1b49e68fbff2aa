"""Who may ask now: what each request counts against the buckets of its person and address."""

from __future__ import annotations

from gateway.rates import Rate, RateLimited, RateLimiter, Taking, address_key
from gateway.viewers import Viewer

BASE_COST = 20
"""Of any operation, on top of its price: headers, token and signature have to be read."""
REFUSED_COST = 200
"""Of an operation that is refused: reading a document is the larger part of the work, and nobody refused has a reason to go on."""
CHARACTERS_A_UNIT = 8
"""Of a document that was not known: reading and validating it takes 2 to 3 us of CPU for each."""
SIGN_UPS = frozenset({"signUp"})
"""Mutations that count as sign-ins, each time they are asked."""


def reading_cost(characters: int) -> int:
    """Of a document that has to be read, on top of what any operation costs; 0 for short ones."""
    return max(0, characters // CHARACTERS_A_UNIT - BASE_COST)


class Admission:
    """The rate limits as the gateway applies them."""

    def __init__(self, *, limiter: RateLimiter, user: Rate, address: Rate, sign_in: Rate, documents: Rate) -> None:
        self._limiter = limiter
        self._documents = documents
        self._user = user
        self._address = address
        self._sign_in = sign_in

    def _takings(self, viewer: Viewer) -> list[Taking]:
        address = Taking(rate=self._address, who=address_key(viewer.address))
        return [Taking(rate=self._user, who=f"u:{viewer.user_id}"), address] if viewer.user_id else [address]

    def check(self, viewer: Viewer) -> None:
        """Refuse whoever was refused a moment ago. Raises RateLimited."""
        self._limiter.check(self._takings(viewer))

    async def charge(self, viewer: Viewer, cost: int, *, sign_ups: int = 0) -> None:
        """Count an operation that will run. Raises RateLimited."""
        await self._limiter.take(self._takings(viewer), BASE_COST + cost)
        if sign_ups:
            await self.charge_sign_in(viewer.address, sign_ups)

    async def charge_refusal(self, viewer: Viewer, *, count: int = 1, reading: int = 0) -> None:
        """Count operations that were refused, and what reading them cost. Raises RateLimited."""
        await self._limiter.take(self._takings(viewer), REFUSED_COST * count + reading)

    async def charge_stranger(self, address: str) -> None:
        """Count a request whose token was no good. Raises RateLimited."""
        await self._limiter.take([Taking(rate=self._address, who=address_key(address))], REFUSED_COST)

    async def may_keep(self, viewer: Viewer, characters: int) -> bool:
        """Count a document that is going to be kept for this address; false when it has brought too many."""
        try:
            await self._limiter.take([Taking(rate=self._documents, who=address_key(viewer.address))], characters)
        except RateLimited:
            return False
        return True

    async def charge_sign_in(self, address: str, count: int = 1) -> None:
        """Count sign-ups, sign-ins and questions for tokens. Raises RateLimited."""
        await self._limiter.take([Taking(rate=self._sign_in, who=address_key(address))], count)
