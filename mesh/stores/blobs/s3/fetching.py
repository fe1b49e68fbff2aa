"""Objects into local files, with every byte counted into a checksum."""

from __future__ import annotations

import hashlib
import os
import re
import threading
from io import RawIOBase
from pathlib import Path

from urllib3.response import BaseHTTPResponse

from mesh.stores.blobs.parts import multipart_etag
from mesh.stores.blobs.port import BlobDamaged, BlobInfo, BlobNotFound, BlobPart
from mesh.stores.blobs.s3.answers import read_some
from mesh.stores.blobs.s3.bucket import Bucket
from mesh.stores.blobs.s3.errors import StoreRefused, StoreUnreachable
from mesh.stores.blobs.s3.line import Line
from mesh.stores.blobs.s3.pool import hold_answer

_READ_BYTES = 1024 * 1024
_RANGE_BYTES = 32 * 1024 * 1024
"""What one answer brings: nobody can replace or delete the object in a MinIO while it is read."""
_ETAG = re.compile(r"[0-9a-f]{32}(?:-(?P<parts>\d{1,5}))?", re.ASCII)


def fetch_file(bucket: Bucket, line: Line, key: str, path: Path) -> BlobInfo:
    """Copy an object into a local file, which appears whole or not at all. Raises BlobDamaged when its bytes are not those of its checksum."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        # Once more, as bytes may change on their way too.
        for _ in range(2):
            info, whole = _fetch(bucket, line, key, unfinished)
            if whole:
                unfinished.replace(path)
                return info
    finally:
        unfinished.unlink(missing_ok=True)
    raise BlobDamaged("a stored object is damaged: its bytes do not match its checksum")


def _fetch(bucket: Bucket, line: Line, key: str, path: Path) -> tuple[BlobInfo, bool]:
    info = bucket.head(key)
    digest = _digest_of(bucket, info)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb", buffering=0) as target:
        at = 0
        while at < info.size_bytes:
            answer, ends = _range(bucket, info, at)
            at = _copy(line, answer, target, digest, at=at, ends=ends)
    return info, digest is None or digest.etag == info.etag


def _range(bucket: Bucket, info: BlobInfo, at: int) -> tuple[BaseHTTPResponse, int]:
    try:
        answer, _, ends = bucket.open(info.key, start=at, end=min(at + _RANGE_BYTES, info.size_bytes), etag=info.etag)
    except StoreRefused as refused:
        if refused.code in {"PreconditionFailed", "InvalidRange"}:
            raise BlobNotFound("the object was replaced while it was copied") from None
        raise
    return answer, ends


def _copy(line: Line, answer: BaseHTTPResponse, target: RawIOBase, digest: _Digest | None, *, at: int, ends: int) -> int:
    try:
        hold_answer(line, answer)
        while at < ends:
            line.left_s()
            chunk = read_some(answer, min(_READ_BYTES, ends - at))
            if not chunk:
                raise StoreUnreachable("the answer of the store ended early")
            rest = memoryview(chunk)
            while rest:
                rest = rest[target.write(rest) or 0 :]
            if digest is not None:
                digest.update(chunk)
            at += len(chunk)
    finally:
        answer.close()
    return at


def _digest_of(bucket: Bucket, info: BlobInfo) -> _Digest | None:
    """What counts the etag of an object; None for one whose parts are of several sizes, which we never make."""
    found = _ETAG.fullmatch(info.etag)
    if found is None:
        return None
    if found["parts"] is None:
        return _Digest(0)
    try:
        part_bytes = bucket.head(info.key, part_number=1).size_bytes
    except StoreRefused:
        return None
    count = -(-info.size_bytes // part_bytes) if part_bytes else 0
    return _Digest(part_bytes) if count == int(found["parts"]) else None


class _Digest:
    """The etag of bytes that come piece by piece: MD5, or that of the MD5s of their parts."""

    def __init__(self, part_bytes: int) -> None:
        self._part_bytes = part_bytes
        self._parts: list[BlobPart] = []
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._in_part = 0

    def update(self, chunk: bytes) -> None:
        rest = memoryview(chunk)
        while rest:
            if self._part_bytes and self._in_part == self._part_bytes:
                self._end_part()
            some = rest[: self._part_bytes - self._in_part] if self._part_bytes else rest
            self._md5.update(some)
            self._in_part += len(some)
            rest = rest[len(some) :]

    @property
    def etag(self) -> str:
        """Of all that came."""
        if not self._part_bytes:
            return self._md5.hexdigest()
        self._end_part()
        return multipart_etag(self._parts)

    def _end_part(self) -> None:
        self._parts.append(BlobPart(part_number=len(self._parts) + 1, size_bytes=self._in_part, etag=self._md5.hexdigest()))
        self._md5, self._in_part = hashlib.md5(usedforsecurity=False), 0
