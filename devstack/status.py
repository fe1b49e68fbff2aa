"""`clipmesh status`: processes, stores, lag and queues of a running system, in a few lines."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, Literal

from rich.console import Console
from rich.table import Table

from devstack.looking import LetterCount, Number, ProcessStatus, StoreStatus, SystemStatus, look
from devstack.refusals import BreakerStatus
from devstack.streams import GroupLag
from devstack.troubles import Trouble, troubles_of

_PROCESSES: Final[dict[str, Literal["left", "right"]]] = {
    "process": "left",
    "state": "left",
    "pid": "right",
    "memory": "right",
    "restarts": "right",
    "": "left",
}
_STORES: Final[dict[str, Literal["left", "right"]]] = {"store or service": "left", "state": "left", "": "left"}
_GROUPS: Final[dict[str, Literal["left", "right"]]] = {"consumer group": "left", "topics": "left", "waiting": "right", "oldest": "right"}


async def run(folder: Path, *, as_json: bool) -> int:
    """Print what runs; 0 when everything serves, 1 when something does not, 2 when nothing runs."""
    try:
        status = await look(folder)
    except FileNotFoundError:
        print(f"clipmesh: nothing runs in {folder}", file=sys.stderr)
        return 2
    if as_json:
        print(json.dumps(as_document(status), indent=1))
    else:
        show(status, folder, Console(highlight=False))
    return 0 if status.good else 1


def as_document(status: SystemStatus) -> dict[str, Any]:
    """The same for machines."""
    return {
        "ok": status.good,
        "origin": status.origin,
        "keepers": dict(status.keepers),
        "processes": [asdict(process) for process in status.processes],
        "stores": [asdict(store) for store in status.stores],
        "groups": [asdict(group) for group in status.groups],
        "breakers": [asdict(breaker) for breaker in status.breakers],
        "overload": [asdict(one) for one in status.overload],
        "troubles": [asdict(trouble) for trouble in troubles_of(status)],
        "dead_letters": [asdict(letter) for letter in status.letters],
        "numbers": {number.what: number.value for number in status.numbers},
    }


def show(status: SystemStatus, folder: Path, console: Console) -> None:
    """Print it for people."""
    console.print(f"[bold]{status.origin}[/bold]  {folder}", soft_wrap=True)
    for keeper, names in kept(status.keepers).items():
        console.print(f"  {', '.join(names)}: {keeper}", soft_wrap=True)
    _show_troubles(troubles_of(status), console)
    console.print()
    console.print(_table(_PROCESSES, [_process(process) for process in status.processes]))
    stores = [*(_store(store) for store in status.stores), *_breakers(status.breakers), *_overload(status)]
    for headings, rows in ((_STORES, stores), (_GROUPS, [_group(group) for group in status.groups])):
        if rows:
            console.print()
            console.print(_table(headings, rows))
    console.print()
    for number in status.numbers:
        console.print(_number(number), soft_wrap=True)
        if number.what == "dead letters":
            for letter in status.letters:
                console.print(_letter(letter), soft_wrap=True)


def _show_troubles(troubles: Sequence[Trouble], console: Console) -> None:
    """First of all: whether there is anything to do."""
    if not troubles:
        console.print("[green]all is well[/green]")
    for trouble in troubles:
        console.print(f"[bold red]{trouble.what}[/bold red]", soft_wrap=True)
        console.print(f"    {trouble.todo}", soft_wrap=True)


def kept(keepers: Mapping[str, str]) -> dict[str, list[str]]:
    """What keeps stores, with the words of those that it keeps."""
    found: dict[str, list[str]] = {}
    for name, keeper in keepers.items():
        found.setdefault(keeper, []).append(name)
    return found


def _table(headings: dict[str, Literal["left", "right"]], rows: Sequence[tuple[str, ...]]) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading, side in headings.items():
        table.add_column(heading, justify=side)
    for row in rows:
        table.add_row(*row)
    return table


def _process(process: ProcessStatus) -> tuple[str, ...]:
    word = "[green]serves[/green]" if process.serves else "[yellow]starts[/yellow]" if process.alive else "[red]down[/red]"
    without = f"[red]without {', '.join(process.without)}[/red]" if process.without else ""
    return process.name, word, str(process.pid), f"{process.memory_mib} MiB", str(process.restarts), without


def _store(store: StoreStatus) -> tuple[str, ...]:
    if store.down_for:
        return store.name, "[red]down[/red]", f"[red]for {', '.join(store.down_for)}[/red]"
    return store.name, "[green]up[/green]", f"for {', '.join(store.up_for)}"


def _breakers(breakers: Sequence[BreakerStatus]) -> list[tuple[str, ...]]:
    """One quiet row for all that are closed, one for each that is not."""
    if not breakers:
        return []
    closed, refused = sum(breaker.closed for breaker in breakers), sum(breaker.refused for breaker in breakers)
    before = f", {refused} calls refused in their lives" if refused else ""
    rows: list[tuple[str, ...]] = [("breakers", "[green]closed[/green]", f"{closed} of {len(breakers)}{before}")] if closed else []
    for breaker in breakers:
        if not breaker.closed:
            what = f"{breaker.process}: {breaker.store} {breaker.lane}s, {breaker.away_s:.0f} s, {breaker.refused} calls refused"
            rows.append(("breaker", f"[red]{breaker.state}[/red]", f"[red]{what}[/red]"))
    return rows


def _overload(status: SystemStatus) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for one in status.overload:
        what = f"{one.process} sends {one.share:.0%} to {one.service}" if one.service else f"{one.waiting} calls wait in {one.process}"
        rows.append(("overload", "[red]held back[/red]" if one.service else "[yellow]waits[/yellow]", what))
    if not status.breakers:
        return rows  # no process tells anything
    return rows or [("overload", "[green]none[/green]", "every call is made and taken at once")]


def _group(group: GroupLag) -> tuple[str, ...]:
    return group.group, ", ".join(group.topics), str(group.waiting), f"{group.oldest_ms / 1_000:.1f} s" if group.waiting else ""


def _number(number: Number) -> str:
    value = "?" if number.value < 0 else f"{number.value:.0f}{number.unit}"
    return f"{value:>8}  {number.what}{f' [dim]({number.detail})[/dim]' if number.detail else ''}"


def _letter(letter: LetterCount) -> str:
    return f"{letter.count:>12}  {letter.group}: {letter.type.rpartition('.')[2]} on {letter.topic}, [red]{letter.reason}[/red]"
