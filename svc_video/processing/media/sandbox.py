"""Runs a media tool on hostile bytes: confined, limited, killed with its whole group, never outliving its worker.

The launcher is the only confinement. bubblewrap would hide what Landlock and the filter of system calls refuse, and nothing more; two ways of
confining would be two that have to hold.
"""

import asyncio
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from svc_video.processing.media.child import Child, start_child
from svc_video.processing.media.errors import MediaToolFailed, MediaToolMissing, MediaToolOverLimit, MediaToolTimedOut
from svc_video.processing.media.telling import fit_to_tell

_LAUNCHER = Path(__file__).with_name("launcher.py")
# A dynamically linked tool that the operator chose has to load its libraries.
_SYSTEM_FOLDERS = ("/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache", "/dev/urandom", "/sys/devices/system/cpu", "/proc/cpuinfo")
_DRIVER_FOLDERS = ("/sys/dev/char", "/sys/devices", "/sys/class/drm")
"""Where drivers of devices look up what they drive."""
_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one run may use."""

    wall_s: float
    """Seconds on the clock; then the group is killed."""
    cpu_s: int
    """CPU seconds of the process, all threads together."""
    memory_bytes: int = 4096 * _MIB
    """Address space, which is more than what is resident."""
    data_bytes: int = 4096 * _MIB
    """Memory it may write to; what is resident is at most this and the tool's own program."""
    file_bytes: int = 4096 * _MIB
    """Size of any one file it writes."""
    stdout_bytes: int = 16 * _MIB
    """What it may print before it is stopped; more is never kept."""
    open_files: int = 64
    processes: int = 256
    """Threads included; applied where the kernel gives the child a user namespace."""
    forks: bool = False
    """It may start processes, each of which may use as much again; threads it may start anyway."""
    nice: int = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolRun:
    """How a run ended that was not killed."""

    exit_code: int
    stdout: bytes
    stderr_tail: str


async def run_tool(
    argv: Sequence[str | Path],
    *,
    cwd: Path,
    reads: Sequence[Path],
    limits: Limits,
    on_stdout: Callable[[bytes], None] | None = None,
    devices: Sequence[Path] = (),
) -> ToolRun:
    """Runs `argv` in `cwd`, the only place it may write but for `devices`; it may read `reads` (files or folders) and the system's libraries.

    What it keeps for itself goes into a folder of this run inside `cwd`, which TMPDIR names and which is gone afterwards. No other environment, no
    stdin; no sockets and no further processes where the kernel allows that. on_stdout gets each piece as it comes and nothing is kept.
    A non-zero exit is returned; being killed raises MediaToolTimedOut, MediaToolOverLimit or MediaToolFailed. Cancelling kills the group.
    """
    tool = Path(argv[0]).name
    async with AsyncExitStack() as stack:
        try:
            scratch = await stack.enter_async_context(scratch_folder(cwd))
            folder, plan = _plan(argv, cwd, scratch, reads, limits, devices=devices)
            child = await start_child(
                [sys.executable, "-I", "-S", str(_LAUNCHER), plan],
                cwd=folder,
                # The launcher's interpreter may need its library path; the tool itself gets none of it.
                environment={name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ},
                most_stdout_bytes=limits.stdout_bytes,
                on_stdout=on_stdout,
            )
        except OSError as error:
            raise MediaToolMissing(tool, problem=f"cannot be started: {error.strerror}") from error
        try:
            async with asyncio.timeout(limits.wall_s):
                await child.wait()
        except TimeoutError as error:
            said = _said(child, argv, cwd, scratch, reads)
            raise MediaToolTimedOut(tool, problem=f"ran longer than {limits.wall_s:g} s", stderr_tail=said) from error
        finally:
            await child.close()
    said = _said(child, argv, cwd, scratch, reads)
    if child.printed_too_much:
        raise MediaToolOverLimit(tool, problem=f"printed more than {limits.stdout_bytes} bytes", stderr_tail=said)
    _raise_if_killed(tool, child.exit_code, said, limits)
    return ToolRun(exit_code=child.exit_code, stdout=bytes(child.stdout), stderr_tail=said)


@asynccontextmanager
async def scratch_folder(parent: Path) -> AsyncIterator[Path]:
    """An empty folder inside `parent` that is gone afterwards, whatever was left in it. Raises OSError."""
    folder = await asyncio.to_thread(_made_in, parent)
    try:
        yield folder
    finally:
        await asyncio.shield(asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True))


def _made_in(parent: Path) -> Path:
    return Path(tempfile.mkdtemp(prefix=".tool-", dir=parent.absolute()))


def _plan(
    argv: Sequence[str | Path], cwd: Path, scratch: Path, reads: Sequence[Path], limits: Limits, *, devices: Sequence[Path]
) -> tuple[str, str]:
    """The child's folder and what its launcher is told; every path absolute, because the child starts elsewhere."""
    folder = str(cwd.absolute())
    plan = {
        "parent": os.getpid(),
        "argv": [str(part) for part in argv],
        "scratch": str(scratch),
        "reads": [*(str(Path(path).absolute()) for path in (argv[0], *reads)), *_SYSTEM_FOLDERS, *(_DRIVER_FOLDERS if devices else ())],
        "writes": [folder, "/dev/null", *map(str, devices)],
        "nice": limits.nice,
        "cpu_s": limits.cpu_s,
        "memory_bytes": limits.memory_bytes,
        "data_bytes": limits.data_bytes,
        "file_bytes": limits.file_bytes,
        "open_files": limits.open_files,
        "processes": limits.processes,
        "forks": limits.forks,
    }
    return folder, json.dumps(plan)


def _said(child: Child, argv: Sequence[str | Path], cwd: Path, scratch: Path, reads: Sequence[Path]) -> str:
    """Its last words."""
    files = {str(path.absolute()): "<file>" if len(reads) == 1 else f"<file {number}>" for number, path in enumerate(reads, 1)}
    tool = Path(argv[0])
    return fit_to_tell(
        child.stderr_tail, {str(tool.absolute()): tool.name, str(cwd.absolute()): "<folder>", str(scratch): "<folder>", **files}
    )


def _raise_if_killed(tool: str, code: int, tail: str, limits: Limits) -> None:
    number = -code
    if number in (signal.SIGXCPU, signal.SIGXFSZ):
        what = f"{limits.cpu_s} CPU seconds" if number == signal.SIGXCPU else f"{limits.file_bytes} bytes in one file"
        raise MediaToolOverLimit(tool, problem=f"used more than {what}", stderr_tail=tail, exit_code=code)
    if code != 0 and "Cannot allocate memory" in tail:
        raise MediaToolOverLimit(tool, problem=f"needed more than {limits.memory_bytes} bytes", stderr_tail=tail, exit_code=code)
    if code < 0:
        raise MediaToolFailed(tool, problem=f"was killed by {signal.Signals(number).name}", stderr_tail=tail, exit_code=code)
