"""A child process and what it prints: every piece is taken at once, and after `close` no process of its group and no pipe is left."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from typing import cast

_STDERR = 2
_STDERR_TAIL_BYTES = 32 * 1024


class Child(asyncio.SubprocessProtocol):
    """Start it with `start_child` and always close it.

    Streams would pause a pipe that nobody reads, and a paused pipe never tells that it has ended.
    """

    def __init__(self, *, most_stdout_bytes: int, on_stdout: Callable[[bytes], None] | None) -> None:
        self.stdout = bytearray()
        """What it printed; stays empty where on_stdout takes the pieces."""
        self.printed_too_much = False
        """It printed more than most_stdout_bytes and was killed."""
        self._stderr_tail = bytearray()
        self._most_stdout_bytes = most_stdout_bytes
        self._stdout_bytes = 0
        self._on_stdout = on_stdout
        self._reader_error: Exception | None = None
        self._transport: asyncio.SubprocessTransport | None = None
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def exit_code(self) -> int:
        """Negative: the number of the signal that ended it. Ask after `wait`."""
        assert self._transport is not None
        code = self._transport.get_returncode()
        assert code is not None
        return code

    @property
    def stderr_tail(self) -> str:
        """Its last words."""
        return self._stderr_tail.decode(errors="replace").strip()

    async def wait(self) -> None:
        """Until it has ended and everything it printed was taken. Raises what on_stdout raised."""
        await asyncio.shield(self._ended)
        if self._reader_error is not None:
            raise self._reader_error

    async def close(self) -> None:
        """Kill what still runs of its group and close the pipes, even those that a process outside the group holds."""
        self._kill_group()
        if self._transport is not None:
            self._transport.close()
        await asyncio.shield(self._ended)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.SubprocessTransport", transport)

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd == _STDERR:
            self._stderr_tail += data
            del self._stderr_tail[:-_STDERR_TAIL_BYTES]
        elif not self.printed_too_much and self._reader_error is None:
            self._take(data)

    def process_exited(self) -> None:
        # What it leaves behind would keep the pipes open.
        self._kill_group()

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended.set_result(None)

    def _take(self, piece: bytes) -> None:
        self._stdout_bytes += len(piece)
        if self._stdout_bytes > self._most_stdout_bytes:
            self.printed_too_much = True
            self._kill_group()
        elif self._on_stdout is None:
            self.stdout += piece
        else:
            try:
                self._on_stdout(piece)
            except Exception as error:
                self._reader_error = error
                self._kill_group()

    def _kill_group(self) -> None:
        if self._transport is not None and not self._ended.done():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._transport.get_pid(), signal.SIGKILL)


async def start_child(
    argv: Sequence[str],
    *,
    cwd: str,
    environment: Mapping[str, str],
    most_stdout_bytes: int,
    on_stdout: Callable[[bytes], None] | None,
) -> Child:
    """A running child, first of a group of its own, without stdin. on_stdout gets each piece of its stdout in the loop. Raises OSError."""
    starting = asyncio.ensure_future(
        asyncio.get_running_loop().subprocess_exec(
            lambda: Child(most_stdout_bytes=most_stdout_bytes, on_stdout=on_stdout),
            *argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=cwd,
            env=environment,
            start_new_session=True,
        )
    )
    try:
        _, child = await asyncio.shield(starting)
    except asyncio.CancelledError:
        # A start that is cancelled halfway leaves its process and pipes to nobody.
        with contextlib.suppress(OSError):
            _, child = await starting
            await child.close()
        raise
    return child
