"""The one gRPC server of every service: interceptors, health, reflection, channelz, and an end that loses no call."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import message_factory
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from grpc_channelz.v1 import channelz
from grpc_health.v1 import health, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from mesh.access import ANYONE, SIGNED_IN, SIGNED_IN_NOW, Access, Priority, ViewerRule, roles
from mesh.auth import ServiceTokens, ViewerReader
from mesh.clock import Clock
from mesh.health import Dependency, Health
from mesh.interceptors import Answers, Limiter, Method, chained, interceptors
from mesh.interceptors.call import Call, Handler, Interceptor
from mesh.secrets import Secrets
from mesh.telemetry import Telemetry
from mesh.tls import Tls

__all__ = [
    "ANYONE",
    "SIGNED_IN",
    "SIGNED_IN_NOW",
    "Access",
    "Dependency",
    "Priority",
    "RefusedToStart",
    "ServedService",
    "Server",
    "ViewerRule",
    "roles",
]

LONGEST_SOCKET_PATH = 107
"""Bytes a unix socket path may have; a relative one may be short where the absolute one is not."""

OPTIONS: tuple[tuple[str, int], ...] = (
    # Clients ping every few seconds to notice a frozen peer; the default would cut them off for it.
    ("grpc.http2.min_ping_interval_without_data_ms", 1_000),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 1_000),
    ("grpc.keepalive_permit_without_calls", 1),
    # The server too notices clients that froze and frees what they hold.
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.ping_timeout_ms", 5_000),
    ("grpc.max_receive_message_length", 4 * 1024 * 1024),
    # Two processes on one port would share its calls at random; devstack wants a clear error.
    ("grpc.so_reuseport", 0),
)


class RefusedToStart(RuntimeError):
    """The server cannot be what its services say; the text names the method, address or file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedService:
    """One gRPC service with the rules of each of its methods."""

    add_to_server: Callable[[Any, Any], None]
    """The generated add_<Service>Servicer_to_server."""
    servicer: object
    descriptor: ServiceDescriptor
    access: Mapping[str, Access]
    """Method name -> its rules; every method needs an entry."""

    def check(self) -> None:
        """RefusedToStart unless `access` names exactly the methods of the service, all unary and as repeatable as their requests are."""
        for method in self.descriptor.methods:
            if method.client_streaming or method.server_streaming:
                raise RefusedToStart(f"{method.full_name} streams; services answer unary calls only")
        methods = {method.name for method in self.descriptor.methods}
        if missing := sorted(methods - self.access.keys()):
            raise RefusedToStart(f"{self.descriptor.full_name}: no access entry for {', '.join(missing)}")
        if unknown := sorted(self.access.keys() - methods):
            raise RefusedToStart(f"{self.descriptor.full_name} has no method {', '.join(unknown)}")
        for method in self.descriptor.methods:
            named, access = "request_id" in method.input_type.fields_by_name, self.access[method.name]
            if named and not access.idempotent:
                raise RefusedToStart(
                    f"{method.full_name} takes a request_id, so that its repeat changes nothing: its access has to say idempotent"
                )
            if access.keeps_answers and not named:
                raise RefusedToStart(f"{method.full_name} takes no request_id: nobody can tell which answer to keep")


class _Collector:
    """Stands in for a server while generated code registers its handlers."""

    def __init__(self) -> None:
        self.handlers: dict[str, Any] = {}

    def add_generic_rpc_handlers(self, handlers: Sequence[Any]) -> None:
        """Ignored: the same handlers come registered by name."""

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Any]) -> None:
        """Keep the handlers by method name."""
        self.handlers.update(handlers)


class Server:
    """Serves the services of one process on one address, once."""

    def __init__(
        self,
        *,
        services: Sequence[ServedService],
        secrets: Secrets,
        clock: Clock,
        telemetry: Telemetry,
        dependencies: Mapping[str, Dependency] | None = None,
        concurrency_limit: int = 256,
        queue_limit: int = 512,
        answers_kept: int = 1_024,
        reflect: bool = False,
        tls: Tls | None = None,
    ) -> None:
        """RefusedToStart when a service and its access entries do not agree. With `tls` nobody without a certificate gets through a port."""
        self._tls = tls
        self.health = Health(dependencies=dependencies or {}, telemetry=telemetry)
        self.limiter = Limiter(limit=concurrency_limit, queue_limit=queue_limit, telemetry=telemetry)
        chain = interceptors(
            service=secrets.service,
            telemetry=telemetry,
            tokens=ServiceTokens(secrets=secrets, clock=clock),
            viewers=ViewerReader(secrets=secrets, clock=clock),
            limiter=self.limiter,
            answers=Answers(most=answers_kept, clock=clock),
        )
        self._server = grpc.aio.server(options=(*OPTIONS, *(tls.server_options() if tls else ())))
        for service in services:
            service.check()
            self._server.add_generic_rpc_handlers((_handlers(service, chain),))
        health_pb2_grpc.add_HealthServicer_to_server(self.health, self._server)
        channelz.add_channelz_servicer(self._server)
        if reflect:
            names = [service.descriptor.full_name for service in services]
            reflection.enable_server_reflection([*names, health.SERVICE_NAME, reflection.SERVICE_NAME], self._server)
        self._stopped = False

    async def start(self, address: str) -> int:
        """Listen on `unix:PATH` or `HOST:PORT` (port 0: a free one, which is returned) and say SERVING. Raises RefusedToStart, InvalidTls."""
        if address.startswith("unix:"):
            _clear_socket(address.removeprefix("unix:"))
        try:
            if self._tls is None or address.startswith("unix:"):
                port = self._server.add_insecure_port(address)
            else:
                port = self._server.add_secure_port(address, self._tls.server_credentials())
        except RuntimeError as error:
            raise RefusedToStart(f"cannot listen on {address}; is it taken?") from error
        await self._server.start()
        self.health.serving()
        return port

    async def stop(self, *, drain_wait_ms: int, grace_ms: int) -> None:
        """Say NOT_SERVING, let clients hear it for `drain_wait_ms`, then take no more calls and give those under way `grace_ms` to end."""
        if self._stopped:
            return
        self._stopped = True
        self.health.draining()
        await asyncio.sleep(drain_wait_ms / 1000)
        await self.health.close()
        await self._server.stop(grace_ms / 1000)


def _handlers(service: ServedService, chain: Sequence[Interceptor]) -> grpc.GenericRpcHandler:
    collector = _Collector()
    service.add_to_server(service.servicer, collector)
    handlers: dict[str, Any] = {}
    for descriptor in service.descriptor.methods:
        registered = collector.handlers[descriptor.name]
        method = Method(
            service=service.descriptor.full_name,
            name=descriptor.name,
            request_type=message_factory.GetMessageClass(descriptor.input_type),
            access=service.access[descriptor.name],
        )
        handlers[descriptor.name] = chained(method, chain, _innermost(registered.unary_unary, descriptor))
    generic: grpc.GenericRpcHandler = grpc.method_handlers_generic_handler(service.descriptor.full_name, handlers)
    return generic


def _innermost(behaviour: Callable[[Any, Any], Any], descriptor: MethodDescriptor) -> Handler:
    """The servicer's own method; its answer is serialised inside the chain, so that a wrong answer is mapped like any other fault."""
    response_type = message_factory.GetMessageClass(descriptor.output_type)

    async def serve(request: Any, call: Call) -> bytes:
        response = await behaviour(request, call.context)
        if not isinstance(response, response_type):
            raise TypeError(f"{descriptor.full_name} answered {type(response).__name__}, not {descriptor.output_type.name}")
        return response.SerializeToString()

    return serve


def _clear_socket(path: str) -> None:
    """Make room for a socket: a name that is too long breaks late and darkly, a file left by a killed process blocks it."""
    if len(os.fsencode(path)) > LONGEST_SOCKET_PATH:
        raise RefusedToStart(f"the socket path {path} is longer than {LONGEST_SOCKET_PATH} bytes; use a relative one")
    socket_path = Path(path)
    socket_path.parent.mkdir(parents=True, exist_ok=True)
    if socket_path.is_socket():
        socket_path.unlink()
