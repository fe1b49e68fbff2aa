"""Durable writes of a row with its event by 64 writers: the tables' group commit against one SQLite transaction for each."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from clipmesh.video.v1.events_pb2 import UploadCompleted

from bench.outcome import Aim, Outcome, Side, ratio, value
from bench.plan import Plan
from bench.rows import Written
from bench.turns import Turn, in_turns, timed
from mesh.clock import SystemClock
from mesh.events.event import EventMaker
from mesh.ids import NodeLease, open_ids
from mesh.stores.tables import open_tables
from mesh.stores.tables.port import Tables

WRITERS = 64
AIM = Aim(value=5_000, least=True)
OURS, OTHER = "group commit", "one transaction each"
_WORDS = "a row of ordinary length, as long as the words of a caption are in most places"
_PAGE = 500


async def run(plan: Plan) -> Outcome:
    """As many rows on both sides, then read back and counted."""
    each = plan.size(100, 3)
    trial = await in_turns(
        "writes",
        {OURS: _grouped(plan.folder, each), OTHER: _one_by_one(plan.folder, each)},
        repetitions=plan.size(3, 1),
        warm_ups=plan.size(1, 0),
    )
    rows = each * WRITERS
    ours, other = (Side(name=name, unit="1/s", samples=tuple(rows / run.wall_s for run in trial.runs[name])) for name in (OURS, OTHER))
    cpu = Side(name=OURS, unit="CPU ms", samples=tuple(run.cpu_s * 1000 / rows for run in trial.runs[OURS]))
    return Outcome(
        figures=[
            value("rows with event a second", ours, aim=AIM),
            ratio("against one transaction each", ours, other),
            value("CPU a write", cpu),
        ],
        trials=[trial],
        sources=[f"{rows} rows by {WRITERS} writers; SQLite {sqlite3.sqlite_version}, WAL, synchronous=FULL on both sides"],
        notes=[f"The disk is that of {plan.folder.parent}: what its fsync costs decides the second figure."],
    )


def _grouped(folder: Path, each: int) -> Turn:
    tables: Tables

    async def act(maker: EventMaker) -> None:
        async def write(writer: int) -> None:
            for number in range(each):
                event = maker.make(UploadCompleted(video_id=writer, size_bytes=number), key=str(writer))
                await tables.insert(Written(writer=writer, number=number, words=_WORDS), events=[event])

        async with asyncio.TaskGroup() as group:
            for writer in range(WRITERS):
                group.create_task(write(writer))

    async def counted() -> str:
        rows = events = 0
        for writer in range(WRITERS):
            after, first = "", True
            while first or after:
                page = await tables.scan(Written, writer, after=after, limit=_PAGE)
                rows, after, first = rows + len(page.rows), page.next, False
        for shard in range(tables.outbox_shards):
            position = ""
            while (entries := await tables.read_outbox(shard, after=position, limit=_PAGE)).entries:
                events, position = events + len(entries.entries), entries.position
        return _work(rows, events)

    async def turn() -> Any:
        nonlocal tables
        clock = SystemClock()
        place = _fresh(folder, "grouped")
        tables = await open_tables(f"sqlite:///{place}", service="video", row_types=(Written, NodeLease), clock=clock)
        try:
            ids = await open_ids(tables, service="video", clock=clock)
            try:
                maker = EventMaker(producer="video", next_id=ids.next, clock=clock)
                return await timed(lambda: act(maker), counted)()
            finally:
                await ids.close()
        finally:
            await tables.close()

    return turn


def _one_by_one(folder: Path, each: int) -> Turn:
    async def turn() -> Any:
        place = await asyncio.to_thread(_fresh, folder, "one-by-one")
        connection = await asyncio.to_thread(_opened, place / "plain.sqlite")
        try:
            act: Callable[[], Awaitable[None]] = lambda: asyncio.to_thread(_write_all, connection, each)  # noqa: E731
            return await timed(act, lambda: asyncio.to_thread(_counted, connection))()
        finally:
            await asyncio.to_thread(connection.close)

    return turn


def _opened(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    for line in (
        "PRAGMA journal_mode=WAL",
        "PRAGMA synchronous=FULL",
        "CREATE TABLE written (writer INTEGER, number INTEGER, words TEXT, version INTEGER, PRIMARY KEY (writer, number)) WITHOUT ROWID",
        "CREATE TABLE events (event_id INTEGER PRIMARY KEY, topic TEXT, key TEXT, payload BLOB)",
    ):
        connection.execute(line)
    return connection


def _write_all(connection: sqlite3.Connection, each: int) -> None:
    for number in range(each):
        for writer in range(WRITERS):
            payload = UploadCompleted(video_id=writer, size_bytes=number).SerializeToString(deterministic=True)
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("INSERT INTO written VALUES (?, ?, ?, 1)", (writer, number, _WORDS))
            connection.execute("INSERT INTO events (topic, key, payload) VALUES ('video', ?, ?)", (str(writer), payload))
            connection.execute("COMMIT")


def _counted(connection: sqlite3.Connection) -> str:
    rows, events = (connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in ("written", "events"))
    return _work(rows, events)


def _work(rows: int, events: int) -> str:
    return f"{rows} rows, {events} events"


def _fresh(folder: Path, name: str) -> Path:
    number = sum(1 for _ in folder.glob(f"{name}-*"))
    place = folder / f"{name}-{number}"
    place.mkdir()
    return place
