"""A run ends when it should, whatever holds its pipes, and leaves no pipe behind; on both event loops that we use."""

import asyncio
import contextlib
import os
import signal
import textwrap
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import uvloop

from svc_video.processing.media import MediaToolOverLimit, MediaTools, MediaToolTimedOut
from tests.fixtures.descriptors import open_descriptors
from tests.unit.media.sandboxed import LIMITS, alive, pid_in, python

ESCAPES = textwrap.dedent("""
    import os, time
    if os.fork() == 0:
        os.setsid()
        with open('pid', 'w') as file:
            file.write(str(os.getpid()))
    time.sleep(60)
""")


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def loops(request: pytest.FixtureRequest) -> Iterator[asyncio.Runner]:
    """A loop of each kind; the pipes open after the test are those open before."""
    with asyncio.Runner(loop_factory=request.param) as first:
        first.run(asyncio.sleep(0))  # the first loop of its kind opens pipes for the whole process
    before = open_descriptors("pipe:")
    with asyncio.Runner(loop_factory=request.param) as runner:
        yield runner
    assert open_descriptors("pipe:") == before


def test_output_exit_code_and_the_last_words_come_back(loops: asyncio.Runner, tools: MediaTools, tmp_path: Path) -> None:
    code = "import sys; sys.stdout.write('x' * 3_000_000); sys.stderr.write('y' * 200_000 + 'end'); sys.exit(3)"
    run = loops.run(python(tmp_path, code))
    assert (run.exit_code, run.stdout) == (3, b"x" * 3_000_000)
    assert (len(run.stderr_tail), run.stderr_tail[-4:]) == (32 * 1024, "yend")


def test_pieces_are_handed_on_and_not_kept(loops: asyncio.Runner, tools: MediaTools, tmp_path: Path) -> None:
    pieces: list[bytes] = []
    run = loops.run(python(tmp_path, "print('a' * 100_000)", on_stdout=pieces.append))
    assert (b"".join(pieces), run.stdout) == (b"a" * 100_000 + b"\n", b"")


def test_a_flood_of_output_is_stopped_at_once(loops: asyncio.Runner, tools: MediaTools, tmp_path: Path) -> None:
    code = "import sys\nwhile True: sys.stdout.write('x' * 65536)"
    with pytest.raises(MediaToolOverLimit, match="printed more than 1000 bytes"):
        loops.run(python(tmp_path, code, replace(LIMITS, stdout_bytes=1000)))


def test_a_reader_that_fails_ends_the_tool_and_is_heard(loops: asyncio.Runner, tools: MediaTools, tmp_path: Path) -> None:
    def fail(piece: bytes) -> None:
        raise ValueError(piece)

    code = "import os,time\nopen('pid','w').write(str(os.getpid()))\nprint('first', flush=True)\ntime.sleep(60)"
    with pytest.raises(ValueError, match="first"):
        loops.run(python(tmp_path, code, on_stdout=fail))
    assert not alive(int((tmp_path / "pid").read_text()))


def test_what_the_tool_leaves_running_in_its_group_is_ended_with_it(loops: asyncio.Runner, tools: MediaTools, tmp_path: Path) -> None:
    code = "import os,time\nif os.fork() == 0:\n    time.sleep(60)\nopen('pid','w').write(str(os.getpid()))\nprint('done')"
    run = loops.run(python(tmp_path, code))
    assert (run.exit_code, run.stdout) == (0, b"done\n")


@pytest.mark.parametrize("ending", ["cancelled", "timed out"])
def test_a_descendant_that_left_the_group_holds_neither_the_run_nor_a_pipe(
    loops: asyncio.Runner, tools: MediaTools, tmp_path: Path, ending: str
) -> None:
    async def scenario() -> None:
        run = asyncio.create_task(python(tmp_path, ESCAPES, replace(LIMITS, wall_s=2 if ending == "timed out" else 20)))
        escaped = await pid_in(tmp_path / "pid")
        try:
            async with asyncio.timeout(10):
                if ending == "cancelled":
                    run.cancel()
                with pytest.raises(asyncio.CancelledError if ending == "cancelled" else MediaToolTimedOut):
                    await run
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(escaped, signal.SIGKILL)

    loops.run(scenario())


@pytest.mark.parametrize("steps", range(8))
def test_cancelling_while_it_starts_leaves_nothing(loops: asyncio.Runner, tools: MediaTools, tmp_path: Path, steps: int) -> None:
    async def scenario() -> None:
        run = asyncio.create_task(python(tmp_path, "import time; time.sleep(60)"))
        for _ in range(steps):
            await asyncio.sleep(0)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run

    loops.run(scenario())
