"""Multipart uploads: the store keeps parts and joins them; what it does not check is checked here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress

from mesh.stores.blobs.parts import MIN_PART_BYTES, check_parts, multipart_etag
from mesh.stores.blobs.port import BlobInfo, BlobNotFound, BlobsUnavailable, MultipartGone, PartMismatch
from mesh.stores.blobs.s3.bucket import Bucket
from mesh.stores.blobs.s3.errors import StoreRefused
from mesh.stores.blobs.s3.line import Line
from mesh.stores.blobs.s3.notes import made_by, note_completion, was_joining

_UPLOAD_ID = re.compile(r"(?!.*\.\.)[\x21-\x7e]{2,1024}", re.ASCII)
_ATTEMPTS = 3
_LOOK_AGAIN = {"InvalidPart", "InvalidPartOrder", "XMinioObjectExistsAsDirectory"}
"""Refusals to join what was there a moment ago. The last is MinIO's for an upload whose parts it had moved half-way when it died: they are gone then."""


def check_upload_id(upload_ref: str) -> str:
    """The reference itself. Raises MultipartGone for what no store gave out: an empty one would turn an abort into the deletion of the object."""
    if not _UPLOAD_ID.fullmatch(upload_ref):
        raise MultipartGone("there is no such upload, or it is over")
    return upload_ref


def complete(
    bucket: Bucket, line: Line, key: str, upload_id: str, *, size_bytes: int, part_size_bytes: int, etags: Mapping[int, str] | None
) -> BlobInfo:
    """Join the parts into the object; a repeat finds what the upload made. Raises PartMismatch, MultipartGone."""
    info = _completed(bucket, line, key, upload_id, size_bytes=size_bytes, part_size_bytes=part_size_bytes, etags=etags)
    if info.size_bytes != size_bytes:
        raise PartMismatch("the upload was completed with another size", size_bytes=info.size_bytes)
    return info


def _completed(
    bucket: Bucket, line: Line, key: str, upload_id: str, *, size_bytes: int, part_size_bytes: int, etags: Mapping[int, str] | None
) -> BlobInfo:
    for _ in range(_ATTEMPTS):
        line.left_s()
        try:
            parts = bucket.parts(key, upload_id)
            check_parts(parts, size_bytes=size_bytes, part_size_bytes=part_size_bytes, etags=etags)
            if len(parts) > 1 and part_size_bytes < MIN_PART_BYTES:
                raise ValueError(f"S3 joins no parts of {part_size_bytes} bytes: {MIN_PART_BYTES} or more, but for the last")
            etag = multipart_etag(parts)
            note_completion(bucket, key, upload_id, etag)
            bucket.complete(key, upload_id, parts)
        except MultipartGone as gone:
            try:
                return made_by(bucket, key, upload_id)
            except BlobNotFound:
                raise gone from None
        except PartMismatch as mismatch:
            # A store that died while it joined them may have the object and the upload, without parts.
            with suppress(BlobNotFound):
                return made_by(bucket, key, upload_id)
            if mismatch.missing and was_joining(bucket, key, upload_id):
                # MinIO would take them again and then join them no more, as half of the object lies where it is to be; another upload finds a way.
                raise MultipartGone("the store died while it joined the parts") from None
            raise mismatch from None
        except StoreRefused as refused:
            # A part came once more between our look and the joining, which named the parts that we saw.
            if refused.code not in _LOOK_AGAIN:
                raise
        else:
            try:
                return bucket.head(key)
            except BlobNotFound:
                raise MultipartGone("what the upload made was deleted at once") from None
    raise BlobsUnavailable("parts keep changing while they are joined")
