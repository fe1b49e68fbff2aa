"""Between the engine and the store the line goes silent, is cut or turns bits: no call outlives its time, no thread stays behind, no wrong byte comes out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from mesh import deadline
from mesh.clock import SystemClock
from mesh.stores.blobs import open_blobs
from mesh.stores.blobs.port import BlobDamaged, Blobs, BlobsUnavailable
from mesh.testing.blobs import OLD, PART, read
from tests.servers.blobs.wire import Wire, wire_to

LONG = OLD * 64
MORE_CALLS_THAN_THREADS = 48


@pytest.fixture
async def wire(own_s3_url: str) -> AsyncIterator[Wire]:
    async with wire_to(own_s3_url) as one:
        yield one


@pytest.fixture
async def blobs(wire: Wire) -> AsyncIterator[Blobs]:
    store = open_blobs(wire.url, clock=SystemClock(), url_key=b"")
    await store.prepare()
    await store.put("a", b"x")
    yield store
    await store.close()


async def ends_in_time(call: Callable[[], Awaitable[object]], seconds: float) -> None:
    """Within 50 ms of its time, in one of three tries: whoever else uses the machine may hold up our loop, but hardly each time."""
    late_s = []
    while len(late_s) < 3:
        began = time.monotonic()
        with deadline.scope(seconds), pytest.raises(BlobsUnavailable):
            await call()
        late_s.append(time.monotonic() - began - seconds)
        if late_s[-1] < 0.05:
            return
    pytest.fail(f"seconds after the end: {late_s}")


@pytest.mark.timed
async def test_no_call_outlives_its_time_on_a_silent_line(blobs: Blobs, wire: Wire, tmp_path: Path) -> None:
    source, copy = tmp_path / "source", tmp_path / "copy"
    source.write_bytes(LONG)
    opened = await blobs.get("a")
    ref = await blobs.multipart_begin("raw/9", content_type="video/mp4")
    await opened.aclose()
    wire.silent = True
    calls: list[Callable[[], Awaitable[object]]] = [
        lambda: blobs.put("b", b"x"),
        lambda: blobs.get("a"),
        lambda: blobs.head("a"),
        lambda: blobs.list(""),
        lambda: blobs.delete(["a"]),
        lambda: blobs.delete_prefix("a"),
        lambda: blobs.put_file("b", source),
        lambda: blobs.get_file("a", copy),
        lambda: blobs.multipart_begin("raw/1", content_type="video/mp4"),
        lambda: blobs.multipart_parts("raw/9", ref),
        lambda: blobs.multipart_complete("raw/9", ref, size_bytes=1, part_size_bytes=PART),
        lambda: blobs.multipart_abort("raw/9", ref),
        lambda: blobs.multipart_list(""),
    ]
    for call in calls:
        await ends_in_time(call, 0.3)
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


async def test_calls_that_were_given_up_leave_no_thread_behind(blobs: Blobs, wire: Wire) -> None:
    wire.silent = True
    with deadline.scope(0.5):
        late = await asyncio.gather(*(blobs.head("a") for _ in range(MORE_CALLS_THAN_THREADS)), return_exceptions=True)
    assert all(isinstance(one, BlobsUnavailable) for one in late)
    waiting = [asyncio.create_task(blobs.head("a")) for _ in range(MORE_CALLS_THAN_THREADS)]
    await asyncio.sleep(0.1)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    wire.silent = False
    wire.reset()
    with deadline.scope(5):
        assert await read(blobs, "a") == b"x"


async def test_closing_ends_what_waits(blobs: Blobs, wire: Wire) -> None:
    wire.silent = True
    waiting = [asyncio.create_task(blobs.head("a")) for _ in range(4)]
    await asyncio.sleep(0.1)
    async with asyncio.timeout(2):
        await blobs.close()
        results = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(result, BlobsUnavailable) for result in results)
    with pytest.raises(BlobsUnavailable):
        await blobs.head("a")


async def test_connections_that_the_store_let_go_of_are_not_noticed(blobs: Blobs, wire: Wire) -> None:
    for _ in range(5):
        wire.reset()
        assert (await blobs.head("a")).size_bytes == 1
        await blobs.put("b", b"y")


async def test_a_long_object_is_read_on_after_a_cut(blobs: Blobs, wire: Wire, tmp_path: Path) -> None:
    await blobs.put("long", LONG)
    for size_bytes in (100_000, 3_000_000, 9_000_000):
        wire.cut_after(size_bytes)
        assert await read(blobs, "long") == LONG
        assert wire.cut_after_bytes == -1
    wire.cut_after(1_000_000)
    with pytest.raises(BlobsUnavailable):
        await blobs.get_file("long", tmp_path / "copy")
    assert list(tmp_path.iterdir()) == []
    await blobs.get_file("long", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == LONG


async def test_turned_bits_never_become_a_file(blobs: Blobs, wire: Wire, tmp_path: Path) -> None:
    source, copy = tmp_path / "source", tmp_path / "copy"
    source.write_bytes(LONG)
    await blobs.put("whole", LONG)
    await blobs.put_file("in-parts", source)
    for key in ("whole", "in-parts"):
        wire.turn_bits(1, every_bytes=1_000_000)
        await blobs.get_file(key, copy)
        assert (wire.turns, copy.read_bytes() == LONG) == (0, True)
        copy.unlink()
        wire.turn_bits(2, every_bytes=len(LONG) - 1_000_000)
        with pytest.raises(BlobDamaged):
            await blobs.get_file(key, copy)
        assert [path.name for path in tmp_path.iterdir()] == ["source"]


async def test_bits_that_turn_on_the_way_to_the_store_never_become_an_object(blobs: Blobs, wire: Wire, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(LONG)
    sends: list[Callable[[], Awaitable[object]]] = [
        lambda: blobs.put("b", OLD),
        lambda: blobs.put_file("b", source),
    ]
    for send in sends:
        wire.turn_bits(1, every_bytes=100_000, answers=False)
        with pytest.raises(BlobsUnavailable):
            await send()
        assert wire.turns == 0
        assert [info.key for info in (await blobs.list("")).blobs] == ["a"]
    link = await blobs.presign_put("b", size_bytes=len(OLD), expires_in_ms=60_000)
    wire.turn_bits(1, every_bytes=100_000, answers=False)
    with pytest.raises(BlobsUnavailable):
        await blobs.send(link, OLD)
    assert [info.key for info in (await blobs.list("")).blobs] == ["a"]


async def test_a_file_that_does_not_get_through_leaves_no_object_and_no_parts(blobs: Blobs, wire: Wire, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(LONG)
    sending = asyncio.create_task(blobs.put_file("long", source))
    while not await blobs.multipart_list("long"):
        await asyncio.sleep(0.005)
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    async with asyncio.timeout(10):
        while await blobs.multipart_list("long"):
            await asyncio.sleep(0.02)
    assert [info.key for info in (await blobs.list("")).blobs] == ["a"]
