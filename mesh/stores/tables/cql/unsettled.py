"""Writes whose outcome is unknown, by the token that their callers got."""

from __future__ import annotations

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from mesh.stores.tables.port import InvalidUse

_MOST = 10_000
"""Writes whose callers may still ask; the oldest are forgotten first."""

Settling = Callable[[], Awaitable[bool]]


class Unsettled:
    """Gives tokens, and settles what is behind them."""

    def __init__(self) -> None:
        self._prefix = secrets.token_hex(8)
        self._count = 0
        self._writes: OrderedDict[str, Settling] = OrderedDict()

    def remember(self, settling: Settling) -> str:
        """The token of a write that `settling` can settle; it may be called several times."""
        self._count += 1
        token = f"{self._prefix}.{self._count}"
        self._writes[token] = settling
        if len(self._writes) > _MOST:
            self._writes.popitem(last=False)
        return token

    async def settle(self, token: str) -> bool:
        """Whether the write happened. Raises InvalidUse for a token that is not known here, TablesUnavailable when it cannot be told in time."""
        settling = self._writes.get(token)
        if settling is None:
            raise InvalidUse("no write waits for this token")
        return await asyncio.shield(asyncio.ensure_future(settling()))
