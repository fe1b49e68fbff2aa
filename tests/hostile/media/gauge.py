"""Probes every file of a folder, each in a process of its own that is small at its start, and tells what each took and left behind.

`python -m tests.hostile.media.gauge FOLDER NAME ...` prints one JSON object for each file. A process of its own: what the kernel tells
of the peak memory of children counts whatever their parent held when it started them, which in a test run is anything.
"""

import asyncio
import ctypes
import dataclasses
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from svc_video.processing.media import MediaError, MediaRejected, MediaTools, locate_tools, probe
from tests.fixtures.descriptors import open_descriptors

_PR_SET_CHILD_SUBREAPER = 36
_AT_ONCE = 2


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Gauged:
    """What the probe of one file came to."""

    name: str
    reason: str
    """Why it was refused; "" where it was accepted, the class of an error that nobody named."""
    detail: str
    facts: str
    """Of an accepted file, as JSON."""
    wall_s: float
    cpu_s: float
    """Of the sandboxed children together."""
    tool_peak_mib: float
    """Resident memory of the largest sandboxed child."""
    own_peak_mib: float
    """Resident memory of the process that asked for the probe: what its worker would need."""
    left: list[str]
    """Files, processes and descriptors that were not there before."""


def gauge(folder: Path, names: list[str]) -> list[Gauged]:
    """The files of these names in another process; in their order."""
    with tempfile.TemporaryDirectory(prefix="clipmesh-gauge-") as scratch:
        done = subprocess.run(
            [sys.executable, "-m", "tests.hostile.media.gauge", folder, scratch],
            input=json.dumps(names),
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
        assert done.returncode == 0, done.stderr
        return [Gauged(**json.loads((Path(scratch) / f"{name}.json").read_text())) for name in names]


def main(folder: Path, scratch: Path, names: list[str]) -> None:
    """One process for each file, two at a time."""
    tools = locate_tools()
    running = 0
    for name in names:
        if running == _AT_ONCE:
            assert os.wait()[1] == 0
            running -= 1
        if os.fork() == 0:
            code = 1
            try:
                found = _gauge_one(tools, folder / name, scratch / f"{name}.tmp")
                (scratch / f"{name}.json").write_text(json.dumps(dataclasses.asdict(found)))
                code = 0
            finally:
                os._exit(code)
        running += 1
    for _ in range(running):
        assert os.wait()[1] == 0


def _gauge_one(tools: MediaTools, source: Path, folder: Path) -> Gauged:
    # Whoever loses its parent becomes a child of this process and is seen below.
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    folder.mkdir()
    tempfile.tempdir = str(folder)
    before = set(open_descriptors(""))
    began = time.monotonic()
    reason = detail = facts = ""
    try:
        facts = asyncio.run(probe(tools, source, scratch=folder)).to_json()
    except MediaRejected as refused:
        reason, detail = refused.reason.value, refused.detail
    except MediaError as failed:
        reason, detail = type(failed).__name__, str(failed)
    except Exception as bug:
        reason, detail = type(bug).__name__, repr(bug)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Gauged(
        name=source.name,
        reason=reason,
        detail=detail,
        facts=facts,
        wall_s=time.monotonic() - began,
        cpu_s=used.ru_utime + used.ru_stime,
        tool_peak_mib=used.ru_maxrss / 1024,
        own_peak_mib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        left=[path.name for path in folder.iterdir()] + _children() + sorted(set(open_descriptors("")) - before),
    )


def _children() -> list[str]:
    try:
        pid, _ = os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return []
    return [f"process {pid or 'that still runs'}"]


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), json.loads(sys.stdin.read()))
