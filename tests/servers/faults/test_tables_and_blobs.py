"""Whatever the line to Cassandra or to the object store does: calls end in time, breakers open and close, nothing acknowledged is lost."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit

from mesh.clock import SystemClock
from mesh.stores.blobs import open_blobs
from mesh.stores.protected.blobs import protected_blobs
from mesh.stores.protected.metrics import LANES, STORE_BREAKER
from mesh.stores.protected.tables import ProtectedTables
from mesh.stores.tables import open_tables
from mesh.stores.tables.port import OutcomeUnknown, Tables, VersionConflict
from mesh.telemetry import Telemetry
from mesh.testing.proxy import FaultProxy, fault_proxy
from tests.servers.faults.scene import Fault, Watch
from tests.unit.mesh.events.world import Owned, Size

FAULTS: dict[str, Fault] = {
    "silence": lambda line: line.blackhole(),
    "two seconds of latency": lambda line: line.slow(2_000),
    "resets": lambda line: line.reset(refuse=True),
}
TABLES_ERRORS = {"ok", "TablesUnavailable", "OutcomeUnknown"}
BLOBS_ERRORS = {"ok", "BlobsUnavailable", "StoreUnreachable"}
BUDGET_S = 0.5
PATIENT_S = 3.0
"""The budget of calls over a line that is well: a busy machine is no fault of the line."""


@asynccontextmanager
async def line_to(url: str) -> AsyncIterator[tuple[FaultProxy, str]]:
    """A line to the server of a URL, and the URL that leads over it."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    async with fault_proxy((parts.hostname, parts.port), seed=3) as line:
        user, at, _ = parts.netloc.rpartition("@")
        yield line, urlunsplit(parts._replace(netloc=f"{user}{at}127.0.0.1:{line.port}"))


def open_breakers(telemetry: Telemetry, store: str) -> set[str]:
    return {lane for lane in LANES if telemetry.value(STORE_BREAKER, store=store, lane=lane)}


async def load(watch: Watch, *calls: Callable[[], Awaitable[object]], for_s: float, budget_s: float = BUDGET_S) -> Watch:
    await asyncio.gather(*(watch.load(call, for_s=for_s, every_s=0.05, budget_s=budget_s) for call in calls))
    return watch


async def until_closed(telemetry: Telemetry, store: str, *calls: Callable[[], Awaitable[object]]) -> None:
    """Return when every call gets through again, and no breaker is open."""
    async with asyncio.timeout(40):
        while set((await load(Watch(), *calls, for_s=0.3, budget_s=PATIENT_S)).outcomes) != {"ok"} or open_breakers(telemetry, store):
            await asyncio.sleep(0.1)


async def test_rows_in_cassandra_survive_whatever_their_line_does(own_cassandra_url: str) -> None:
    telemetry = Telemetry(service="video")
    async with line_to(own_cassandra_url) as (line, url):
        engine = await open_tables(url, service="video", row_types=(Owned, Size), clock=SystemClock())
        tables: Tables = ProtectedTables(engine, telemetry=telemetry)
        try:
            rows = {number: await tables.insert(Owned(video_id=number)) for number in range(1, 41)}
            acknowledged = {number: row.version for number, row in rows.items()}
            turn = itertools.cycle(rows)

            async def write() -> None:
                number = next(turn)
                try:
                    rows[number] = await tables.transition(rows[number], expected_version=rows[number].version)
                    acknowledged[number] = rows[number].version
                except (VersionConflict, OutcomeUnknown):
                    rows[number] = await tables.get(Owned, number) or rows[number]

            async def read() -> None:
                number = next(turn)
                row = await tables.get(Owned, number)
                assert row is not None
                assert row.version >= acknowledged[number]

            async def put() -> None:
                await tables.put(Size(video_id=next(turn), size_bytes=1, version=1))

            await until_closed(telemetry, "tables", write, read, put)
            for name, fault in FAULTS.items():
                fault(line)
                watch = await load(Watch(), write, read, put, for_s=2.0)
                opened = open_breakers(telemetry, "tables")
                line.heal()
                assert watch.within_budget, (name, watch.over_s, watch.loop_late_s)
                assert set(watch.outcomes) <= TABLES_ERRORS, (name, watch.outcomes)
                assert opened == set(LANES), name
                await until_closed(telemetry, "tables", write, read, put)
            for number, version in acknowledged.items():
                row = await tables.get(Owned, number)
                assert row is not None
                assert row.version >= version
        finally:
            line.heal()
            await tables.close()


async def test_objects_survive_whatever_their_line_does(own_s3_url: str) -> None:
    telemetry = Telemetry(service="video")
    async with line_to(own_s3_url) as (line, url):
        blobs = protected_blobs(open_blobs(url, clock=SystemClock(), url_key=b""), telemetry=telemetry)
        try:
            await blobs.prepare()
            numbers, acknowledged = itertools.count(), dict[str, bytes]()

            async def put() -> None:
                number = next(numbers)
                await blobs.put(f"k/{number}", str(number).encode() * 50)
                acknowledged[f"k/{number}"] = str(number).encode() * 50

            async def head() -> None:
                # Equal reads would be one.
                await blobs.head(f"k/{next(turn)}")

            for _ in range(40):
                await put()
            turn = itertools.cycle(range(40))
            await until_closed(telemetry, "blobs", put, head)
            for name, fault in FAULTS.items():
                fault(line)
                watch = await load(Watch(), put, head, for_s=3.0, budget_s=1.0)
                opened = open_breakers(telemetry, "blobs")
                line.heal()
                assert watch.within_budget, (name, watch.over_s, watch.loop_late_s)
                assert set(watch.outcomes) <= BLOBS_ERRORS, (name, watch.outcomes)
                assert opened == set(LANES), name
                await until_closed(telemetry, "blobs", put, head)
            for key, value in acknowledged.items():
                assert await (await blobs.get(key)).read() == value
        finally:
            line.heal()
            await blobs.close()
