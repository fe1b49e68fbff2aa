"""A real redis-server as a child process, for tests."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from pathlib import Path

from mesh.stores.redis import RedisUnavailable, open_redis
from mesh.stores.redis_server import NoRedisServer, redis_binary, redis_command

START_TIMEOUT_S = 10.0
"""Longest wait for the first answer, in seconds; a long append-only file takes time to load."""
STOP_TIMEOUT_S = 10.0
"""Longest wait for a clean end before the process is killed, in seconds."""
WRITTEN_TIMEOUT_S = 3.0
"""Longest wait for what was answered to be in the file, in seconds; Redis writes after two at the latest."""
MAX_SOCKET_PATH = 107
"""Longest path of a unix socket, in bytes."""


class RedisServer:
    """One redis-server on a unix socket, append-only file on, no TCP port. Start it with `start_redis`."""

    def __init__(self, *, folder: Path, socket: Path, binary: Path) -> None:
        self.folder = folder
        self.binary = binary
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
                *redis_command(binary=self.binary, folder=str(self.folder.absolute()), socket=str(self.socket.absolute())),
                stdout=output,
                stderr=output,
                stdin=asyncio.subprocess.DEVNULL,
            )
        try:
            await self._answers(log)
        except BaseException:
            await self._end()
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
                await self._end()
        self._process = None

    async def kill(self) -> None:
        """End the server as a crash would, once its file has what it answered: while an fsync is under way Redis puts writes off, by up to two
        seconds, and tests of something else would lose them now and then."""
        with contextlib.suppress(TimeoutError, RedisUnavailable):
            async with asyncio.timeout(WRITTEN_TIMEOUT_S):
                await self._written()
        await self._end()

    async def _written(self) -> None:
        client = open_redis(self.url)
        try:
            while self._process is not None and self._process.returncode is None:
                told = await client.call("INFO", "persistence")
                if b"aof_buffer_length:0\r" in (told if isinstance(told, bytes) else str(told).encode()):
                    return
                await asyncio.sleep(0.01)
        finally:
            await client.close()

    async def _end(self) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGKILL)
            await self._process.wait()
        self._process = None


async def start_redis(folder: Path, *, socket: Path | None = None, binary: Path | None = None) -> RedisServer:
    """A running server that keeps its files in `folder` and listens on `socket` (`folder`/redis.sock); `binary` None: the one that
    `redis_binary` finds. Raises NoRedisServer."""
    where = socket or folder / "redis.sock"
    if len(str(where.absolute()).encode()) > MAX_SOCKET_PATH:
        raise NoRedisServer(f"the socket path {where.absolute()} is longer than {MAX_SOCKET_PATH} bytes; choose a shorter folder")
    server = RedisServer(folder=folder, socket=where, binary=binary or redis_binary())
    await server.start()
    return server


def _end_of(log: Path) -> str:
    return log.read_text(errors="replace")[-500:].strip()
