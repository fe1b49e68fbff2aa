"""One blocking call: its time limit, and the connection it waits on, so that giving up wakes the thread."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import Protocol

from mesh.stores.blobs.port import BlobsUnavailable

_turn = threading.Lock()
"""Between whoever gives up a line and whoever takes over its connection."""
_here = threading.local()


class Connection(Protocol):
    """What a line needs of a connection."""

    line: Line | None
    sock: socket.socket | None


class Line:
    """The right to talk to the store until a moment. `cut` comes from any thread; the rest is for the thread that talks."""

    def __init__(self, *, ends_at_s: float) -> None:
        """`ends_at_s` is a moment of the monotonic clock."""
        self.ends_at_s = ends_at_s
        self.reused = False
        """True when the connection has carried other calls before: the store may have let go of it meanwhile."""
        self._cut = False
        self._connection: Connection | None = None
        self._parts: list[Line] = []
        self._outer: Line | None = None

    def left_s(self) -> float:
        """Seconds that are left, above 0. Raises BlobsUnavailable."""
        left_s = self.ends_at_s - time.monotonic()
        if self._cut or left_s <= 0:
            raise BlobsUnavailable("the deadline passed")
        return left_s

    def part(self) -> Line:
        """A line for another thread that ends with this one."""
        with _turn:
            part = Line(ends_at_s=self.ends_at_s)
            part._cut = self._cut
            self._parts.append(part)
        return part

    def hold(self, connection: Connection, *, reused: bool) -> None:
        """Talk over this connection from now on. Raises BlobsUnavailable when the line was given up."""
        left_s = self.left_s()
        with _turn:
            connection.line = self
            self._connection, self.reused = connection, reused
        if connection.sock is not None:
            connection.sock.settimeout(left_s)

    def end(self) -> None:
        """The call is over: its connection may serve others."""
        with _turn:
            if self._connection is not None and self._connection.line is self:
                self._connection.line = None
            self._connection = None

    def cut(self) -> None:
        """Give up; what waits on the connection fails at once. Without effect after the end."""
        with _turn:
            self._cut = True
            held, parts = self._connection, list(self._parts)
            if held is not None and held.line is self and held.sock is not None:
                with contextlib.suppress(OSError):
                    # The plain socket's, as that of TLS would first drop the state which the waiting thread still uses.
                    socket.socket.shutdown(held.sock, socket.SHUT_RDWR)
        for part in parts:
            part.cut()

    def __enter__(self) -> Line:
        self._outer = getattr(_here, "line", None)
        _here.line = self
        return self

    def __exit__(self, *_: object) -> None:
        _here.line, self._outer = self._outer, None
        self.end()


def current_line() -> Line:
    """The line of this thread's call."""
    line: Line | None = getattr(_here, "line", None)
    if line is None:
        raise RuntimeError("the store is asked outside of a line")
    return line
