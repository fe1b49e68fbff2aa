"""A worker's folder: bounded, its own, nobody's afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest

from mesh.stores.blobs import open_blobs
from mesh.stores.blobs.port import BlobNotFound
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
    assert (first.exists(), third.stat().st_size) == (True, 3)
    assert sorted(path.name for path in first.parent.glob("source-*")) == ["source-1", "source-3"]
    await scratch.forget(1)
    with pytest.raises(BlobNotFound):
        await scratch.source(1, "raw/1")
    await scratch.close()
    await blobs.close()
