"""A worker's child reads no file but its own, opens no socket and uses no more than its limits, even where the tool's own guards are away."""

import asyncio
import os
import socket
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest

from svc_video.processing.media import MediaToolOverLimit, MediaTools
from svc_video.processing.media.sandbox import Limits, ToolRun, run_tool
from tests.fixtures.confinement import needs_filters, needs_landlock, needs_scopes
from tests.hostile.media.disguises import playlist
from tests.hostile.media.mp4 import film
from tests.unit.media.sandboxed import python

LIMITS = Limits(wall_s=30, cpu_s=10)
MIB = 1024 * 1024


async def probed(tools: MediaTools, folder: Path, *arguments: str | Path, reads: tuple[Path, ...]) -> ToolRun:
    """ffprobe without any of our guards."""
    return await run_tool([tools.ffprobe, "-v", "error", "-show_streams", *arguments], cwd=folder, reads=reads, limits=LIMITS)


@needs_landlock
async def test_an_unguarded_tool_follows_a_playlist_no_further_than_it_was_given(tools: MediaTools, tmp_path: Path) -> None:
    given, inside, secret = tmp_path / "given", tmp_path / "inside", tmp_path / "secret.mp4"
    for folder in (given, inside):
        folder.mkdir()
    secret.write_bytes(film())
    listed = given / "film.m3u8"
    listed.write_bytes(playlist(f"file://{secret}"))
    opening = ("-allowed_extensions", "ALL", "-extension_picky", "0", listed)
    assert b"codec_name=h264" in (await probed(tools, inside, *opening, reads=(listed, secret))).stdout
    held = await probed(tools, inside, *opening, reads=(listed,))
    assert (held.exit_code, held.stdout) == (1, b"")


@needs_landlock
async def test_no_way_around_leads_to_another_file(tmp_path: Path) -> None:
    inside, secret = tmp_path / "inside", tmp_path / "secret"
    inside.mkdir()
    secret.write_text("secret")
    (inside / "link").symlink_to(secret)
    code = textwrap.dedent(f"""
        import os
        ways = [{str(secret)!r}, 'link', '../secret', '/proc/self/cwd/../secret', '/proc/self/root{secret}', '/etc/passwd', '/etc/shadow',
                '/proc/{os.getpid()}/environ', '/proc/{os.getpid()}/mem', '/proc/self/environ', {str(Path(__file__))!r}]
        for way in ways:
            try:
                print('read', way, open(way, 'rb').read(9))
            except OSError:
                pass
        for make in (lambda: os.link({str(secret)!r}, 'mine'), lambda: os.rename({str(secret)!r}, 'mine'), lambda: os.listdir('..'),
                     lambda: os.unlink({str(secret)!r}), lambda: os.mkfifo('../fifo'), lambda: os.mkdir('../new')):
            try:
                make()
                print('made')
            except OSError:
                pass
        print('done')
    """)
    assert (await python(inside, code, LIMITS)).stdout == b"done\n"
    assert secret.read_text() == "secret"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["inside", "secret"]


@needs_filters
async def test_no_socket_of_any_family_can_be_opened(tmp_path: Path) -> None:
    code = textwrap.dedent("""
        import ctypes, socket
        for family in range(46):
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW):
                try:
                    socket.socket(family, kind)
                    print('opened', family, kind)
                except PermissionError:
                    pass
        try:
            socket.socketpair()
            print('a pair')
        except PermissionError:
            pass
        libc = ctypes.CDLL(None, use_errno=True)
        print(libc.syscall(425, 8, ctypes.create_string_buffer(120)), ctypes.get_errno())
    """)
    assert (await python(tmp_path, code, LIMITS)).stdout == b"-1 1\n"


@needs_filters
@pytest.mark.parametrize("kind", ["tcp", "unix"])
async def test_a_tool_that_is_told_an_address_does_not_reach_it(
    tools: MediaTools, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    reached = 0

    def reach(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal reached
        reached += 1
        writer.close()

    monkeypatch.chdir(tmp_path)  # a path of a socket is at most 107 bytes long
    server = await (asyncio.start_server(reach, "127.0.0.1", 0) if kind == "tcp" else asyncio.start_unix_server(reach, "door"))
    async with server:
        address = f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}" if kind == "tcp" else "unix:door"
        run = await probed(tools, tmp_path, "-f", "mov", "-i", address, reads=())
        assert run.exit_code != 0
        assert reached == 0
        with socket.socket(socket.AF_INET if kind == "tcp" else socket.AF_UNIX) as caller:
            caller.connect(server.sockets[0].getsockname())
        while reached == 0:
            await asyncio.sleep(0.01)


@needs_filters
async def test_it_starts_threads_and_no_process(tmp_path: Path) -> None:
    code = textwrap.dedent("""
        import ctypes, os, threading
        done = []
        thread = threading.Thread(target=lambda: done.append('thread'))
        thread.start()
        thread.join()
        print(*done)
        libc = ctypes.CDLL(None, use_errno=True)
        for start in (os.fork, lambda: os.posix_spawn('/bin/true', ['true'], {}), lambda: libc.syscall(435, ctypes.create_string_buffer(88), 88)):
            try:
                print(start(), ctypes.get_errno())
            except OSError as error:
                print(error.errno)
    """)
    run = await python(tmp_path, code, LIMITS)
    assert run.stdout == b"thread\n1\n1\n-1 38\n"


@needs_scopes
async def test_it_sends_no_signal_to_its_worker(tmp_path: Path) -> None:
    code = f"import os\ntry:\n    os.kill({os.getpid()}, 0)\n    print('sent')\nexcept PermissionError:\n    print('held')"
    assert (await python(tmp_path, code, LIMITS)).stdout == b"held\n"


@needs_filters
async def test_it_does_nothing_to_the_processes_around_it_and_all_to_itself(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as neighbour:
        try:
            code = textwrap.dedent(f"""
                import ctypes, os, resource, signal, threading
                signal.signal(signal.SIGUSR1, lambda *_: print('told'))
                for way in (lambda who: os.kill(who, signal.SIGUSR1), lambda who: os.sched_setaffinity(who, os.sched_getaffinity(0)),
                            lambda who: resource.prlimit(who, resource.RLIMIT_NOFILE), lambda who: os.sched_setscheduler(who, 0, os.sched_param(0)),
                            lambda who: os.pidfd_open(who), lambda who: os.setpriority(os.PRIO_PROCESS, who, 19)):
                    for who in ({neighbour.pid}, os.getpid()):
                        try:
                            way(who)
                            print('done')
                        except PermissionError:
                            print('held')
                signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)
                libc = ctypes.CDLL(None, use_errno=True)
                for share in (lambda: libc.shmget(0, 4096, 0o1600), lambda: libc.semget(0, 1, 0o1600), lambda: libc.msgget(0, 0o1600)):
                    print(share(), ctypes.get_errno())
            """)
            said = (await python(tmp_path, code, LIMITS)).stdout.decode().split("\n")
        finally:
            neighbour.kill()
    held, mine = "held", "done"
    assert said == [held, "told", mine, held, mine, held, mine, held, mine, held, held, held, held, "told", "-1 1", "-1 1", "-1 1", ""]


async def test_what_it_writes_to_memory_is_bounded(tmp_path: Path) -> None:
    code = textwrap.dedent("""
        import mmap
        kept = []
        try:
            for _ in range(120):
                kept.append(mmap.mmap(-1, 1 << 20, flags=mmap.MAP_PRIVATE))
                kept[-1].write(b'x' * (1 << 20))
        except OSError:
            pass
        print(len(kept))
    """)
    limits = replace(LIMITS, memory_bytes=1024 * MIB, data_bytes=80 * MIB)
    assert 40 < int((await python(tmp_path, code, limits)).stdout) < 80
    assert int((await python(tmp_path, code, replace(limits, data_bytes=400 * MIB))).stdout) == 120


@needs_filters
async def test_threads_share_one_allowance_of_cpu(tools: MediaTools, tmp_path: Path) -> None:
    source = tmp_path / "film.mp4"
    source.write_bytes(film())
    endless = ("-stream_loop", "-1", "-i", source, "-vf", "scale=1280:-1", "-f", "null", "-")
    with pytest.raises(MediaToolOverLimit, match="1 CPU seconds"):
        await run_tool([tools.ffmpeg, "-v", "error", *endless], cwd=tmp_path, reads=[source], limits=replace(LIMITS, cpu_s=1))


async def test_it_opens_no_more_files_than_it_may(tmp_path: Path) -> None:
    code = "kept = []\ntry:\n    while True:\n        kept.append(open('/dev/null'))\nexcept OSError:\n    print(len(kept))"
    assert (await python(tmp_path, code, replace(LIMITS, open_files=20))).stdout == b"17\n"
