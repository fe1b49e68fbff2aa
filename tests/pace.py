"""CPU time in a measure that does not depend on how fast this machine happens to be today.

Shared machines differ by a factor of two from one minute to the next. A piece of work that never changes is timed beside what is asked for, and the
answer is scaled as if that piece had taken what it takes on the machine the figures of the specification speak of (2 cores of an AMD EPYC, idle).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine

from graphql import parse

_YARDSTICK = "{ " + "a { b } " * 250 + "}"
_YARDSTICK_MS = 3.6
"""CPU time of parsing it there: the least of a hundred turns."""


def cpu_ms(work: Callable[[], object], *, rounds: int = 5) -> float:
    """The least CPU time of `rounds` turns in milliseconds of the stated machine."""
    least = []
    for _ in range(rounds):
        slower = slower_now()
        began = time.thread_time()
        work()
        least.append((time.thread_time() - began) * 1_000 / slower)
    return min(least)


async def cpu_ms_of(work: Callable[[], Coroutine[object, object, object]], *, rounds: int = 5) -> float:
    """The same for a coroutine; nothing else may run in its loop meanwhile."""
    least = []
    for _ in range(rounds):
        slower = slower_now()
        began = time.thread_time()
        await work()
        least.append((time.thread_time() - began) * 1_000 / slower)
        await asyncio.sleep(0)
    return min(least)


def slower_now() -> float:
    """How many times slower this machine is at this moment, at least 1."""
    least = []
    for _ in range(3):
        began = time.thread_time()
        parse(_YARDSTICK)
        least.append((time.thread_time() - began) * 1_000)
    return max(1.0, min(least) / _YARDSTICK_MS)
