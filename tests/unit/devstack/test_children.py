"""Children are kept running, end when asked, and never outlive what started them."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from devstack.children import Child, Program

SAYS_ITS_LIFE = "import os, sys, time; print(os.environ.get('WORD', '-'), flush=True); time.sleep(60)"
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"


def program(folder: Path, script: str, *, drain_s: float = 5.0) -> Program:
    return Program(
        name="one",
        arguments=(sys.executable, "-c", script),
        environment=dict(os.environ),
        folder=folder,
        log=folder / "one.log",
        drain_s=drain_s,
    )


async def until(look: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not look():
            await asyncio.sleep(0.01)


def lines(folder: Path) -> list[str]:
    log = folder / "one.log"
    return log.read_text().splitlines() if log.exists() else []


async def test_a_killed_child_is_started_again_and_its_end_is_noted(tmp_path: Path) -> None:
    child = Child(program(tmp_path, SAYS_ITS_LIFE))
    await child.start()
    try:
        await until(lambda: len(lines(tmp_path)) == 1)
        first = child.pid
        child.kill()
        await until(lambda: len(lines(tmp_path)) == 2)
        assert child.pid not in {0, first}
        assert (child.ends, child.restarts) == ([-signal.SIGKILL], 1)
    finally:
        assert await child.stop()
    assert child.pid == 0
    assert child.ends == [-signal.SIGKILL]


async def test_variables_of_the_next_lives_hold_for_one_life_each(tmp_path: Path) -> None:
    child = Child(program(tmp_path, SAYS_ITS_LIFE), next_lives=[{"WORD": "first"}, {"WORD": "second"}])
    await child.start()
    try:
        for count in (1, 2):
            await until(lambda count=count: len(lines(tmp_path)) == count)
            child.kill()
        await until(lambda: len(lines(tmp_path)) == 3)
        assert lines(tmp_path) == ["first", "second", "-"]
    finally:
        await child.stop()


async def test_a_child_that_ends_at_once_is_tried_again_ever_more_slowly(tmp_path: Path) -> None:
    child = Child(program(tmp_path, "raise SystemExit(3)"))
    loop = asyncio.get_running_loop()
    moments = []
    await child.start()
    try:
        for count in (1, 2, 3):
            await until(lambda count=count: len(child.ends) == count)
            moments.append(loop.time())
        assert child.ends[:3] == [3, 3, 3]
        assert moments[1] - moments[0] >= 0.1
        assert moments[2] - moments[1] >= 0.2
    finally:
        began = loop.time()
        assert await child.stop()
        assert loop.time() - began < 5
    assert child.pid == 0


async def test_a_restart_drains_and_is_no_unasked_end(tmp_path: Path) -> None:
    child = Child(program(tmp_path, SAYS_ITS_LIFE))
    await child.start()
    try:
        await until(lambda: len(lines(tmp_path)) == 1)
        first = child.pid
        await child.restart()
        assert child.pid not in {0, first}
        assert child.ends == []
    finally:
        await child.stop()


async def test_a_paused_child_stays_away_until_it_may_come_back(tmp_path: Path) -> None:
    child = Child(program(tmp_path, SAYS_ITS_LIFE))
    await child.start()
    try:
        await until(lambda: len(lines(tmp_path)) == 1)
        await child.pause()
        assert child.pid == 0
        await asyncio.sleep(0.5)
        assert (child.pid, len(lines(tmp_path))) == (0, 1)
        child.resume()
        await until(lambda: len(lines(tmp_path)) == 2)
        assert child.pid
    finally:
        await child.stop()


async def test_a_child_that_is_killed_for_a_while_was_not_asked_and_stays_away_until_it_may_come_back(tmp_path: Path) -> None:
    child = Child(program(tmp_path, SAYS_ITS_LIFE))
    await child.start()
    try:
        await until(lambda: len(lines(tmp_path)) == 1)
        process = child.process
        assert process is not None
        await child.pause(gently=False)
        assert (process.returncode, child.pid) == (-signal.SIGKILL, 0)
        await asyncio.sleep(0.3)
        assert (child.pid, len(lines(tmp_path))) == (0, 1)
        child.resume()
        await until(lambda: len(lines(tmp_path)) == 2)
        assert child.ends == []
    finally:
        await child.stop()


async def test_a_paused_child_can_be_stopped(tmp_path: Path) -> None:
    child = Child(program(tmp_path, SAYS_ITS_LIFE))
    await child.start()
    await child.pause()
    assert await child.stop()


async def test_a_child_that_does_not_listen_is_killed_after_its_time(tmp_path: Path) -> None:
    child = Child(program(tmp_path, DEAF, drain_s=0.2))
    await child.start()
    await until(lambda: lines(tmp_path) == ["deaf"])
    pid = child.pid
    assert not await child.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_a_program_whose_folder_is_gone_is_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await Child(replace(program(tmp_path, SAYS_ITS_LIFE), folder=tmp_path / "gone")).start()


async def test_a_leashed_program_ends_with_its_keeper(tmp_path: Path) -> None:
    keeper = (
        "import asyncio, os, sys\n"
        "from pathlib import Path\n"
        "from devstack.children import Child, Program\n"
        "async def main():\n"
        "    folder = Path(sys.argv[1])\n"
        "    child = Child(Program(name='one', arguments=(sys.executable, '-c', 'import time; time.sleep(60)'),\n"
        "        environment=dict(os.environ), folder=folder, log=folder / 'one.log'))\n"
        "    await child.start()\n"
        "    print(child.pid, flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", keeper, str(tmp_path), stdout=asyncio.subprocess.PIPE, cwd=Path(__file__).parents[3]
    )
    assert process.stdout is not None
    pid = int(await process.stdout.readline())
    process.kill()
    await process.communicate()

    def gone() -> bool:
        try:
            return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
        except OSError:
            return True

    await until(gone)
