"""How long an event takes from the acknowledged write to the row that its consumer leaves, against bare Redis from XADD to a reader that waits."""

from __future__ import annotations

import asyncio
import statistics
import time
from pathlib import Path
from typing import Any

from clipmesh.video.v1.events_pb2 import UploadCompleted
from redis.asyncio import Redis as Driver

from bench.outcome import Outcome, Side, ratio, value
from bench.plan import Plan
from bench.rows import Heard, Written
from bench.turns import Run, Turn, cpu_s, in_turns
from mesh.backbone import Backbone
from mesh.events.consumers import Incoming, VersionedRow
from mesh.testing.folders import socket_folder
from mesh.testing.redis_server import RedisServer, start_redis
from mesh.testing.rpc import process_for

OURS, OTHER = "event to row", "XADD to XREAD"
_STREAM = "bench-bare"
_LOOK_S = 0.0005
_SOON_S = 20.0
_PAUSE_S = 0.002
"""Between events, so that each is measured by itself."""


class _Hearing(VersionedRow):
    """Leaves a row for each event."""

    name, topics = "bench", ("video",)

    def __init__(self) -> None:
        self.handlers = {UploadCompleted: self.completed}

    async def completed(self, event: Incoming[UploadCompleted]) -> Heard:
        return Heard(video_id=event.message.video_id, size_bytes=event.message.size_bytes)


async def run(plan: Plan) -> Outcome:
    """One event at a time, looked for every half millisecond."""
    events = plan.size(150, 5)
    with socket_folder() as folder:
        redis = await start_redis(folder)
        try:
            backbone = await _opened(plan.folder, redis)
            try:
                sides = {OURS: _events(backbone, events), OTHER: _bare(redis, events)}
                trial = await in_turns("events", sides, repetitions=plan.size(5, 1), warm_ups=1)
            finally:
                await backbone.close()
                await backbone.process.close()
        finally:
            await redis.stop()
    ours, other = (
        Side(name=side, unit="ms", samples=tuple(statistics.median(run.each_ms) for run in trial.runs[side])) for side in (OURS, OTHER)
    )
    every = sorted(each for run in trial.runs[OURS] for each in run.each_ms)
    worst = Side(name=OURS, unit="ms", samples=(every[min(len(every) - 1, len(every) * 99 // 100)],))
    cpu = Side(name=OURS, unit="CPU ms", samples=tuple(run.cpu_s * 1000 / events for run in trial.runs[OURS]))
    return Outcome(
        figures=[
            value("median", ours),
            ratio("median against bare Redis", ours, other),
            value("99th of 100", worst),
            value("CPU an event", cpu),
        ],
        trials=[trial],
        sources=[f"{events} events a turn, one at a time; redis-server with its append-only file on"],
        notes=["Ours is durable on both ends: SQLite outbox, relay, stream, group, row. CPU includes the looks every half millisecond."],
    )


async def _opened(folder: Path, redis: RedisServer) -> Backbone:
    backbone = await Backbone.open(
        process_for("video"), tables=f"sqlite:///{folder}", redis=redis.url, events="", row_types=(Written, Heard)
    )
    backbone.consume(_Hearing())
    return backbone


async def _row_of(backbone: Backbone, number: int) -> Heard:
    while True:
        if (row := await backbone.tables.get(Heard, number)) is not None:
            return row
        await asyncio.sleep(_LOOK_S)


async def _next(reader: Driver, last: bytes) -> bytes:
    """The position of the first entry after `last`, as soon as there is one."""
    answer: Any = await reader.xread({_STREAM: last}, block=int(_SOON_S * 1000))
    position: bytes = answer[0][1][0][0]
    return position


def _events(backbone: Backbone, events: int) -> Turn:
    first = 0

    async def turn() -> Run:
        nonlocal first
        first += events
        each: list[float] = []
        cpu, wall = cpu_s(), time.perf_counter()
        for number in range(first, first + events):
            event = backbone.events.make(UploadCompleted(video_id=number, size_bytes=number), key=str(number))
            await backbone.tables.insert(Written(writer=number, number=0), events=[event])
            since = time.perf_counter()
            async with asyncio.timeout(_SOON_S):
                row = await _row_of(backbone, number)
            each.append((time.perf_counter() - since) * 1000)
            assert row.size_bytes == number
            await asyncio.sleep(_PAUSE_S)
        return Run(wall_s=time.perf_counter() - wall, cpu_s=cpu_s() - cpu, work=f"{len(each)} events arrived", each_ms=tuple(each))

    return turn


def _bare(redis: RedisServer, events: int) -> Turn:
    async def turn() -> Run:
        writer, reader = (Driver(unix_socket_path=str(redis.socket.absolute())) for _ in range(2))
        each: list[float] = []
        cpu, wall = cpu_s(), time.perf_counter()
        try:
            await writer.delete(_STREAM)
            last = b"0-0"
            for number in range(events):
                waiting = asyncio.create_task(_next(reader, last))
                await asyncio.sleep(_PAUSE_S)
                since = time.perf_counter()
                await writer.xadd(_STREAM, {"n": number})
                last = await waiting
                each.append((time.perf_counter() - since) * 1000)
        finally:
            await writer.aclose()
            await reader.aclose()
        return Run(wall_s=time.perf_counter() - wall, cpu_s=cpu_s() - cpu, work=f"{len(each)} events arrived", each_ms=tuple(each))

    return turn
