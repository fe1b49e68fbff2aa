"""Runs Python code as if it were a media tool, and looks after what it started."""

import asyncio
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from svc_video.processing.media.sandbox import Limits, ToolRun, run_tool

LIMITS = Limits(wall_s=20, cpu_s=10, forks=True)
PYTHON = Path(os.path.realpath(sys.executable))


async def python(
    cwd: Path,
    code: str,
    limits: Limits = LIMITS,
    reads: tuple[Path, ...] = (),
    on_stdout: Callable[[bytes], None] | None = None,
) -> ToolRun:
    """The code in the sandbox, in `cwd`."""
    installed = (Path(sys.base_prefix), PYTHON.parent)
    argv: list[str | Path] = [PYTHON, "-I", "-S", "-c", code]
    return await run_tool(argv, cwd=cwd, reads=[*installed, *reads], limits=limits, on_stdout=on_stdout)


async def pid_in(path: Path) -> int:
    """The process id that a child wrote there."""
    deadline = time.monotonic() + 20
    while not path.exists() or not path.read_text():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)
    return int(path.read_text())


async def gone(*pids: int) -> None:
    """Wait until none of them runs."""
    deadline = time.monotonic() + 10
    while any(alive(pid) for pid in pids):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


def alive(pid: int) -> bool:
    """Whether it runs; one that only waits to be reaped does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"
