"""What every engine of the blobs port promises of multipart uploads."""

from __future__ import annotations

import asyncio

import pytest

from mesh.stores.blobs.port import BlobInfo, BlobNotFound, Blobs, MultipartGone, PartMismatch
from mesh.testing.blobs_steps import FIRST, LAST, MINUTE_MS, PART, SECOND, WHOLE, PutTo, begin, keys, put_part, read


class MultipartContract:
    """Parts, and how they become an object or do not. Fixtures: `blobs` (empty), `put_to`."""

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
        with pytest.raises(MultipartGone):
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
        with pytest.raises(MultipartGone):
            await blobs.multipart_parts("raw/9", ref)
        assert (await put_to(late, b"x"))[0] == 404
        with pytest.raises(MultipartGone):
            await blobs.multipart_complete("raw/9", ref, size_bytes=1, part_size_bytes=PART)
        assert await keys(blobs) == []
        assert list(await blobs.multipart_list("")) == []

    async def test_another_upload_takes_the_place_of_one_that_is_gone(self, blobs: Blobs, put_to: PutTo) -> None:
        gone, etags = await begin(blobs, put_to, "raw/9", [(1, FIRST), (2, SECOND), (3, LAST)])
        dead = await blobs.presign_part("raw/9", gone, 1, size_bytes=PART, expires_in_ms=MINUTE_MS)
        await blobs.multipart_abort("raw/9", gone)
        with pytest.raises(BlobNotFound) as absent:
            await blobs.head("raw/9")
        assert not isinstance(absent.value, MultipartGone)
        ref, again = await begin(blobs, put_to, "raw/9", [(1, FIRST), (2, SECOND), (3, LAST)])
        assert (ref != gone, again) == (True, etags)
        assert (await put_to(dead, FIRST))[0] == 404
        with pytest.raises(MultipartGone):
            await blobs.send(dead, FIRST)
        with pytest.raises(MultipartGone):
            await self.complete(blobs, gone, etags)
        await self.check_open(blobs, ref, [1, 2, 3])
        await self.complete(blobs, ref, etags)
        assert await read(blobs, "raw/9") == WHOLE

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
        with pytest.raises(MultipartGone):
            await blobs.multipart_complete("raw/9", ref, size_bytes=1, part_size_bytes=PART)
        assert await keys(blobs) == []

    async def test_an_upload_belongs_to_its_key(self, blobs: Blobs, put_to: PutTo) -> None:
        ref, etags = await begin(blobs, put_to, "raw/9", [(1, b"x")])
        with pytest.raises(MultipartGone):
            await blobs.multipart_parts("raw/8", ref)
        with pytest.raises(MultipartGone):
            await blobs.multipart_complete("raw/8", ref, size_bytes=1, part_size_bytes=PART, etags=etags)
        await blobs.multipart_abort("raw/8", ref)
        await self.check_open(blobs, ref, [1])

    @pytest.mark.parametrize("ref", ["", "x", "../objects", "0" * 32])
    async def test_an_unknown_upload_is_not_found(self, blobs: Blobs, ref: str) -> None:
        await blobs.put("raw/9", b"stays")
        with pytest.raises(MultipartGone):
            await blobs.multipart_parts("raw/9", ref)
        with pytest.raises(MultipartGone):
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

    async def complete(self, blobs: Blobs, ref: str, etags: dict[int, str] | None) -> BlobInfo:
        """Complete `raw/9` as WHOLE."""
        return await blobs.multipart_complete("raw/9", ref, size_bytes=len(WHOLE), part_size_bytes=PART, etags=etags)

    async def check_unknown(self, blobs: Blobs, ref: str, content: bytes) -> None:
        """The upload is not known any more, and what its key holds is left alone."""
        with pytest.raises(MultipartGone):
            await blobs.multipart_complete("raw/9", ref, size_bytes=1, part_size_bytes=PART)
        assert await read(blobs, "raw/9") == content

    async def check_open(self, blobs: Blobs, ref: str, numbers: list[int]) -> None:
        """Nothing was completed: no object, and all parts are still there."""
        assert await keys(blobs) == []
        assert [part.part_number for part in await blobs.multipart_parts("raw/9", ref)] == numbers
