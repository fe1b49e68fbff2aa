"""The word `bench` of the command line: which benches, how thorough, and for whom to print."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Sequence

from rich.console import Console

from bench import report
from bench.listing import BENCHES
from bench.plan import Bench

_FILE_COLUMNS = 160
"""How wide the table is where no terminal says so."""


def chosen(names: Sequence[str]) -> list[Bench]:
    """The benches of these names in the order of the list, all for none. Raises ValueError for a name that no bench has."""
    known = {bench.name for bench in BENCHES}
    if unknown := sorted(set(names) - known):
        raise ValueError(f"no bench is called {', '.join(unknown)}; there are {', '.join(sorted(known))}")
    return [bench for bench in BENCHES if not names or bench.name in names]


def run(names: Sequence[str], *, as_json: bool, quick: bool, long: bool) -> int:
    """Run benches and print what they found; 0 unless one failed, 2 for an unknown name. A missed aim is a finding, not a failure."""
    try:
        benches = chosen(names)
    except ValueError as unknown:
        print(f"clipmesh: {unknown}", file=sys.stderr)
        return 2
    console = Console(highlight=False, stderr=as_json)
    if not console.is_terminal:
        console.width = _FILE_COLUMNS

    def told(entry: report.Entry) -> None:
        console.print(f"{entry.name}: {entry.problem or 'done'} ({entry.took_s:.0f} s, others {entry.busy_before:.0%})", markup=False)

    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        entries = runner.run(report.run_all(benches, quick=quick, long=long, told=told))
    if as_json:
        print(json.dumps(report.as_json(entries, quick=quick), indent=1))
    else:
        report.print_table(console, entries, quick=quick)
    return 1 if any(entry.problem and not entry.skipped for entry in entries) else 0


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """The loop that services run on, where it is to be had."""
    try:
        import uvloop  # noqa: PLC0415 not on every system
    except ImportError:
        return None
    return uvloop.new_event_loop
