"""What a media tool gone wild cannot do."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest

from svc_video.processing.media import MediaToolFailed, MediaToolMissing, MediaToolOverLimit, MediaToolTimedOut
from svc_video.processing.media.kernel import confinement
from svc_video.processing.media.sandbox import ToolRun, run_tool
from tests.fixtures.confinement import FILTERS, LANDLOCK, REQUIRED, needs_a_closed_network, needs_landlock
from tests.unit.media.sandboxed import LIMITS, PYTHON, gone, pid_in, python

ROOT = Path(__file__).parents[3]


def test_what_is_told_of_this_machine_is_true_and_enough_where_it_is_required() -> None:
    told = confinement()
    assert told == {"Landlock": LANDLOCK >= 1, "filter of system calls": FILTERS and os.uname().machine in {"x86_64", "aarch64"}}
    if os.environ.get(REQUIRED) == "1":
        assert all(told.values()), f"{REQUIRED}=1, and this kernel does not confine media tools: {told}"


async def test_output_and_exit_code_come_back(tmp_path: Path) -> None:
    run = await python(tmp_path, "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)")
    assert run == ToolRun(exit_code=3, stdout=b"out\n", stderr_tail="err")


async def test_its_environment_names_its_scratch_folder_alone_stdin_is_empty_and_it_yields_to_others(tmp_path: Path) -> None:
    os.environ["CLIPMESH_TEST_SECRET"] = "x"
    try:
        code = (
            "import os,sys; print([k for k in os.environ if k != 'LC_CTYPE'], repr(sys.stdin.read()), os.getpriority(os.PRIO_PROCESS, 0))"
        )
        run = await python(tmp_path, code)
    finally:
        del os.environ["CLIPMESH_TEST_SECRET"]
    assert run.stdout == f"['TMPDIR'] '' {os.nice(0) + LIMITS.nice}\n".encode()


async def test_memory_is_bounded(tmp_path: Path) -> None:
    code = "try:\n x = bytearray(10**9)\nexcept MemoryError:\n print('refused')"
    assert (await python(tmp_path, code, replace(LIMITS, memory_bytes=400 * 10**6))).stdout == b"refused\n"


async def test_a_tool_that_says_it_lacks_memory_is_over_its_limit(tmp_path: Path) -> None:
    with pytest.raises(MediaToolOverLimit, match="bytes"):
        await python(tmp_path, "import sys; sys.exit('Cannot allocate memory')")


async def test_cpu_is_bounded(tmp_path: Path) -> None:
    with pytest.raises(MediaToolOverLimit, match="1 CPU seconds"):
        await python(tmp_path, "while True: pass", replace(LIMITS, cpu_s=1))


async def test_wall_time_is_bounded_and_grandchildren_die_too(tmp_path: Path) -> None:
    code = "import os,time\nopen('pids','w').write(f'{os.getpid()}')\nos.fork()\nopen(f'p{os.getpid()}','w').close()\ntime.sleep(60)"
    with pytest.raises(MediaToolTimedOut, match=r"longer than 0\.8 s"):
        await python(tmp_path, code, replace(LIMITS, wall_s=0.8))
    pids = [int(path.name[1:]) for path in tmp_path.glob("p[0-9]*")]
    assert len(pids) == 2
    await gone(*pids)


async def test_cancelling_kills_the_group(tmp_path: Path) -> None:
    task = asyncio.create_task(python(tmp_path, "import os,time\nopen('pid','w').write(str(os.getpid()))\ntime.sleep(60)"))
    pid = await pid_in(tmp_path / "pid")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await gone(pid)


async def test_it_dies_with_its_worker(tmp_path: Path) -> None:
    worker = textwrap.dedent(f"""
        import asyncio, sys
        from pathlib import Path
        sys.path.insert(0, {str(ROOT)!r})
        from svc_video.processing.media.sandbox import Limits, run_tool
        code = "import os,time;open('pid','w').write(str(os.getpid()));time.sleep(60)"
        reads = [Path({sys.base_prefix!r}), Path({str(PYTHON.parent)!r})]
        limits = Limits(wall_s=60, cpu_s=10)
        asyncio.run(run_tool([{str(PYTHON)!r}, "-I", "-S", "-c", code], cwd=Path({str(tmp_path)!r}), reads=reads, limits=limits))
    """)
    process = subprocess.Popen([sys.executable, "-c", worker])
    try:
        pid = await pid_in(tmp_path / "pid")
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    await gone(pid)


async def test_output_is_bounded_and_only_the_tail_of_stderr_is_kept(tmp_path: Path) -> None:
    with pytest.raises(MediaToolOverLimit, match="printed more than 1000 bytes"):
        await python(tmp_path, "import time; print('x' * 5000, flush=True); time.sleep(60)", replace(LIMITS, stdout_bytes=1000))
    run = await python(tmp_path, "import sys; sys.stderr.write('y' * 200_000 + 'end')")
    assert len(run.stderr_tail) == 32 * 1024
    assert run.stderr_tail.endswith("yend")


async def test_a_file_is_bounded(tmp_path: Path) -> None:
    code = "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_DFL); open('big', 'wb').write(bytes(10**6))"
    with pytest.raises(MediaToolOverLimit, match="1000 bytes in one file"):
        await python(tmp_path, code, replace(LIMITS, file_bytes=1000))
    assert (tmp_path / "big").stat().st_size <= 1000


@needs_landlock
async def test_only_its_folder_can_be_written_and_only_what_it_was_given_can_be_read(tmp_path: Path) -> None:
    inside, given, secret = tmp_path / "inside", tmp_path / "given", tmp_path / "secret"
    inside.mkdir()
    given.write_text("given")
    secret.write_text("secret")
    code = textwrap.dedent(f"""
        print(open({str(given)!r}).read())
        open('mine', 'w').write('mine')
        for path, mode in (({str(secret)!r}, 'r'), ({str(given)!r}, 'w'), ({str(tmp_path / "new")!r}, 'w'), ('/etc/passwd', 'r')):
            try:
                open(path, mode)
                print('opened', path)
            except PermissionError:
                pass
    """)
    run = await python(inside, code, reads=(given,))
    assert run == ToolRun(exit_code=0, stdout=b"given\n", stderr_tail="")
    assert (inside / "mine").read_text() == "mine"
    assert given.read_text() == "given"


@needs_a_closed_network
async def test_there_is_no_network(tmp_path: Path) -> None:
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        run = await python(tmp_path, f"import socket; socket.create_connection(('127.0.0.1', {port}))")
    assert run.exit_code == 1
    assert "Error" in run.stderr_tail


async def test_a_crash_is_told_with_its_signal_and_a_missing_tool_by_name(tmp_path: Path) -> None:
    with pytest.raises(MediaToolFailed, match="SIGSEGV"):
        await python(tmp_path, "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    with pytest.raises(MediaToolMissing):
        await run_tool(["/bin/true"], cwd=tmp_path / "nowhere", reads=[], limits=LIMITS)


async def test_what_it_keeps_for_itself_lies_in_its_folder_and_is_gone_afterwards(tmp_path: Path) -> None:
    code = textwrap.dedent("""
        import os, tempfile
        kept = tempfile.mkdtemp()
        open(os.path.join(kept, 'large'), 'wb').write(bytes(1000))
        print(os.path.dirname(os.path.dirname(kept)), os.listdir('.') == [os.path.basename(os.environ['TMPDIR'])])
    """)
    ended, killed = tmp_path / "ended", tmp_path / "killed"
    for folder in (ended, killed):
        folder.mkdir()
    assert (await python(ended, code)).stdout.decode() == f"{ended} True\n"
    with pytest.raises(MediaToolTimedOut):
        await python(killed, f"{code}\nimport time; time.sleep(60)", replace(LIMITS, wall_s=1))
    assert [*ended.iterdir(), *killed.iterdir()] == []


async def test_what_it_says_names_no_path_of_this_machine_and_moves_no_terminal(tmp_path: Path) -> None:
    hostile = tmp_path / "a b\x1b[31m\n'$(id)'.mp4"
    hostile.write_bytes(b"")
    said = f"[mov @ 0x55d0c0ffee00] {hostile}: not open; {tmp_path}/x.part and /usr/lib/libx.so.1\x07 say \u202e1/2, 16:9, 4096x2304"
    run = await python(tmp_path, f"import sys; sys.exit({said!r})", reads=(hostile,))
    assert run.stderr_tail == "[mov] <file 3>: not open; <folder>/x.part and <path>? say ?1/2, 16:9, 4096x2304"
