"""What an ASGI application cannot ask of its server: send at once, and let go of peers that take nothing."""

from __future__ import annotations

import socket
from asyncio.trsock import TransportSocket

STALLED_MS = 60_000


def tune_listener(listener: socket.socket | TransportSocket, *, stalled_ms: int = STALLED_MS) -> None:
    """Set on a listening TCP socket what every accepted connection shall inherit; without effect on other sockets.

    Small pieces go out at once: asyncio asks for this only on sockets that were made with an explicit protocol, which those handed to a server
    usually were not, and every small answer on a kept connection then waits 40 ms for the peer's delayed acknowledgement.

    A peer that has acknowledged nothing, or kept its window shut, for `stalled_ms` is cut off, where the system knows this option: the
    application can stop writing to it, but the server would wait for ever until what it buffered is taken.
    """
    if listener.family not in {socket.AF_INET, socket.AF_INET6}:
        return
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    option = getattr(socket, "TCP_USER_TIMEOUT", None)
    if option is not None:
        listener.setsockopt(socket.IPPROTO_TCP, option, stalled_ms)
