"""The tables' CQL engine against scylla-driver by itself with the same statements, 64 at a time: reads, plain rows, guarded rows with an event."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from clipmesh.video.v1.events_pb2 import UploadCompleted

from bench.outcome import Aim, Outcome, Side, Skipped, ratio, value
from bench.plan import Plan
from bench.rows import Heard, Written
from bench.turns import Trial, Turn, in_turns, timed
from mesh.clock import SystemClock
from mesh.events.event import Event, EventMaker
from mesh.stores.tables import open_tables
from mesh.stores.tables.port import Tables

VARIABLE = "CLIPMESH_TEST_CASSANDRA"
CONCURRENCY = 64
AIM = Aim(value=1.3)
OURS, OTHER = "through the port", "scylla-driver"
_SERVICE = "video"
_WORDS = "a row of ordinary length, as long as the words of a caption are in most places"


async def run(plan: Plan) -> Outcome:
    """As many of each on both sides, then read back and counted."""
    url = os.environ.get(VARIABLE, "")
    if not url:
        raise Skipped(
            f"{VARIABLE} names no node: start one with `clipmesh servers cassandra` and give it the URL that it prints as CLIPMESH_TABLES"
        )
    # The driver is an extra: without it the bench is skipped above.
    from bench.cql_driver import Driver  # noqa: PLC0415

    parts = urlsplit(url)
    prefix = f"bench{secrets.token_hex(4)}"
    tables = await open_tables(
        urlunsplit(parts._replace(path=f"/{prefix}")), service=_SERVICE, row_types=(Written, Heard), clock=SystemClock()
    )
    driver = await asyncio.to_thread(Driver, parts.netloc, f"{prefix}_{_SERVICE}")
    count, repetitions, warm_ups = plan.size(2_000, 64), plan.size(3, 1), plan.size(1, 0)
    try:
        sides = _Sides(tables, driver, count)
        trials = [
            await in_turns(name, {OURS: ours(), OTHER: other()}, repetitions=repetitions, warm_ups=warm_ups)
            for name, (ours, other) in sides.trials().items()
        ]
    finally:
        await tables.close()
        await asyncio.to_thread(driver.close)
    return Outcome(
        figures=[ratio(trial.name, _side(trial, OURS), _side(trial, OTHER), aim=AIM) for trial in trials]
        + [value(f"{trial.name} a second", _rate(trial, count)) for trial in trials],
        trials=trials,
        sources=[f"{count} of each, {CONCURRENCY} at a time; Cassandra {driver.version}, one node"],
        notes=[
            "The driver sends the very statements of the engine, though without the order between them: all entries, then all conditional writes, "
            "then all decisions, each by itself. The engine sends entries and decisions of one shard together when they come at the same time.",
        ],
    )


def _side(trial: Trial, name: str) -> Side:
    return Side(name=name, unit="s", samples=tuple(run.wall_s for run in trial.runs[name]))


def _rate(trial: Trial, count: int) -> Side:
    return Side(name=OURS, unit="1/s", samples=tuple(count / run.wall_s for run in trial.runs[OURS]))


class _Sides:
    """What either side does; every turn writes rows of its own."""

    def __init__(self, tables: Tables, driver: Any, count: int) -> None:
        self._tables = tables
        self._driver = driver
        self._count = count
        self._turn = 0
        self._ids = iter(range(1, 2**62))

    def trials(self) -> dict[str, tuple[Callable[[], Turn], Callable[[], Turn]]]:
        """Name -> our side, the driver's side."""
        return {
            "reads of a row": (self._our_reads, self._their_reads),
            "plain rows": (self._our_puts, self._their_puts),
            "guarded rows with an event": (self._our_inserts, self._their_inserts),
        }

    def _rows(self) -> list[Written]:
        self._turn += 1
        return [Written(writer=self._turn * self._count + at, number=1, words=_WORDS) for at in range(self._count)]

    def _heard(self) -> list[Heard]:
        self._turn += 1
        return [Heard(video_id=self._turn * self._count + at + 1, size_bytes=at, version=1) for at in range(self._count)]

    def _event(self, row: Written) -> Event:
        maker = EventMaker(producer=_SERVICE, next_id=self._ids.__next__, clock=SystemClock())
        return maker.make(UploadCompleted(video_id=row.writer, size_bytes=row.number), key=str(row.writer))

    async def _counted(self, row_type: type, keys: Sequence[tuple[Any, ...]]) -> str:
        found = 0
        for at in range(0, len(keys), 100):
            found += len(await self._tables.get_many(row_type, keys[at : at + 100]))
        return f"{found} rows"

    def _our_reads(self) -> Turn:
        async def turn() -> Any:
            rows = self._heard()
            await _all(self._tables.put(row) for row in rows)
            act = lambda: _all(self._tables.get(Heard, row.video_id) for row in rows)  # noqa: E731
            return await timed(act, lambda: self._counted(Heard, [(row.video_id,) for row in rows]))()

        return turn

    def _their_reads(self) -> Turn:
        async def turn() -> Any:
            rows = self._heard()
            await _all(self._tables.put(row) for row in rows)
            act = lambda: asyncio.to_thread(self._driver.get, rows)  # noqa: E731
            return await timed(act, lambda: self._counted(Heard, [(row.video_id,) for row in rows]))()

        return turn

    def _our_puts(self) -> Turn:
        async def turn() -> Any:
            rows = self._heard()
            act = lambda: _all(self._tables.put(row) for row in rows)  # noqa: E731
            return await timed(act, lambda: self._counted(Heard, [(row.video_id,) for row in rows]))()

        return turn

    def _their_puts(self) -> Turn:
        async def turn() -> Any:
            rows = self._heard()
            act = lambda: asyncio.to_thread(self._driver.put, rows)  # noqa: E731
            return await timed(act, lambda: self._counted(Heard, [(row.video_id,) for row in rows]))()

        return turn

    def _our_inserts(self) -> Turn:
        async def turn() -> Any:
            rows = self._rows()
            act = lambda: _all(self._tables.insert(row, events=[self._event(row)]) for row in rows)  # noqa: E731
            return await timed(act, lambda: self._counted(Written, [(row.writer, row.number) for row in rows]))()

        return turn

    def _their_inserts(self) -> Turn:
        async def turn() -> Any:
            rows = self._rows()
            act = lambda: asyncio.to_thread(self._driver.insert, [(replace(row, version=1), self._event(row)) for row in rows])  # noqa: E731
            return await timed(act, lambda: self._counted(Written, [(row.writer, row.number) for row in rows]))()

        return turn


async def _all(calls: Iterable[Awaitable[Any]]) -> None:
    """Make the calls, so many at a time as both sides have."""
    waiting = iter(calls)

    async def work() -> None:
        for call in waiting:
            await call

    async with asyncio.TaskGroup() as group:
        for _ in range(CONCURRENCY):
            group.create_task(work())
