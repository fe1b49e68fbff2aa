"""Wires the gateway: identity of viewers, stubs, GraphQL, sign-in, media edge, pages, metrics; serves them with uvicorn."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from typing import Any

import uvicorn
from clipmesh.social.v1 import identity_service_pb2
from clipmesh.video.v1 import playback_service_pb2
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute

from gateway import pages
from gateway.clients import Clients
from gateway.graphql import GraphQLApp, make_schema
from gateway.media.door import UploadDoorApp
from gateway.media.edge import MediaEdge
from gateway.media.revocations import RevocationCopy
from gateway.media.sockets import tune_listener
from gateway.oauth import OAuth
from gateway.schema.uploads import PROGRESS_TOPIC
from gateway.settings import GatewaySettings
from gateway.viewers import Viewers
from mesh.app import Dependency, Process
from mesh.auth import ViewerSigner, without_viewer
from mesh.events.hints import Hints
from mesh.events.stream import open_stream
from mesh.server import ServedService
from mesh.stores.blobs import open_blobs, upload_door
from mesh.stores.redis import open_redis
from mesh.tokens import AccessTokenVerifier

DRAIN_S = 5


class GatewayApp:
    """The gateway as one process: no gRPC service, one HTTP server."""

    def __init__(self, *, process: Process, settings: GatewaySettings) -> None:
        self.process = process
        self.services: Sequence[ServedService] = ()
        self.dependencies: Mapping[str, Dependency] = {}
        self._settings = settings
        self._stack = contextlib.AsyncExitStack()
        self._server: uvicorn.Server | None = None

    async def start(self) -> None:
        """Open what is read, begin to listen."""
        settings, process = self._settings, self.process
        redis = open_redis(settings.redis)
        self._stack.push_async_callback(redis.close)
        stream = open_stream(settings.events, redis=redis)
        self._stack.push_async_callback(stream.close)
        clients = Clients.open(process.channels)
        verifier = AccessTokenVerifier(clock=process.clock, source=_signing_keys(clients))
        viewers = Viewers(
            verifier=verifier,
            signer=ViewerSigner(secrets=process.secrets, clock=process.clock),
            settings=settings,
            cookie_key=process.secrets.named("session_cookie_key"),
        )
        hints = Hints(stream=stream, topics=(PROGRESS_TOPIC,))
        self._background(verifier.run(stream), hints.run())
        graphql = GraphQLApp(
            schema=make_schema(),
            viewers=viewers,
            clients=clients,
            hints=hints,
            development=settings.development,
            budget_s=settings.operation_ms / 1000,
        )
        routes = [
            Route("/healthz", _healthz, methods=["GET"]),
            Route("/metrics", self._metrics, methods=["GET"]),
            Route("/graphql", graphql),
            WebSocketRoute("/graphql", graphql),
            *OAuth(clients=clients, viewers=viewers, settings=settings, page=pages.signin_page()).routes(),
            *await self._media_routes(clients),
            *pages.routes(),
        ]
        await self._listen(Starlette(routes=routes))

    async def _media_routes(self, clients: Clients) -> list[BaseRoute]:
        process = self.process
        blobs = open_blobs(self._settings.blobs, clock=process.clock, url_key=process.secrets.named("blob_url_key"))
        self._stack.push_async_callback(blobs.close)

        async def revocations(after: int) -> tuple[Sequence[tuple[int, int]], int]:
            with without_viewer():
                answer = await clients.playback.ListRevocations(playback_service_pb2.ListRevocationsRequest(after=after))
            return [(one.video_id, one.epoch) for one in answer.revocations], answer.position

        def verify(message: bytes, signature: bytes) -> bool:
            return process.secrets.verify("video", message, signature)

        copy = RevocationCopy(list_revocations=revocations, clock=process.clock)
        await self._stack.enter_async_context(copy)
        edge = MediaEdge(blobs=blobs, verify=verify, revocations=copy, clock=process.clock)
        door = upload_door(blobs)
        return [*edge.routes(), *(UploadDoorApp(door=door).routes() if door else ())]

    def _background(self, *work: Coroutine[Any, Any, None]) -> None:
        tasks = [asyncio.create_task(one) for one in work]

        async def end() -> None:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        self._stack.push_async_callback(end)

    async def _listen(self, application: Starlette) -> None:
        config = uvicorn.Config(
            application,
            host=self._settings.host,
            port=self._settings.port,
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=DRAIN_S,
            ws_max_size=1 << 20,
            ws_max_queue=32,
            h11_max_incomplete_event_size=64 * 1024,
            proxy_headers=False,
        )
        server = _Server(config)
        self._server = server
        listener = config.bind_socket()
        tune_listener(listener)
        task = asyncio.create_task(server.serve(sockets=[listener]), name="http")
        while not server.started:
            if task.done():
                task.result()
                raise OSError(f"{self._settings.host}:{self._settings.port} cannot be listened on")
            await asyncio.sleep(0.01)

        async def end() -> None:
            server.should_exit = True
            await asyncio.gather(task, return_exceptions=True)

        self._stack.push_async_callback(end)

    async def _metrics(self, request: Request) -> Response:
        return Response(generate_latest(self.process.telemetry.metrics.registry), media_type=CONTENT_TYPE_LATEST)

    async def stop(self) -> None:
        """Finish open requests, close what was opened, in reverse."""
        await self._stack.aclose()


class _Server(uvicorn.Server):
    """Leaves signals to the process that runs it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _signing_keys(clients: Clients) -> Callable[[], Awaitable[Sequence[identity_service_pb2.SigningKey]]]:
    async def keys() -> Sequence[identity_service_pb2.SigningKey]:
        with without_viewer():
            answer = await clients.identity.ListSigningKeys(identity_service_pb2.ListSigningKeysRequest())
        return answer.keys

    return keys


async def _healthz(request: Request) -> Response:
    return JSONResponse({"ok": True})


def build(settings: GatewaySettings) -> GatewayApp:
    """The app of one process; nothing is opened yet."""
    return GatewayApp(process=Process.open(settings), settings=settings)
