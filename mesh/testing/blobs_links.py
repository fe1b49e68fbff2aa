"""What every engine of the blobs port promises of upload links."""

from __future__ import annotations

import hashlib
from urllib.parse import urlsplit

import pytest

from mesh.stores.blobs.port import Blobs, BlobsError, MultipartGone
from mesh.testing.blobs_steps import MINUTE_MS, LetPass, PutTo, keys, read


class LinksContract:
    """Links, sent to from outside and from here. Fixtures: `blobs` (empty), `put_to`, `let_pass`."""

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
        with pytest.raises(MultipartGone):
            await blobs.send(late, b"x")
        await let_pass(2_000)
        with pytest.raises(BlobsError):
            await blobs.send(url, b"content")
        assert await keys(blobs) == []
