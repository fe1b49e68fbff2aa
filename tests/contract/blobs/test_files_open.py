"""Opening a store by its URL, and which URLs are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

import mesh.stores.blobs as blobs_package
from mesh.settings import InvalidSetting
from mesh.stores.blobs import check_part_size, open_blobs, upload_door
from mesh.testing.clock import FakeClock


@pytest.mark.parametrize(
    ("url", "says"),
    [
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


def test_without_the_extra_s3_is_refused_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blobs_package, "find_spec", lambda name: None)
    with pytest.raises(InvalidSetting, match=r"^CLIPMESH_BLOBS=s3://minio\.\.\. needs the S3 engine: pip install 'clipmesh\[cluster\]'$"):
        open_blobs("s3://key:hidden@minio:9000/clips", clock=FakeClock(), url_key=b"k" * 32)


def test_parts_that_s3_never_joins_are_refused_and_those_of_files_may_be_small() -> None:
    check_part_size("file:///clips", 1, variable="CLIPMESH_UPLOAD_PART_BYTES")
    check_part_size("s3://key:hidden@minio:9000/clips", 5 * 2**20, variable="CLIPMESH_UPLOAD_PART_BYTES")
    with pytest.raises(InvalidSetting, match=r"^CLIPMESH_UPLOAD_PART_BYTES=5242879 is too small: S3, .* below 5242880 bytes$"):
        check_part_size("s3://key:hidden@minio:9000/clips", 5 * 2**20 - 1, variable="CLIPMESH_UPLOAD_PART_BYTES")


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
