"""grpc.health.v1: one answer for the whole process, and one for each class of dependency."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from mesh.metrics import DEPENDENCY_UP
from mesh.telemetry import Telemetry

_log = logging.getLogger("clipmesh.health")

OVERALL = ""
"""The name under which clients ask for the whole process."""

CHECK_EVERY_S = 5.0
CHECK_AGAIN_S = 0.5
"""Pause before the next look while a dependency is down: whoever waits for the process waits for this too."""
CHECK_TIMEOUT_S = 2.0

_SERVING: int = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING: int = health_pb2.HealthCheckResponse.NOT_SERVING
_SERVICE_UNKNOWN: int = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


@dataclass(frozen=True, slots=True)
class Dependency:
    """One class of dependency (tables, blobs, redis, ...) and how to ask it."""

    check: Callable[[], Awaitable[object]]
    """Returns when it answers, raises when it does not."""
    required: bool = False
    """True when the process can answer nothing without it: then it says NOT_SERVING as a whole."""


class Health(health_pb2_grpc.HealthServicer):  # type: ignore[misc]
    """The statuses of one process. NOT_SERVING until `serving` is called and from `draining` on."""

    def __init__(self, *, dependencies: Mapping[str, Dependency], telemetry: Telemetry) -> None:
        self._dependencies = dict(dependencies)
        self._telemetry = telemetry
        self._up = dict.fromkeys(self._dependencies, True)
        self._open = False
        self._closed = False
        self._changed = asyncio.Event()
        self._checking: asyncio.Task[None] | None = None

    def status(self, name: str) -> int:
        """The status of the whole process ("") or of one dependency; SERVICE_UNKNOWN for any other name."""
        if name == OVERALL:
            healthy = all(self._up[each] for each, dependency in self._dependencies.items() if dependency.required)
            return _SERVING if self._open and healthy else _NOT_SERVING
        if name in self._up:
            return _SERVING if self._up[name] else _NOT_SERVING
        return _SERVICE_UNKNOWN

    def serving(self) -> None:
        """Begin to take calls and to check the dependencies every five seconds."""
        self._open = True
        self._wake()
        if self._dependencies and self._checking is None:
            self._checking = asyncio.create_task(self._check_for_ever())

    def draining(self) -> None:
        """Tell every client to go elsewhere."""
        self._open = False
        self._wake()

    async def close(self) -> None:
        """End the checks and every Watch; an open Watch would keep a stopping server waiting for its whole grace."""
        self._closed = True
        self._wake()
        if self._checking is not None:
            self._checking.cancel()
            with suppress(asyncio.CancelledError):
                await self._checking

    async def check_dependencies(self) -> None:
        """Ask every dependency once."""
        await asyncio.gather(*(self._check(name, dependency) for name, dependency in self._dependencies.items()))

    async def Check(  # noqa: N802
        self, request: health_pb2.HealthCheckRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> health_pb2.HealthCheckResponse:
        """The status now; NOT_FOUND for an unknown name, as the protocol asks."""
        status = self.status(request.service)
        if status == _SERVICE_UNKNOWN:
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such service")
        return health_pb2.HealthCheckResponse(status=status)

    async def Watch(  # noqa: N802
        self, request: health_pb2.HealthCheckRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[health_pb2.HealthCheckResponse]:
        """The status now and after every change."""
        told: int | None = None
        while True:
            changed = self._changed
            status = self.status(request.service)
            if status != told:
                told = status
                yield health_pb2.HealthCheckResponse(status=status)
            if self._closed:
                return
            await changed.wait()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _check_for_ever(self) -> None:
        while True:
            await self.check_dependencies()
            await asyncio.sleep(CHECK_EVERY_S if all(self._up.values()) else CHECK_AGAIN_S)

    async def _check(self, name: str, dependency: Dependency) -> None:
        try:
            async with asyncio.timeout(CHECK_TIMEOUT_S):
                await dependency.check()
            up = True
        except Exception as error:
            up = False
            if self._up[name]:
                _log.warning("a dependency does not answer", extra={"dependency": name, "error_type": type(error).__qualname__})
        if up and not self._up[name]:
            _log.info("a dependency answers again", extra={"dependency": name})
        self._telemetry.set(DEPENDENCY_UP, float(up), dependency=name)
        if up != self._up[name]:
            self._up[name] = up
            self._wake()
