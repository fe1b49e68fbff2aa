"""Notes of ours beside the objects, under names that no key can have: which upload made an object, so that a repeated completion knows its own work."""

from __future__ import annotations

from mesh.stores.blobs.port import BlobInfo, BlobNotFound
from mesh.stores.blobs.s3.bucket import Bucket

_COMPLETED = "~completed/"
"""No key has a tilde. S3 takes no facts about an object when its parts are joined, so they cannot stand with it."""


def note_key(key: str) -> str:
    """Where the note about an object lies; of a prefix of keys, the prefix of their notes."""
    return _COMPLETED + key


def note_completion(bucket: Bucket, key: str, upload_id: str, etag: str) -> None:
    """Write, before the parts are joined, what the object will be."""
    bucket.note(note_key(key), {"upload": upload_id, "etag": etag})


def made_by(bucket: Bucket, key: str, upload_id: str) -> BlobInfo:
    """The object if this upload made it and nobody replaced it since. Raises BlobNotFound."""
    note = bucket.noted(note_key(key))
    if note.get("upload") == upload_id:
        info = bucket.head(key)
        if info.etag == note.get("etag"):
            return info
    raise BlobNotFound("the upload made no object that is there")


def was_joining(bucket: Bucket, key: str, upload_id: str) -> bool:
    """True when all parts of the upload were there once, as they were about to be joined."""
    return bucket.noted(note_key(key)).get("upload") == upload_id
