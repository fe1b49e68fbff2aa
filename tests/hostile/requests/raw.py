"""Connections on which exactly the bytes of a case are sent, and what came back."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """All that a server said on one connection before it ended it, or fell silent."""

    bytes: bytes
    ended: bool
    """True when the server closed the connection."""

    @property
    def statuses(self) -> list[int]:
        """Statuses of the answers in it, in order."""
        lines = self.bytes.split(b"HTTP/1.1 ")[1:]
        return [int(line[:3]) for line in lines]

    @property
    def code(self) -> str:
        """The code of the last answer: of a problem document, or of the first GraphQL error; empty for neither."""
        body = self.bytes.rpartition(b"\r\n\r\n")[2]
        with contextlib.suppress(ValueError, KeyError, IndexError, TypeError):
            document = json.loads(body)
            return str(document["code"] if "code" in document else document["errors"][0]["extensions"]["code"])
        return ""


@contextlib.asynccontextmanager
async def connection(port: int, *, limit: int = 2**20) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A TCP connection that is cut at the end, whatever state it is in."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=limit)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def heard(reader: asyncio.StreamReader, *, silence_s: float) -> Said:
    """Read until the server ends the connection or says nothing for a while."""
    told = bytearray()
    try:
        while True:
            async with asyncio.timeout(silence_s):
                piece = await reader.read(65_536)
            if not piece:
                return Said(bytes=bytes(told), ended=True)
            told += piece
    except TimeoutError:
        return Said(bytes=bytes(told), ended=False)
    except ConnectionError:
        return Said(bytes=bytes(told), ended=True)


async def say(port: int, pieces: Sequence[bytes], *, silence_s: float = 1.0, pause_s: float = 0.0, finish: bool = False) -> Said:
    """Send pieces, maybe with pauses, maybe closing our half afterwards, and hear what comes back."""
    async with connection(port) as (reader, writer):
        with contextlib.suppress(ConnectionError):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                if pause_s:
                    await asyncio.sleep(pause_s)
            if finish:
                writer.write_eof()
        return await heard(reader, silence_s=silence_s)
