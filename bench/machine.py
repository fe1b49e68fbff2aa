"""The machine and its load: without them a figure is a number."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

BUSY = 0.5
"""Load a core before a bench from which on its figures are called provisional."""


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


def load() -> float:
    """Load average of the last minute, runnable threads of everybody."""
    return round(os.getloadavg()[0], 2)


def provisional(load_before: float, *, on_cores: Callable[[], int] = cores) -> bool:
    """Whether somebody else was using the machine when the bench began."""
    return load_before > BUSY * on_cores()


def _field(path: Path, name: str) -> str:
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "")


def _memory_mib() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
