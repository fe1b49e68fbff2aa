"""The body of one request as it comes, which may be told to give way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from http import HTTPStatus

from starlette.types import Message, Receive

from gateway.media.problems import Problem
from gateway.tus.problems import Interrupted


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamLimits:
    """What one stream may cost."""

    idle_ms: int = 20_000
    """Longest pause between two pieces of a body."""
    base_ms: int = 30_000
    """What every body gets, whatever its size."""
    min_bytes_per_s: int = 16 * 1024
    """What a body has to reach on average beyond `base_ms`."""
    longest_ms: int = 3_600_000
    """The token was looked at when the body began; like a link, it is good for no longer than this."""
    max_open: int = 32
    """Bodies at once, each with up to two parts in memory; more are refused with OVERLOADED."""


class ClientGone(Exception):
    """The client went away; there is nobody to answer."""


class Body:
    """The pieces of a body, and whether some are still to come."""

    def __init__(self, receive: Receive, *, idle_s: float, expected: bool) -> None:
        self._receive = receive
        self._idle_s = idle_s
        self._timer: asyncio.Timeout | None = None
        self._gives_way = False
        self.worth_draining = expected
        """True while the client may still be sending."""
        self.heard_at_s = asyncio.get_running_loop().time()
        """When the last piece came, by the loop's clock."""

    def give_way(self) -> None:
        """End the pieces with Interrupted, also while one is waited for."""
        self._gives_way = True
        if self._timer is not None:
            self._timer.reschedule(asyncio.get_running_loop().time())

    async def pieces(self, *, limit_s: float) -> AsyncGenerator[bytes, None]:
        """Each piece. Raises ClientGone, Interrupted, and Problem when the body comes too slowly."""
        ends_at_s = asyncio.get_running_loop().time() + limit_s
        while self.worth_draining:
            message = await self._next(ends_at_s)
            if message["type"] == "http.disconnect":
                self.worth_draining = False
                raise ClientGone
            self.worth_draining = message.get("more_body", False)
            self.heard_at_s = asyncio.get_running_loop().time()
            yield message.get("body", b"")

    async def _next(self, ends_at_s: float) -> Message:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout_at(min(loop.time() + self._idle_s, ends_at_s)) as timer:
                self._timer = timer
                if self._gives_way:
                    raise Interrupted
                return await self._receive()
        except TimeoutError:
            self.worth_draining = False
            if self._gives_way:
                raise Interrupted from None
            detail = "The body came too slowly; what arrived is kept."
            raise Problem(HTTPStatus.REQUEST_TIMEOUT, "BODY_TOO_SLOW", detail, headers={"Connection": "close"}) from None
        finally:
            self._timer = None
