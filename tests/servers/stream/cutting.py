"""A way to a Kafka broker on loopback that can be cut: the broker's answers name the way instead of the broker, so clients never go around it."""

from __future__ import annotations

import asyncio
import itertools
import random
import struct
import threading
from collections.abc import Coroutine, Iterator
from typing import Any, Final

BROKER: Final = "127.0.0.1"
_LENGTH: Final = struct.Struct(">i")


def addresses() -> Iterator[str]:
    """Addresses of loopback that are as long as the broker's, in an order that another run on the same broker does not have."""
    all_of_them = [f"127.{a}.{b}.{c}" for a, b, c in itertools.product(range(10), range(10), range(2, 10))]
    random.SystemRandom().shuffle(all_of_them)
    return iter(all_of_them)


class Way:
    """One client's way. It lives on a loop of its own: a client may have to hear of a cut while the test's loop waits for it."""

    def __init__(self, ways: Ways, host: str, port: int) -> None:
        self.host = host
        self.port = port
        self.shown = (host, port)
        """What the client is told to connect to: another host of the same length and its port, where something stands before the way."""
        self._ways = ways
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._carrying: set[asyncio.Task[None]] = set()

    def cut(self) -> None:
        """From now on nothing passes, and nobody can connect."""
        self._ways.run(self._close())

    def mend(self) -> None:
        """Let connections pass; those of before are gone."""
        self._ways.run(self._listen())

    async def _listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, self.host, self.port)

    async def _close(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.close()
        for writer in tuple(self._open):
            writer.transport.abort()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        carrying = asyncio.create_task(self._carry(reader, writer))
        self._carrying.add(carrying)
        carrying.add_done_callback(self._carrying.discard)
        # One that is cancelled before its first step aborts nothing by itself.
        carrying.add_done_callback(lambda _: writer.transport.abort())

    async def _carry(self, client_reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        try:
            broker_reader, broker = await asyncio.open_connection(BROKER, self.port)
        except BaseException as error:
            client.transport.abort()
            if not isinstance(error, OSError):
                raise
        else:
            mine = {client, broker}
            self._open |= mine
            ways = [asyncio.create_task(_pass_on(client_reader, broker)), asyncio.create_task(self._rename(broker_reader, client))]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
                self._open -= mine
                broker.transport.abort()
                client.transport.abort()

    async def _rename(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        theirs, ours = (host.encode() + _LENGTH.pack(port) for host, port in ((BROKER, self.port), self.shown))
        while True:
            head = await reader.readexactly(_LENGTH.size)
            frame = await reader.readexactly(_LENGTH.unpack(head)[0])
            writer.write(head + frame.replace(theirs, ours))
            await writer.drain()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while words := await reader.read(65_536):
        writer.write(words)
        await writer.drain()


class Ways:
    """All ways of a test, in a thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="kafka-ways", daemon=True)
        self._thread.start()
        self._addresses = addresses()
        self._made: list[Way] = []

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something on the ways' loop."""
        asyncio.run_coroutine_threadsafe(work, self._loop).result(5)

    def to(self, port: int) -> Way:
        """A new way to the broker at a port."""
        way = Way(self, next(self._addresses), port)
        self._made.append(way)
        way.mend()
        return way

    def close(self) -> None:
        """Cut all and end."""
        for way in self._made:
            way.cut()
        self.run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        # The tasks' callbacks abort transports, and an aborted transport closes its socket in the round after.
        for _ in range(3):
            await asyncio.sleep(0)
