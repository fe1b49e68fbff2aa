"""A worker's folder: bounded, its own, nobody's afterwards."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

import pytest

from mesh.stores.blobs import open_blobs
from mesh.stores.blobs.port import BlobNotFound, BlobRange, BlobsUnavailable
from mesh.stores.blobs.stretch import Stretch
from mesh.testing.clock import FakeClock
from svc_video.processing.worker.scratch import Scratch


async def test_folders_of_dead_workers_go_and_those_of_living_ones_stay(tmp_path: Path) -> None:
    blobs = open_blobs(f"file://{tmp_path / 'blobs'}", clock=FakeClock(), url_key=b"")
    root = tmp_path / "scratch"
    for name in ("worker-1-dead", "worker-2-dead"):
        (root / name).mkdir(parents=True)
    (root / "worker-1-dead" / "lock").touch()
    living = Scratch(root=root, blobs=blobs)
    await living.open()
    assert len(list(root.iterdir())) == 1
    other = Scratch(root=root, blobs=blobs)
    await other.open()
    assert len(list(root.iterdir())) == 2
    await living.close()
    await other.close()
    assert list(root.iterdir()) == []
    await blobs.close()


async def test_a_source_is_copied_once_and_the_oldest_of_three_goes(tmp_path: Path) -> None:
    blobs = open_blobs(f"file://{tmp_path / 'blobs'}", clock=FakeClock(), url_key=b"")
    scratch = Scratch(root=tmp_path / "scratch", blobs=blobs)
    await scratch.open()
    for video_id in (1, 2, 3):
        await blobs.put(f"raw/{video_id}", b"x" * video_id)
    first = await scratch.source(1, "raw/1")
    await scratch.source(2, "raw/2")
    await blobs.delete(["raw/1"])
    assert await scratch.source(1, "raw/1") == first
    third = await scratch.source(3, "raw/3")
    assert (first.path.exists(), third.path.read_bytes(), third.size_bytes) == (True, b"xxx", 3)
    assert sorted(path.name for path in first.path.parent.iterdir()) == ["lock", "source-1", "source-3"]
    await scratch.forget(1)
    with pytest.raises(BlobNotFound):
        await scratch.source(1, "raw/1")
    await scratch.close()
    await blobs.close()


async def test_sources_of_jobs_at_hand_stay_however_many(tmp_path: Path) -> None:
    blobs = open_blobs(f"file://{tmp_path / 'blobs'}", clock=FakeClock(), url_key=b"")
    scratch = Scratch(root=tmp_path / "scratch", blobs=blobs)
    await scratch.open()
    for video_id in (1, 2, 3, 4):
        await blobs.put(f"raw/{video_id}", b"x" * video_id)
    async with scratch.job_folder(1), scratch.job_folder(2):
        kept = [await scratch.source(video_id, f"raw/{video_id}") for video_id in (1, 2, 3, 4)]
        assert [source.path.exists() for source in kept] == [True, True, False, True]
        async with scratch.job_folder(1):
            pass
        await scratch.source(3, "raw/3")
        assert [source.path.exists() for source in kept] == [True, True, True, False]
    await scratch.source(4, "raw/4")
    assert [source.path.exists() for source in kept] == [False, False, True, True]
    await scratch.close()
    await blobs.close()


async def test_one_copy_serves_all_who_ask_at_once_and_one_who_gives_up_takes_it_from_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs = open_blobs(f"file://{tmp_path / 'blobs'}", clock=FakeClock(), url_key=b"")
    scratch = Scratch(root=tmp_path / "scratch", blobs=blobs)
    await scratch.open()
    await blobs.put("raw/1", b"content")
    real, opened, may_go = blobs.get, [], asyncio.Event()

    async def get(key: str, *, start: int = 0, end: int | None = None) -> BlobRange:
        opened.append(key)
        await may_go.wait()
        return await real(key, start=start, end=end)

    monkeypatch.setattr(blobs, "get", get)
    first, *others = [asyncio.create_task(scratch.source(1, "raw/1")) for _ in range(3)]
    while not opened:
        await asyncio.sleep(0)
    first.cancel()
    may_go.set()
    found = await asyncio.gather(*others)
    assert found[0] == found[1]
    assert found[0].path.read_bytes() == b"content"
    assert opened == ["raw/1", "raw/1"]
    await scratch.close()
    await blobs.close()


async def test_a_source_is_hashed_as_it_comes_and_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blobs = open_blobs(f"file://{tmp_path / 'blobs'}", clock=FakeClock(), url_key=b"")
    scratch = Scratch(root=tmp_path / "scratch", blobs=blobs)
    await scratch.open()
    content = bytes(range(256)) * 40_000
    await blobs.put("raw/1", content)
    opened = []
    real = blobs.get

    async def get(key: str, *, start: int = 0, end: int | None = None) -> BlobRange:
        opened.append((key, start, end))
        return await real(key, start=start, end=end)

    monkeypatch.setattr(blobs, "get", get)
    source = await scratch.source(1, "raw/1")
    assert (source.sha256, source.size_bytes) == (hashlib.sha256(content).digest(), len(content))
    assert source.path.read_bytes() == content
    assert await scratch.source(1, "raw/1") == source
    assert opened == [("raw/1", 0, None)]
    await scratch.close()
    await blobs.close()


async def test_a_source_that_breaks_off_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blobs = open_blobs(f"file://{tmp_path / 'blobs'}", clock=FakeClock(), url_key=b"")
    scratch = Scratch(root=tmp_path / "scratch", blobs=blobs)
    await scratch.open()
    await blobs.put("raw/1", b"x" * 10_000_000)
    real = Stretch.__anext__
    left = 30

    async def break_off(stretch: Stretch) -> bytes:
        nonlocal left
        left -= 1
        if not left:
            raise BlobsUnavailable("gone")
        return await real(stretch)

    with monkeypatch.context() as patch:
        patch.setattr(Stretch, "__anext__", break_off)
        with pytest.raises(BlobsUnavailable):
            await scratch.source(1, "raw/1")
    [folder] = (tmp_path / "scratch").iterdir()
    assert [path.name for path in folder.iterdir()] == ["lock"]
    assert (await scratch.source(1, "raw/1")).size_bytes == 10_000_000
    await scratch.close()
    await blobs.close()
