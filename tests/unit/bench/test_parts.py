"""What benches are made of: plain tools that end with whoever called them, wheels, and a look at processes."""

from __future__ import annotations

import asyncio
import os
import sys
import zipfile
from pathlib import Path

import pytest

from bench import idle, install, machine, overhead, plain
from bench.outcome import Skipped
from bench.plan import Plan
from bench.turns import in_turns
from bench.workers import run as run_workers


async def test_a_plain_tool_that_fails_says_why(tmp_path: Path) -> None:
    with pytest.raises(plain.PlainToolFailed, match="ended with 3: no disk"):
        await plain.run([sys.executable, "-c", "import sys; print('no disk', file=sys.stderr); sys.exit(3)"], folder=tmp_path)


async def test_a_cancelled_plain_tool_is_killed(tmp_path: Path) -> None:
    script = "import os, pathlib, time; pathlib.Path('pid').write_text(str(os.getpid())); time.sleep(60)"
    running = asyncio.create_task(plain.run([sys.executable, "-c", script], folder=tmp_path))
    async with asyncio.timeout(10):
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
            await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def a_wheel(folder: Path) -> Path:
    path = folder / "tiny-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tiny/__init__.py", "ANSWER = 42\n")
        archive.writestr("tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        archive.writestr("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("tiny-1.0.dist-info/RECORD", "tiny/__init__.py,,\ntiny-1.0.dist-info/METADATA,,\ntiny-1.0.dist-info/WHEEL,,\n")
    return path


async def test_pip_and_a_plain_unpacking_leave_the_same_modules(tmp_path: Path) -> None:
    trial = await in_turns("wheel", install.sides_of(a_wheel(tmp_path), tmp_path), repetitions=1)
    assert trial.order == ("pip", "unzip")
    assert trial.work == "1 files, 12 bytes"


async def test_without_a_builder_the_wheel_is_skipped_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(install.WHEELS, raising=False)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(Skipped, match="needs hatchling"):
        await install.build(tmp_path / "wheel")
    assert not (tmp_path / "wheel").exists()


def test_dependencies_are_those_that_are_installed_without_extras() -> None:
    needed = install.closure("clipmesh")
    assert {"grpcio", "protobuf", "strawberry-graphql", "graphql-core"} <= needed
    assert not needed & {"clipmesh", "pytest", "buf-bin"}


async def test_a_family_is_a_process_and_all_that_descend_from_it(tmp_path: Path) -> None:
    script = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'print(1, flush=True); input()'])"
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", script, stdin=pipe, stdout=pipe)
    assert child.stdin is not None
    assert child.stdout is not None
    await child.stdout.readline()
    members = idle.family([child.pid])
    used = idle.use_of([child.pid])
    child.stdin.write(b"\n")
    child.stdin.close()
    await child.wait()
    assert child.pid in members
    assert len(members) == used.processes == 2
    assert os.getpid() not in members
    assert used.memory_mib > 1


@pytest.mark.parametrize(("after", "share"), [("cpu 130 0 20 150 0 0 0 0", 0.5), ("cpu 100 0 0 200 100 0 0 0", 0.0)])
async def test_what_others_use_is_told_by_the_ticks_of_a_sleep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: str, share: float
) -> None:
    ticks = tmp_path / "stat"
    ticks.write_text("cpu 100 0 0 100 0 0 0 0\ncpu0 1\n")
    monkeypatch.setattr(machine, "_TIMES", ticks)
    looking = asyncio.create_task(machine.busy(0.02))
    await asyncio.sleep(0)
    ticks.write_text(f"{after}\n")
    assert await looking == share
    assert machine.provisional(share) is (share > 0.1)


def test_only_finished_pictures_and_sound_are_compared(tmp_path: Path) -> None:
    for name, content in (("a.mp4", b"\0\0\0\x18ftypisom"), (".b.part", b"\0\0\0\x18ftypisom"), ("c.json", b"{}"), ("d.mp4", b"")):
        (tmp_path / name).write_bytes(content)
    assert sorted(path.name for path in overhead.finished(tmp_path)) == [".b.part", "a.mp4"]


async def test_the_long_bench_waits_to_be_asked(tmp_path: Path) -> None:
    with pytest.raises(Skipped, match="--long"):
        await run_workers(Plan(folder=tmp_path))
    assert list(tmp_path.iterdir()) == []
