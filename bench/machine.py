"""The machine and its load: without them a figure is a number."""

from __future__ import annotations

import asyncio
import os
import platform
from pathlib import Path
from typing import Any

BUSY = 0.1
"""Share of the machine's time in use before a bench from which on its figures are called provisional."""
LOOK_S = 1.0
"""How long a bench looks at the machine before it begins, in seconds."""
_TIMES = Path("/proc/stat")


def machine() -> dict[str, Any]:
    """Processor, cores this process may use, memory, kernel, Python."""
    return {
        "processor": _field(Path("/proc/cpuinfo"), "model name") or platform.processor() or platform.machine(),
        "cores": cores(),
        "memory_mib": _memory_mib(),
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


async def busy(seconds: float = LOOK_S) -> float:
    """Share of all cores' time, 0 to 1, that was used while this process slept for `seconds`: by others, unlike a load average, in which the
    bench before still stands. Where the kernel does not tell it is the load a core."""
    before = _used_and_whole()
    await asyncio.sleep(seconds)
    after = _used_and_whole()
    if before is None or after is None or after[1] == before[1]:
        return round(min(1.0, os.getloadavg()[0] / (os.cpu_count() or 1)), 2)
    return round((after[0] - before[0]) / (after[1] - before[1]), 2)


def provisional(busy_before: float) -> bool:
    """Whether somebody else was using the machine when the bench began."""
    return busy_before > BUSY


def _used_and_whole() -> tuple[int, int] | None:
    """Ticks in use and all ticks of every core since the start of the machine; waiting for a disk is no use."""
    try:
        first = _TIMES.read_text().partition("\n")[0].split()
    except OSError:
        return None
    user, nice, system, idle, iowait, *interrupts = (int(ticks) for ticks in first[1:9])
    used = user + nice + system + sum(interrupts)
    return used, used + idle + iowait


def _field(path: Path, name: str) -> str:
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "")


def _memory_mib() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
