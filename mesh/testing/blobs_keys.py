"""What every engine of the blobs port promises of keys: which it takes, how they are listed, what goes with a prefix."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mesh.stores.blobs.port import Blobs, InvalidKey
from mesh.testing.blobs_steps import MINUTE_MS, keys


class KeysContract:
    """Keys, listings and deletions. Fixtures: `blobs` (empty)."""

    @pytest.mark.parametrize(
        "key",
        [
            "",
            "/a",
            "a/",
            "a//b",
            ".",
            "..",
            "a/../b",
            "a/./b",
            "../a",
            "a b",
            "a\\b",
            "a\0b",
            "ä",
            "a%2fb",
            "a~",
            "a\n",
            "a" * 513,
            "a" * 201,
        ],
    )
    async def test_other_keys_are_refused_and_nothing_is_written(self, blobs: Blobs, tmp_path: Path, key: str) -> None:
        source = tmp_path / "source"
        source.write_bytes(b"x")
        with pytest.raises(InvalidKey):
            await blobs.put(key, b"x")
        with pytest.raises(InvalidKey):
            await blobs.put_file(key, source)
        with pytest.raises(InvalidKey):
            await blobs.get(key)
        with pytest.raises(InvalidKey):
            await blobs.head(key)
        with pytest.raises(InvalidKey):
            await blobs.delete([key])
        with pytest.raises(InvalidKey):
            await blobs.presign_put(key, size_bytes=1, expires_in_ms=MINUTE_MS)
        with pytest.raises(InvalidKey):
            await blobs.multipart_begin(key, content_type="video/mp4")
        assert await keys(blobs) == []
        assert list(await blobs.multipart_list("")) == []

    async def test_the_longest_keys_are_taken(self, blobs: Blobs) -> None:
        key = "/".join(["s" * 200, "s" * 200, "s" * 110])
        await blobs.put(key, b"x")
        assert len(key) == 512
        assert await keys(blobs) == [key]

    async def test_a_listing_is_in_the_order_of_whole_keys(self, blobs: Blobs) -> None:
        ordered = ["a!x", "a-x", "a.x", "a/1", "a/1-", "a/1.mp4", "a/2/z", "a0", "aB", "a_", "ab", "b"]
        for key in reversed(ordered):
            await blobs.put(key, b"x")
        assert await keys(blobs) == ordered

    async def test_a_listing_knows_prefixes_that_end_within_a_segment(self, blobs: Blobs) -> None:
        for key in ("video/1/a", "video/10/a", "video/2/a", "vide"):
            await blobs.put(key, b"x")
        assert await keys(blobs, "video/1") == ["video/1/a", "video/10/a"]
        assert await keys(blobs, "video/1/") == ["video/1/a"]
        assert await keys(blobs, "video/1/a") == ["video/1/a"]
        assert await keys(blobs, "video/1/ab") == []
        assert await keys(blobs, "w") == []

    async def test_a_listing_goes_on_after_its_cursor(self, blobs: Blobs) -> None:
        ordered = ["p/a", "p/b/1", "p/b/2", "p/b/3", "p/c"]
        for key in ordered:
            await blobs.put(key, b"x")
        await blobs.put("q", b"x")
        found, pages, after = [], 0, ""
        while True:
            page = await blobs.list("p/", after=after, limit=2)
            assert len(page.blobs) <= 2
            found += [info.key for info in page.blobs]
            pages += 1
            if not page.next:
                break
            after = page.next
        assert (found, pages) == (ordered, 3)

    async def test_a_listing_tells_what_a_look_tells_but_for_the_type(self, blobs: Blobs) -> None:
        await blobs.put("a/1", b"one", content_type="video/mp4")
        [listed] = (await blobs.list("a/")).blobs
        assert listed == replace(await blobs.head("a/1"), content_type="")

    async def test_deleting_is_repeatable_and_touches_nothing_else(self, blobs: Blobs) -> None:
        for key in ("a/1", "a/2", "a/3"):
            await blobs.put(key, b"x")
        for _ in range(2):
            await blobs.delete(["a/1", "a/3", "never/was"])
        assert await keys(blobs) == ["a/2"]
        await blobs.delete([])

    async def test_a_prefix_is_deleted_whole_and_alone(self, blobs: Blobs) -> None:
        for key in ("video/1/a", "video/1/b/c", "video/1/b/d", "video/10/a"):
            await blobs.put(key, b"x")
        assert await blobs.delete_prefix("video/1/") == 3
        assert await blobs.delete_prefix("video/1/") == 0
        assert await keys(blobs) == ["video/10/a"]
        with pytest.raises(InvalidKey):
            await blobs.delete_prefix("")
        assert await keys(blobs) == ["video/10/a"]
