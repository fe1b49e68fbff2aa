"""Benches run one after another, and what they found as a table and as JSON."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench import machine
from bench.outcome import MET, MISSED, Figure, Outcome, Skipped
from bench.plan import Bench, Plan

_COLOURS = {MET: "green", MISSED: "red"}
_QUICK_LOOK_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One bench as it went."""

    name: str
    sentence: str
    outcome: Outcome | None
    problem: str
    """Why there is no outcome; empty when there is one."""
    skipped: bool
    took_s: float
    busy_before: float
    """Share of the machine that others used when it began, 0 to 1."""

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return {
            "name": self.name,
            "sentence": self.sentence,
            "state": "skipped" if self.skipped else "failed" if self.problem else "measured",
            "problem": self.problem,
            "took_s": round(self.took_s, 2),
            "busy_before": self.busy_before,
            "provisional": machine.provisional(self.busy_before),
            **(self.outcome.as_json() if self.outcome is not None else Outcome(figures=()).as_json()),
        }


async def run_one(bench: Bench, *, quick: bool, long: bool) -> Entry:
    """Run a bench in a folder of its own and within its time; a failure is told, not raised."""
    before, started = await machine.busy(_QUICK_LOOK_S if quick else machine.LOOK_S), time.monotonic()
    outcome, problem, skipped = None, "", False
    with tempfile.TemporaryDirectory(prefix="cm-bench-", ignore_cleanup_errors=True) as folder:
        try:
            async with asyncio.timeout(bench.bound_s):
                outcome = await bench.run(Plan(folder=Path(folder), quick=quick, long=long))
        except Skipped as reason:
            problem, skipped = str(reason), True
        except TimeoutError:
            problem = f"not done within {bench.bound_s:.0f} s"
        except Exception as error:
            problem = f"{type(error).__name__}: {error}"
    return Entry(
        name=bench.name,
        sentence=bench.sentence,
        outcome=outcome,
        problem=problem,
        skipped=skipped,
        took_s=time.monotonic() - started,
        busy_before=before,
    )


async def run_all(benches: Sequence[Bench], *, quick: bool, long: bool, told: Callable[[Entry], None] = lambda _: None) -> list[Entry]:
    """Run benches one at a time; `told` hears of each when it is over."""
    entries = []
    for bench in benches:
        entries.append(await run_one(bench, quick=quick, long=long))
        told(entries[-1])
    return entries


def as_json(entries: Sequence[Entry], *, quick: bool) -> dict[str, Any]:
    """The whole run for machines."""
    return {
        "machine": machine.machine(),
        "quick": quick,
        "at_ms": int(time.time() * 1000),
        "benches": [entry.as_json() for entry in entries],
    }


def print_table(console: Console, entries: Sequence[Entry], *, quick: bool) -> None:
    """The whole run for people."""
    about = machine.machine()
    table = Table(title=f"{about['processor']}, {about['cores']} cores, {about['memory_mib']} MiB, Python {about['python']}")
    for name in ("bench", "figure", "ours", "other", "value", "aim", ""):
        table.add_column(name, justify="right" if name in {"ours", "other", "value", "aim"} else "left", overflow="fold")
    for entry in entries:
        if entry.outcome is None:
            table.add_row(entry.name, f"{'skipped' if entry.skipped else 'failed'}: {entry.problem}")
            continue
        label = f"{entry.name}\n{f'others {entry.busy_before:.0%}' if machine.provisional(entry.busy_before) else ''}"
        for figure in entry.outcome.figures:
            table.add_row(label, *_cells(figure))
            label = ""
        table.add_section()
    console.print(table)
    for entry in entries:
        for line in (*entry.outcome.sources, *entry.outcome.notes) if entry.outcome is not None else ():
            console.print(f"  {entry.name}: {line}", markup=False)
    if quick:
        console.print("--quick: shows that the benches work; the figures say nothing.")


def _cells(figure: Figure) -> list[str]:
    sides = [f"{number(side.median)} {side.unit}\n{side.name}" for side in figure.sides] if len(figure.sides) > 1 else []
    verdict = f"[{_COLOURS[figure.verdict]}]{figure.verdict}[/]" if figure.verdict in _COLOURS else figure.verdict
    aim = "" if figure.aim is None else str(figure.aim)
    return [figure.name, *(sides or ["", ""])[:2], f"{number(figure.value)} {figure.unit}", aim, verdict]


def number(amount: float) -> str:
    """Three digits that matter."""
    return f"{amount:,.0f}" if abs(amount) >= 100 else f"{amount:.3g}"
