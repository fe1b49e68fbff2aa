"""Connections of the driver on the loop of the process: its own reactor is a second thread, and every answer would wait for the interpreter to change
threads twice."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Callable
from typing import Any, ClassVar

from cassandra.connection import Connection, ConnectionShutdown

_READ_BYTES = 64 * 1024
"""How much is taken from a socket at once: more than the longest record of TLS, of which nothing may stay behind unseen."""
_NOT_NOW = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)

Call = Callable[..., object]


class LoopThread:
    """A loop, and the thread that it runs in: where calls from other threads have to go."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Made in the loop's thread."""
        self.loop = loop
        self._thread = threading.get_ident()

    @property
    def is_here(self) -> bool:
        """True in the loop's thread."""
        return threading.get_ident() == self._thread

    def run(self, call: Call, *values: Any) -> None:
        """Make a call in the loop's thread: now if that is this one, else soon. Raises RuntimeError when the loop is closed."""
        if threading.get_ident() == self._thread:
            call(*values)
        else:
            self.loop.call_soon_threadsafe(call, *values)


class Alarm:
    """A timer of the driver, set and cancelled in any thread."""

    __slots__ = ("_cancelled", "_handle", "_home")

    def __init__(self, home: LoopThread, after_s: float, callback: Call) -> None:
        self._home = home
        self._handle: asyncio.TimerHandle | None = None
        self._cancelled = False
        home.run(self._set, after_s, callback)

    def _set(self, after_s: float, callback: Call) -> None:
        if not self._cancelled:
            self._handle = self._home.loop.call_later(max(0.0, after_s), callback)

    def cancel(self) -> None:
        """Do not call any more, unless that has begun; safe to repeat."""
        self._cancelled = True
        with contextlib.suppress(RuntimeError):
            self._home.run(self._drop)

    def _drop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()


class LoopConnection(Connection):  # type: ignore[misc]
    """One connection; `on_loop` makes the class for a loop. The driver opens it in threads of its own and may send and close from any thread: what
    touches the socket is passed to the loop."""

    home: ClassVar[LoopThread]
    is_closed: bool

    @classmethod
    def create_timer(cls, timeout: float, callback: Call) -> Alarm:
        """See the driver."""
        return Alarm(cls.home, timeout, callback)

    def __init__(self, *places: Any, **options: Any) -> None:
        """Connects; blocks."""
        super().__init__(*places, **options)
        self._waiting: list[bytes] = []
        """To be sent at the end of this turn of the loop."""
        self._rest = memoryview(b"")
        """What the socket did not take."""
        self._watched = -1
        self._connect_socket()
        self._socket.setblocking(False)
        self.home.run(self._watch)
        self._send_options_message()

    def _watch(self) -> None:
        if not self.is_closed:
            self._watched = self._socket.fileno()
            self.home.loop.add_reader(self._watched, self._take)

    def push(self, data: bytes) -> None:
        """See the driver: send a message. All of one turn go out together."""
        if not self.home.is_here:
            self.home.loop.call_soon_threadsafe(self.push, data)
            return
        if not self._waiting:
            self.home.loop.call_soon(self._flush)
        self._waiting.append(data)

    def _flush(self) -> None:
        if self._rest or not self._waiting or self.is_closed:
            return
        waiting, self._waiting = self._waiting, []
        self._send(memoryview(b"".join(waiting)))

    def _send(self, content: memoryview) -> None:
        try:
            sent = self._socket.send(content)
        except _NOT_NOW:
            sent = 0
        except OSError as error:
            self.defunct(error)
            return
        had_rest, self._rest = bool(self._rest), content[sent:]
        if self._rest and not had_rest:
            self.home.loop.add_writer(self._watched, self._go_on)
        elif had_rest and not self._rest:
            self.home.loop.remove_writer(self._watched)
            if self._waiting:
                self._flush()

    def _go_on(self) -> None:
        if not self.is_closed:
            self._send(self._rest)

    def _take(self) -> None:
        if self.is_closed:
            return
        try:
            some = self._socket.recv(_READ_BYTES)
        except _NOT_NOW:
            return
        except OSError as error:
            self.defunct(error)
            return
        if not some:
            self.close()
            return
        self._iobuf.write(some)
        try:
            self.process_io_buffer()
        except Exception as error:
            # What cannot be read says nothing of what comes behind it.
            self.defunct(error)

    def close(self) -> None:
        """See the driver: let go, and tell whoever waits for an answer."""
        with self.lock:
            if self.is_closed:
                return
            self.is_closed = True
        try:
            self.home.run(self._let_go)
        except RuntimeError:
            self._socket.close()
        if not self.is_defunct:
            why = f": {self.last_error}" if self.last_error else ""
            self.error_all_requests(ConnectionShutdown(f"Connection to {self.endpoint} was closed{why}"))
            self.connected_event.set()

    def _let_go(self) -> None:
        if self._watched >= 0:
            self.home.loop.remove_reader(self._watched)
            self.home.loop.remove_writer(self._watched)
        self._socket.close()


def on_loop(home: LoopThread) -> type[LoopConnection]:
    """The class of connections that live on a loop."""
    return type("LoopConnection", (LoopConnection,), {"home": home})
