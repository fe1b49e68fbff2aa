"""How the tests of the byte edge ask: over ASGI exactly as spelled, or over a real socket."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import unquote

import uvicorn
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from starlette.types import ASGIApp, Message

from gateway.media.sockets import tune_listener

SIGNER = Ed25519PrivateKey.from_private_bytes(b"v" * 32)


def verify(message: bytes, signature: bytes) -> bool:
    """As the gateway does with video's public key."""
    try:
        SIGNER.public_key().verify(signature, message)
    except InvalidSignature:
        return False
    return True


@dataclass
class Answer:
    """What came back over ASGI."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    ended: bool = False

    @property
    def code(self) -> str:
        """The code of a problem document, whose other fields have to agree with the response."""
        document = json.loads(self.body)
        assert self.headers["content-type"] == "application/problem+json"
        assert self.headers["cache-control"] == "no-store"
        assert (document["status"], set(document)) == (self.status, {"type", "title", "status", "code", "detail"})
        return str(document["code"])


async def ask(
    app: ASGIApp, method: str, target: str, *, headers: Sequence[tuple[str, str]] = (), body: Sequence[bytes] = (b"",), gone: bool = False
) -> Answer:
    """One request exactly as spelled: nothing is normalised or escaped on the way. `gone` ends the body with a disconnect."""
    raw_path, _, query = target.partition("?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "path": unquote(raw_path, "latin-1"),
        "raw_path": raw_path.encode("latin-1"),
        "root_path": "",
        "query_string": query.encode("latin-1"),
        "scheme": "http",
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in headers],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    messages: list[Message] = [{"type": "http.request", "body": piece, "more_body": True} for piece in body]
    if gone:
        messages.append({"type": "http.disconnect"})
    else:
        messages[-1]["more_body"] = False
    answer = Answer()

    async def receive() -> Message:
        if messages:
            return messages.pop(0)
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            answer.body += message.get("body", b"")
            answer.ended = not message.get("more_body", False)

    await app(scope, receive, send)
    return answer


@asynccontextmanager
async def served(app: ASGIApp, *, stalled_ms: int = 60_000) -> AsyncIterator[int]:
    """The application on a real server; the port on loopback."""
    listener = socket.create_server(("127.0.0.1", 0))
    tune_listener(listener, stalled_ms=stalled_ms)
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off", ws="none", timeout_graceful_shutdown=1))
    task = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        await task
        listener.close()


@asynccontextmanager
async def connected(port: int, request: str, *, window_bytes: int = 0) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A raw connection on which a request was sent; a small window makes a reader that takes little."""
    sock = socket.socket()
    if window_bytes:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window_bytes)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
    reader, writer = await asyncio.open_connection(sock=sock, limit=2**16)
    writer.write(request.encode("latin-1"))
    await writer.drain()
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def until(holds: Callable[[], bool]) -> None:
    """Wait for what another task is about to do."""
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.01)


class Revocations:
    """The list that video keeps: raising an epoch appends to it."""

    def __init__(self) -> None:
        self.entries: list[tuple[int, int]] = []
        self.asked: list[int] = []
        self.fails = False
        self.page = 1000

    async def list(self, after: int) -> tuple[Sequence[tuple[int, int]], int]:
        """Entries after a position, which counts them."""
        self.asked.append(after)
        if self.fails:
            raise ConnectionError("video is away")
        page = self.entries[after : after + self.page]
        return page, after + len(page)
