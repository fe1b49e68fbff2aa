"""A service's stores behind faulty lines, a load on them, and what has to hold whatever the line does."""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from mesh import deadline
from mesh.backbone import Backbone
from mesh.service_settings import ServiceSettings
from mesh.stores.protected.metrics import LANES, STORE_BREAKER, STORES
from mesh.testing.proxy import FaultProxy, Target, fault_proxy
from mesh.testing.redis_server import RedisServer
from mesh.testing.rpc import process_for
from tests.contract.rpc.certificates import Authority
from tests.servers.stream.cutting import Ways
from tests.unit.mesh.events.world import Owned, Size, World

BUDGET_S = 0.3
SLACK_S = 0.05

Fault = Callable[[FaultProxy], None]

FAULTS: Mapping[str, Fault] = {
    "silence": lambda line: line.blackhole(),
    "two seconds of latency": lambda line: line.slow(2_000),
    "a narrow line": lambda line: line.narrow(200),
    "resets": lambda line: line.reset(refuse=True),
    "half-open connections": lambda line: line.half_open(),
    "turned bits": lambda line: line.corrupt(400),
}


@dataclass
class Scene:
    """One service process's stores, one of them behind a line."""

    backbone: Backbone
    line: FaultProxy

    @property
    def world(self) -> World:
        """Rows whose events go over the line."""
        return World(self.backbone.tables, self.backbone.stream, self.backbone.process.clock)

    def breakers(self) -> dict[tuple[str, str], int]:
        """The breakers that are not closed."""
        value = self.backbone.process.telemetry.value
        states = {(store, lane): int(value(STORE_BREAKER, store=store, lane=lane)) for store in STORES for lane in LANES}
        return {place: state for place, state in states.items() if state}


@dataclass
class Watch:
    """How calls ended, and how much longer than allowed the longest took, when the loop itself was not late."""

    outcomes: Counter[str] = field(default_factory=Counter)
    over_s: float = 0.0
    loop_late_s: float = 0.0

    async def load(self, call: Callable[[], Awaitable[Any]], *, for_s: float, every_s: float = 0.02, budget_s: float = BUDGET_S) -> None:
        """Begin calls at a steady pace, whether or not earlier ones ended; returns when all have."""
        loop = asyncio.get_running_loop()
        begun_at = planned = loop.time()
        calls = []
        while planned - begun_at < for_s:
            calls.append(asyncio.create_task(self._one(call, budget_s)))
            planned += every_s
            await asyncio.sleep(max(0.0, planned - loop.time()))
            self.loop_late_s = max(self.loop_late_s, loop.time() - planned)
        await asyncio.gather(*calls)

    async def _one(self, call: Callable[[], Awaitable[Any]], budget_s: float) -> None:
        loop = asyncio.get_running_loop()
        begun_at = loop.time()
        try:
            with deadline.scope(budget_s):
                await call()
            outcome = "ok"
        except Exception as error:
            outcome = type(error).__name__
        self.over_s = max(self.over_s, loop.time() - begun_at - budget_s)
        self.outcomes[outcome] += 1

    @property
    def within_budget(self) -> bool:
        """Whether no call outlived its budget by more than 50 ms, as far as the machine let the loop run."""
        return self.over_s <= SLACK_S + self.loop_late_s


async def under_tls(stack: AsyncExitStack, folder: Path, target: Target) -> tuple[Target, Path]:
    """Where a server is reached under TLS, and the authority that it is believed by."""
    files = Authority().certificate("server", addresses=("127.0.0.1",)).write(folder, "server")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(files.cert, files.key)
    inner = await stack.enter_async_context(fault_proxy(target, tls=context))
    return ("127.0.0.1", inner.port), files.ca


@asynccontextmanager
async def redis_behind_a_line(folder: Path, server: RedisServer, *, tls: bool) -> AsyncIterator[Scene]:
    """A backbone whose Redis is reached over a line that can go wrong; under TLS the line carries ciphertext."""
    async with AsyncExitStack() as stack:
        target: Target = str(server.socket)
        scheme, query = "redis", ""
        if tls:
            target, ca = await under_tls(stack, folder, target)
            scheme, query = "rediss", f"?ca={ca}"
        line = await stack.enter_async_context(fault_proxy(target, seed=7))
        backbone = await Backbone.open(
            process_for("video"),
            tables=f"sqlite:///{folder}",
            redis=f"{scheme}://127.0.0.1:{line.port}{query}",
            events="",
            row_types=(Owned, Size),
        )
        stack.push_async_callback(backbone.close)
        yield Scene(backbone, line)


@asynccontextmanager
async def kafka_behind_a_line(folder: Path, redis: RedisServer, kafka_url: str, *, tls: bool) -> AsyncIterator[Scene]:
    """The same with its Kafka there: the broker's answers name the line, so that clients never go around it."""
    parts = urlsplit(kafka_url)
    assert parts.port is not None
    async with AsyncExitStack() as stack:
        ways = Ways()
        stack.push_async_callback(asyncio.to_thread, ways.close)
        way = ways.to(parts.port)
        target: Target = (way.host, way.port)
        query = parts.query
        if tls:
            target, ca = await under_tls(stack, folder, target)
            query += "&" + urlencode({"tls": "1", "ca": str(ca)})
        line = await stack.enter_async_context(fault_proxy(target, seed=7))
        way.shown = ("127.0.0.1", line.port)
        backbone = await Backbone.open(
            process_for("video", settings=ServiceSettings(secrets="", testing=True, partition_lease_ms=6_000, partition_heartbeat_ms=500)),
            tables=f"sqlite:///{folder}",
            redis=redis.url,
            events=f"kafka://127.0.0.1:{line.port}?{query}",
            row_types=(Owned, Size),
        )
        stack.push_async_callback(backbone.close)
        yield Scene(backbone, line)
