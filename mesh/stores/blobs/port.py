"""The port for objects: whole objects, ranges, multipart uploads, presigned URLs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mesh.settings import InvalidSetting


class BlobsError(Exception):
    """Base of what a blob engine can answer besides success.

    BlobsError
    ├── BlobNotFound        no such object
    │   └── MultipartGone   no such multipart upload, or not any more
    ├── InvalidKey          the key is not one we take
    ├── PartMismatch        parts are missing, of the wrong size or checksum
    ├── RangeNotSatisfiable the range lies outside the object
    ├── BlobDamaged         the store has the object, but not its bytes: no retry will bring them back
    └── BlobsUnavailable    cannot be reached or out of time
    """


class BlobNotFound(BlobsError):
    """There is no such object."""


class MultipartGone(BlobNotFound):
    """There is no such multipart upload: it ended, never was, or the store lost it. Its links take nothing, now or later: begin another one."""


class InvalidKey(BlobsError):
    """Keys are 1 to 512 of a-z A-Z 0-9 and ! - _ . / in segments of 1 to 200, none of them . or .. ."""


class PartMismatch(BlobsError):
    """Parts do not make the object that was announced; nothing was completed.

    Missing parts are told before sizes, sizes before checksums: `missing` is filled, else `size_bytes` is, else `mismatched` alone.
    """

    def __init__(self, message: str, *, missing: tuple[int, ...] = (), mismatched: tuple[int, ...] = (), size_bytes: int = -1) -> None:
        super().__init__(message)
        self.missing = missing
        self.mismatched = mismatched
        self.size_bytes = size_bytes
        """What the parts add up to; -1 when that was not the reason."""


class RangeNotSatisfiable(BlobsError):
    """The range begins at or after the end of the object."""


class BlobDamaged(BlobsError):
    """What is stored is not what was written: cut, changed or never ours. Writing the object again mends it."""


class BlobsUnavailable(BlobsError):
    """The store cannot be reached, is full, or the deadline passed."""


class BlobsAway(InvalidSetting):
    """Nothing usable answers where the store is said to be: the setting may be right all the same, and who can do without the store may wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobInfo:
    """What is known of an object without reading it."""

    key: str
    size_bytes: int
    etag: str
    content_type: str
    """Empty in a listing: object stores do not list it."""
    modified_at_ms: int
    """A store may know whole seconds only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobRange:
    """A stretch of an object, streamed."""

    info: BlobInfo
    start: int
    end: int
    """Exclusive."""
    chunks: AsyncIterator[bytes]

    async def read(self) -> bytes:
        """All bytes at once, for small objects."""
        rest = getattr(self.chunks, "rest", None)
        try:
            return await rest() if rest is not None else b"".join([chunk async for chunk in self.chunks])
        finally:
            await self.aclose()

    async def aclose(self) -> None:
        """Let go of the object before its end; safe to repeat."""
        close = getattr(self.chunks, "aclose", None)
        if close is not None:
            await close()


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobPart:
    """One durable part of a multipart upload."""

    part_number: int
    size_bytes: int
    etag: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobPage:
    """One page of a listing, in key order."""

    blobs: tuple[BlobInfo, ...]
    next: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenMultipart:
    """A multipart upload that was begun and neither completed nor aborted."""

    key: str
    upload_ref: str
    started_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Upkeep:
    """What whoever owns the objects lets the store remove by itself, long after it should have been removed by other means."""

    unfinished_days: int
    """After this a multipart upload that nobody ended goes with its parts."""
    left_over_days: Mapping[str, int]
    """Prefix -> after how long nothing under it can be of use."""


class Blobs(Protocol):
    """Objects by key. Every call takes its time limit from `mesh.deadline` (30 s when none is set). A write that returned is durable."""

    @property
    def links_origin(self) -> str:
        """Scheme, host and port of upload links, as browsers write origins; empty for relative links, which are of the gateway's upload door."""
        ...

    async def prepare(self, upkeep: Upkeep | None = None) -> None:
        """Look, before the first call, whether the store serves; the owner of the objects says what it may clear away.
        Raises InvalidSetting, whose one line says what is wrong and how to mend it; BlobsAway when another look later may end better."""
        ...

    async def put(self, key: str, content: bytes, *, content_type: str = "application/octet-stream") -> BlobInfo:
        """Write a whole object; readers see the old or the new one, never a mixture."""
        ...

    async def put_file(self, key: str, path: Path, *, content_type: str = "application/octet-stream") -> BlobInfo:
        """Write a whole object from a local file; the file stays."""
        ...

    async def get(self, key: str, *, start: int = 0, end: int | None = None) -> BlobRange:
        """Open [start, end) of an object; `end` None or beyond the end means to the end; 0 of an empty object is no error.
        All bytes are of the object that was opened, though it is replaced or deleted meanwhile: up to 256 KiB stay whole, and what a store
        cannot bring of the rest then is BlobNotFound while it is read, never bytes of another object. Raises BlobNotFound, BlobDamaged,
        RangeNotSatisfiable."""
        ...

    async def get_file(self, key: str, path: Path) -> BlobInfo:
        """Copy an object into a local file. Raises BlobNotFound, BlobDamaged."""
        ...

    async def head(self, key: str) -> BlobInfo:
        """What is known of an object. Raises BlobNotFound, BlobDamaged."""
        ...

    async def list(self, prefix: str, *, after: str = "", limit: int = 1000) -> BlobPage:
        """Objects whose key begins with `prefix`, in key order, after a cursor. Where `a` is an object, a store may keep `a/b` and not list it."""
        ...

    async def delete(self, keys: Sequence[str]) -> None:
        """Delete objects and all their versions; absent ones are no error."""
        ...

    async def delete_prefix(self, prefix: str) -> int:
        """Delete every object whose key begins with `prefix` (not empty) and all versions; returns how many went."""
        ...

    async def presign_put(self, key: str, *, size_bytes: int, expires_in_ms: int) -> str:
        """A URL that takes one PUT of exactly `size_bytes`; relative URLs are of the gateway's upload door. It lives at most seven days."""
        ...

    async def send(self, link: str, content: bytes) -> str:
        """PUT a body to an upload link of this store from here, for clients that cannot; the etag. Raises MultipartGone when the upload is
        over, and BlobsError, then nothing was kept, when the link is none of ours, has ended or is for another size."""
        ...

    async def multipart_begin(self, key: str, *, content_type: str) -> str:
        """Begin a multipart upload; returns its reference."""
        ...

    async def presign_part(self, key: str, upload_ref: str, part_number: int, *, size_bytes: int, expires_in_ms: int) -> str:
        """A URL that takes one PUT of exactly `size_bytes` as a part (1 to 10,000); repeatable, the last PUT wins. The store is not asked: where
        the upload is gone, the URL answers 404."""
        ...

    async def multipart_parts(self, key: str, upload_ref: str) -> Sequence[BlobPart]:
        """Durable parts, ascending; a damaged one is none. Raises MultipartGone when the upload is over or never was; what it made is there by then."""
        ...

    async def multipart_complete(
        self, key: str, upload_ref: str, *, size_bytes: int, part_size_bytes: int, etags: dict[int, str] | None = None
    ) -> BlobInfo:
        """Make the object of parts 1..n: every part but the last has `part_size_bytes`, together `size_bytes`, checksums as in `etags` where
        given, quoted or not. Raises PartMismatch, then nothing changed; MultipartGone where the store has neither the upload nor what it
        made, or lost its parts while it joined them and may never join them. Safe to repeat after success; when the deadline passes, the work may
        go on, and a repeat joins it. S3 joins no parts below 5 MiB but the last: smaller ones are for stores that only one machine uses."""
        ...

    async def multipart_abort(self, key: str, upload_ref: str) -> None:
        """End an upload and delete its parts; absent ones are no error."""
        ...

    async def multipart_list(self, prefix: str) -> Sequence[OpenMultipart]:
        """Uploads that are open under a prefix, for the sweeper."""
        ...

    async def close(self) -> None:
        """Let go of the store; safe to repeat."""
        ...
