"""The engine on files when processes die, disks fill up, deadlines pass and several openers share the folder."""

from __future__ import annotations

import asyncio
import errno
import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mesh import deadline
from mesh.stores.blobs import disk, multipart, objects, open_blobs
from mesh.stores.blobs.door import BodySizeMismatch, UploadTicket
from mesh.stores.blobs.files import FileBlobs
from mesh.stores.blobs.port import BlobDamaged, BlobInfo, BlobNotFound, Blobs, BlobsUnavailable, PartMismatch
from mesh.testing.blobs import FIRST, LAST, PART, SECOND, WHOLE, PutTo, begin, keys, read
from mesh.testing.clock import FakeClock
from tests.fixtures.descriptors import open_descriptors

SIZES = {"size_bytes": len(WHOLE), "part_size_bytes": PART}
PARTS = [(1, FIRST), (2, SECOND), (3, LAST)]


def unfinished(folder: Path) -> list[Path]:
    """Files that were begun and not placed, of all openers."""
    return [path for path in (folder / "scratch").rglob("*") if path.is_file()]


def run_child(folder: Path, *lines: str) -> subprocess.CompletedProcess[str]:
    """Open the store in a child and run `lines` inside a coroutine; `store`, `os`, `disk` and the like are at hand."""
    body = "\n    ".join(lines)
    code = f"""
import asyncio, os, signal
from mesh.clock import SystemClock
from mesh.stores.blobs import disk, objects, open_blobs
async def main():
    store = open_blobs("file://{folder}", clock=SystemClock(), url_key=b"k" * 32)
    {body}
asyncio.run(main())
"""
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False, cwd=Path(__file__).parents[3]
    )


@pytest.fixture
async def other(folder: Path, blobs: Blobs) -> AsyncIterator[Blobs]:
    """A second opener of the same folder."""
    store = open_blobs(f"file://{folder}", clock=FakeClock(), url_key=b"k" * 32)
    yield store
    await store.close()


async def test_what_a_killed_writer_left_is_cleaned_by_the_next_opener_and_live_drafts_are_not(blobs: Blobs, folder: Path) -> None:
    assert isinstance(blobs, FileBlobs)
    alive = asyncio.Event()

    async def slow_body() -> AsyncIterator[bytes]:
        yield b"x" * 2_000_000
        await alive.wait()
        yield b"y"

    live = asyncio.create_task(blobs.receive(UploadTicket(key="live", size_bytes=2_000_001, expires_at_ms=0), slow_body()))
    while [path.stat().st_size for path in unfinished(folder)] != [2_000_000]:
        await asyncio.sleep(0.01)
    lines = ["draft = disk.Draft(store._scratch)", "draft.append(b'half')", "os.kill(os.getpid(), signal.SIGKILL)"]
    killed = await asyncio.to_thread(run_child, folder, *lines)
    assert killed.returncode == -9, killed.stderr
    assert sorted(path.stat().st_size for path in unfinished(folder)) == [4, 2_000_000]

    third = open_blobs(f"file://{folder}", clock=FakeClock(), url_key=b"k" * 32)
    assert [path.stat().st_size for path in unfinished(folder)] == [2_000_000]
    alive.set()
    await live
    assert (await third.head("live")).size_bytes == 2_000_001
    await third.close()
    assert unfinished(folder) == []


@pytest.mark.parametrize(
    ("dies_at", "object_is_there"),
    [("objects.ObjectFiles.place", False), ("disk.Scratch.remove", True)],
    ids=["before-the-object", "before-the-end-of-the-upload"],
)
async def test_a_completion_that_is_killed_is_repeated_to_the_same_end(
    blobs: Blobs, put_to: PutTo, folder: Path, dies_at: str, object_is_there: bool
) -> None:
    ref, etags = await begin(blobs, put_to, "raw/9", PARTS)
    killed = await asyncio.to_thread(
        run_child,
        folder,
        f"{dies_at} = lambda *_: os.kill(os.getpid(), signal.SIGKILL)",
        f"await store.multipart_complete('raw/9', '{ref}', size_bytes={len(WHOLE)}, part_size_bytes={PART})",
    )
    assert killed.returncode == -9, killed.stderr
    assert await keys(blobs) == (["raw/9"] if object_is_there else [])
    assert len(await blobs.multipart_parts("raw/9", ref)) == 3
    info = await blobs.multipart_complete("raw/9", ref, **SIZES, etags=etags)
    assert info.size_bytes == len(WHOLE)
    assert await read(blobs, "raw/9") == WHOLE
    assert list(await blobs.multipart_list("")) == []


async def test_acknowledged_objects_and_parts_survive_a_killed_process(blobs: Blobs, folder: Path) -> None:
    killed = await asyncio.to_thread(
        run_child,
        folder,
        "await store.put('kept', b'content')",
        "ref = await store.multipart_begin('raw/9', content_type='video/mp4')",
        "link = await store.presign_part('raw/9', ref, 1, size_bytes=1, expires_in_ms=60_000)",
        "async def body():",
        "    yield b'x'",
        "await store.receive(store.read_link(*link.split('?')), body())",
        "os.kill(os.getpid(), signal.SIGKILL)",
    )
    assert killed.returncode == -9, killed.stderr
    assert await read(blobs, "kept") == b"content"
    [upload] = await blobs.multipart_list("raw/")
    assert [(part.part_number, part.size_bytes) for part in await blobs.multipart_parts("raw/9", upload.upload_ref)] == [(1, 1)]


async def test_a_full_disk_is_unavailable_and_leaves_nothing(
    blobs: Blobs, put_to: PutTo, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await blobs.put("clip", b"old")
    ref, etags = await begin(blobs, put_to, "raw/9", PARTS)
    part_url = await blobs.presign_part("raw/9", ref, 1, size_bytes=PART, expires_in_ms=60_000)
    source = tmp_path / "source"
    source.write_bytes(b"x" * 3_000_000)

    def full(descriptor: int, content: bytes | memoryview) -> None:
        os.write(descriptor, memoryview(content)[:100])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(disk, "write_all", full)
        with pytest.raises(BlobsUnavailable, match="No space left"):
            await blobs.put("clip", b"new" * 1000)
        with pytest.raises(BlobsUnavailable, match="No space left"):
            await blobs.put_file("clip", source)
        with pytest.raises(BlobsUnavailable, match="No space left"):
            await blobs.multipart_complete("raw/9", ref, **SIZES)
        assert (await put_to(part_url, SECOND))[0] == 503
        assert unfinished(folder) == []
    assert await read(blobs, "clip") == b"old"
    assert {part.part_number: part.etag for part in await blobs.multipart_parts("raw/9", ref)} == etags
    await blobs.multipart_complete("raw/9", ref, **SIZES, etags=etags)
    assert await read(blobs, "raw/9") == WHOLE


async def test_a_completion_outlives_its_deadline_and_is_joined(
    blobs: Blobs, put_to: PutTo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref, _ = await begin(blobs, put_to, "raw/9", PARTS)
    go, begun, joins = threading.Event(), threading.Event(), []
    real = multipart.MultipartFolders._join

    def slow(*arguments: object) -> None:
        joins.append(1)
        begun.set()
        go.wait(20)
        real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(multipart.MultipartFolders, "_join", slow)
    with deadline.scope(0.5), pytest.raises(BlobsUnavailable, match="deadline"):
        await blobs.multipart_complete("raw/9", ref, **SIZES)
    assert begun.is_set()
    # Impatient callers wait for the work that runs; they do not take the threads of others.
    for _ in range(8):
        with deadline.scope(0.02), pytest.raises(BlobsUnavailable, match="deadline"):
            await blobs.multipart_complete("raw/9", ref, **SIZES)
    await blobs.put("other", b"x")
    with deadline.scope(5):
        await blobs.get_file("other", tmp_path / "copy")
    late = await blobs.presign_part("raw/9", ref, 3, size_bytes=1, expires_in_ms=60_000)
    assert (await put_to(late, b"x"))[0] == 503
    again = asyncio.create_task(blobs.multipart_complete("raw/9", ref, **SIZES))
    await asyncio.sleep(0)
    go.set()
    assert (await again).size_bytes == len(WHOLE)
    assert len(joins) == 1
    assert await read(blobs, "raw/9") == WHOLE
    assert (await put_to(late, b"x"))[0] == 404


async def test_a_put_that_is_out_of_time_undoes_itself(blobs: Blobs, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go, real = threading.Event(), disk.write_all

    def slow(descriptor: int, content: bytes | memoryview) -> None:
        real(descriptor, content)
        go.wait(20)

    monkeypatch.setattr(disk, "write_all", slow)
    with deadline.scope(0.5), pytest.raises(BlobsUnavailable, match="deadline"):
        await blobs.put("late", b"x")
    assert len(unfinished(folder)) == 1
    go.set()
    while unfinished(folder):
        await asyncio.sleep(0.01)
    assert await keys(blobs) == []


async def test_a_cancelled_upload_leaves_nothing(blobs: Blobs, folder: Path) -> None:
    assert isinstance(blobs, FileBlobs)

    async def body() -> AsyncIterator[bytes]:
        yield b"x" * 2_000_000
        await asyncio.Event().wait()

    task = asyncio.create_task(blobs.receive(UploadTicket(key="raw/1", size_bytes=3_000_000, expires_at_ms=0), body()))
    while not unfinished(folder):
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert unfinished(folder) == []
    assert await keys(blobs) == []


async def test_an_endless_body_is_cut_off_at_its_size(blobs: Blobs, folder: Path) -> None:
    assert isinstance(blobs, FileBlobs)
    pulled = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal pulled
        while True:
            pulled += 1
            yield b"x" * 1000

    with pytest.raises(BodySizeMismatch):
        await blobs.receive(UploadTicket(key="raw/1", size_bytes=10_500, expires_at_ms=0), body())
    assert pulled == 11
    assert unfinished(folder) == []


async def test_openers_share_the_folder(blobs: Blobs, other: Blobs, put_to: PutTo) -> None:
    ref, etags = await begin(other, put_to, "raw/9", PARTS)
    assert len(await other.multipart_parts("raw/9", ref)) == 3
    ends: list[BlobInfo] = await asyncio.gather(
        blobs.multipart_complete("raw/9", ref, **SIZES, etags=etags), other.multipart_complete("raw/9", ref, **SIZES, etags=etags)
    )
    assert ends[0] == ends[1]
    assert await read(other, "raw/9") == WHOLE
    await other.delete(["raw/9"])
    with pytest.raises(BlobNotFound):
        await blobs.head("raw/9")


async def test_openers_may_come_and_go_at_once(blobs: Blobs, folder: Path) -> None:
    async def come_and_go() -> None:
        for _ in range(15):
            store = await asyncio.to_thread(open_blobs, f"file://{folder}", clock=FakeClock(), url_key=b"k" * 32)
            await store.put("a/b", b"x")
            await store.close()

    await asyncio.gather(*(come_and_go() for _ in range(4)))
    assert await read(blobs, "a/b") == b"x"
    assert len(list((folder / "scratch").iterdir())) == 1


async def test_one_opener_may_empty_a_folder_that_another_fills(blobs: Blobs, other: Blobs) -> None:
    async def fill(name: str) -> None:
        for _ in range(40):
            await blobs.put(f"a/b/c/{name}", b"x")

    async def empty() -> None:
        for _ in range(80):
            await other.delete_prefix("a/")

    await asyncio.gather(fill("1"), fill("2"), empty())
    await blobs.put("a/b/c/last", b"x")
    assert "a/b/c/last" in await keys(other)


async def test_a_folder_that_goes_between_making_and_using_it_is_made_again(blobs: Blobs, monkeypatch: pytest.MonkeyPatch) -> None:
    real, taken = objects.make_folders, []

    def make_then_lose(root: Path, folder: Path) -> None:
        real(root, folder)
        if len(taken) < 3:
            taken.append(folder)
            folder.rmdir()

    monkeypatch.setattr(objects, "make_folders", make_then_lose)
    await blobs.put("a/b", b"x")
    assert len(taken) == 3
    assert await read(blobs, "a/b") == b"x"


async def test_empty_folders_do_not_pile_up(blobs: Blobs, folder: Path) -> None:
    await blobs.put("a/b/c", b"x")
    await blobs.put("a/d", b"x")
    await blobs.delete(["a/b/c"])
    assert [path.name for path in (folder / "objects").rglob("*")] == ["a~", "d"]
    await blobs.delete_prefix("a")
    assert list((folder / "objects").rglob("*")) == []


async def test_a_key_may_be_the_folder_of_another(blobs: Blobs) -> None:
    for key in ("a/b", "a", "a/b/c"):
        await blobs.put(key, key.encode())
    assert await keys(blobs) == ["a", "a/b", "a/b/c"]
    assert [await read(blobs, key) for key in ("a", "a/b", "a/b/c")] == [b"a", b"a/b", b"a/b/c"]


@pytest.mark.parametrize("damage", ["cut", "grown", "flipped", "emptied"])
async def test_a_damaged_file_is_no_object_and_no_silence(blobs: Blobs, folder: Path, damage: str) -> None:
    await blobs.put("clip", b"content" * 1000)
    path = folder / "objects" / "clip"
    content = bytearray(path.read_bytes())
    if damage == "flipped":
        content[-40] ^= 1
    path.write_bytes({"cut": content[:-1], "grown": content + b"x", "flipped": content, "emptied": b""}[damage])
    with pytest.raises(BlobDamaged, match="damaged"):
        await blobs.head("clip")
    await blobs.put("clip", b"whole again")
    assert await read(blobs, "clip") == b"whole again"


async def test_a_damaged_part_is_missing_until_it_is_sent_again(blobs: Blobs, put_to: PutTo, folder: Path) -> None:
    ref, etags = await begin(blobs, put_to, "raw/9", PARTS)
    damaged = sorted(path for path in (folder / "multipart").rglob("*") if path.is_file() and path.stat().st_size > PART)[1]
    damaged.write_bytes(damaged.read_bytes()[:-1])
    assert [part.part_number for part in await blobs.multipart_parts("raw/9", ref)] == [1, 3]
    with pytest.raises(PartMismatch) as refused:
        await blobs.multipart_complete("raw/9", ref, **SIZES, etags=etags)
    assert refused.value.missing == (2,)
    assert await keys(blobs) == []
    url = await blobs.presign_part("raw/9", ref, 2, size_bytes=PART, expires_in_ms=60_000)
    assert await put_to(url, SECOND) == (200, etags[2])
    await blobs.multipart_complete("raw/9", ref, **SIZES, etags=etags)
    assert await read(blobs, "raw/9") == WHOLE


async def test_where_the_kernel_cannot_copy_memory_does(
    blobs: Blobs, put_to: PutTo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "copy_file_range", refuse)
    ref, _ = await begin(blobs, put_to, "raw/9", PARTS)
    await blobs.multipart_complete("raw/9", ref, **SIZES)
    await blobs.get_file("raw/9", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == WHOLE


async def test_no_descriptor_is_left_open(blobs: Blobs, put_to: PutTo, tmp_path: Path) -> None:
    async def everything() -> None:
        await blobs.put("a", b"x" * 600_000)
        stretch = await blobs.get("a")
        await anext(aiter(stretch.chunks))
        await stretch.aclose()
        await blobs.get("a")
        await blobs.get_file("a", tmp_path / "copy")
        ref, _ = await begin(blobs, put_to, "raw/9", [(1, b"x")])
        await blobs.multipart_complete("raw/9", ref, size_bytes=1, part_size_bytes=1)
        url = await blobs.presign_put("b", size_bytes=3, expires_in_ms=60_000)
        await put_to(url, b"four")
        await blobs.delete_prefix("a")

    before = open_descriptors(str(tmp_path))
    for _ in range(5):
        await everything()
    assert open_descriptors(str(tmp_path)) == before


async def test_after_close_every_call_is_unavailable(blobs: Blobs) -> None:
    await blobs.close()
    with pytest.raises(BlobsUnavailable, match="closed"):
        await blobs.put("a", b"x")
