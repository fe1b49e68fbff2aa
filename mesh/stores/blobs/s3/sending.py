"""Local files into objects: in one piece, or in parts of which a few are under way at once."""

from __future__ import annotations

import os
import time
from collections import deque
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from mesh.stores.blobs.parts import MAX_PART_NUMBER, multipart_etag
from mesh.stores.blobs.port import BlobInfo, BlobPart, BlobsError, BlobsUnavailable
from mesh.stores.blobs.s3.bucket import Bucket
from mesh.stores.blobs.s3.line import Line
from mesh.stores.blobs.s3.lines import Lines

PART_BYTES = 8 * 1024 * 1024
"""Files below this go in one piece; longer ones in parts of it, or of more when these would be too many."""
_AT_ONCE = 3
"""Parts of one file that are under way; each is in memory."""
_ABORT_S = 5.0


class Sending:
    """Sends one local file. The store compares a checksum of each piece, which is part of its signature or its head, before it takes it."""

    def __init__(self, bucket: Bucket, lines: Lines, *, key: str, content_type: str) -> None:
        self._bucket = bucket
        self._lines = lines
        self._key = key
        self._content_type = content_type

    def send(self, line: Line, path: Path) -> BlobInfo:
        """Write the object."""
        if not path.is_file():
            raise ValueError(f"{path} is no file")
        with path.open("rb", buffering=0) as source:
            part_bytes = max(PART_BYTES, -(-os.fstat(source.fileno()).st_size // MAX_PART_NUMBER))
            content = _read(source, part_bytes)
            if len(content) < part_bytes:
                return self._bucket.put(self._key, content, self._content_type)
            return self._send_parts(line, source, content)

    def _send_parts(self, line: Line, source: BinaryIO, content: bytes) -> BlobInfo:
        upload_id = self._bucket.begin(self._key, self._content_type)
        part_bytes, under_way, parts = len(content), deque[Future[BlobPart]](), list[BlobPart]()
        try:
            while content:
                line.left_s()
                if len(under_way) == _AT_ONCE:
                    parts.append(under_way.popleft().result())
                under_way.append(self._begin_part(line, upload_id, len(parts) + len(under_way) + 1, content))
                content = _read(source, part_bytes)
            parts += [future.result() for future in under_way]
            self._bucket.complete(self._key, upload_id, parts)
        except BaseException:
            line.cut()
            for future in under_way:
                future.cancel()
            self._abort(upload_id)
            raise
        info = self._bucket.head(self._key)
        if info.etag != multipart_etag(parts):
            raise BlobsUnavailable("the object was replaced while it was written")
        return info

    def _begin_part(self, line: Line, upload_id: str, number: int, content: bytes) -> Future[BlobPart]:
        def work(_: Line) -> BlobPart:
            sent = self._bucket.put(self._key, content, self._content_type, upload=(upload_id, number))
            return BlobPart(part_number=number, size_bytes=len(content), etag=sent.etag)

        return self._lines.beside(line, work)

    def _abort(self, upload_id: str) -> None:
        # What this does not reach, the store's own rule for unfinished uploads does.
        with Line(ends_at_s=time.monotonic() + _ABORT_S), suppress(BlobsError):
            self._bucket.abort(self._key, upload_id)


def _read(source: BinaryIO, size_bytes: int) -> bytes:
    """The next bytes, fewer only at the end: one call to the system may bring fewer."""
    content = bytearray()
    while len(content) < size_bytes and (some := source.read(size_bytes - len(content))):
        content += some
    return bytes(content)
