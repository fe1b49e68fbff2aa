"""A bounded queue before the mailer: whoever asked is answered before anybody looks whether there is somebody to write to."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from mesh.deadline import scope
from mesh.errors import ResourceExhausted

Work = Callable[[], Awaitable[None]]

MOST_WAITING = 256
_MAIL_S = 10.0

_log = logging.getLogger("clipmesh.social")


class Posting:
    """Does what has to be mailed one after the other. What waits in a process that ends is lost: people ask again."""

    def __init__(self) -> None:
        self._waiting: asyncio.Queue[Work] = asyncio.Queue()
        self._held = 0

    def post(self, work: Work) -> None:
        """Have something done later. Raises ResourceExhausted."""
        with self.room() as put:
            put(work)

    @contextmanager
    def room(self) -> Iterator[Callable[[Work], None]]:
        """A place in the queue, held while its holder decides what to put there, once at most. Raises ResourceExhausted."""
        if self._waiting.qsize() + self._held >= MOST_WAITING:
            raise ResourceExhausted("too many mails wait to be sent; try again", retry_after_ms=1_000)
        self._held += 1
        try:
            yield self._waiting.put_nowait
        finally:
            self._held -= 1

    async def run(self) -> None:
        """Work for ever."""
        while True:
            await self._one(await self._waiting.get())

    async def drain(self) -> int:
        """Do what waits now; returns how much it was."""
        done = 0
        while not self._waiting.empty():
            await self._one(self._waiting.get_nowait())
            done += 1
        return done

    async def _one(self, work: Work) -> None:
        try:
            with scope(_MAIL_S):
                await work()
        except Exception as error:
            # Its words may have the address or the link in them.
            _log.warning("a mail was not sent", extra={"error_type": type(error).__name__})
