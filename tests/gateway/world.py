"""A whole gateway over fake services, and clients of it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from clipmesh.common.v1 import viewer_pb2
from websockets.asyncio.client import ClientConnection, connect

from gateway.app import GatewayApp
from gateway.clients import Clients
from gateway.context import Context, Contexts
from gateway.settings import GatewaySettings
from gateway.viewers import Viewer
from mesh.auth import ViewerSigner
from mesh.clock import Clock
from mesh.events.hints import Hints
from mesh.events.stream import open_stream
from mesh.stores.redis import open_redis
from mesh.testing.rpc import process_for
from mesh.tokens import AccessClaims, encode
from tests.gateway.fakes import KEY_ID, SIGNING_KEY, Fakes, serve_fakes

NAMED = {"session_cookie_key": b"c" * 32, "blob_url_key": b"u" * 32, "page_token_key": b"p" * 32}
WAIT_S = 5.0


def token(
    user_id: int = 7,
    *,
    roles: Sequence[viewer_pb2.Role.ValueType] = (viewer_pb2.ROLE_VIEWER,),
    session_id: int = 70,
    issued_at_ms: int | None = None,
    lives_ms: int = 600_000,
    consents: Sequence[viewer_pb2.ConsentPurpose.ValueType] = (),
) -> str:
    """An access token as social signs it."""
    at_ms = int(time.time() * 1000) if issued_at_ms is None else issued_at_ms
    claims = AccessClaims(
        user_id=user_id,
        session_id=session_id,
        client_id="clipmesh-web",
        handle=f"user{user_id}",
        roles=tuple(roles),
        age_band=viewer_pb2.AGE_BAND_ADULT,
        consents=tuple(consents),
        issued_at_ms=at_ms,
        expires_at_ms=at_ms + lives_ms,
        token_id=f"jti-{user_id}-{at_ms}",
    )
    return encode(claims, key_id=KEY_ID, private_key=SIGNING_KEY)


@dataclass(slots=True)
class World:
    """One gateway that runs."""

    app: GatewayApp
    fakes: Fakes
    http: httpx.AsyncClient
    origin: str

    async def post(self, query: str, *, bearer: str = "", headers: dict[str, str] | None = None, **variables: Any) -> httpx.Response:
        """A POST that takes the specification's media type."""
        named = {
            "accept": "application/graphql-response+json",
            **({"authorization": f"Bearer {bearer}"} if bearer else {}),
            **(headers or {}),
        }
        return await self.http.post("/graphql", json={"query": query, "variables": variables}, headers=named)

    async def ask(self, query: str, *, bearer: str = "", **variables: Any) -> dict[str, Any]:
        """The body of an answer."""
        body: dict[str, Any] = (await self.post(query, bearer=bearer, **variables)).json()
        return body

    def context(self, viewer: viewer_pb2.ViewerContext | None = None) -> Context:
        """The context of an operation that runs outside of any protocol."""
        process = self.app.process
        contexts = Contexts(
            clients=Clients.open(process.channels),
            hints=Hints(stream=open_stream("", redis=open_redis("unix:nowhere")), topics=()),
            signer=ViewerSigner(secrets=process.secrets, clock=process.clock),
            budget_s=5.0,
        )
        return contexts.make(Viewer(context=viewer or viewer_pb2.ViewerContext(region="US"), address="127.0.0.1"), "test")

    @contextlib.asynccontextmanager
    async def socket(self, *, init: dict[str, Any] | None = None, acknowledged: bool = True, **options: Any) -> AsyncIterator[Socket]:
        """A socket, by default one that was acknowledged."""
        options = {"subprotocols": ["graphql-transport-ws"], **options}
        async with connect(self.origin.replace("http", "ws", 1) + "/graphql", **options) as connection:
            socket = Socket(connection)
            if acknowledged:
                await socket.send(type="connection_init", payload=init or {})
                assert (await socket.next())["type"] == "connection_ack"
            yield socket


@dataclass(slots=True)
class Socket:
    """A client of graphql-transport-ws that looks at every message."""

    connection: ClientConnection

    async def send(self, **message: Any) -> None:
        """Send one message."""
        await self.connection.send(json.dumps(message))

    async def subscribe(self, name: str, query: str, **variables: Any) -> None:
        """Begin an operation."""
        await self.send(id=name, type="subscribe", payload={"query": query, "variables": variables})

    async def next(self) -> dict[str, Any]:
        """The next message."""
        async with asyncio.timeout(WAIT_S):
            message: dict[str, Any] = json.loads(await self.connection.recv())
        return message

    async def closed(self) -> tuple[int, str]:
        """How the server closed it; messages before are passed over."""
        async with asyncio.timeout(WAIT_S):
            with contextlib.suppress(Exception):
                while True:
                    await self.connection.recv()
            await self.connection.wait_closed()
        return self.connection.close_code or 0, self.connection.close_reason or ""


async def until(condition: Any, *, timeout_s: float = WAIT_S) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def gateway(
    *, redis: str, blobs: Path, fakes: Fakes | None = None, clock: Clock | None = None, development: bool = True, **settings: Any
) -> AsyncIterator[World]:
    """A gateway on a free port over fake services."""
    fakes = fakes if fakes is not None else Fakes()
    async with (
        serve_fakes(fakes) as addresses,
        edge(fakes, addresses, redis=redis, blobs=blobs, clock=clock, development=development, **settings) as world,
    ):
        yield world


@contextlib.asynccontextmanager
async def edge(
    fakes: Fakes, addresses: dict[str, str], *, redis: str, blobs: Path, clock: Clock | None = None, **settings: Any
) -> AsyncIterator[World]:
    """A gateway alone, over services that are served already."""
    read = GatewaySettings(secrets="", testing=True, redis=redis, blobs=f"file://{blobs}", port=0, **settings)
    read.check()
    app = GatewayApp(process=process_for("gateway", clock=clock, addresses=addresses, named=NAMED, settings=read), settings=read)
    try:
        await app.start()
        origin = f"http://127.0.0.1:{app.port}"
        async with httpx.AsyncClient(base_url=origin, timeout=10.0) as http:
            yield World(app=app, fakes=fakes, http=http, origin=origin)
    finally:
        await app.stop()
        await app.process.close()
