"""A TCP proxy on loopback that does to a connection what networks do: latency, narrow lines, silence, resets, half-open sockets, altered bytes."""

from __future__ import annotations

import asyncio
import enum
import random
import socket
import ssl
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any, Final

CHUNK_BYTES: Final = 65_536
_QUEUED: Final = 64
_RST_ON_CLOSE: Final = struct.pack("ii", 1, 0)

Target = tuple[str, int] | str
"""Where the server is: host and port, or the path of a socket."""


class Way(enum.Enum):
    """Which bytes a fault is for."""

    TO_SERVER = "to_server"
    TO_CLIENT = "to_client"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """How one way behaves; the defaults change nothing."""

    latency_ms: int = 0
    """How much later bytes arrive, in milliseconds; they keep their order."""
    bytes_per_s: int = 0
    """How much passes in a second; 0 sets no limit."""
    corrupt_every_bytes: int = 0
    """One bit in about so many bytes is turned; 0 turns none."""
    silent: bool = False
    """Nothing passes; what was sent meanwhile arrives when the silence ends, as TCP would send it again."""


@dataclass(slots=True, eq=False)
class _Connection:
    client: asyncio.StreamWriter
    server: asyncio.StreamWriter | None = None
    severed: bool = False
    """The server's side is gone and the client was not told."""
    tasks: set[asyncio.Task[None]] = field(default_factory=set)


class FaultProxy:
    """Stands between a client and a server; every fault holds for open connections and for new ones until `heal`."""

    def __init__(self, target: Target, *, tls: ssl.SSLContext | None = None, seed: int = 0) -> None:
        """With `tls` the proxy itself is spoken to under TLS, and speaks to the server in the clear."""
        self.port = 0
        self.accepted = 0
        """Connections that clients made."""
        self.corrupted = 0
        """Bits that were turned."""
        self._target = target
        self._tls = tls
        self._rng = random.Random(seed)  # noqa: S311 chooses which bit to turn
        self._lines = {way: Line() for way in Way}
        self._changed = asyncio.Event()
        self._refusing = False
        self._connections: set[_Connection] = set()
        self._server: asyncio.Server | None = None

    @property
    def open(self) -> int:
        """Connections that clients have."""
        return len(self._connections)

    def slow(self, latency_ms: int, *, way: Way | None = None) -> None:
        """Let bytes arrive later."""
        self._change(way, latency_ms=latency_ms)

    def narrow(self, bytes_per_s: int, *, way: Way | None = None) -> None:
        """Let so many bytes pass in a second."""
        self._change(way, bytes_per_s=bytes_per_s)

    def corrupt(self, every_bytes: int, *, way: Way | None = None) -> None:
        """Turn one bit in about so many bytes."""
        self._change(way, corrupt_every_bytes=every_bytes)

    def blackhole(self, *, way: Way | None = None) -> None:
        """Let nothing pass, and tell nobody."""
        self._change(way, silent=True)

    def reset(self, *, refuse: bool = False) -> None:
        """End every connection with a reset; with `refuse` new ones too, until `heal`."""
        self._refusing = refuse
        for connection in list(self._connections):
            self._end(connection)

    def half_open(self) -> None:
        """Take the server's side of every open connection away without a word to the client; new connections are well."""
        for connection in self._connections:
            connection.severed = True
            if connection.server is not None:
                _abort(connection.server)

    def heal(self) -> None:
        """Let everything pass again; half-open connections stay what they are."""
        self._refusing = False
        self._lines = {way: Line() for way in Way}
        self._notify()

    async def start(self, *, port: int = 0) -> None:
        """Listen on loopback, on a port of its own or the given one."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", port, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening and end every connection."""
        if self._server is not None:
            self._server.close()
        tasks = [task for connection in self._connections for task in connection.tasks]
        for connection in list(self._connections):
            self._end(connection)
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._server is not None:
            await self._server.wait_closed()
            self._server = None

    def _change(self, way: Way | None, **to: Any) -> None:
        for each in Way if way is None else (way,):
            self._lines[each] = replace(self._lines[each], **to)
        self._notify()

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        if self._refusing:
            _abort(writer)
            return
        connection = _Connection(client=writer)
        self._connections.add(connection)
        task = asyncio.current_task()
        assert task is not None
        connection.tasks.add(task)
        try:
            await self._heard(Way.TO_SERVER)
            there, back = await self._reach()
        except (OSError, asyncio.CancelledError):
            self._end(connection)
            return
        finally:
            connection.tasks.discard(task)
        connection.server = back
        for way, source, sink in ((Way.TO_SERVER, reader, back), (Way.TO_CLIENT, there, writer)):
            pump = asyncio.create_task(self._pump(connection, way, source, sink))
            connection.tasks.add(pump)
            pump.add_done_callback(connection.tasks.discard)

    async def _reach(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self._target, str):
            return await asyncio.open_unix_connection(self._target)
        return await asyncio.open_connection(*self._target)

    async def _pump(self, connection: _Connection, way: Way, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        """Carry one way: what was read waits in a queue until it is due, so that latency costs no bandwidth."""
        queued: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_QUEUED)
        delivery = asyncio.create_task(self._deliver(way, queued, sink))
        loop = asyncio.get_running_loop()
        try:
            while True:
                chunk = await source.read(CHUNK_BYTES)
                await queued.put((loop.time() + self._lines[way].latency_ms / 1000, chunk))
                if not chunk:
                    break
            await delivery
        except (OSError, AttributeError):
            # A TLS transport that was aborted forgets its protocol, and says so in these words.
            pass
        finally:
            delivery.cancel()
            await asyncio.gather(delivery, return_exceptions=True)
            # A severed connection goes on swallowing what the client says.
            if not connection.severed:
                self._end(connection, gently=True)
            elif way is Way.TO_SERVER and not connection.client.is_closing():
                await self._swallow(connection, source)

    async def _deliver(self, way: Way, queued: asyncio.Queue[tuple[float, bytes]], sink: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due_at, chunk = await queued.get()
            await asyncio.sleep(max(0.0, due_at - loop.time()))
            await self._heard(way)
            if not chunk:
                return
            line = self._lines[way]
            chunk = self._altered(chunk, line.corrupt_every_bytes)
            step = max(1, line.bytes_per_s // 20) if line.bytes_per_s else len(chunk)
            for begin in range(0, len(chunk), step):
                piece = chunk[begin : begin + step]
                sink.write(piece)
                await sink.drain()
                if line.bytes_per_s:
                    await asyncio.sleep(len(piece) / line.bytes_per_s)

    async def _heard(self, way: Way) -> None:
        """Return when the way is not silent."""
        while self._lines[way].silent:
            await self._changed.wait()

    def _altered(self, chunk: bytes, every_bytes: int) -> bytes:
        if not every_bytes:
            return chunk
        altered = bytearray(chunk)
        at = int(self._rng.expovariate(1 / every_bytes))
        while at < len(altered):
            altered[at] ^= 1 << self._rng.randrange(8)
            self.corrupted += 1
            at += 1 + int(self._rng.expovariate(1 / every_bytes))
        return bytes(altered)

    async def _swallow(self, connection: _Connection, source: asyncio.StreamReader) -> None:
        with suppress(OSError):
            while await source.read(CHUNK_BYTES):
                pass
        self._end(connection)

    def _end(self, connection: _Connection, *, gently: bool = False) -> None:
        self._connections.discard(connection)
        for writer in (connection.client, connection.server):
            if writer is None:
                continue
            if gently:
                writer.close()
            else:
                _abort(writer)
        if not gently:
            for task in list(connection.tasks):
                task.cancel()


@asynccontextmanager
async def fault_proxy(target: Target, *, tls: ssl.SSLContext | None = None, seed: int = 0) -> AsyncIterator[FaultProxy]:
    """A proxy in front of a server; its `port` is what the client dials."""
    proxy = FaultProxy(target, tls=tls, seed=seed)
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.stop()


def _abort(writer: asyncio.StreamWriter) -> None:
    """Close with a reset instead of a goodbye."""
    with suppress(OSError):
        plain = writer.get_extra_info("socket")
        if plain is not None and plain.family != socket.AF_UNIX:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST_ON_CLOSE)
    writer.transport.abort()
