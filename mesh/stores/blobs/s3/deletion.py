"""Deleting for good: objects, the versions that the bucket may keep of them, and our notes about them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeVar

from mesh.stores.blobs.s3.bucket import PAGE, Bucket
from mesh.stores.blobs.s3.line import Line
from mesh.stores.blobs.s3.notes import note_key

T = TypeVar("T")


def delete_keys(bucket: Bucket, line: Line, keys: Sequence[str]) -> None:
    """Delete objects and all their versions.

    Whether the bucket keeps versions is seen in the answer, as an operator may change it at any time: then what it kept is deleted too.
    """
    for some in _batches((key for each in dict.fromkeys(keys) for key in (each, note_key(each))), PAGE):
        line.left_s()
        for key in sorted(bucket.delete([(key, None) for key in some])):
            for page in bucket.versions(key):
                line.left_s()
                delete_versions(bucket, [(one.key, one.version_id) for one in page if one.key == key])


def delete_under(bucket: Bucket, line: Line, prefix: str) -> int:
    """Delete all versions of everything under a prefix; how many objects went that readers saw."""
    gone = 0
    for page in bucket.versions(prefix):
        line.left_s()
        delete_versions(bucket, [(one.key, one.version_id) for one in page])
        gone += sum(one.is_present for one in page)
    for page in bucket.versions(note_key(prefix)):
        line.left_s()
        delete_versions(bucket, [(one.key, one.version_id) for one in page])
    return gone


def delete_versions(bucket: Bucket, versions: Sequence[tuple[str, str]]) -> None:
    """Delete named versions."""
    for some in _batches(versions, PAGE):
        bucket.delete(some)


def _batches(entries: Iterable[T], size: int) -> Iterator[list[T]]:
    rest = iter(entries)
    while some := list(islice(rest, size)):
        yield some
