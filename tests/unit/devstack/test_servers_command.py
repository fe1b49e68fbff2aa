"""`clipmesh servers` as a person types it: says what to export, keeps data and ports, ends with all that it started."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from mesh.stores.redis import RedisUnavailable, open_redis
from tests.fixtures.children import child

COMMAND = (sys.executable, "-m", "devstack", "servers")

pytestmark = pytest.mark.timeout(120)


@asynccontextmanager
async def started(folder: Path) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """The command with a Redis that answers, and what it said until then."""
    pipe = asyncio.subprocess.PIPE
    async with child(*COMMAND, "redis", "--folder", str(folder), stdout=pipe, stderr=asyncio.subprocess.STDOUT) as process:
        assert process.stdout is not None
        seen = ""
        while "Ctrl-C stops them" not in seen:
            line = await process.stdout.readline()
            assert line, seen
            seen += line.decode()
        yield process, seen


def url_in(words: str) -> str:
    """What it says to export."""
    (line,) = (line for line in words.splitlines() if "export" in line)
    variable, _, url = line.strip().removeprefix("export ").partition("=")
    assert variable == "CLIPMESH_REDIS"
    return url


async def test_a_server_keeps_its_data_and_its_port_and_ends_with_the_command(tmp_path: Path) -> None:
    async with started(tmp_path) as (process, words):
        url = url_in(words)
        assert "clipmesh up        # the other stores stay embedded" in words
        client = open_redis(url)
        await client.call("SET", "k", "kept")
        await client.close()

        pipe = asyncio.subprocess.PIPE
        async with child(*COMMAND, "redis", "--folder", str(tmp_path), stdout=pipe, stderr=asyncio.subprocess.STDOUT) as second:
            said, _ = await second.communicate()
            assert second.returncode == 2
            assert said.decode() == (
                f"clipmesh: {tmp_path / 'servers'} is in use: another clipmesh runs in it; stop it or choose another --folder\n"
            )

        process.send_signal(signal.SIGINT)
        assert process.stdout is not None
        assert (await process.stdout.read()).decode() == "\nStopping ...\nStopped.\n"
        assert await asyncio.wait_for(process.wait(), 20) == 0
    port = int(url.rpartition(":")[2].removesuffix("/0"))
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0

    async with started(tmp_path) as (process, words):
        assert url_in(words) == url
        client = open_redis(url)
        assert await client.call("GET", "k") == b"kept"
        with pytest.raises(RedisUnavailable):
            await client.call("SHUTDOWN", "NOSAVE")
        await client.close()
        assert process.stdout is not None
        said = (await process.stdout.read()).decode()
        assert said == f"\nredis ended by itself; see {tmp_path / 'servers' / 'redis' / 'server.log'}\n\nStopping ...\nStopped.\n"
        assert await asyncio.wait_for(process.wait(), 20) == 1
