"""How long single callbacks hold an event loop, in CPU time of its thread: what others use of the machine does not count.

An instrument for tests: it needs asyncio's own loop, and takes half a microsecond of each callback.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from mesh.metrics import Kind, Metric
from mesh.telemetry import Telemetry

SHOWN_MS: Final = 5.0
"""Callbacks that take less are not looked at."""
HELD_MS: Final = 50.0
"""What no callback may take: everybody else waits for so long."""
HELD: Final = "the loop was held"
"""How a log line of such a callback begins."""

LOOP_BLOCKED: Final = Metric(
    name="loop_blocked_ms",
    kind=Kind.HISTOGRAM,
    help="CPU time that single callbacks held the event loop, of 5 ms and more; measured with CLIPMESH_WATCH_LOOP alone.",
    when_it_moves="Above 50: the log names the callback; move its work to a process or a thread, or divide it.",
    buckets=(10.0, 25.0, 50.0, 100.0, 250.0, 1_000.0),
)

_log = logging.getLogger("clipmesh.loop")


@contextmanager
def watched(telemetry: Telemetry, *, held_ms: float = HELD_MS) -> Iterator[None]:
    """Measure the callbacks of every asyncio loop of this process for the length of the block, and log those that take longer than `held_ms`."""
    handles: Any = asyncio.Handle
    run = handles._run

    def measured(handle: asyncio.Handle) -> None:
        began_s = time.thread_time()
        run(handle)
        used_ms = (time.thread_time() - began_s) * 1_000
        if used_ms >= SHOWN_MS:
            telemetry.observe(LOOP_BLOCKED, used_ms)
            if used_ms > held_ms:
                _log.warning(HELD, extra={"duration_ms": round(used_ms), "method": _name(handle)})

    handles._run = measured
    try:
        yield
    finally:
        handles._run = run


def _name(handle: Any) -> str:
    """What the callback is: the coroutine of a task, else a function."""
    callback = handle._callback
    task = getattr(callback, "__self__", None)
    if isinstance(task, asyncio.Task):
        return str(getattr(task.get_coro(), "__qualname__", task.get_name()))
    return str(getattr(callback, "__qualname__", callback))
