"""`clipmesh status`: processes, stores, lag and queues of a running system, in a few lines."""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console
from rich.table import Table

from devstack.health import gateway_serves, metrics_of, service_serves, short_folder
from devstack.layout import SERVICES

SHOWN = {
    "outbox_lag": "events that wait for the relay",
    "consumer_lag": "events that wait for consumers",
    "dead_letters": "dead letters",
    "video_jobs_open": "media jobs that wait or run",
    "video_assessments_open": "videos that wait for the gate",
}
"""Gauges that are added up over all processes and shown as one number each, by the end of their name."""


@dataclass(frozen=True, slots=True)
class ProcessStatus:
    """One process."""

    name: str
    pid: int
    alive: bool
    serves: bool
    restarts: int
    memory_mib: int


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return pid > 0


def _memory_mib(pid: int) -> int:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE") // 2**20


async def _process(name: str, facts: dict[str, Any], run_folder: Path, origin: str) -> ProcessStatus:
    alive = _alive(facts["pid"])
    if name in SERVICES:
        serves = alive and await service_serves(run_folder / f"{name}.sock")
    elif name == "gateway":
        serves = alive and await gateway_serves(origin)
    else:
        serves = alive
    return ProcessStatus(name, facts["pid"], alive, serves, facts["restarts"], _memory_mib(facts["pid"]))


async def _numbers(run_folder: Path, names: list[str]) -> dict[str, float]:
    pages = await asyncio.gather(*(metrics_of(run_folder / f"{name}.metrics.sock") for name in names))
    totals: dict[str, float] = {}
    for page in pages:
        for family in text_string_to_metric_families(page):
            shown = next((word for word in SHOWN if family.name.endswith(word)), None)
            if shown is not None:
                totals[shown] = totals.get(shown, 0.0) + sum(sample.value for sample in family.samples)
    return totals


async def run(folder: Path, *, as_json: bool) -> int:
    """Print what runs; 0 when everything serves, 1 when something does not, 2 when nothing runs."""
    state_file = folder / "run" / "state.json"
    if not await asyncio.to_thread(state_file.exists):
        print(f"clipmesh: nothing runs in {folder}")
        return 2
    state = json.loads(await asyncio.to_thread(state_file.read_text))
    with short_folder(folder) as short:
        rows = await asyncio.gather(*(_process(name, facts, short / "run", state["origin"]) for name, facts in state["processes"].items()))
        numbers = await _numbers(short / "run", list(state["processes"]))
    good = all(row.serves for row in rows)
    if as_json:
        print(json.dumps({"ok": good, "origin": state["origin"], "processes": [asdict(row) for row in rows], "numbers": numbers}, indent=1))
        return 0 if good else 1
    table = Table(box=None, header_style="bold")
    for heading, side in (("process", "left"), ("state", "left"), ("pid", "right"), ("memory", "right"), ("restarts", "right")):
        table.add_column(heading, justify=side)  # type: ignore[arg-type]
    for row in rows:
        word = "[green]serves[/green]" if row.serves else "[yellow]starts[/yellow]" if row.alive else "[red]down[/red]"
        table.add_row(row.name, word, str(row.pid), f"{row.memory_mib} MiB", str(row.restarts))
    console = Console(highlight=False)
    console.print(f"[bold]{state['origin']}[/bold]  {folder}")
    console.print(table)
    for name, value in sorted(numbers.items()):
        console.print(f"  {value:>8.0f}  {SHOWN[name]}")
    return 0 if good else 1
