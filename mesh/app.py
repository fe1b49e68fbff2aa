"""What the app of a service offers, what every process has, and `run`, which is all that a `__main__` calls."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from mesh import settings as environment
from mesh.client import Channels
from mesh.clock import Clock, open_clock
from mesh.health import Dependency
from mesh.logs import start_logs
from mesh.permits import Permits
from mesh.secrets import Secrets
from mesh.server import RefusedToStart, ServedService, Server
from mesh.settings import InvalidSetting
from mesh.telemetry import Telemetry

__all__ = ["App", "Dependency", "Process", "ServiceSettings", "run"]

_log = logging.getLogger("clipmesh.app")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSettings:
    """What every process reads; a service's settings inherit from it. An inheriting `check` calls `ServiceSettings.check(self)`."""

    secrets: str
    """Path of the secrets file of this process alone."""
    node: str = ""
    """Name of this process among its service's replicas, the same after a restart: it then takes over at once what its former self held.
    Empty: the process id, and what a killed process held waits until its leases end."""
    listen: str = ""
    """Where to listen, `unix:PATH` or `HOST:PORT`; empty takes the address under which the others look for this service."""
    clock: str = ""
    """Empty for the machine's clock; `file:PATH` for one that tests move."""
    testing: bool = False
    """Allows what only tests may do: moved clocks and failpoints."""
    development: bool = False
    """Adds gRPC reflection and the words of exceptions to the logs."""
    metrics: str = ""
    """Where GET /metrics answers, `unix:PATH` or `HOST:PORT`; empty for nowhere."""
    traces: str = ""
    """Where spans go: `file:PATH` or `otlp`; empty for nowhere unless the OTEL variables name an endpoint."""
    log_level: str = "INFO"
    """DEBUG also shows successful calls."""
    concurrency_limit: int = 256
    """Calls worked on at once."""
    queue_limit: int = 512
    """Calls that may wait for a place, the most urgent first."""
    drain_wait_ms: int = 500
    """How long a stopping server says NOT_SERVING before it takes no more calls, in milliseconds."""
    stop_grace_ms: int = 10_000
    """How long calls under way may take to end, in milliseconds."""

    def check(self) -> None:
        """ValueError for a number out of range."""
        for name in ("concurrency_limit", "stop_grace_ms"):
            if getattr(self, name) < 1:
                raise ValueError(f"CLIPMESH_{name.upper()} has to be at least 1")
        for name in ("queue_limit", "drain_wait_ms"):
            if getattr(self, name) < 0:
                raise ValueError(f"CLIPMESH_{name.upper()} cannot be negative")
        if self.log_level not in logging.getLevelNamesMapping():
            raise ValueError(f"CLIPMESH_LOG_LEVEL={self.log_level!r} is no level: DEBUG, INFO, WARNING or ERROR")


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """What every process has before it is anything in particular."""

    service: str
    settings: ServiceSettings
    clock: Clock
    secrets: Secrets
    telemetry: Telemetry
    channels: Channels
    permits: Permits

    @classmethod
    def open(cls, settings: ServiceSettings) -> Process:
        """Read the secrets and make the rest; no connection is opened."""
        secrets = Secrets.load(settings.secrets)
        clock = open_clock(settings.clock, testing=settings.testing)
        telemetry = Telemetry(service=secrets.service, traces=settings.traces)
        return cls.of(settings=settings, secrets=secrets, clock=clock, telemetry=telemetry)

    @classmethod
    def of(
        cls,
        *,
        settings: ServiceSettings,
        secrets: Secrets,
        clock: Clock,
        telemetry: Telemetry,
        addresses: Mapping[str, str] | None = None,
    ) -> Process:
        """A process made of given parts; `addresses` None reads the environment."""
        return cls(
            service=secrets.service,
            settings=settings,
            clock=clock,
            secrets=secrets,
            telemetry=telemetry,
            channels=Channels(secrets=secrets, clock=clock, telemetry=telemetry, addresses=addresses),
            permits=Permits(secrets=secrets, clock=clock),
        )

    async def close(self) -> None:
        """Close connections and send the last spans."""
        await self.channels.close()
        await self.telemetry.close()


class App(Protocol):
    """One process of a service."""

    @property
    def process(self) -> Process:
        """What every process has."""
        ...

    @property
    def services(self) -> Sequence[ServedService]:
        """The gRPC services it serves, read once after `start`; none for a worker."""
        ...

    @property
    def dependencies(self) -> Mapping[str, Dependency]:
        """Health name (tables, blobs, redis, ...) -> how to ask it; read once after `start`."""
        ...

    async def start(self) -> None:
        """Open stores and begin background work; the first call comes after it."""
        ...

    async def stop(self) -> None:
        """End background work and close stores; the last call has ended before. Also called when `start` failed half-way."""
        ...


S = TypeVar("S", bound=ServiceSettings)


def listen_address(settings: ServiceSettings, service: str) -> str:
    """Where this process listens; InvalidSetting when nothing says so."""
    variable = f"CLIPMESH_{service.upper().replace('-', '_')}_ADDRESS"
    address = settings.listen or os.environ.get(variable, "")
    if not address:
        raise InvalidSetting(f"neither CLIPMESH_LISTEN nor {variable} is set; `clipmesh up` sets it, a deployment has to")
    if "," in address or "://" in address:
        raise InvalidSetting(f"{variable}={address!r} names others too: say where this process listens in CLIPMESH_LISTEN")
    return address


async def serve(app: App, *, stopping: asyncio.Event) -> None:
    """Start `app`, serve it until `stopping` is set, drain, stop it."""
    process, settings = app.process, app.process.settings
    server: Server | None = None
    try:
        await app.start()
        if app.services:
            server = Server(
                services=app.services,
                secrets=process.secrets,
                clock=process.clock,
                telemetry=process.telemetry,
                dependencies=app.dependencies,
                concurrency_limit=settings.concurrency_limit,
                queue_limit=settings.queue_limit,
                reflect=settings.development,
            )
        if settings.metrics:
            await process.telemetry.serve_metrics(settings.metrics)
        if server is not None:
            address = listen_address(settings, process.service)
            await server.start(address)
            _log.info("serving", extra={"address": address, "pid": os.getpid()})
        await stopping.wait()
        _log.info("draining")
    finally:
        if server is not None:
            await server.stop(drain_wait_ms=settings.drain_wait_ms if stopping.is_set() else 0, grace_ms=settings.stop_grace_ms)
        await app.stop()
        await process.close()


def run(build: Callable[[S], App], settings_type: type[S]) -> None:
    """Read the settings, build the app inside a running loop (uvloop where present), serve it until SIGTERM or SIGINT.

    Ends the process with status 0 after a drain, 1 when it failed, 2 when settings, secrets or services are wrong.
    """
    try:
        settings = environment.read(settings_type)
    except InvalidSetting as error:
        start_logs(service="")
        _log.error("%s", error)
        sys.exit(2)
    start_logs(service="", development=settings.development, level=settings.log_level)

    async def main() -> None:
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)
        try:
            app = build(settings)
        except ValueError as error:
            # Wiring does no I/O: what it refuses is a value of the environment.
            raise RefusedToStart(str(error)) from error
        start_logs(service=app.process.service, development=settings.development, level=settings.log_level)
        await serve(app, stopping=stopping)

    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(main())
    except (InvalidSetting, RefusedToStart) as error:
        _log.error("%s", error, exc_info=settings.development)
        sys.exit(2)
    except Exception:
        _log.exception("the process failed")
        sys.exit(1)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415 not on every system
    except ImportError:
        return None
    return uvloop.new_event_loop
