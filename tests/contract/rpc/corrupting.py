"""A TCP proxy on loopback that changes one bit of each direction of every connection."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

WITHIN = 2_500
"""The changed byte is one of the first so many of its direction."""


@dataclass
class Corrupting:
    """Where it listens and what it did."""

    target_port: int
    rng: random.Random
    port: int = 0
    changed: int = 0
    pumps: set[asyncio.Task[None]] = field(default_factory=set)

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, both ways, until either side has enough."""
        there, back = await asyncio.open_connection("127.0.0.1", self.target_port)
        for source, sink in ((reader, back), (there, writer)):
            pump = asyncio.create_task(self.pump(source, sink))
            self.pumps.add(pump)
            pump.add_done_callback(self.pumps.discard)

    async def pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        """Carry one direction."""
        at, carried = self.rng.randrange(WITHIN), 0
        try:
            while chunk := await source.read(65_536):
                if carried <= at < carried + len(chunk):
                    # The lowest bit turns a letter into another letter: nothing but the words is wrong.
                    position = at - carried
                    chunk = chunk[:position] + bytes([chunk[position] ^ 1]) + chunk[position + 1 :]
                    self.changed += 1
                carried += len(chunk)
                sink.write(chunk)
                await sink.drain()
        except OSError:
            pass
        finally:
            sink.close()
            with suppress(OSError):
                await sink.wait_closed()


@asynccontextmanager
async def corrupting(target_port: int, *, seed: int) -> AsyncIterator[Corrupting]:
    """A proxy in front of a port of loopback."""
    proxy = Corrupting(target_port, random.Random(seed))
    server = await asyncio.start_server(proxy.carry, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        for pump in list(proxy.pumps):
            pump.cancel()
        await asyncio.gather(*proxy.pumps, return_exceptions=True)
        await server.wait_closed()
