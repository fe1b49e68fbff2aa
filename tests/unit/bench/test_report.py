"""A bench runs in a folder of its own and within its time; what it found or why it did not is told to people and machines."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import ModuleType

import pytest
from rich.console import Console

from bench import command, report
from bench.listing import BENCHES
from bench.outcome import Aim, Outcome, Side, Skipped, ratio
from bench.plan import Bench, Plan
from bench.turns import Run, in_turns


def bench_of(run: Callable[[Plan], Awaitable[Outcome]], *, bound_s: float = 10.0) -> Bench:
    module = ModuleType("bench.first_try", "Ours against other, as a try.\n\nMore words.")
    module.run = run  # type: ignore[attr-defined]
    return Bench(module=module, bound_s=bound_s)


async def measured(plan: Plan) -> Outcome:
    (plan.folder / "left").write_text("over")

    async def turn() -> Run:
        return Run(wall_s=2.0, cpu_s=1.0, work="nothing")

    trial = await in_turns("try", {"ours": turn, "other": turn}, repetitions=1)
    ours, other = (Side(name=name, unit="s", samples=(trial.runs[name][0].wall_s,)) for name in ("ours", "other"))
    return Outcome(figures=[ratio("time", ours, other, aim=Aim(value=0.5))], trials=[trial], sources=["a source"], notes=["a [note]"])


async def test_a_measured_bench_tells_everything_and_leaves_nothing() -> None:
    folders: list[Path] = []

    async def run(plan: Plan) -> Outcome:
        folders.append(plan.folder)
        assert list(plan.folder.iterdir()) == []
        return await measured(plan)

    entry = await report.run_one(bench_of(run), quick=True, long=False)
    assert not folders[0].exists()
    told = entry.as_json()
    assert (told["name"], told["sentence"], told["state"]) == ("first-try", "Ours against other, as a try.", "measured")
    assert told["figures"][0]["verdict"] == "missed"
    assert told["trials"][0]["order"] == ["ours", "other"]
    assert told["sources"] == ["a source"]
    assert 0 <= told["busy_before"] <= 1
    assert told["provisional"] is (told["busy_before"] > 0.1)


async def test_a_bench_that_fails_is_told_and_the_next_one_runs() -> None:
    async def broken(plan: Plan) -> Outcome:
        raise RuntimeError("no disk")

    async def skipped(plan: Plan) -> Outcome:
        raise Skipped("needs --long")

    heard: list[str] = []
    benches = [bench_of(broken), bench_of(skipped), bench_of(measured)]
    entries = await report.run_all(benches, quick=True, long=False, told=lambda entry: heard.append(entry.problem))
    assert [entry.as_json()["state"] for entry in entries] == ["failed", "skipped", "measured"]
    assert heard == ["RuntimeError: no disk", "needs --long", ""]
    assert entries[0].as_json()["figures"] == []


async def test_a_bench_ends_when_its_time_is_over() -> None:
    cancelled = asyncio.Event()

    async def endless(plan: Plan) -> Outcome:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        raise AssertionError

    entry = await report.run_one(bench_of(endless, bound_s=0.02), quick=True, long=False)
    assert entry.problem == "not done within 0 s"
    assert cancelled.is_set()


async def test_the_table_names_machine_load_sides_aim_and_verdict() -> None:
    entries = [await report.run_one(bench_of(measured), quick=True, long=False)]
    written = io.StringIO()
    report.print_table(Console(file=written, width=160), entries, quick=True)
    text = written.getvalue()
    for word in ("cores", "MiB", "first-try", "ours", "other", "1 x", "<= 0.5", "missed", "a source", "a [note]", "--quick"):
        assert word in text, word


def test_the_run_tells_machines_where_and_when_it_was_made() -> None:
    told = report.as_json([], quick=True)
    assert set(told) == {"machine", "quick", "at_ms", "benches"}
    assert set(told["machine"]) == {"processor", "cores", "memory_mib", "system", "python"}
    assert json.loads(json.dumps(told)) == told


def test_benches_have_names_sentences_and_bounds_of_their_own() -> None:
    names = [bench.name for bench in BENCHES]
    assert len(set(names)) == len(names) == 20
    assert all(bench.sentence.endswith(".") for bench in BENCHES)
    assert all(0 < bench.bound_s <= 7_200 for bench in BENCHES)
    assert [bench.name for bench in command.chosen(["page", "ladder"])] == ["ladder", "page"]


def test_an_unknown_name_runs_nothing_and_lists_the_names(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.run(["ladder", "sorting"], as_json=False, quick=True, long=False) == 2
    told = capsys.readouterr()
    assert "no bench is called sorting" in told.err
    assert "first-play" in told.err
    assert told.out == ""


@pytest.mark.parametrize("fails", [False, True])
def test_machines_get_json_alone_and_a_status(fails: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    async def run(plan: Plan) -> Outcome:
        if fails:
            raise RuntimeError("no disk")
        return await measured(plan)

    monkeypatch.setattr(command, "BENCHES", (bench_of(run),))
    assert command.run([], as_json=True, quick=True, long=False) == int(fails)
    told = capsys.readouterr()
    assert json.loads(told.out)["benches"][0]["state"] == ("failed" if fails else "measured")
    assert "first-try" in told.err
