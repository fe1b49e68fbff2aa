"""Memory and CPU of the whole system while nobody asks anything of it, one process for each service against all services in one."""

from __future__ import annotations

import asyncio
import os
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from bench.outcome import Outcome, Side, ratio, value
from bench.plan import Plan
from bench.turns import Run, in_turns
from devstack.layout import Layout
from devstack.ports import free_port
from devstack.system import Mode, System

OURS, OTHER = "a process each", "one process"
_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Use:
    """What some processes use."""

    memory_mib: float
    """Proportional set size: pages that several share are counted once."""
    cpu_s: float
    processes: int


async def run(plan: Plan) -> Outcome:
    """Two systems in turns, settled before they are looked at."""
    seen: dict[str, list[tuple[float, float]]] = defaultdict(list)
    sides = {OURS: lambda: _turn(plan, OURS, Mode.PROCESSES, seen), OTHER: lambda: _turn(plan, OTHER, Mode.SINGLE, seen)}
    trial = await in_turns("idle", sides, repetitions=plan.size(2, 1))
    memory = {side: Side(name=side, unit="MiB", samples=tuple(mib for mib, _ in seen[side])) for side in sides}
    cpu = {side: Side(name=side, unit="% of a core", samples=tuple(share for _, share in seen[side])) for side in sides}
    return Outcome(
        figures=[
            value("memory", memory[OURS]),
            ratio("memory", memory[OURS], memory[OTHER]),
            value("CPU", cpu[OURS]),
            value("CPU, one process", cpu[OTHER]),
        ],
        trials=[trial],
        sources=[
            f"settled for {_settle_s(plan):g} s, watched for {_watch_s(plan):g} s; Redis, services, one worker, gateway and their keepers"
        ],
        notes=["Memory is proportional set size; CPU is user and system time of every process, in shares of one core."],
    )


def _settle_s(plan: Plan) -> float:
    return plan.size(10.0, 0.2)


def _watch_s(plan: Plan) -> float:
    return plan.size(20.0, 0.5)


async def _turn(plan: Plan, side: str, mode: Mode, seen: dict[str, list[tuple[float, float]]]) -> Run:
    folder = plan.folder / f"{mode.value}-{len(seen[side])}"
    async with System(layout=Layout(folder=folder, port=free_port()), mode=mode) as system:
        keepers = [child.pid for child in system.children.values()]
        await asyncio.sleep(_settle_s(plan))
        before = await asyncio.to_thread(use_of, keepers)
        await asyncio.sleep(_watch_s(plan))
        after = await asyncio.to_thread(use_of, keepers)
        restarts = sum(child.restarts for child in system.children.values())
    used_s = after.cpu_s - before.cpu_s
    seen[side].append((after.memory_mib, used_s / _watch_s(plan) * 100))
    return Run(wall_s=_watch_s(plan), cpu_s=used_s, work=f"stood idle, {restarts} restarts")


def use_of(keepers: list[int]) -> Use:
    """Memory and CPU so far of these processes and all that descend from them."""
    members = family(keepers)
    ticks = os.sysconf("SC_CLK_TCK")
    memory_kib = cpu_ticks = 0
    for pid in members:
        try:
            rollup = (_PROC / str(pid) / "smaps_rollup").read_text()
            fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # It ended meanwhile.
        memory_kib += next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
        cpu_ticks += int(fields[11]) + int(fields[12])
    return Use(memory_kib / 1024, cpu_ticks / ticks, len(members))


def family(keepers: list[int]) -> set[int]:
    """These processes and all that descend from them."""
    children: dict[int, list[int]] = defaultdict(list)
    for entry in _PROC.iterdir():
        if entry.name.isdecimal():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            children[parent].append(int(entry.name))
    found: set[int] = set()
    waiting = list(keepers)
    while waiting:
        pid = waiting.pop()
        if pid not in found:
            found.add(pid)
            waiting += children[pid]
    return found
