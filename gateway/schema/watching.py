"""Following what changes by hints, which may be lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from mesh.events.hints import Watch


async def at_least_every(pause_s: float, changes: Watch) -> AsyncGenerator[None, None]:
    """Each change, and a look without one after `pause_s`: a hint may be lost with Redis, and the last one would be missed for ever."""
    loop = asyncio.get_running_loop()
    timer: asyncio.TimerHandle | None = None
    try:
        async for _ in changes:
            if timer is not None:
                timer.cancel()
            timer = loop.call_later(pause_s, changes.tell, 0)
            yield
    finally:
        if timer is not None:
            timer.cancel()
