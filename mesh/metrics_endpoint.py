"""GET /metrics over a loopback port or a unix socket, small enough to need no web framework."""

from __future__ import annotations

import asyncio
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from mesh.settings import InvalidSetting

_HEAD_BYTES = 8 * 1024
_READ_S = 5.0
_LAST_PORT = 65_535


class MetricsEndpoint:
    """Serves one registry until it is closed."""

    def __init__(self, *, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._server: asyncio.Server | None = None

    async def start(self, address: str) -> None:
        """Listen on `unix:PATH` or `HOST:PORT`; InvalidSetting when `address` is neither, OSError when it cannot be had."""
        if address.startswith("unix:"):
            self._server = await asyncio.start_unix_server(self._answer, _with_folder(address.removeprefix("unix:")), limit=_HEAD_BYTES)
            return
        host, _, port = address.rpartition(":")
        if not host or not port.isdecimal() or int(port) > _LAST_PORT:
            raise InvalidSetting(f"CLIPMESH_METRICS={address!r} is neither unix:PATH nor HOST:PORT")
        self._server = await asyncio.start_server(self._answer, host.strip("[]"), int(port), limit=_HEAD_BYTES)

    @property
    def port(self) -> int:
        """The TCP port that is listened on; 0 for a unix socket."""
        name = self._server.sockets[0].getsockname() if self._server else ""
        return int(name[1]) if isinstance(name, tuple) else 0

    async def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_READ_S):
                head = await reader.readuntil(b"\r\n\r\n")
            method, _, rest = head.partition(b" ")
            path = rest.partition(b" ")[0].partition(b"?")[0]
            if method != b"GET":
                status, body = b"405 Method Not Allowed", b"GET only\n"
            elif path != b"/metrics":
                status, body = b"404 Not Found", b"see /metrics\n"
            else:
                status, body = b"200 OK", generate_latest(self._registry)
            kind = CONTENT_TYPE_LATEST if status.startswith(b"200") else "text/plain"
            writer.write(
                b"HTTP/1.1 %b\r\nContent-Type: %b\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % (status, kind.encode(), len(body))
            )
            writer.write(body)
            await writer.drain()
        except (TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
            return
        finally:
            writer.close()


def _with_folder(path: str) -> str:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    return path
