"""Do these parts make the object that was announced? The same decision for every engine."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from mesh.stores.blobs.port import BlobPart, PartMismatch

MAX_PART_NUMBER = 10_000
"""The most parts an object store takes."""
MIN_PART_BYTES = 5 * 1024 * 1024
"""The smallest part that S3 takes before the last one."""


def check_parts(parts: Sequence[BlobPart], *, size_bytes: int, part_size_bytes: int, etags: Mapping[int, str] | None) -> None:
    """Raises PartMismatch: missing parts first, then sizes, then checksums."""
    if size_bytes < 0 or part_size_bytes < 1:
        raise ValueError(f"an object of {size_bytes} bytes in parts of {part_size_bytes} is no object")
    count = max(1, -(-size_bytes // part_size_bytes))
    stored = {part.part_number: part for part in parts}
    missing = tuple(number for number in range(1, count + 1) if number not in stored)
    if missing:
        raise PartMismatch(f"{len(missing)} of {count} parts are missing", missing=missing)

    last_size_bytes = size_bytes - part_size_bytes * (count - 1)
    wrong = tuple(
        number
        for number, part in sorted(stored.items())
        if number > count or part.size_bytes != (last_size_bytes if number == count else part_size_bytes)
    )
    if wrong:
        total = sum(part.size_bytes for part in parts)
        raise PartMismatch(f"the parts add up to {total} bytes, announced were {size_bytes}", mismatched=wrong, size_bytes=total)

    claimed = {number: etag.strip().strip('"') for number, etag in (etags or {}).items()}
    differing = tuple(number for number, etag in sorted(claimed.items()) if number not in stored or stored[number].etag != etag)
    if differing:
        raise PartMismatch(f"{len(differing)} parts have another checksum than announced", mismatched=differing)


def multipart_etag(parts: Sequence[BlobPart]) -> str:
    """The etag of a completed multipart upload as S3 forms it: MD5 of the parts' MD5s, a dash, how many."""
    digests = b"".join(bytes.fromhex(part.etag) for part in parts)
    return f"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-{len(parts)}"
