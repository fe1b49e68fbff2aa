"""Serves servicers in-process over a real unix socket, with the real chain of interceptors and one set of test keys."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import grpc
from clipmesh.common.v1 import viewer_pb2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mesh.app import App, Dependency, Process, ServiceSettings
from mesh.auth import ViewerSigner, viewer_scope
from mesh.client import Channels
from mesh.clock import Clock, SystemClock
from mesh.secrets import Secrets
from mesh.server import ServedService, Server
from mesh.telemetry import Telemetry
from mesh.testing.folders import socket_folder

S = TypeVar("S")

SERVICES = ("gateway", "video", "video-worker", "feed", "social", "sound", "rights", "operator", "stranger")
"""Every service that has a key in tests; a stranger is known and listed nowhere."""


def private_key_of(service: str) -> bytes:
    """The private key of a service in tests: the same in every test and process."""
    return hashlib.sha256(f"clipmesh test key of {service}".encode()).digest()


def secrets_for(service: str, *, named: Mapping[str, bytes] | None = None) -> Secrets:
    """The secrets of any service, with the `named` keys that a test gives it."""
    peers = {peer: Ed25519PrivateKey.from_private_bytes(private_key_of(peer)).public_key().public_bytes_raw() for peer in SERVICES}
    return Secrets(service=service, private_key=private_key_of(service), peers=peers, named=named)


def viewer(
    *,
    user_id: int = 0,
    roles: Iterable[viewer_pb2.Role.ValueType] = (),
    age_band: viewer_pb2.AgeBand.ValueType = viewer_pb2.AGE_BAND_ADULT,
    consents: Iterable[viewer_pb2.ConsentPurpose.ValueType] = (),
    region: str = "DE",
    **fields: Any,
) -> viewer_pb2.ViewerContext:
    """A viewer as the gateway would describe them; more fields of ViewerContext as keywords."""
    return viewer_pb2.ViewerContext(user_id=user_id, roles=roles, age_band=age_band, consents=consents, region=region, **fields)


def process_for(
    service: str,
    *,
    clock: Clock | None = None,
    addresses: Mapping[str, str] | None = None,
    named: Mapping[str, bytes] | None = None,
    settings: ServiceSettings | None = None,
) -> Process:
    """A process made for tests: its channels know only `addresses`."""
    return Process.of(
        settings=settings or ServiceSettings(secrets="", testing=True),
        secrets=secrets_for(service, named=named),
        clock=clock or SystemClock(),
        telemetry=Telemetry(service=service),
        addresses=addresses or {},
    )


@dataclass(slots=True, kw_only=True)
class Served:
    """A server that runs, and ways to call it."""

    process: Process
    server: Server
    address: str
    _callers: dict[str, Channels] = field(default_factory=dict)

    def channels(self, caller: str = "gateway") -> Channels:
        """The outward connections that `caller` would have."""
        if caller not in self._callers:
            addresses = {self.process.service: self.address}
            self._callers[caller] = Channels(
                secrets=secrets_for(caller), clock=self.process.clock, telemetry=Telemetry(service=caller), addresses=addresses
            )
        return self._callers[caller]

    def stub(
        self,
        stub_type: Callable[[grpc.aio.Channel], S],
        *,
        caller: str = "gateway",
        viewer: viewer_pb2.ViewerContext | None = None,
        idempotent: Iterable[str] = (),
    ) -> S:
        """A stub of the served service: every call comes from `caller`, for `viewer` when given, else for the viewer of the surrounding work."""
        stub = self.channels(caller).stub(stub_type, self.process.service, idempotent=frozenset(idempotent))
        if viewer is None:
            return stub
        # Every test speaks for viewers as the gateway would, whoever the caller is.
        signer = ViewerSigner(secrets=secrets_for("gateway"), clock=self.process.clock)
        return _acting_for(stub, viewer, signer)

    async def close(self) -> None:
        """Stop the server and close the callers' connections."""
        for channels in self._callers.values():
            await channels.close()
        await self.server.stop(drain_wait_ms=0, grace_ms=1_000)
        await self.process.close()


def _acting_for(stub: S, viewer: viewer_pb2.ViewerContext, signer: ViewerSigner) -> S:
    acting: Any = object.__new__(type(stub))
    for name, method in vars(stub).items():
        setattr(acting, name, _acting_method(method, viewer, signer))
    return acting  # type: ignore[no-any-return]


def _acting_method(method: Callable[..., Any], viewer: viewer_pb2.ViewerContext, signer: ViewerSigner) -> Callable[..., Any]:
    async def call(request: Any, *, timeout: float | None = None) -> Any:
        with viewer_scope(signer.sign(viewer)):
            return await method(request, timeout=timeout)

    return call


@asynccontextmanager
async def serve(
    *services: ServedService,
    service: str,
    clock: Clock | None = None,
    process: Process | None = None,
    dependencies: Mapping[str, Dependency] | None = None,
    concurrency_limit: int = 256,
    queue_limit: int = 512,
    answers_kept: int = 0,
) -> AsyncIterator[Served]:
    """Serve `services` as `service` on a socket of their own; `process` when the servicers were built on one.

    No answers are kept unless the test says so: a repeat has to find what the service wrote.
    """
    process = process or process_for(service, clock=clock)
    server = Server(
        services=services,
        secrets=process.secrets,
        clock=process.clock,
        telemetry=process.telemetry,
        dependencies=dependencies,
        concurrency_limit=concurrency_limit,
        queue_limit=queue_limit,
        answers_kept=answers_kept,
        reflect=True,
    )
    with socket_folder() as folder:
        address = f"unix:{folder}/{service}.sock"
        served = Served(process=process, server=server, address=address)
        try:
            await server.start(address)
            yield served
        finally:
            await served.close()


@asynccontextmanager
async def serve_app(app: App) -> AsyncIterator[Served]:
    """Start `app`, serve its services, and stop it afterwards."""
    try:
        await app.start()
        async with serve(*app.services, service=app.process.service, process=app.process, dependencies=app.dependencies) as served:
            yield served
    finally:
        await app.stop()
