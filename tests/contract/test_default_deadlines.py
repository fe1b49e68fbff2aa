"""A store that hangs costs a call without a deadline no more than the port's default: every method of every port, or the reason why not."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from mesh.events.stream import open_stream
from mesh.events.stream.port import Record, Stream, StreamUnavailable
from mesh.stores.blobs import open_blobs
from mesh.stores.blobs.files import FileBlobs
from mesh.stores.blobs.port import Blobs, BlobsUnavailable
from mesh.stores.redis import Redis, RedisUnavailable, Script
from mesh.stores.tables import open_tables
from mesh.stores.tables.port import Insert, OutcomeUnknown, Tables, TablesUnavailable
from mesh.stores.tables.sqlite import SqliteTables
from mesh.stores.tables.sqlite.readers import THREADS
from mesh.testing.clock import FakeClock
from mesh.testing.redis_server import RedisServer
from mesh.testing.tables_rows import Score, Ticket, event
from tests.fixtures.redis import redis, redis_server  # noqa: F401

SHORT_S = 0.1
PATIENCE_S = 10.0

TABLES_ASK_NOBODY = {"broken", "outbox_shards", "wait_outbox", "close", "settle"}
"""Properties, the end, a wait whose length the caller gives; `settle` has a test of its own."""
BLOBS_ASK_NOBODY = {"presign_put", "presign_part", "links_origin", "prepare", "close"}
STREAM_WAITS = {"tail", "consume", "close"}
"""Only their beginnings are calls."""


def methods(port: type) -> set[str]:
    return {name for name, value in vars(port).items() if not name.startswith("_") and (callable(value) or isinstance(value, property))}


async def all_end(calls: dict[str, Callable[[], Awaitable[object]]], errors: tuple[type[Exception], ...]) -> None:
    async def end(name: str, call: Callable[[], Awaitable[object]]) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                await call()
        except errors:
            return
        except TimeoutError:
            pytest.fail(f"{name} did not end")
        pytest.fail(f"{name} did not notice that the store hangs")

    begun_s = time.monotonic()
    await asyncio.gather(*(end(name, call) for name, call in calls.items()))
    assert time.monotonic() - begun_s >= SHORT_S


class HoldingClock(FakeClock):
    """Holds the writer's thread, which asks for the time."""

    def __init__(self) -> None:
        super().__init__()
        self.free = threading.Event()
        self.free.set()

    def now_ms(self) -> int:
        if threading.current_thread() is not threading.main_thread():
            self.free.wait(20)
        return super().now_ms()


@pytest.fixture
async def tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Tables]:
    """Tables whose threads all hang."""
    clock = HoldingClock()
    store = await open_tables(f"sqlite:///{tmp_path}", service="contract", row_types=(Ticket, Score), clock=clock)
    assert isinstance(store, SqliteTables)
    await store.put(events=[event(1, key_version=1)])
    monkeypatch.setattr("mesh.stores.tables.sqlite.readers.DEFAULT_S", SHORT_S)
    monkeypatch.setattr("mesh.stores.tables.sqlite.settling.DEFAULT_S", SHORT_S)
    clock.free.clear()
    reached = [threading.Event() for _ in range(THREADS)]

    def hold(one: threading.Event) -> bool:
        one.set()
        return clock.free.wait(20)

    held = [asyncio.create_task(store._readers.run(lambda _, one=one: hold(one))) for one in reached]  # type: ignore[misc]
    for one in reached:
        assert await asyncio.to_thread(one.wait, 20)
    yield store
    clock.free.set()
    await asyncio.gather(*held, return_exceptions=True)
    await store.close()


async def test_tables_that_hang(tables: Tables) -> None:
    score = Score(game=1, points=1, player="a", version=1)
    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "get": lambda: tables.get(Ticket, 1),
        "get_many": lambda: tables.get_many(Ticket, [(1,)]),
        "scan": lambda: tables.scan(Score, 1),
        "walk": lambda: tables.walk(Ticket),
        "insert": lambda: tables.insert(Ticket(ticket_id=1)),
        "transition": lambda: tables.transition(Ticket(ticket_id=1), expected_version=1),
        "remove": lambda: tables.remove(Ticket(ticket_id=1), expected_version=1),
        "commit": lambda: tables.commit(Insert(Ticket(ticket_id=2))),
        "put": lambda: tables.put(score),
        "put_once": lambda: tables.put_once(Ticket(ticket_id=3), score),
        "delete": lambda: tables.delete(score),
        "read_outbox": lambda: asyncio.gather(*(tables.read_outbox(shard) for shard in range(tables.outbox_shards))),
        "drop_outbox": lambda: tables.drop_outbox(before_ms=1),
    }
    assert set(calls) | TABLES_ASK_NOBODY == methods(Tables)
    await all_end(calls, (TablesUnavailable, OutcomeUnknown))


async def test_settling_while_the_tables_hang(tables: Tables) -> None:
    with pytest.raises(OutcomeUnknown) as unknown:
        await tables.insert(Ticket(ticket_id=1))
    with pytest.raises(TablesUnavailable):
        await tables.settle(unknown.value.token)


async def test_objects_that_hang(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blobs = open_blobs(f"file://{tmp_path}/store", clock=FakeClock(), url_key=b"k" * 32)
    assert isinstance(blobs, FileBlobs)
    free = threading.Event()
    threads = blobs._threads
    held = [threads._short.submit(free.wait, 20) for _ in range(8)] + [threads._long.submit(free.wait, 20) for _ in range(4)]
    monkeypatch.setattr("mesh.stores.blobs.threads.DEFAULT_DEADLINE_S", SHORT_S)
    source = tmp_path / "source"
    source.write_bytes(b"x")
    link = await blobs.presign_put("k", size_bytes=1, expires_in_ms=60_000)
    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "put": lambda: blobs.put("k", b"x"),
        "put_file": lambda: blobs.put_file("k", source),
        "send": lambda: blobs.send(link, b"x"),
        "get": lambda: blobs.get("k"),
        "get_file": lambda: blobs.get_file("k", tmp_path / "copy"),
        "head": lambda: blobs.head("k"),
        "list": lambda: blobs.list(""),
        "delete": lambda: blobs.delete(["k"]),
        "delete_prefix": lambda: blobs.delete_prefix("k"),
        "multipart_begin": lambda: blobs.multipart_begin("k", content_type="video/mp4"),
        "multipart_parts": lambda: blobs.multipart_parts("k", "r"),
        "multipart_complete": lambda: blobs.multipart_complete("k", "r", size_bytes=1, part_size_bytes=1),
        "multipart_abort": lambda: blobs.multipart_abort("k", "r"),
        "multipart_list": lambda: blobs.multipart_list(""),
    }
    assert set(calls) | BLOBS_ASK_NOBODY == methods(Blobs)
    try:
        await all_end(calls, (BlobsUnavailable,))
    finally:
        free.set()
        assert all(one.result() for one in held)
        await blobs.close()


@contextmanager
def stopped(server: RedisServer) -> Iterator[None]:
    """A server that hangs: its connections stand, nothing is answered."""
    os.kill(server.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.pid, signal.SIGCONT)


async def test_a_redis_that_hangs(redis: Redis, redis_server: RedisServer) -> None:  # noqa: F811
    script = Script("return 1")
    await redis.run(script)

    async def subscribe() -> None:
        async with redis.subscribe("c"):
            pass

    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "call": lambda: redis.call("SET", "k", 1),
        "many": lambda: redis.many([("GET", "k"), ("SET", "k", 1)]),
        "run": lambda: redis.run(script),
        "ping": redis.ping,
        "subscribe": subscribe,
    }
    assert set(calls) | {"close"} == methods(Redis)
    with stopped(redis_server):
        await all_end(calls, (RedisUnavailable,))


async def test_a_stream_that_hangs(redis: Redis, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    stream = open_stream("", redis=redis)
    for module in ("redis", "redis_group"):
        monkeypatch.setattr(f"mesh.events.stream.{module}.CALL_TIMEOUT_S", SHORT_S)
    monkeypatch.setattr("mesh.events.stream.records.READ_TIMEOUT_S", SHORT_S)
    await stream.publish([Record("video", "k", b"v")])

    async def join() -> None:
        async with stream.consume(["video"], group="g", member="b"):
            pass

    async with stream.consume(["video"], group="g", member="a") as consumption:
        partitions: Any = await consumption.next_assignment()
        deliveries = [delivery for partition in partitions for delivery in await partition.read(limit=1, wait_ms=0)]
        (partition,) = [partition for partition in partitions if partition.partition == deliveries[0].partition]
        calls: dict[str, Callable[[], Awaitable[object]]] = {
            "publish": lambda: stream.publish([Record("video", "k", b"v")]),
            "rewind": lambda: stream.rewind(["video"], group="g", to_ms=0),
            "lag": lambda: stream.lag(["video"], group="g"),
            "generation": stream.generation,
            "marked": lambda: stream.marked("m"),
            "groups": stream.groups,
            "consume": join,
            "tail": lambda: anext(stream.tail(["video"])),
            "read": lambda: partition.read(limit=1, wait_ms=0),
            "acknowledge": lambda: partition.acknowledge(deliveries),
        }
        assert (set(calls) - {"read", "acknowledge"}) | STREAM_WAITS | {"publish_hint", "check"} == methods(Stream)
        with stopped(redis_server):
            await all_end(calls, (StreamUnavailable,))
            async with asyncio.timeout(PATIENCE_S):
                await stream.publish_hint("video.progress", "k", 1)
    await stream.close()
