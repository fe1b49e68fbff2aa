"""Sides that take turns: A B, B A, A B, ... so that a machine that gets slower meanwhile wrongs nobody, and a look that both did the same."""

from __future__ import annotations

import resource
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mesh.heap import settled_heap


class DifferentWork(Exception):
    """The sides did not do the same: their times say nothing about each other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One turn of one side."""

    wall_s: float
    cpu_s: float
    """CPU seconds of whatever the bench says it counts; user and system together."""
    work: str
    """What was done, in words that are equal for equal results: sizes, counts, hashes."""
    each_ms: tuple[float, ...] = ()
    """How long each single one of many small things took, where that is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """All turns of the sides of one measurement."""

    name: str
    order: tuple[str, ...]
    runs: Mapping[str, tuple[Run, ...]]
    work: str
    """What every turn of every side did."""

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        runs = {side: [{"wall_s": run.wall_s, "cpu_s": run.cpu_s} for run in turns] for side, turns in self.runs.items()}
        return {"name": self.name, "order": list(self.order), "runs": runs, "work": self.work}


Turn = Callable[[], Awaitable[Run]]


def cpu_s() -> float:
    """CPU seconds of this process and of all its children that have ended, threads included."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def timed(act: Callable[[], Awaitable[Any]], work: Callable[[], Awaitable[str]]) -> Turn:
    """A turn that measures `act` alone; `work` looks afterwards what it did."""

    async def turn() -> Run:
        cpu, wall = cpu_s(), time.perf_counter()
        await act()
        wall, cpu = time.perf_counter() - wall, cpu_s() - cpu
        return Run(wall_s=wall, cpu_s=cpu, work=await work())

    return turn


async def in_turns(name: str, sides: Mapping[str, Turn], *, repetitions: int, warm_ups: int = 0) -> Trial:
    """Every side `repetitions` times, in turns whose order is reversed each time. Raises DifferentWork; turns to warm up are checked and not kept."""
    names = list(sides)
    order: list[str] = []
    runs: dict[str, list[Run]] = {side: [] for side in names}
    works: dict[str, str] = {}
    # As in every process of ours that serves; else one side pays for walks through what was loaded for both.
    with settled_heap():
        for turn in range(-warm_ups, repetitions):
            for side in names if turn % 2 == 0 else reversed(names):
                run = await sides[side]()
                works[side] = run.work
                if len(set(works.values())) > 1:
                    raise DifferentWork(f"{name}: " + "; ".join(f"{one} did {work}" for one, work in works.items()))
                if turn >= 0:
                    order.append(side)
                    runs[side].append(run)
    return Trial(name=name, order=tuple(order), runs={side: tuple(turns) for side, turns in runs.items()}, work=next(iter(works.values())))
