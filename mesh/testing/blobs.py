"""What every engine of the blobs port has to pass: subclass `BlobsContract` and supply its three fixtures."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from mesh import deadline
from mesh.stores.blobs.port import (
    BlobInfo,
    BlobNotFound,
    BlobRange,
    Blobs,
    BlobsError,
    BlobsUnavailable,
    InvalidKey,
    PartMismatch,
    RangeNotSatisfiable,
    Upkeep,
)

PutTo = Callable[[str, bytes], Awaitable[tuple[int, str]]]
"""PUT a body to an upload link: status and etag, the latter empty on refusal."""
LetPass = Callable[[int], Awaitable[None]]
"""Let so many milliseconds pass for the engine, by its clock or really."""

PART = 5 * 1024 * 1024
"""The smallest part that S3 takes before the last one."""
MINUTE_MS = 60_000
UPKEEP = Upkeep(unfinished_days=3, left_over_days={"work/": 3})
FIRST, SECOND, LAST = b"1" * PART, b"2" * PART, b"the end"
WHOLE = FIRST + SECOND + LAST
OLD, NEW = bytes(range(256)) * 1024, bytes(reversed(range(256))) * 1024
"""256 KiB each; 64 times that is more than what lies between a store and its reader."""


async def read(blobs: Blobs, key: str, start: int = 0, end: int | None = None) -> bytes:
    """The bytes of a stretch."""
    return await (await blobs.get(key, start=start, end=end)).read()


async def keys(blobs: Blobs, prefix: str = "") -> list[str]:
    """All keys under a prefix."""
    return [info.key for info in (await blobs.list(prefix)).blobs]


async def rest_is_or_is_gone(opened: BlobRange, expected: bytes) -> None:
    """What comes is the beginning of what was expected; the end of it is missing only because the object is not there any more."""
    rest = bytearray()
    try:
        async for chunk in opened.chunks:
            rest += chunk
    except BlobNotFound:
        assert bytes(rest) == expected[: len(rest)]
    else:
        assert bytes(rest) == expected
    finally:
        await opened.aclose()


def names(folder: Path) -> list[str]:
    """What lies in a local folder, hidden files too, beside the store itself."""
    return sorted(entry.name for entry in folder.iterdir() if entry.name != "store")


async def put_part(blobs: Blobs, put_to: PutTo, key: str, ref: str, *, number: int, body: bytes) -> str:
    """Upload one part through its link; the etag."""
    url = await blobs.presign_part(key, ref, number, size_bytes=len(body), expires_in_ms=MINUTE_MS)
    status, etag = await put_to(url, body)
    assert status == 200
    return etag


async def begin(blobs: Blobs, put_to: PutTo, key: str, parts: Sequence[tuple[int, bytes]]) -> tuple[str, dict[int, str]]:
    """Begin an upload and send parts in the order given; its reference and the etags."""
    ref = await blobs.multipart_begin(key, content_type="video/mp4")
    return ref, {number: await put_part(blobs, put_to, key, ref, number=number, body=body) for number, body in parts}


class BlobsContract:
    """The promises of the port. Fixtures: `blobs` (empty), `put_to`, `let_pass`."""

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

    async def test_an_upload_link_takes_its_object(self, blobs: Blobs, put_to: PutTo) -> None:
        url = await blobs.presign_put("raw/2", size_bytes=7, expires_in_ms=MINUTE_MS)
        status, etag = await put_to(url, b"content")
        assert (status, etag) == (200, hashlib.md5(b"content").hexdigest())  # noqa: S324
        assert await read(blobs, "raw/2") == b"content"

    @pytest.mark.parametrize("body", [b"", b"conten", b"content!"])
    async def test_an_upload_link_takes_no_other_size(self, blobs: Blobs, put_to: PutTo, body: bytes) -> None:
        url = await blobs.presign_put("raw/2", size_bytes=7, expires_in_ms=MINUTE_MS)
        status, _ = await put_to(url, body)
        assert 400 <= status < 500
        assert await keys(blobs) == []

    async def test_an_upload_link_ends(self, blobs: Blobs, put_to: PutTo, let_pass: LetPass) -> None:
        url = await blobs.presign_put("raw/2", size_bytes=1, expires_in_ms=1_000)
        await let_pass(2_000)
        status, _ = await put_to(url, b"x")
        assert status == 403
        assert await keys(blobs) == []

    async def test_an_upload_link_is_good_for_its_key_alone(self, blobs: Blobs, put_to: PutTo) -> None:
        url = await blobs.presign_put("raw/2", size_bytes=1, expires_in_ms=MINUTE_MS)
        status, _ = await put_to(url.replace("raw/2", "raw/3"), b"x")
        assert status == 403
        assert await keys(blobs) == []

    async def test_links_lead_to_the_origin_that_is_told(self, blobs: Blobs) -> None:
        url = await blobs.presign_put("raw/2", size_bytes=1, expires_in_ms=MINUTE_MS)
        parts = urlsplit(url)
        assert blobs.links_origin == (f"{parts.scheme}://{parts.netloc}" if parts.netloc else "")

    async def test_a_body_is_sent_to_a_link_from_here_too(self, blobs: Blobs) -> None:
        url = await blobs.presign_put("raw/2", size_bytes=7, expires_in_ms=MINUTE_MS)
        assert await blobs.send(url, b"content") == hashlib.md5(b"content").hexdigest()  # noqa: S324
        assert await read(blobs, "raw/2") == b"content"
        ref = await blobs.multipart_begin("raw/9", content_type="video/mp4")
        part = await blobs.presign_part("raw/9", ref, 2, size_bytes=3, expires_in_ms=MINUTE_MS)
        etag = await blobs.send(part, b"two")
        assert [(one.part_number, one.size_bytes, one.etag) for one in await blobs.multipart_parts("raw/9", ref)] == [(2, 3, etag)]

    async def test_what_is_sent_from_here_obeys_its_link(self, blobs: Blobs, let_pass: LetPass) -> None:
        url = await blobs.presign_put("raw/2", size_bytes=7, expires_in_ms=1_000)
        ref = await blobs.multipart_begin("raw/9", content_type="video/mp4")
        late = await blobs.presign_part("raw/9", ref, 1, size_bytes=1, expires_in_ms=MINUTE_MS)
        await blobs.multipart_abort("raw/9", ref)
        for link, body in (
            (url, b"content!"),
            (url, b""),
            (url.replace("raw/2", "raw/3"), b"content"),
            (url.partition("?")[0], b"content"),
        ):
            with pytest.raises(BlobsError):
                await blobs.send(link, body)
        with pytest.raises(BlobNotFound):
            await blobs.send(late, b"x")
        await let_pass(2_000)
        with pytest.raises(BlobsError):
            await blobs.send(url, b"content")
        assert await keys(blobs) == []

    async def test_parts_in_any_order_become_the_object(self, blobs: Blobs, put_to: PutTo) -> None:
        ref, etags = await begin(blobs, put_to, "raw/9", [(3, LAST), (1, FIRST), (2, SECOND)])
        parts = await blobs.multipart_parts("raw/9", ref)
        assert [(part.part_number, part.size_bytes, part.etag) for part in parts] == [
            (1, PART, etags[1]),
            (2, PART, etags[2]),
            (3, 7, etags[3]),
        ]
        assert await keys(blobs) == []
        info = await self.complete(blobs, ref, etags)
        assert (info.size_bytes, info.content_type) == (len(WHOLE), "video/mp4")
        assert await read(blobs, "raw/9") == WHOLE
        assert await read(blobs, "raw/9", PART - 2, PART + 2) == b"1122"

    async def test_of_a_repeated_part_the_last_one_counts(self, blobs: Blobs, put_to: PutTo) -> None:
        ref, etags = await begin(blobs, put_to, "raw/9", [(1, SECOND), (2, SECOND), (1, FIRST), (3, LAST)])
        assert len(await blobs.multipart_parts("raw/9", ref)) == 3
        await self.complete(blobs, ref, etags)
        assert await read(blobs, "raw/9") == WHOLE

    async def test_a_completion_can_be_repeated(self, blobs: Blobs, put_to: PutTo) -> None:
        ref, etags = await begin(blobs, put_to, "raw/9", [(1, FIRST), (2, SECOND), (3, LAST)])
        first, second = await asyncio.gather(self.complete(blobs, ref, etags), self.complete(blobs, ref, etags))
        third = await self.complete(blobs, ref, {number: f'"{etag}"' for number, etag in etags.items()})
        assert first.etag == second.etag == third.etag
        assert first == third
        with pytest.raises(BlobNotFound):
            await blobs.multipart_parts("raw/9", ref)
        await blobs.multipart_abort("raw/9", ref)
        assert await read(blobs, "raw/9") == WHOLE

    async def test_missing_parts_are_named_and_nothing_is_completed(self, blobs: Blobs, put_to: PutTo) -> None:
        ref, etags = await begin(blobs, put_to, "raw/9", [(2, SECOND)])
        with pytest.raises(PartMismatch) as refused:
            await self.complete(blobs, ref, etags)
        assert (refused.value.missing, refused.value.mismatched, refused.value.size_bytes) == ((1, 3), (), -1)
        await self.check_open(blobs, ref, [2])
        etags |= {
            1: await put_part(blobs, put_to, "raw/9", ref, number=1, body=FIRST),
            3: await put_part(blobs, put_to, "raw/9", ref, number=3, body=LAST),
        }
        await self.complete(blobs, ref, etags)
        assert await read(blobs, "raw/9") == WHOLE

    @pytest.mark.parametrize(
        ("parts", "mismatched", "total"),
        [
            ([(1, FIRST), (2, SECOND), (3, b"the end.")], (3,), len(WHOLE) + 1),
            ([(1, FIRST), (2, SECOND), (3, b"the en")], (3,), len(WHOLE) - 1),
            ([(1, FIRST), (2, SECOND + b"2"), (3, b"the en")], (2, 3), len(WHOLE)),
            ([(1, FIRST), (2, SECOND), (3, LAST), (4, FIRST)], (4,), len(WHOLE) + PART),
        ],
        ids=["longer", "shorter", "shifted", "one-too-many"],
    )
    async def test_parts_of_other_sizes_complete_nothing(
        self, blobs: Blobs, put_to: PutTo, parts: list[tuple[int, bytes]], mismatched: tuple[int, ...], total: int
    ) -> None:
        ref, etags = await begin(blobs, put_to, "raw/9", parts)
        with pytest.raises(PartMismatch) as refused:
            await self.complete(blobs, ref, etags)
        assert (refused.value.missing, refused.value.mismatched, refused.value.size_bytes) == ((), mismatched, total)
        await self.check_open(blobs, ref, [number for number, _ in parts])

    async def test_parts_of_another_checksum_complete_nothing(self, blobs: Blobs, put_to: PutTo) -> None:
        ref, etags = await begin(blobs, put_to, "raw/9", [(1, FIRST), (2, SECOND), (3, LAST)])
        with pytest.raises(PartMismatch) as refused:
            await self.complete(blobs, ref, {**etags, 2: etags[1]})
        assert (refused.value.missing, refused.value.mismatched, refused.value.size_bytes) == ((), (2,), -1)
        await self.check_open(blobs, ref, [1, 2, 3])
        assert (await self.complete(blobs, ref, None)).size_bytes == len(WHOLE)

    async def test_a_part_link_takes_no_other_size_and_keeps_the_part_before(self, blobs: Blobs, put_to: PutTo) -> None:
        ref, etags = await begin(blobs, put_to, "raw/9", [(1, b"old")])
        url = await blobs.presign_part("raw/9", ref, 1, size_bytes=7, expires_in_ms=MINUTE_MS)
        status, _ = await put_to(url, b"too long")
        assert 400 <= status < 500
        assert [(part.part_number, part.etag) for part in await blobs.multipart_parts("raw/9", ref)] == [(1, etags[1])]

    async def test_an_aborted_upload_is_gone_and_takes_no_parts(self, blobs: Blobs, put_to: PutTo) -> None:
        ref, _ = await begin(blobs, put_to, "raw/9", [(1, b"x")])
        late = await blobs.presign_part("raw/9", ref, 2, size_bytes=1, expires_in_ms=MINUTE_MS)
        for _ in range(2):
            await blobs.multipart_abort("raw/9", ref)
        with pytest.raises(BlobNotFound):
            await blobs.multipart_parts("raw/9", ref)
        assert (await put_to(late, b"x"))[0] == 404
        with pytest.raises(BlobNotFound):
            await blobs.multipart_complete("raw/9", ref, size_bytes=1, part_size_bytes=PART)
        assert await keys(blobs) == []
        assert list(await blobs.multipart_list("")) == []

    async def test_a_completion_is_not_known_once_its_object_is_replaced_or_gone(self, blobs: Blobs, put_to: PutTo) -> None:
        refs = [(await begin(blobs, put_to, "raw/9", [(1, body)]))[0] for body in (b"x", b"y")]
        for ref in refs:
            await blobs.multipart_complete("raw/9", ref, size_bytes=1, part_size_bytes=PART)
        await self.check_unknown(blobs, refs[0], b"y")
        await blobs.put("raw/9", b"z")
        await self.check_unknown(blobs, refs[1], b"z")
        ref, _ = await begin(blobs, put_to, "raw/9", [(1, b"y")])
        await blobs.multipart_complete("raw/9", ref, size_bytes=1, part_size_bytes=PART)
        await blobs.delete(["raw/9"])
        with pytest.raises(BlobNotFound):
            await blobs.multipart_complete("raw/9", ref, size_bytes=1, part_size_bytes=PART)
        assert await keys(blobs) == []

    async def test_an_upload_belongs_to_its_key(self, blobs: Blobs, put_to: PutTo) -> None:
        ref, etags = await begin(blobs, put_to, "raw/9", [(1, b"x")])
        with pytest.raises(BlobNotFound):
            await blobs.multipart_parts("raw/8", ref)
        with pytest.raises(BlobNotFound):
            await blobs.multipart_complete("raw/8", ref, size_bytes=1, part_size_bytes=PART, etags=etags)
        await blobs.multipart_abort("raw/8", ref)
        await self.check_open(blobs, ref, [1])

    @pytest.mark.parametrize("ref", ["", "x", "../objects", "0" * 32])
    async def test_an_unknown_upload_is_not_found(self, blobs: Blobs, ref: str) -> None:
        await blobs.put("raw/9", b"stays")
        with pytest.raises(BlobNotFound):
            await blobs.multipart_parts("raw/9", ref)
        with pytest.raises(BlobNotFound):
            await blobs.multipart_complete("raw/9", ref, size_bytes=1, part_size_bytes=PART)
        await blobs.multipart_abort("raw/9", ref)
        assert await read(blobs, "raw/9") == b"stays"

    async def test_open_uploads_are_listed_by_prefix(self, blobs: Blobs) -> None:
        first = await blobs.multipart_begin("raw/1", content_type="video/mp4")
        second = await blobs.multipart_begin("raw/2", content_type="video/mp4")
        await blobs.multipart_begin("other/3", content_type="video/mp4")
        found = await blobs.multipart_list("raw/")
        assert sorted((upload.key, upload.upload_ref) for upload in found) == [("raw/1", first), ("raw/2", second)]
        assert all(upload.started_at_ms > 1_600_000_000_000 for upload in found)

    @pytest.mark.parametrize("number", [0, -1, 10_001])
    async def test_part_numbers_are_bounded(self, blobs: Blobs, number: int) -> None:
        ref = await blobs.multipart_begin("raw/9", content_type="video/mp4")
        with pytest.raises(ValueError, match="part"):
            await blobs.presign_part("raw/9", ref, number, size_bytes=1, expires_in_ms=MINUTE_MS)

    async def test_preparing_is_repeatable_and_leaves_nothing(self, blobs: Blobs) -> None:
        for upkeep in (None, UPKEEP, UPKEEP):
            await blobs.prepare(upkeep)
        assert await keys(blobs) == []
        assert list(await blobs.multipart_list("")) == []

    async def test_closing_is_repeatable(self, blobs: Blobs) -> None:
        await blobs.close()
        await blobs.close()

    async def complete(self, blobs: Blobs, ref: str, etags: dict[int, str] | None) -> BlobInfo:
        """Complete `raw/9` as WHOLE."""
        return await blobs.multipart_complete("raw/9", ref, size_bytes=len(WHOLE), part_size_bytes=PART, etags=etags)

    async def check_unknown(self, blobs: Blobs, ref: str, content: bytes) -> None:
        """The upload is not known any more, and what its key holds is left alone."""
        with pytest.raises(BlobNotFound):
            await blobs.multipart_complete("raw/9", ref, size_bytes=1, part_size_bytes=PART)
        assert await read(blobs, "raw/9") == content

    async def check_open(self, blobs: Blobs, ref: str, numbers: list[int]) -> None:
        """Nothing was completed: no object, and all parts are still there."""
        assert await keys(blobs) == []
        assert [part.part_number for part in await blobs.multipart_parts("raw/9", ref)] == numbers
