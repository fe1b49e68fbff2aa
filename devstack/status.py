"""`clipmesh status`: processes, stores, lag and queues of a running system, in a few lines."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console
from rich.table import Table

from devstack.health import gateway_serves, metrics_of, service_serves, short_folder
from devstack.layout import SERVICES
from devstack.streams import waiting
from mesh.events.stream.port import StreamUnavailable
from mesh.stores.redis import RedisUnavailable

Samples: TypeAlias = dict[str, list[tuple[dict[str, str], float]]]

_COLUMNS: Final[dict[str, Literal["left", "right"]]] = {
    "process": "left",
    "state": "left",
    "pid": "right",
    "memory": "right",
    "restarts": "right",
    "": "left",
}


@dataclass(frozen=True, slots=True)
class ProcessStatus:
    """One process."""

    name: str
    pid: int
    alive: bool
    serves: bool
    restarts: int
    memory_mib: int
    """Its own share of physical memory."""
    without: tuple[str, ...] = ()
    """Stores that do not answer it."""


@dataclass(frozen=True, slots=True)
class Number:
    """One line of what waits."""

    value: float
    unit: str
    what: str
    detail: str = ""


def _alive(pid: int) -> bool:
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def memory_mib(pid: int) -> int:
    """Proportional share of physical memory, or the resident set where the kernel tells no share; 0 when there is no such process."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) // 1024
    except OSError:
        pass
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE") // 2**20


async def _process(name: str, facts: dict[str, Any], run_folder: Path, origin: str, samples: Samples) -> ProcessStatus:
    pid = facts["pid"]
    alive = _alive(pid)
    if name in SERVICES:
        serves = alive and await service_serves(run_folder / f"{name}.sock")
    elif name == "gateway":
        serves = alive and await gateway_serves(origin)
    else:
        serves = alive
    without = tuple(sorted(labels["dependency"] for labels, value in samples.get("clipmesh_dependency_up", ()) if not value))
    return ProcessStatus(name, pid, alive, serves, facts["restarts"], await asyncio.to_thread(memory_mib, pid), without)


async def _samples(socket: Path) -> Samples:
    """Samples of a metrics page by metric, each with its labels."""
    found: Samples = {}
    for family in text_string_to_metric_families(await metrics_of(socket)):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


async def _numbers(run_folder: Path, samples: list[Samples]) -> list[Number]:
    def values(metric: str) -> list[float]:
        return [value for page in samples for _, value in page.get(metric, ())]

    try:
        groups = await waiting(run_folder / "redis.sock")
        behind = Number(sum(groups.values()), "", "events that wait for consumers", _named(groups))
    except (StreamUnavailable, RedisUnavailable):
        behind = Number(-1, "", "events that wait for consumers", "the stream does not answer")
    jobs: dict[str, float] = {}
    for page in samples:
        for labels, value in page.get("clipmesh_video_jobs_open", ()):
            jobs[labels["kind"]] = jobs.get(labels["kind"], 0) + value
    return [
        Number(max(values("clipmesh_outbox_age_seconds"), default=0), " s", "age of the oldest event that waits for the stream"),
        behind,
        Number(sum(values("clipmesh_dead_letters")), "", "dead letters"),
        Number(sum(jobs.values()), "", "media jobs that wait for a worker", _named(jobs)),
    ]


def _named(counts: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {count:.0f}" for name, count in sorted(counts.items()) if count)


async def look(folder: Path) -> tuple[str, list[ProcessStatus], list[Number]]:
    """Origin, processes and numbers of the system that runs in `folder`. Raises FileNotFoundError when none does."""
    state = json.loads(await asyncio.to_thread((folder / "run" / "state.json").read_text))
    with short_folder(folder) as short:
        processes = state["processes"]
        names = [name for name in processes if name != "all"] + list(SERVICES if "all" in processes else ())
        pages = await asyncio.gather(*(_samples(short / "run" / f"{name}.metrics.sock") for name in names))
        samples = dict(zip(names, pages, strict=True))
        asked = (_process(name, facts, short / "run", state["origin"], samples.get(name, {})) for name, facts in processes.items())
        rows = await asyncio.gather(*asked)
        return state["origin"], list(rows), await _numbers(short / "run", list(pages))


async def run(folder: Path, *, as_json: bool) -> int:
    """Print what runs; 0 when everything serves, 1 when something does not, 2 when nothing runs."""
    try:
        origin, rows, numbers = await look(folder)
    except FileNotFoundError:
        print(f"clipmesh: nothing runs in {folder}", file=sys.stderr)
        return 2
    good = all(row.serves and not row.without for row in rows)
    if as_json:
        print(
            json.dumps(
                {
                    "ok": good,
                    "origin": origin,
                    "processes": [asdict(row) for row in rows],
                    "numbers": {number.what: number.value for number in numbers},
                },
                indent=1,
            )
        )
        return 0 if good else 1
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading, side in _COLUMNS.items():
        table.add_column(heading, justify=side)
    for row in rows:
        word = "[green]serves[/green]" if row.serves else "[yellow]starts[/yellow]" if row.alive else "[red]down[/red]"
        without = f"[red]without {', '.join(row.without)}[/red]" if row.without else ""
        table.add_row(row.name, word, str(row.pid), f"{row.memory_mib} MiB", str(row.restarts), without)
    console = Console(highlight=False)
    console.print(f"[bold]{origin}[/bold]  {folder}")
    console.print(table)
    for number in numbers:
        value = "?" if number.value < 0 else f"{number.value:.0f}{number.unit}"
        console.print(f"{value:>8}  {number.what}{f' [dim]({number.detail})[/dim]' if number.detail else ''}")
    return 0 if good else 1
