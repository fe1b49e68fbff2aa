"""Opening a store by its URL, and which URLs are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from mesh.settings import InvalidSetting
from mesh.stores.blobs import open_blobs, upload_door
from mesh.testing.clock import FakeClock


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("s3://key:hidden@minio:9000/clips", r"pip install 'clipmesh\[cluster\]'"),
        ("gs://clips", "'gs' is no engine for objects"),
        ("", "'no scheme' is no engine"),
        ("/var/clips", "'no scheme' is no engine"),
        ("file:relative", "absolute path"),
        ("file://host/clips", "absolute path"),
        ("file:///", "absolute path"),
        ("file:///clips?x=1", "absolute path"),
        ("file:///dev/null/clips", "cannot be used"),
    ],
)
def test_other_urls_are_refused_by_name(url: str, says: str) -> None:
    with pytest.raises(InvalidSetting, match=says) as refused:
        open_blobs(url, clock=FakeClock(), url_key=b"k" * 32)
    assert "hidden" not in str(refused.value)


def test_a_short_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidSetting, match="31 bytes"):
        open_blobs(f"file://{tmp_path}/store", clock=FakeClock(), url_key=b"k" * 31)
    assert list(tmp_path.iterdir()) == []


async def test_a_process_without_the_key_reads_and_writes_and_signs_nothing(tmp_path: Path) -> None:
    store = open_blobs(f"file://{tmp_path}/sp%20ace", clock=FakeClock(), url_key=b"")
    await store.put("a", b"x")
    with pytest.raises(ValueError, match="this process has 0"):
        await store.presign_put("b", size_bytes=1, expires_in_ms=1)
    await store.close()
    assert (tmp_path / "sp ace").is_dir()


async def test_the_engine_on_files_has_a_door(tmp_path: Path) -> None:
    store = open_blobs(f"file://{tmp_path}/store", clock=FakeClock(), url_key=b"k" * 32)
    assert upload_door(store) is store
    await store.close()
    again = open_blobs(f"file://{tmp_path}/store", clock=FakeClock(), url_key=b"k" * 32)
    await again.close()
