"""From the command `clipmesh up` to a system of which every process serves, in a new folder and in one that was used before."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import time
from pathlib import Path

from bench.outcome import Aim, Outcome, Side, value
from bench.plan import Plan
from bench.turns import Run, Turn, in_turns
from devstack.health import gateway_serves
from devstack.ports import free_port

AIM = Aim(value=5.0)
NEW, USED = "new folder", "used folder"
_ROOT = Path(__file__).resolve().parents[1]
_READY = b"Clipmesh is up"
_START_S, _STOP_S = 60.0, 40.0


class DidNotStart(Exception):
    """`clipmesh up` did not become ready; the text is what it said."""


async def run(plan: Plan) -> Outcome:
    """The command as a person types it, as a process of its own."""
    used = plan.folder / "used"
    if not plan.quick:
        await _up(used)
    sides = {NEW: _turn(plan.folder / "new", fresh=True), USED: _turn(used, fresh=False)}
    trial = await in_turns("up", sides, repetitions=plan.size(3, 1))
    figures = [
        value(f"ready, {name}", Side(name=name, unit="s", samples=tuple(run.wall_s for run in trial.runs[name])), aim=AIM) for name in sides
    ]
    return Outcome(
        figures=figures,
        trials=[trial],
        sources=["`clipmesh up` with its defaults: Redis, five services, one worker, the gateway"],
        notes=["Python's own start and the imports of all processes are in it; file caches are warm after the first turn."],
    )


def _turn(folder: Path, *, fresh: bool) -> Turn:
    async def turn() -> Run:
        if fresh:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        return Run(wall_s=await _up(folder), cpu_s=0.0, work="up, serving, drained with status 0")

    return turn


async def _up(folder: Path) -> float:
    """Start, wait until it says that it is up and the gateway serves, stop; seconds until it served."""
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    port, since = free_port(), time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "devstack", "up", "--folder", str(folder), "--port", str(port)),
        cwd=_ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    said = b""
    try:
        async with asyncio.timeout(_START_S):
            while _READY not in said:
                if not (line := await process.stdout.readline()):
                    raise DidNotStart(said.decode(errors="replace")[-500:])
                said += line
        ready_s = time.perf_counter() - since
        if not await gateway_serves(f"http://127.0.0.1:{port}"):
            raise DidNotStart("it says that it is up, its gateway does not answer")
        process.send_signal(signal.SIGINT)
        async with asyncio.timeout(_STOP_S):
            await process.stdout.read()
            if await process.wait() != 0:
                raise DidNotStart(f"it ended with status {process.returncode}")
        return ready_s
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
