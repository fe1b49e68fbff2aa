"""The engine on S3: a bucket that all processes share and that clients send to directly."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from mesh.settings import InvalidSetting
from mesh.stores.blobs.door import LinkInvalid
from mesh.stores.blobs.keys import check_key, check_prefix, is_key
from mesh.stores.blobs.parts import MAX_PART_NUMBER
from mesh.stores.blobs.port import (
    BlobInfo,
    BlobPage,
    BlobPart,
    BlobRange,
    InvalidKey,
    MultipartGone,
    OpenMultipart,
    RangeNotSatisfiable,
    Upkeep,
)
from mesh.stores.blobs.s3 import multipart
from mesh.stores.blobs.s3.address import S3Address, read_address
from mesh.stores.blobs.s3.bucket import PAGE, Bucket
from mesh.stores.blobs.s3.deletion import delete_keys, delete_under
from mesh.stores.blobs.s3.errors import StoreRefused
from mesh.stores.blobs.s3.fetching import fetch_file
from mesh.stores.blobs.s3.line import Line
from mesh.stores.blobs.s3.lines import Lines
from mesh.stores.blobs.s3.links import Signing, check_link, sign_link
from mesh.stores.blobs.s3.opening import keep_up, look, now_ms
from mesh.stores.blobs.s3.pool import Pool
from mesh.stores.blobs.s3.sending import Sending
from mesh.stores.blobs.s3.stretch import Room, S3Stretch

COMPLETION_S = 600.0
"""Longest joining of parts, which goes on when its callers have gone."""
PREPARE_S = 10.0
_MOST_BYTES = 5 * 1024**4
"""The largest object that S3 takes."""


class S3Blobs:
    """Objects in a bucket."""

    def __init__(self, address: S3Address) -> None:
        """Asks nobody yet. Raises OSError for a file of authorities that cannot be read."""
        self._pool = Pool(ca=address.ca)
        self._bucket = Bucket(address, pool=self._pool)
        self._signing = Signing(key=address.key, secret=address.secret, region=self._bucket.region)
        self._lines = Lines()
        self._room = Room()
        self._completions: dict[tuple[object, ...], asyncio.Future[BlobInfo]] = {}

    @property
    def links_origin(self) -> str:
        """Where upload links lead, as browsers write origins."""
        url = self._bucket.link("a", {})
        return f"{url.scheme}://{url.netloc}"

    async def prepare(self, upkeep: Upkeep | None = None) -> None:
        """Look whether the store serves. Raises InvalidSetting."""

        def work(line: Line) -> None:
            look(self._bucket, line)
            if upkeep is not None:
                keep_up(self._bucket, upkeep)

        await self._lines.start(work, within_s=PREPARE_S)

    async def put(self, key: str, content: bytes, *, content_type: str = "application/octet-stream") -> BlobInfo:
        """Write a whole object."""
        check_key(key)
        return await self._lines.run(lambda _: self._bucket.put(key, content, content_type))

    async def put_file(self, key: str, path: Path, *, content_type: str = "application/octet-stream") -> BlobInfo:
        """Write a whole object from a local file."""
        check_key(key)
        sending = Sending(self._bucket, self._lines, key=key, content_type=content_type)
        return await self._lines.run(lambda line: sending.send(line, path), long=True)

    async def get(self, key: str, *, start: int = 0, end: int | None = None) -> BlobRange:
        """Open a stretch of an object."""
        check_key(key)

        def work(line: Line) -> BlobRange:
            if not 0 <= start <= _MOST_BYTES or (end is not None and end <= start):
                return self._nothing(key, start, end)
            room = start + self._room.window_bytes()
            try:
                answer, info, ends = self._bucket.open(key, start=start, end=room if end is None else min(end, room))
            except StoreRefused as refused:
                if refused.code != "InvalidRange":
                    raise
                return self._nothing(key, start, end)
            to = info.size_bytes if end is None else min(end, info.size_bytes)
            stretch = S3Stretch(info=info, start=start, end=to, bucket=self._bucket, lines=self._lines, room=self._room)
            return BlobRange(info=info, start=start, end=to, chunks=stretch.begin(line, answer, ends))

        return await self._lines.run(work)

    async def get_file(self, key: str, path: Path) -> BlobInfo:
        """Copy an object into a local file, which appears whole or not at all."""
        check_key(key)
        return await self._lines.run(lambda line: fetch_file(self._bucket, line, key, path), long=True)

    async def head(self, key: str) -> BlobInfo:
        """What is known of an object."""
        check_key(key)
        return await self._lines.run(lambda _: self._bucket.head(key))

    async def list(self, prefix: str, *, after: str = "", limit: int = PAGE) -> BlobPage:
        """One page of objects in key order."""
        check_prefix(prefix)
        size = max(1, min(limit, PAGE))

        def work(_: Line) -> BlobPage:
            found, cursor = self._bucket.list(prefix, after=after, limit=size)
            # Notes of ours, and whatever else somebody put there, have names that no key can have.
            return BlobPage(blobs=tuple(info for info in found if is_key(info.key)), next=cursor)

        return await self._lines.run(work)

    async def delete(self, keys: Sequence[str]) -> None:
        """Delete objects and all their versions."""
        for key in keys:
            check_key(key)
        if keys:
            await self._lines.run(lambda line: delete_keys(self._bucket, line, keys))

    async def delete_prefix(self, prefix: str) -> int:
        """Delete every object under a prefix and all versions."""
        if not check_prefix(prefix):
            raise InvalidKey("an empty prefix would delete everything")
        return await self._lines.run(lambda line: delete_under(self._bucket, line, prefix), long=True)

    async def presign_put(self, key: str, *, size_bytes: int, expires_in_ms: int) -> str:
        """A link to PUT a whole object to."""
        return self._sign(key, {}, size_bytes=size_bytes, expires_in_ms=expires_in_ms)

    async def multipart_begin(self, key: str, *, content_type: str) -> str:
        """Begin a multipart upload."""
        check_key(key)
        return await self._lines.run(lambda _: self._bucket.begin(key, content_type))

    async def presign_part(self, key: str, upload_ref: str, part_number: int, *, size_bytes: int, expires_in_ms: int) -> str:
        """A link to PUT one part to."""
        if not 1 <= part_number <= MAX_PART_NUMBER:
            raise ValueError(f"part {part_number} is not within 1 to {MAX_PART_NUMBER}")
        asked = {"partNumber": str(part_number), "uploadId": upload_ref}
        return self._sign(key, asked, size_bytes=size_bytes, expires_in_ms=expires_in_ms)

    async def send(self, link: str, content: bytes) -> str:
        """PUT a body to a link of ours from here: by our own keys, as its host may be one that only clients reach."""
        own = self._bucket.link("", {})
        path = urlsplit(link).path
        asked = check_link(link, self._signing, size_bytes=len(content), now_ms=now_ms())
        key = unquote(path.removeprefix(own.path.rstrip("/") + "/"))
        if not link.startswith(f"{self.links_origin}/") or not path.startswith(own.path) or not is_key(key):
            raise LinkInvalid

        def work(_: Line) -> str:
            upload = (asked["uploadId"], int(asked["partNumber"])) if asked else None
            return self._bucket.put(key, content, "application/octet-stream", upload=upload).etag

        return await self._lines.run(work)

    async def multipart_parts(self, key: str, upload_ref: str) -> Sequence[BlobPart]:
        """Durable parts, ascending."""
        check_key(key)
        multipart.check_upload_id(upload_ref)
        return await self._lines.run(lambda _: self._bucket.parts(key, upload_ref))

    async def multipart_complete(
        self, key: str, upload_ref: str, *, size_bytes: int, part_size_bytes: int, etags: Mapping[int, str] | None = None
    ) -> BlobInfo:
        """Join the parts; callers of the same upload wait for the same work, which outlives their deadlines."""
        check_key(key)
        multipart.check_upload_id(upload_ref)

        def work(line: Line) -> BlobInfo:
            return multipart.complete(
                self._bucket, line, key, upload_ref, size_bytes=size_bytes, part_size_bytes=part_size_bytes, etags=etags
            )

        call = (key, upload_ref, size_bytes, part_size_bytes, tuple(sorted((etags or {}).items())))
        running = self._completions.get(call)
        if running is None:
            running = self._lines.start(work, within_s=COMPLETION_S)
            self._completions[call] = running
            running.add_done_callback(lambda _: self._completions.pop(call, None))
        return await self._lines.wait(asyncio.shield(running))

    async def multipart_abort(self, key: str, upload_ref: str) -> None:
        """End an upload and delete its parts."""
        check_key(key)

        def work(_: Line) -> None:
            try:
                self._bucket.abort(key, multipart.check_upload_id(upload_ref))
            except MultipartGone:
                return

        await self._lines.run(work)

    async def multipart_list(self, prefix: str) -> Sequence[OpenMultipart]:
        """Uploads that are open under a prefix."""
        check_prefix(prefix)
        return await self._lines.run(lambda _: self._bucket.uploads(prefix), long=True)

    async def close(self) -> None:
        """End what runs and let go of the connections."""
        await self._lines.close()
        self._pool.clear()

    def _sign(self, key: str, asked: Mapping[str, str], *, size_bytes: int, expires_in_ms: int) -> str:
        check_key(key)
        if size_bytes < 0:
            raise ValueError(f"{size_bytes} is no size")
        return sign_link(self._bucket.link(key, asked), self._signing, size_bytes=size_bytes, at_ms=now_ms(), expires_in_ms=expires_in_ms)

    def _nothing(self, key: str, start: int, end: int | None) -> BlobRange:
        """A stretch without bytes, if there is one."""
        info = self._bucket.head(key)
        to = info.size_bytes if end is None else min(end, info.size_bytes)
        if start < 0 or to < start or (start >= info.size_bytes and (start, info.size_bytes) != (0, 0)):
            raise RangeNotSatisfiable(f"{key} has {info.size_bytes} bytes; [{start}, {end}) lies outside")
        chunks = S3Stretch(info=info, start=start, end=start, bucket=self._bucket, lines=self._lines, room=self._room)
        return BlobRange(info=info, start=start, end=start, chunks=chunks)


def open_s3(url: str) -> S3Blobs:
    """The store that an s3:// URL names; nothing is asked before `prepare`. Raises InvalidSetting."""
    address = read_address(url)
    try:
        return S3Blobs(address)
    except (OSError, ValueError) as error:
        raise InvalidSetting(f"CLIPMESH_BLOBS={address.named} cannot be used: {error}") from error
