"""Work on many inboxes side by side, bounded, so that what else the process does goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

T = TypeVar("T")

AT_ONCE = 32


async def side_by_side(items: Iterable[T], work: Callable[[T], Awaitable[None]], *, at_once: int = AT_ONCE) -> None:
    """Do `work` for each item; the first error is raised after everything that was begun has ended, and nothing more begins after it."""
    waiting = iter(items)
    failures: list[BaseException] = []

    async def take() -> None:
        for item in waiting:
            try:
                await work(item)
            except BaseException as error:
                failures.append(error)
                raise
            if failures:
                return

    await asyncio.gather(*(take() for _ in range(at_once)), return_exceptions=True)
    if failures:
        raise failures[0]
