"""Work beside the main work: kept going as long as its process, or waited for until the first of it ends."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final

from mesh.events.backoff import Backoff

STEADY_S: Final = 60.0
"""Work that went on for so long begins again as if it had never failed, in seconds."""

_log = logging.getLogger("clipmesh.background")


async def kept_going(work: Callable[[], Awaitable[object]], *, name: str, first_ms: int = 100, longest_ms: int = 10_000) -> None:
    """Do `work` again whenever it ends, whatever ended it, after a pause that grows from `first_ms` to `longest_ms`; ends by cancellation only."""
    backoff = Backoff(first_ms=first_ms, longest_ms=longest_ms)
    never = asyncio.Event()
    loop = asyncio.get_running_loop()
    while True:
        began_at = loop.time()
        try:
            await work()
            _log.error("background work ended and begins again", extra={"work": name})
        except Exception as error:
            _log.exception("background work failed and begins again", extra={"work": name, "error_type": type(error).__name__})
        if loop.time() - began_at > STEADY_S:
            backoff.reset()
        await backoff.pause(unless=never)


async def first_of(*waits: Coroutine[Any, Any, object]) -> None:
    """Return when the first of several ends; the others are cancelled."""
    tasks = [asyncio.create_task(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
