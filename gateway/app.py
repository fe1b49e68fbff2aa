"""Wires the gateway: identity of viewers, stubs, GraphQL, sign-in, media edge, pages; serves them with uvicorn."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus

from clipmesh.video.v1 import playback_service_pb2
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import ASGIApp

from gateway import pages
from gateway.admission import Admission
from gateway.browsers import Origins, SecureHeaders
from gateway.certificates import Certificate
from gateway.clients import Clients
from gateway.context import Contexts
from gateway.errors import INTERNAL_MESSAGE
from gateway.execution.engine import Engine
from gateway.execution.sources import document_source
from gateway.health import Health
from gateway.identities import sessions_of, signing_keys_of
from gateway.listening import Listener
from gateway.media.door import UploadDoorApp
from gateway.media.edge import MediaEdge
from gateway.media.revocations import RevocationCopy
from gateway.metrics import COMPILED, CONNECTIONS, COUNTING_ALONE, DOCUMENT_HITS, LOOP_LATE, PEERS, PEERS_CUT, TURNED_AWAY
from gateway.oauth import OAuth
from gateway.overload.door import Door
from gateway.problems import problem
from gateway.protocols.connections import Connections
from gateway.protocols.events import EventStreams
from gateway.protocols.http import GraphQLHTTP
from gateway.protocols.running import Running
from gateway.protocols.sockets import GraphQLSockets, SocketLimits
from gateway.proxies import Proxies
from gateway.rates import RateLimiter
from gateway.schema.counters import COUNTERS_TOPIC
from gateway.schema.inboxes import NOTIFICATIONS_TOPIC
from gateway.schema.root import make_schema
from gateway.schema.uploads import PROGRESS_TOPIC
from gateway.settings import GatewaySettings
from gateway.signing_keys import PublishedKeys
from gateway.tus.app import TusApp
from gateway.viewers import Viewers
from gateway.wire.peers import Peers
from mesh.access import Priority
from mesh.app import Dependency, Process
from mesh.auth import ViewerSigner, without_viewer
from mesh.background import kept_going
from mesh.blobs_at_start import BlobsAtStart, ask_blobs
from mesh.events.hints import Hints
from mesh.events.stream import connect_stream
from mesh.server import ServedService
from mesh.stores.blobs import open_blobs, upload_door
from mesh.stores.blobs.port import Blobs
from mesh.stores.protected.blobs import protected_blobs
from mesh.stores.protected.redis import ProtectedRedis
from mesh.stores.protected.stream import ProtectedStream
from mesh.stores.redis import Redis, open_redis
from mesh.stores.redis_checks import check_redis
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
        self._listener: Listener | None = None
        self.tus: TusApp | None = None
        """The tus door, once there is one."""
        self._connections = Connections(most=settings.sockets, most_per_address=settings.sockets_per_address)
        self._proxies = Proxies(hops=settings.trusted_proxies, networks=settings.proxy_networks)
        self.peers = Peers(
            limits=settings.peer_limits, shared=self._proxies.is_proxy, cut=lambda why: process.telemetry.count(PEERS_CUT, why=why)
        )

    @property
    def port(self) -> int:
        """The port that it listens on, 0 before it does."""
        return self._listener.port if self._listener is not None else 0

    @property
    def open_connections(self) -> int:
        """Sockets and event streams that are open now."""
        return self._connections.open

    async def start(self) -> None:
        """Open what is read, begin to listen."""
        settings = self._settings
        certificate = Certificate.of(settings)
        listener = Listener(
            app=await self.application(),
            host=settings.host,
            port=settings.port,
            message_bytes=settings.body_bytes,
            drain_s=DRAIN_S,
            peers=self.peers,
            certificates=certificate,
        )
        await listener.start()
        if certificate is not None:
            self._background({"watch-certificate": certificate.watch})
        self._listener = listener
        self._stack.push_async_callback(listener.stop)

    async def application(self) -> ASGIApp:
        """Everything but the listening; `stop` closes what it opened."""
        settings, process = self._settings, self.process
        client = open_redis(settings.redis)
        redis = ProtectedRedis(client, telemetry=process.telemetry)
        self._stack.push_async_callback(redis.close)
        await check_redis(client)
        stream = ProtectedStream(await connect_stream(settings.events, redis=client), telemetry=process.telemetry)
        self._stack.push_async_callback(stream.close)
        clients = Clients.open(process.channels)
        verifier = AccessTokenVerifier(clock=process.clock, source=signing_keys_of(clients), sessions=sessions_of(clients))
        viewers = Viewers(verifier=verifier, settings=settings, cookie_key=process.secrets.named("session_cookie_key"), clock=process.clock)
        self._stack.callback(viewers.close)
        hints = Hints(stream=stream, topics=(PROGRESS_TOPIC, COUNTERS_TOPIC, NOTIFICATIONS_TOPIC))
        self._background({"hear-keys": lambda: verifier.run(stream), "hear-hints": hints.run})
        admission = self._admission(redis)
        signer = ViewerSigner(secrets=process.secrets, clock=process.clock)
        contexts = Contexts(clients=clients, hints=hints, signer=signer, budget_s=settings.operation_ms / 1000)
        engine = open_blobs(settings.blobs, clock=process.clock, url_key=process.secrets.named("blob_url_key"))
        blobs = protected_blobs(engine, telemetry=process.telemetry)
        self._stack.push_async_callback(blobs.close)
        look = BlobsAtStart(blobs, ending=process.ending)
        self._stack.push_async_callback(look.close)
        await look.start()
        self.dependencies = {
            "redis": Dependency(redis.ping),
            "stream": Dependency(stream.generation),
            "blobs": Dependency(lambda: ask_blobs(blobs)),
        }
        health = Health(
            dependencies=self.dependencies,
            verifier=verifier,
            viewers=viewers,
            telemetry=process.telemetry,
            clock=process.clock,
            development=settings.development,
        )
        oauth = OAuth(clients=clients, viewers=viewers, admission=admission, settings=settings, page=pages.signin_page())
        routes = [
            *health.routes(),
            *self._graphql_routes(viewers=viewers, admission=admission, contexts=contexts, redis=redis),
            *oauth.routes(),
            *PublishedKeys(clients=clients, clock=process.clock).routes(),
            *await self._media_routes(clients, blobs),
            *self._tus_routes(viewers=viewers, admission=admission, contexts=contexts, blobs=blobs, redis=redis),
            *pages.routes(uploads=blobs.links_origin),
        ]
        app = Starlette(routes=routes, exception_handlers={HTTPException: _problem_of, ClientDisconnect: _gone, Exception: _internal})
        return SecureHeaders(app, https=settings.origin.startswith("https:"))

    def _admission(self, redis: Redis) -> Admission:
        settings = self._settings
        limiter = RateLimiter(redis=redis, clock=self.process.clock)
        self.process.telemetry.watch(COUNTING_ALONE, lambda: float(limiter.local))
        return Admission(
            limiter=limiter,
            user=settings.user_rate,
            address=settings.address_rate,
            sign_in=settings.sign_in_rate,
            documents=settings.documents_rate,
        )

    def _graphql_routes(self, *, viewers: Viewers, admission: Admission, contexts: Contexts, redis: Redis) -> list[BaseRoute]:
        settings, process = self._settings, self.process
        # Where a list says what may be asked, nobody is invited to ask anything else.
        explores = settings.development and not settings.graphql_allowed
        engine = Engine(
            schema=make_schema(),
            limits=settings.operation_limits,
            introspection=explores,
            cached_characters=settings.graphql_cache_characters,
            compiled=settings.graphql_compiled,
        )
        source = document_source(settings, engine, redis=redis, clock=process.clock, admission=admission)
        running = Running(engine=engine, admission=admission, contexts=contexts, telemetry=process.telemetry, source=source)
        self._stack.push_async_callback(running.drain, DRAIN_S)
        process.telemetry.watch(CONNECTIONS, lambda: self._connections.open)
        process.telemetry.watch(PEERS, lambda: self.peers.open)
        process.telemetry.watch(DOCUMENT_HITS, lambda: engine.documents.hit_ratio)
        process.telemetry.watch(COMPILED, lambda: engine.compiled_ratio)
        origins = Origins(own=settings.origin, allowed=settings.cors_origins)

        def refused(priority: Priority, count: int) -> None:
            process.telemetry.count(TURNED_AWAY, count, priority=priority.name.lower())

        door = Door(documents=engine.documents, origins=origins, refused=refused, text_of=source.known)
        process.telemetry.watch(LOOP_LATE, lambda: door.valve.late_s)
        self._background({"watch-loop": door.watch})
        self.peers.door = door
        events = EventStreams(
            running=running,
            viewers=viewers,
            clock=process.clock,
            connections=self._connections,
            keepalive_s=settings.socket_keepalive_ms / 1000,
            stall_s=settings.socket_stall_ms / 1000,
        )
        http = GraphQLHTTP(
            running=running,
            viewers=viewers,
            admission=admission,
            origins=origins,
            events=events,
            body_bytes=settings.body_bytes,
            batch=settings.graphql_batch,
            development=explores,
        )
        limits = SocketLimits(
            init_s=settings.socket_init_ms / 1000, operations=settings.socket_operations, message_bytes=settings.body_bytes
        )
        sockets = GraphQLSockets(
            running=running,
            viewers=viewers,
            admission=admission,
            origins=origins,
            streams=events,
            connections=self._connections,
            limits=limits,
        )
        return [Route("/graphql", http), WebSocketRoute("/graphql", sockets)]

    async def _media_routes(self, clients: Clients, blobs: Blobs) -> list[BaseRoute]:
        process = self.process

        async def revocations(after: int) -> tuple[Sequence[tuple[int, int]], int]:
            with without_viewer():
                answer = await clients.playback.ListRevocations(playback_service_pb2.ListRevocationsRequest(after=after))
            return [(one.video_id, one.epoch) for one in answer.revocations], answer.position

        def verify(message: bytes, signature: bytes) -> bool:
            return process.secrets.verify("video", message, signature)

        copy = RevocationCopy(list_revocations=revocations, clock=process.clock)
        await self._stack.enter_async_context(copy)
        address = self._proxies.address
        edge = MediaEdge(blobs=blobs, verify=verify, revocations=copy, clock=process.clock, address=address)
        door = upload_door(blobs)
        return [*edge.routes(), *(UploadDoorApp(door=door, address=address).routes() if door else ())]

    def _tus_routes(self, *, viewers: Viewers, admission: Admission, contexts: Contexts, blobs: Blobs, redis: Redis) -> Sequence[BaseRoute]:
        self.tus = TusApp(viewers=viewers, admission=admission, contexts=contexts, blobs=blobs, redis=redis)
        return self.tus.routes()

    def _background(self, work: Mapping[str, Callable[[], Awaitable[None]]]) -> None:
        tasks = [asyncio.create_task(kept_going(one, name=name), name=name) for name, one in work.items()]

        async def end() -> None:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        self._stack.push_async_callback(end)

    async def stop(self) -> None:
        """Finish open requests, close what was opened, in reverse."""
        if self.tus is not None:
            # Before connections are waited for: a stream of an hour would be cut off without its tail.
            await self.tus.close()
        await self._stack.aclose()


async def _problem_of(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    return problem(status, status.name, f"{status.phrase}.", headers=dict(error.headers or {}))


async def _gone(request: Request, error: Exception) -> Response:
    """Nobody reads this: the client left while it sent."""
    return Response(status_code=HTTPStatus.BAD_REQUEST)


async def _internal(request: Request, error: Exception) -> Response:
    return problem(500, "INTERNAL", INTERNAL_MESSAGE)


def build(settings: GatewaySettings) -> GatewayApp:
    """The app of one process; nothing is opened yet."""
    return GatewayApp(process=Process.open(settings), settings=settings)
