"""What every engine of the blobs port promises of whole objects and stretches of them."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

import pytest

from mesh import deadline
from mesh.stores.blobs.port import BlobNotFound, Blobs, BlobsUnavailable, RangeNotSatisfiable
from mesh.testing.blobs_steps import NEW, OLD, keys, names, read, rest_is_or_is_gone


class ObjectsContract:
    """Objects as they are written and read. Fixtures: `blobs` (empty)."""

    async def test_an_object_is_read_as_it_was_put(self, blobs: Blobs) -> None:
        info = await blobs.put("video/1/master.m3u8", b"#EXTM3U\n", content_type="application/vnd.apple.mpegurl")
        assert (info.key, info.size_bytes, info.content_type) == ("video/1/master.m3u8", 8, "application/vnd.apple.mpegurl")
        assert info.modified_at_ms > 1_600_000_000_000
        assert await read(blobs, "video/1/master.m3u8") == b"#EXTM3U\n"
        assert (await blobs.head("video/1/master.m3u8")).etag == info.etag == hashlib.md5(b"#EXTM3U\n").hexdigest()  # noqa: S324

    async def test_a_put_replaces_the_whole_object(self, blobs: Blobs) -> None:
        first = await blobs.put("a/b", b"a longer one", content_type="text/plain")
        second = await blobs.put("a/b", b"short", content_type="text/vtt")
        assert await read(blobs, "a/b") == b"short"
        assert (await blobs.head("a/b")).content_type == "text/vtt"
        assert first.etag != second.etag
        assert await keys(blobs) == ["a/b"]

    async def test_an_empty_object_exists_and_has_no_bytes(self, blobs: Blobs) -> None:
        await blobs.put("empty", b"")
        assert (await blobs.head("empty")).size_bytes == 0
        assert await read(blobs, "empty") == b""

    @pytest.mark.parametrize(
        ("start", "end", "expected"),
        [(0, None, b"0123456789"), (0, 1, b"0"), (3, 6, b"345"), (9, None, b"9"), (4, 10, b"456789"), (8, 99, b"89")],
    )
    async def test_a_range_brings_exactly_its_bytes(self, blobs: Blobs, start: int, end: int | None, expected: bytes) -> None:
        await blobs.put("digits", b"0123456789")
        stretch = await blobs.get("digits", start=start, end=end)
        assert (stretch.start, stretch.end, stretch.info.size_bytes) == (start, start + len(expected), 10)
        assert await stretch.read() == expected

    @pytest.mark.parametrize("start", [10, 11, 10**15])
    async def test_a_range_behind_the_end_is_refused(self, blobs: Blobs, start: int) -> None:
        await blobs.put("digits", b"0123456789")
        with pytest.raises(RangeNotSatisfiable):
            await blobs.get("digits", start=start)

    async def test_what_was_opened_stays_whole_when_the_object_is_replaced_or_deleted(self, blobs: Blobs) -> None:
        await blobs.put("clip", OLD)
        before_replace = await blobs.get("clip")
        await blobs.put("clip", NEW)
        before_delete = await blobs.get("clip")
        await blobs.delete(["clip"])
        assert await before_replace.read() == OLD
        assert await before_delete.read() == NEW

    async def test_a_long_object_is_never_mixed_with_what_replaces_it_and_holds_up_nobody(self, blobs: Blobs) -> None:
        old, new = OLD * 64, NEW * 64
        await blobs.put("clip", old)
        before_replace = await blobs.get("clip")
        head = await anext(aiter(before_replace.chunks))
        with deadline.scope(5):
            await blobs.put("clip", new)
        before_delete = await blobs.get("clip")
        await rest_is_or_is_gone(before_replace, old[len(head) :])
        head = await anext(aiter(before_delete.chunks))
        with deadline.scope(5):
            await blobs.delete(["clip"])
        await rest_is_or_is_gone(before_delete, new[len(head) :])

    async def test_a_long_object_written_again_as_it_was_is_read_on(self, blobs: Blobs) -> None:
        await blobs.put("clip", OLD * 64)
        opened = await blobs.get("clip")
        head = await anext(aiter(opened.chunks))
        await blobs.put("clip", OLD * 64)
        assert head + await opened.read() == OLD * 64

    async def test_a_stretch_can_be_let_go_before_its_end(self, blobs: Blobs) -> None:
        await blobs.put("clip", b"x" * 1_000_000)
        stretch = await blobs.get("clip")
        await anext(aiter(stretch.chunks))
        await stretch.aclose()
        await stretch.aclose()

    async def test_absent_objects_are_not_found(self, blobs: Blobs, tmp_path: Path) -> None:
        await blobs.put("a/b", b"x")
        for absent in ("a", "a/b/c", "b", "a/B"):
            with pytest.raises(BlobNotFound):
                await blobs.head(absent)
            with pytest.raises(BlobNotFound):
                await blobs.get(absent)
            with pytest.raises(BlobNotFound):
                await blobs.get_file(absent, tmp_path / "copy")
        assert names(tmp_path) == []

    async def test_files_go_in_and_out(self, blobs: Blobs, tmp_path: Path) -> None:
        source, copy = tmp_path / "source", tmp_path / "copy"
        content = bytes(range(256)) * 5000
        source.write_bytes(content)
        copy.write_bytes(b"an older copy that is replaced")
        put = await blobs.put_file("raw/1", source, content_type="video/mp4")
        got = await blobs.get_file("raw/1", copy)
        assert source.read_bytes() == copy.read_bytes() == content
        assert (
            (put.size_bytes, put.content_type, put.etag)
            == (got.size_bytes, got.content_type, got.etag)
            == (1_280_000, "video/mp4", put.etag)
        )

    async def test_readers_see_the_old_or_the_new_object_never_a_mixture(self, blobs: Blobs) -> None:
        versions = [bytes([n]) * 700_000 for n in range(6)]
        await blobs.put("clip", versions[0])

        async def read_often() -> set[bytes]:
            return {await read(blobs, "clip") for _ in range(8)}

        results = await asyncio.gather(read_often(), read_often(), *(blobs.put("clip", version) for version in versions))
        seen = {content for result in results if isinstance(result, set) for content in result}
        assert seen <= set(versions)

    async def test_out_of_time_is_unavailable_and_changes_nothing(self, blobs: Blobs) -> None:
        with deadline.scope(0):
            with pytest.raises(BlobsUnavailable):
                await blobs.put("late", b"x")
            with pytest.raises(BlobsUnavailable):
                await blobs.head("late")
        assert await keys(blobs) == []
