"""What operators ask of the edge: is it well, and what does it count."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Mapping, Sequence

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from gateway.problems import problem
from gateway.viewers import Viewers
from mesh import deadline
from mesh.clock import Clock
from mesh.health import Dependency
from mesh.telemetry import Telemetry
from mesh.tokens import AccessTokenVerifier

ASK_EVERY_MS = 1_000
ASK_S = 0.5


class Health:
    """Routes /healthz and /metrics.

    The edge serves on without Redis (limits are counted by each process), without the stream (nothing is pushed), without objects (nothing plays)
    and without keys (for whoever is not signed in), so /healthz answers 200 and names what is degraded: an edge that took itself out of service then
    would turn a part's outage into one of everything.
    """

    def __init__(
        self,
        *,
        dependencies: Mapping[str, Dependency],
        verifier: AccessTokenVerifier,
        viewers: Viewers,
        telemetry: Telemetry,
        clock: Clock,
        development: bool,
    ) -> None:
        self._dependencies = dependencies
        self._verifier = verifier
        self._viewers = viewers
        self._telemetry = telemetry
        self._clock = clock
        self._development = development
        self._missing: Sequence[str] = ()
        self._asked_at_ms: int | None = None

    def routes(self) -> list[BaseRoute]:
        """Where they stand."""
        return [Route("/healthz", self.healthz, methods=["GET"]), Route("/metrics", self.metrics, methods=["GET"])]

    async def healthz(self, request: Request) -> Response:
        """200 while the edge serves, with the names of what it does without."""
        degraded = [*await self._without()]
        if self._verifier.closed:
            degraded.append("tokens")
        elif self._verifier.stale:
            degraded.append("revocations")
        return JSONResponse({"ok": True, "degraded": degraded}, headers={"cache-control": "no-store"})

    async def _without(self) -> Sequence[str]:
        """The stores that do not answer; whoever asks within a second of another gets the same answer."""
        now_ms = self._clock.monotonic_ms()
        if self._asked_at_ms is None or now_ms - self._asked_at_ms >= ASK_EVERY_MS:
            self._asked_at_ms = now_ms
            answers = await asyncio.gather(*map(_answers, self._dependencies.values()))
            self._missing = [name for name, there in zip(self._dependencies, answers, strict=True) if not there]
        return self._missing

    async def metrics(self, request: Request) -> Response:
        """Prometheus metrics, for this machine alone unless in development."""
        if not self._development and not _is_loopback(self._viewers.address(request)):
            return problem(404, "NOT_FOUND", "there is nothing here")
        return Response(generate_latest(self._telemetry.metrics.registry), media_type=CONTENT_TYPE_LATEST)


async def _answers(dependency: Dependency) -> bool:
    try:
        with deadline.scope(ASK_S):
            async with asyncio.timeout(ASK_S):
                await dependency.check()
    except Exception:
        return False  # whatever it is: it does not serve
    return True


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
