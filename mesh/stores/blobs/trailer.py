"""What is known of a stored file, written behind its bytes: one rename publishes both, so neither is ever without the other."""

from __future__ import annotations

import json
import os
import struct
import zlib
from dataclasses import asdict, dataclass

from mesh.stores.blobs.port import BlobDamaged

_TAIL = struct.Struct("<II8s")
_MAGIC = b"CLIPBLB1"
_FIRST_READ_BYTES = 1024
"""Enough for every trailer we write; a longer one costs a second read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trailer:
    """The facts of one object or part."""

    size_bytes: int
    etag: str
    content_type: str = ""
    modified_at_ms: int = 0
    upload_ref: str = ""
    """The multipart upload that made the object, so that a repeated completion recognises its own work; empty for others."""


def encode(trailer: Trailer) -> bytes:
    """The bytes to append: JSON, its length, its checksum, a magic word."""
    body = json.dumps(asdict(trailer), separators=(",", ":")).encode()
    return body + _TAIL.pack(len(body), zlib.crc32(body), _MAGIC)


def read(descriptor: int) -> Trailer:
    """The trailer of an open file. Raises BlobDamaged when the file is damaged or none of ours."""
    length = os.fstat(descriptor).st_size
    end = os.pread(descriptor, _FIRST_READ_BYTES, max(0, length - _FIRST_READ_BYTES))
    if len(end) < _TAIL.size:
        raise BlobDamaged("a stored file is damaged: it has no trailer")
    body_bytes, checksum, magic = _TAIL.unpack(end[-_TAIL.size :])
    whole = body_bytes + _TAIL.size
    if magic != _MAGIC or whole > length:
        raise BlobDamaged("a stored file is damaged: it has no trailer")
    if whole > len(end):
        end = os.pread(descriptor, whole, length - whole)
    body = end[-whole : -_TAIL.size]
    if zlib.crc32(body) != checksum:
        raise BlobDamaged("a stored file is damaged: its trailer does not match its checksum")
    trailer = Trailer(**json.loads(body))
    if trailer.size_bytes != length - whole:
        raise BlobDamaged("a stored file is damaged: its length differs from its trailer")
    return trailer
