"""The `clipmesh` command as a person types it: starts, tells, refuses, ends, and leaves nothing running."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from devstack.ports import free_port
from mesh.testing.folders import socket_folder
from tests.e2e.stage import until
from tests.fixtures.children import child

pytestmark = pytest.mark.timeout(120)

COMMAND = (sys.executable, "-m", "devstack")


async def said(*arguments: str) -> tuple[int, str]:
    """Exit status and words of a command that ends by itself."""
    async with child(*COMMAND, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT) as process:
        output, _ = await process.communicate()
        return process.returncode or 0, output.decode()


@asynccontextmanager
async def up(folder: Path, port: int) -> AsyncIterator[asyncio.subprocess.Process]:
    """`clipmesh up`, ready."""
    arguments = ("up", "--folder", str(folder), "--port", str(port))
    async with child(*COMMAND, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT) as process:
        assert process.stdout is not None
        seen = b""
        while b"Ctrl-C stops it" not in seen:
            line = await process.stdout.readline()
            assert line, seen.decode()
            seen += line
        yield process


def living(folder: Path) -> list[int]:
    """Processes that work in the folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                if (entry / "cwd").readlink().is_relative_to(folder):
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


async def test_up_serves_until_it_is_asked_to_stop_and_leaves_nothing() -> None:
    with socket_folder() as folder:
        port = free_port()
        async with up(folder, port) as process:
            status, words = await said("status", "--folder", str(folder), "--json")
            async with asyncio.timeout(10):
                # A worker that came up before its service looks again soon.
                while status:
                    status, words = await said("status", "--folder", str(folder), "--json")
            told = json.loads(words)
            assert told["ok"]
            names = [row["name"] for row in told["processes"]]
            assert names == ["redis", "rights", "social", "sound", "video", "feed", "worker-1", "gateway"]
            assert set(told["numbers"].values()) == {0}
            stores = {store["name"]: (len(store["up_for"]), store["down_for"]) for store in told["stores"]}
            assert stores == {"blobs": (7, []), "redis": (6, []), "stream": (6, []), "tables": (5, []), "video": (1, [])}
            assert [group["group"] for group in told["groups"]] == [
                *("feed.comments", "feed.consents", "feed.engagements", "feed.videos"),
                *(
                    "social.comments",
                    "social.counts",
                    "social.deleted-videos",
                    "social.engaged",
                    "social.graph-counts",
                    "social.graph-lists",
                ),
                *("social.notified-creators", "social.notified-people", "social.threads"),
                *("sound.uses", "video.avatars", "video.verdicts"),
            ]
            assert told["dead_letters"] == []
            assert await said("dead-letters", "--folder", str(folder)) == (0, "0 dead letters\n")
            unknown = await said("rewind", "feed", "nobody", "--to", "1h", "--folder", str(folder))
            assert unknown == (1, "clipmesh: feed: No consumer of the service has that name.\n")
            status, words = await said("rewind", "sound", "sound.uses", "--to", "oldest", "--folder", str(folder))
            assert (status, words) == (0, "sound.uses took 0 events from the archive and reads video again\n")

            assert await said("up", "--folder", str(folder), "--port", str(free_port())) == (
                2,
                f"clipmesh: {folder} is in use: another clipmesh runs in it; stop it or choose another --folder\n",
            )
            with socket_folder() as other:
                assert await said("up", "--folder", str(other), "--port", str(port)) == (
                    2,
                    f"clipmesh: port {port} is taken; choose another with --port\n",
                )
                assert living(other) == []
            assert len(living(folder)) == len(names)

            process.send_signal(signal.SIGINT)
            assert await asyncio.wait_for(process.wait(), 20) == 0
        assert living(folder) == []
        assert await said("status", "--folder", str(folder)) == (2, f"clipmesh: nothing runs in {folder}\n")


async def test_a_killed_command_takes_its_processes_along_and_the_next_one_starts() -> None:
    with socket_folder() as folder:
        async with up(folder, free_port()) as process:
            process.kill()
            await process.wait()
        # Started while the processes of the killed run still end: it waits for them.
        async with up(folder, free_port()) as process:
            state = json.loads((folder / "run" / "state.json").read_text())
            pids = {row["pid"] for row in state["processes"].values()}
            assert set(living(folder)) == pids
            victim = state["processes"]["feed"]["pid"]
            os.kill(victim, signal.SIGKILL)

            async def back() -> bool:
                rows = json.loads((folder / "run" / "state.json").read_text())["processes"]
                return bool(rows["feed"]["restarts"] == 1 and rows["feed"]["pid"] not in {0, victim})

            await until(back, what="the killed service is back")
            process.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(process.wait(), 20) == 0
        assert living(folder) == []


async def test_the_system_that_cannot_start_says_which_process_and_why() -> None:
    with socket_folder() as folder:
        environment = {**os.environ, "CLIPMESH_UNCLASSIFIED_POLICY": "PERHAPS"}
        arguments = ("up", "--folder", str(folder), "--port", str(free_port()))
        async with child(
            *COMMAND, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, env=environment
        ) as process:
            output, _ = await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode == 2
        words = output.decode()
        assert "clipmesh: rights refuses to start: " in words
        assert "CLIPMESH_UNCLASSIFIED_POLICY='PERHAPS'" in words
        assert "Traceback" not in words
        assert living(folder) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("demo", "--videos", "/nowhere/at/all"), "--videos: /nowhere/at/all is no folder"),
        (("up", "--port", "70000"), "'70000' is no port: 1 to 65535"),
        (("up", "--workers", "0"), "'0' is no number of workers: 1 to 64"),
        (("up", "--folder", "/proc/nowhere"), "/proc/nowhere cannot be used"),
    ],
)
async def test_a_wrong_argument_is_refused_in_words(arguments: tuple[str, ...], words: str) -> None:
    status, output = await said(*arguments)
    assert status == 2
    assert words in output
    assert "Traceback" not in output
