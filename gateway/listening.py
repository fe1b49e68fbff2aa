"""The HTTP server: uvicorn, started and stopped as a part of the process."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Iterator
from functools import partial
from typing import Any, cast

import uvicorn
from starlette.types import ASGIApp

from gateway.media.sockets import tune_listener
from gateway.wire.http import GuardedHTTP
from gateway.wire.peers import Peers, PeerState
from gateway.wire.secured import Contexts, Handshakes
from gateway.wire.sockets import GuardedSocket

KEEP_ALIVE_S = 30
TICK_S = 0.1
"""uvicorn's own; it counts ten of them to a second."""
TICKS_A_SWEEP = 5
SOCKET_QUEUE = 32
"""Messages of a socket that wait to be read; then its client waits."""


class Listener:
    """One address that serves one application."""

    def __init__(
        self,
        *,
        app: ASGIApp,
        host: str,
        port: int,
        message_bytes: int,
        drain_s: int,
        peers: Peers,
        certificates: Contexts | None = None,
    ) -> None:
        """With `certificates` connections are secured with the newest; None for those that a proxy secures, or that never leave this machine."""
        self._where = f"{host}:{port}"
        self._handshakes = Handshakes(peers=peers, contexts=certificates) if certificates is not None else None
        self._server = _Server(
            uvicorn.Config(
                app,
                http=cast(Any, GuardedHTTP if self._handshakes is None else self._secured),
                ws=GuardedSocket,
                host=host,
                port=port,
                log_config=None,
                log_level="warning",
                access_log=False,
                lifespan="off",
                server_header=False,
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=drain_s,
                ws_max_size=message_bytes,
                ws_max_queue=SOCKET_QUEUE,
                ws_per_message_deflate=False,
                proxy_headers=False,
            ),
            peers,
        )
        self._task: asyncio.Task[None] | None = None

    def _secured(self, **made_with: Any) -> asyncio.Protocol:
        assert self._handshakes is not None
        return self._handshakes.begun(partial(GuardedHTTP, **made_with))

    async def start(self) -> None:
        """Return when the address answers. Raises OSError when it cannot be had."""
        self._task = asyncio.create_task(self._server.serve(), name="http")
        while not self._server.started:
            if self._task.done():
                self._task.result()
                raise OSError(f"{self._where} cannot be listened on")
            await asyncio.sleep(0.005)

    @property
    def port(self) -> int:
        """The port that was taken, of use when 0 was asked for."""
        port: int = self._server.servers[0].sockets[0].getsockname()[1]
        return port

    async def stop(self) -> None:
        """Take no more connections, let requests under way end."""
        self._server.end()
        if self._handshakes is not None:
            await self._handshakes.close()
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)


class _Server(uvicorn.Server):
    """Leaves signals to the process that runs it, and ends when it is told to, not at its next tick."""

    def __init__(self, config: uvicorn.Config, peers: Peers) -> None:
        super().__init__(config)
        self.server_state = PeerState(peers)
        self._peers = peers
        self._ending = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for server in self.servers:
            for listening in server.sockets:
                tune_listener(listening, stalled_ms=self._peers.limits.reader_ms)

    async def on_tick(self, counter: int) -> bool:
        if counter % TICKS_A_SWEEP == 0:
            self._peers.sweep(time.monotonic())
        return await super().on_tick(counter)

    def end(self) -> None:
        """Take no more connections."""
        self.should_exit = True
        self._ending.set()

    async def main_loop(self) -> None:
        ticks = 0
        while not await self.on_tick(ticks):
            ticks += 1
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK_S):
                    await self._ending.wait()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
