"""Connections under TLS: counted before their handshake, which has a time limit, and handed to the HTTP protocol when it is done.

The server's own way would count a connection only after its handshake, so that nobody would bound those who never finish it.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import Protocol, cast

from gateway.wire.peers import Cut, Peers


class Contexts(Protocol):
    """What handshakes are made with."""

    def current(self) -> ssl.SSLContext:
        """The newest one; those who have begun with another go on with it."""
        ...


class Handshakes:
    """Every connection whose handshake is not done."""

    def __init__(self, *, peers: Peers, contexts: Contexts) -> None:
        self.peers = peers
        self.contexts = contexts
        self.tasks: set[asyncio.Task[None]] = set()

    def begun(self, made: Callable[[], asyncio.Protocol]) -> asyncio.Protocol:
        """A connection that was accepted; `made` makes the protocol that it speaks inside."""
        return _Handshake(self, made)

    async def close(self) -> None:
        """End what is not done."""
        tasks = [*self.tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _Handshake(asyncio.Protocol):
    """One connection, until what it says inside is somebody else's matter."""

    def __init__(self, handshakes: Handshakes, made: Callable[[], asyncio.Protocol]) -> None:
        self._all = handshakes
        self._made = made
        self._early: list[bytes] = []
        self._ended = self._lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        raw = cast(asyncio.Transport, transport)
        # Until TLS listens nobody does.
        raw.pause_reading()
        peer = raw.get_extra_info("peername")
        full = self._all.peers.enter(raw, str(peer[0]) if peer else "")
        if full:
            # Nothing can be said to who has agreed on no key.
            self._all.peers.cut(full)
            self._all.peers.leave(raw)
            raw.abort()
            return
        task = asyncio.get_running_loop().create_task(self._secure(raw))
        self._all.tasks.add(task)
        task.add_done_callback(self._all.tasks.discard)

    def data_received(self, data: bytes) -> None:
        self._early.append(data)

    def eof_received(self) -> None:
        self._ended = True

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True

    async def _secure(self, raw: asyncio.Transport) -> None:
        peers = self._all.peers
        try:
            inside = await asyncio.get_running_loop().start_tls(
                raw,
                self,
                self._all.contexts.current(),
                server_side=True,
                ssl_handshake_timeout=peers.limits.head_ms / 1000,
                ssl_shutdown_timeout=peers.limits.reader_ms / 1000,
            )
        except (OSError, RuntimeError):
            peers.cut(Cut.HANDSHAKE)
            raw.abort()
            return
        finally:
            peers.leave(raw)
        if inside is None or self._lost:
            return
        protocol = self._made()
        inside.set_protocol(protocol)
        protocol.connection_made(inside)
        if self._early:
            protocol.data_received(b"".join(self._early))
        if self._ended:
            protocol.eof_received()
