"""Whatever the line to Cassandra or to the object store does: calls end in time, breakers open and close, nothing acknowledged is lost.

Bits are turned under TLS alone: in the clear nothing promises that an altered answer is noticed (docs/decisions/0029).
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode, urlsplit, urlunsplit

import pytest

from mesh.clock import SystemClock
from mesh.stores.blobs import open_blobs
from mesh.stores.blobs.port import Blobs
from mesh.stores.protected.blobs import protected_blobs
from mesh.stores.protected.metrics import LANES, STORE_BREAKER
from mesh.stores.protected.tables import ProtectedTables
from mesh.stores.tables import open_tables
from mesh.stores.tables.port import OutcomeUnknown, Tables, VersionConflict
from mesh.telemetry import Telemetry
from mesh.testing.proxy import FaultProxy, Target, fault_proxy
from tests.servers.faults.scene import FAULTS, Watch, under_tls
from tests.unit.mesh.events.world import Owned, Size

pytestmark = [pytest.mark.timed, pytest.mark.timeout(180)]

TABLES_ERRORS = {"ok", "TablesUnavailable", "OutcomeUnknown"}
BLOBS_ERRORS = {"ok", "BlobsUnavailable", "StoreUnreachable"}
NOTHING_PASSES = {"silence", "two seconds of latency", "resets"}
"""Faults that new connections cannot get around, so that breakers have to open."""
IN_THE_CLEAR = (*sorted(NOTHING_PASSES), "half-open connections")
PATIENT_S = 3.0
"""The budget of calls over a line that is well: a busy machine is no fault of the line."""

Call = Callable[[], Awaitable[object]]


@asynccontextmanager
async def line_to(url: str, *, tls: Path | None = None) -> AsyncIterator[tuple[FaultProxy, str]]:
    """A line to the server of a URL, and the URL that leads over it; with a folder for certificates it carries ciphertext."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    async with AsyncExitStack() as stack:
        target: Target = (parts.hostname, parts.port)
        query = parts.query
        if tls is not None:
            target, ca = await under_tls(stack, tls, target)
            query = "&".join(filter(None, (query, urlencode({"tls": "1", "ca": str(ca)}))))
        line = await stack.enter_async_context(fault_proxy(target, seed=3))
        user, at, _ = parts.netloc.rpartition("@")
        yield line, urlunsplit(parts._replace(netloc=f"{user}{at}127.0.0.1:{line.port}", query=query))


@dataclass
class Under:
    """A store under load, behind a line."""

    line: FaultProxy
    telemetry: Telemetry
    store: str
    errors: set[str]
    calls: Sequence[Call]
    budget_s: float

    def open_breakers(self) -> set[str]:
        value = self.telemetry.value
        return {lane for lane in LANES if value(STORE_BREAKER, store=self.store, lane=lane)}

    async def load(self, *, for_s: float, budget_s: float) -> Watch:
        watch = Watch()
        await asyncio.gather(*(watch.load(call, for_s=for_s, every_s=0.05, budget_s=budget_s) for call in self.calls))
        return watch

    async def until_well(self) -> None:
        """Return when every call gets through again, and no breaker is open."""
        async with asyncio.timeout(40):
            while set((await self.load(for_s=0.3, budget_s=PATIENT_S)).outcomes) != {"ok"} or self.open_breakers():
                await asyncio.sleep(0.1)

    async def survives(self, name: str) -> None:
        """One fault: typed errors in time, and all is well after it."""
        FAULTS[name](self.line)
        watch = await self.load(for_s=4 * self.budget_s, budget_s=self.budget_s)
        opened = self.open_breakers()
        self.line.heal()
        assert watch.within_budget, (name, watch.over_s, watch.loop_late_s)
        assert set(watch.outcomes) <= self.errors, (name, watch.outcomes)
        if name in NOTHING_PASSES:
            assert opened == set(LANES), name
        await self.until_well()


@dataclass
class Rows:
    """Rows that grow, and the versions that were acknowledged."""

    tables: Tables
    rows: dict[int, Owned] = field(default_factory=dict)
    acknowledged: dict[int, int] = field(default_factory=dict)
    turn: itertools.cycle[int] = field(default_factory=lambda: itertools.cycle(range(1, 41)))

    async def begin(self) -> None:
        for number in range(1, 41):
            self.rows[number] = await self.tables.insert(Owned(video_id=number))
            self.acknowledged[number] = self.rows[number].version

    async def write(self) -> None:
        number = next(self.turn)
        try:
            self.rows[number] = await self.tables.transition(self.rows[number], expected_version=self.rows[number].version)
            self.acknowledged[number] = self.rows[number].version
        except (VersionConflict, OutcomeUnknown):
            self.rows[number] = await self.tables.get(Owned, number) or self.rows[number]

    async def read(self) -> None:
        number = next(self.turn)
        least = self.acknowledged[number]
        row = await self.tables.get(Owned, number)
        assert row is not None
        assert row.version >= least

    async def put(self) -> None:
        await self.tables.put(Size(video_id=next(self.turn), size_bytes=1, version=1))

    async def check(self) -> None:
        for number, version in self.acknowledged.items():
            row = await self.tables.get(Owned, number)
            assert row is not None
            assert row.version >= version


@asynccontextmanager
async def rows_under_load(cassandra_url: str, *, tls: Path | None = None) -> AsyncIterator[Under]:
    """A service's tables; what was acknowledged is looked at in the end."""
    telemetry = Telemetry(service="video")
    async with line_to(cassandra_url, tls=tls) as (line, url):
        engine = await open_tables(url, service="video", row_types=(Owned, Size), clock=SystemClock())
        rows = Rows(ProtectedTables(engine, telemetry=telemetry))
        try:
            await rows.begin()
            under = Under(line, telemetry, "tables", TABLES_ERRORS, (rows.write, rows.read, rows.put), budget_s=0.5)
            await under.until_well()
            yield under
            await rows.check()
        finally:
            line.heal()
            await engine.close()


@dataclass
class Objects:
    """Objects that were acknowledged."""

    blobs: Blobs
    numbers: itertools.count[int] = field(default_factory=itertools.count)
    acknowledged: dict[str, bytes] = field(default_factory=dict)
    turn: itertools.cycle[int] = field(default_factory=lambda: itertools.cycle(range(40)))

    async def put(self) -> None:
        number = next(self.numbers)
        await self.blobs.put(f"k/{number}", str(number).encode() * 50)
        self.acknowledged[f"k/{number}"] = str(number).encode() * 50

    async def head(self) -> None:
        # Equal reads would be one.
        await self.blobs.head(f"k/{next(self.turn)}")

    async def check(self) -> None:
        for key, value in self.acknowledged.items():
            assert await (await self.blobs.get(key)).read() == value


@asynccontextmanager
async def objects_under_load(s3_url: str, *, tls: Path | None = None) -> AsyncIterator[Under]:
    """A service's objects, the same way."""
    telemetry = Telemetry(service="video")
    async with line_to(s3_url, tls=tls) as (line, url):
        blobs = protected_blobs(open_blobs(url, clock=SystemClock(), url_key=b""), telemetry=telemetry)
        objects = Objects(blobs)
        try:
            await blobs.prepare()
            for _ in range(40):
                await objects.put()
            under = Under(line, telemetry, "blobs", BLOBS_ERRORS, (objects.put, objects.head), budget_s=0.75)
            await under.until_well()
            yield under
            await objects.check()
        finally:
            line.heal()
            await blobs.close()


async def test_rows_in_cassandra_survive_whatever_their_line_does(own_cassandra_url: str) -> None:
    async with rows_under_load(own_cassandra_url) as under:
        for name in IN_THE_CLEAR:
            await under.survives(name)


async def test_objects_survive_whatever_their_line_does(own_s3_url: str) -> None:
    async with objects_under_load(own_s3_url) as under:
        for name in IN_THE_CLEAR:
            await under.survives(name)


async def test_rows_survive_bits_that_turn_under_tls(own_cassandra_url: str, tmp_path: Path) -> None:
    async with rows_under_load(own_cassandra_url, tls=tmp_path) as under:
        await under.survives("turned bits")
        assert under.line.corrupted > 0


async def test_objects_survive_bits_that_turn_under_tls(own_s3_url: str, tmp_path: Path) -> None:
    async with objects_under_load(own_s3_url, tls=tmp_path) as under:
        await under.survives("turned bits")
        assert under.line.corrupted > 0
