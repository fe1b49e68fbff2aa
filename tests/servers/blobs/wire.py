"""A line between the engine and the store that can go wrong: silent, cut, or with a bit turned."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit, urlunsplit


@dataclass(slots=True)
class Wire:
    """What the line does now with what passes; changed while it is used."""

    silent: bool = False
    """Nothing passes, nothing is closed."""
    cut_after_bytes: int = -1
    """The next answer is cut off after so many bytes, once."""
    turn_bit_every_bytes: int = 0
    """One bit is turned each time when so many bytes have passed in one way, as often as `turns` says."""
    turn_answers: bool = True
    turns: int = 0
    url: str = ""
    speaks: asyncio.Event = field(default_factory=asyncio.Event)
    _answered_bytes: int = 0
    _passed_bytes: int = 0
    _carrying: set[asyncio.Task[None]] = field(default_factory=set)
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    def reset(self) -> None:
        """Break every connection."""
        for writer in self._writers:
            writer.transport.abort()

    def cut_after(self, size_bytes: int) -> None:
        """Cut the connection off that brings the byte after so many."""
        self._answered_bytes, self.cut_after_bytes = 0, size_bytes

    def turn_bits(self, times: int, *, every_bytes: int, answers: bool = True) -> None:
        """Turn bits of what is answered from now on, or of what is sent."""
        self._passed_bytes, self.turn_bit_every_bytes, self.turns, self.turn_answers = 0, every_bytes, times, answers

    async def end(self) -> None:
        """Break everything and wait for it."""
        self.silent = False
        self.speaks.set()
        self.reset()
        await asyncio.gather(*self._carrying, return_exceptions=True)

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool) -> None:
        """One direction of one connection."""
        with contextlib.suppress(ConnectionError):
            while chunk := await reader.read(65_536):
                while self.silent:
                    self.speaks.clear()
                    await self.speaks.wait()
                if answers:
                    self._answered_bytes += len(chunk)
                    if 0 <= self.cut_after_bytes <= self._answered_bytes:
                        self.cut_after_bytes = -1
                        writer.transport.abort()
                        return
                if answers is self.turn_answers and self.turns:
                    self._passed_bytes += len(chunk)
                    if self._passed_bytes >= self.turn_bit_every_bytes:
                        chunk = bytes([chunk[0] ^ 1]) + chunk[1:]
                        self.turns, self._passed_bytes = self.turns - 1, 0
                writer.write(chunk)
                await writer.drain()
        writer.close()


@asynccontextmanager
async def wire_to(s3_url: str) -> AsyncIterator[Wire]:
    """A line to the store of an s3:// URL; its own `url` leads through it."""
    target = urlsplit(s3_url)
    wire = Wire()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        store_reader, store_writer = await asyncio.open_connection(target.hostname, target.port)
        both = {writer, store_writer}
        wire._writers |= both
        ways = [
            asyncio.create_task(wire.carry(reader, store_writer, answers=False)),
            asyncio.create_task(wire.carry(store_reader, writer, answers=True)),
        ]
        wire._carrying.update(ways)
        await asyncio.wait(ways)
        wire._carrying.difference_update(ways)
        wire._writers -= both
        for one in both:
            one.transport.abort()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    user = target.netloc.rpartition("@")[0]
    wire.url = urlunsplit(target._replace(netloc=f"{user}@127.0.0.1:{port}"))
    try:
        yield wire
    finally:
        await wire.end()
        server.close()
        await server.wait_closed()
