"""How many jobs a machine has room for: what this process may use of it, not what the machine has."""

from __future__ import annotations

import os
from pathlib import Path

_GIB = 2**30
_CONTROL_GROUP = Path("/sys/fs/cgroup")


def jobs_here(group: Path = _CONTROL_GROUP) -> int:
    """One job for each core and at most one for each GiB of memory, at least one; a container's limits (cgroup v2, in `group`) count."""
    quota, _, period = _first_line(group / "cpu.max").partition(" ")
    cores = len(os.sched_getaffinity(0))
    if quota.isdigit() and period.isdigit():
        cores = min(cores, int(quota) // int(period))
    limit = _first_line(group / "memory.max")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if limit.isdigit():
        memory = min(memory, int(limit))
    return max(1, min(cores, memory // _GIB))


def _first_line(path: Path) -> str:
    try:
        return path.read_text().partition("\n")[0]
    except OSError:
        return ""
