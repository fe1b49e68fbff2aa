"""What the app of a service offers, what every process has, and `run`, which is all that a `__main__` calls."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from mesh import settings as environment
from mesh.background import first_of
from mesh.client import Channels, NoAddress
from mesh.clock import Clock, open_clock
from mesh.health import Dependency, Health
from mesh.heap import settled_heap
from mesh.logs import start_logs
from mesh.loop_watch import watched
from mesh.permits import Permits
from mesh.secrets import InvalidSecrets, Secrets
from mesh.server import RefusedToStart, ServedService, Server
from mesh.service_settings import ServiceSettings
from mesh.settings import InvalidSetting
from mesh.stores.tables.port import IncompatibleTable, TablesInUse
from mesh.telemetry import Telemetry
from mesh.tls import Tls

__all__ = ["App", "Dependency", "Process", "ServiceSettings", "run"]

REFUSALS = (InvalidSetting, InvalidSecrets, NoAddress, RefusedToStart, TablesInUse, IncompatibleTable)
"""What says that a process cannot start as it is set up: another try would end the same way."""

REFUSED = {"is_refusal": True}
"""Marks the one line that says why a process does not start."""

_log = logging.getLogger("clipmesh.app")


class EndedItself(RuntimeError):
    """The process ended because a part of it can only work again after a new start; its keeper starts it again."""


class Ending:
    """Lets a part of a process end it: what runs is drained, and the process ends with status 1."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.reason = ""

    def ask(self, reason: str) -> None:
        """End the process soon; the first reason counts."""
        self.reason = self.reason or reason
        self.asked.set()


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
    tls: Tls | None = None
    """The certificates of this process; None when it has none."""
    ending: Ending = field(default_factory=Ending)

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
        """A process made of given parts; `addresses` None reads the environment. Raises InvalidTls."""
        tls = Tls.of(settings, service=secrets.service)
        return cls(
            service=secrets.service,
            settings=settings,
            clock=clock,
            secrets=secrets,
            telemetry=telemetry,
            channels=Channels(secrets=secrets, clock=clock, telemetry=telemetry, addresses=addresses, tls=tls),
            permits=Permits(secrets=secrets, clock=clock),
            tls=tls,
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
    """Start `app`, serve it until `stopping` is set, drain, stop it. Raises EndedItself when a part of the process asked for the end."""
    process, settings = app.process, app.process.settings
    server: Server | None = None
    health: Health | None = None
    """Checks what a process without a server needs; only its metrics tell."""
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
                tls=process.tls,
            )
        elif app.dependencies:
            health = Health(dependencies=app.dependencies, telemetry=process.telemetry)
            health.serving()
        if settings.metrics:
            try:
                await process.telemetry.serve_metrics(settings.metrics)
            except OSError as error:
                raise RefusedToStart(f"CLIPMESH_METRICS={settings.metrics!r} cannot be listened on: {error.strerror}") from error
        if server is not None:
            address = listen_address(settings, process.service)
            await server.start(address)
            _log.info("serving", extra={"address": address, "pid": os.getpid()})
        with settled_heap(), watched(process.telemetry) if settings.watch_loop else nullcontext():
            await first_of(stopping.wait(), process.ending.asked.wait())
        if not stopping.is_set():
            raise EndedItself(process.ending.reason)
        _log.info("draining")
    finally:
        if server is not None:
            served = stopping.is_set() or process.ending.asked.is_set()
            await server.stop(drain_wait_ms=settings.drain_wait_ms if served else 0, grace_ms=settings.stop_grace_ms)
        if health is not None:
            await health.close()
        await app.stop()
        await process.close()


def run(build: Callable[[S], App], settings_type: type[S]) -> None:
    """Read the settings, build the app inside a running loop (uvloop where present), serve it until SIGTERM or SIGINT.

    Ends the process with status 0 after a drain, 1 when it failed, 2 when settings, secrets, stores or services are not as they have to be.
    """
    try:
        settings = environment.read(settings_type)
    except InvalidSetting as error:
        start_logs(service="")
        _log.error("%s", error, extra=REFUSED)
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
        with asyncio.Runner(loop_factory=None if settings.watch_loop else _loop_factory()) as runner:
            runner.run(main())
    except REFUSALS as error:
        _log.error("%s", error, exc_info=settings.development, extra=REFUSED)
        sys.exit(2)
    except EndedItself as error:
        _log.error("%s", error)
        sys.exit(1)
    except Exception:
        _log.exception("the process failed")
        sys.exit(1)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415 not on every system
    except ImportError:
        return None
    return uvloop.new_event_loop
