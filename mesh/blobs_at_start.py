"""Looks at the store of objects: the first one of a process that has other work too, which starts without it while it is away, and those of its health."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from typing import Final

from mesh.app import Ending
from mesh.events.backoff import Backoff
from mesh.settings import InvalidSetting
from mesh.stores.blobs.port import Blobs, BlobsAway

FIRST_MS: Final = 1_000
LONGEST_MS: Final = 30_000

_log = logging.getLogger("clipmesh.blobs")


async def ask_blobs(blobs: Blobs) -> None:
    """Return when the store answers. Raises BlobsUnavailable."""
    await blobs.list("health/", limit=1)


class BlobsAtStart:
    """Prepares a store at once when it answers, else as soon as it does. What is wrong with the setting itself is refused in either case."""

    def __init__(self, blobs: Blobs, *, ending: Ending, first_ms: int = FIRST_MS, longest_ms: int = LONGEST_MS) -> None:
        self._blobs = blobs
        self._ending = ending
        self._backoff = Backoff(first_ms=first_ms, longest_ms=longest_ms)
        self._later: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Look once, and go on looking in the background when nothing answers. Raises InvalidSetting."""
        try:
            await self._blobs.prepare()
        except BlobsAway as away:
            _log.warning("the process starts without its store of objects and looks for it again: %s", away)
            self._later = asyncio.create_task(self._look(), name="prepare-blobs", context=contextvars.Context())

    async def close(self) -> None:
        """Look no more; safe to repeat."""
        if self._later is not None:
            self._later.cancel()
            await asyncio.gather(self._later, return_exceptions=True)

    async def _look(self) -> None:
        never = asyncio.Event()
        while True:
            await self._backoff.pause(unless=never)
            try:
                await self._blobs.prepare()
            except BlobsAway:
                continue
            except InvalidSetting as refused:
                # The next start says it again and is refused as any other that is set up wrong.
                self._ending.ask(str(refused))
                return
            _log.info("the store of objects is there")
            return
