"""What an engine without HTTP of its own offers to whoever takes uploads for it.

BlobsError
├── LinkInvalid          forged, cut or changed
├── LinkExpired          ask for a new one
├── BodySizeMismatch     more or fewer bytes than the link allows
└── BodyChecksumMismatch not the bytes that the client meant to send
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from mesh.stores.blobs.port import BlobsError


class LinkInvalid(BlobsError):
    """The upload link is not one of ours or was changed."""


class LinkExpired(BlobsError):
    """The upload link's time is over."""


class BodySizeMismatch(BlobsError):
    """The body is longer or shorter than the link allows; nothing was kept."""


class BodyChecksumMismatch(BlobsError):
    """The body's MD5 is not the announced one; nothing was kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadTicket:
    """What one upload link allows: one PUT of exactly this size, as an object or as a part."""

    key: str
    size_bytes: int
    expires_at_ms: int
    upload_ref: str = ""
    """The multipart upload; empty for a whole object."""
    part_number: int = 0
    """1 to 10,000; 0 for a whole object."""


@runtime_checkable
class UploadDoor(Protocol):
    """The receiving end of upload links. An engine with HTTP of its own, as S3, has none."""

    def read_link(self, path: str, query: str) -> UploadTicket:
        """What a link allows, from its undecoded path and query. Raises LinkInvalid, LinkExpired."""
        ...

    async def receive(self, ticket: UploadTicket, body: AsyncIterator[bytes], *, content_type: str = "", md5: bytes = b"") -> str:
        """Store a body as the ticket says and answer its etag once it is durable; the body is not touched before the upload is known to be open.

        `md5` is checked unless empty, `content_type` is kept for whole objects. Raises BodySizeMismatch, BodyChecksumMismatch, BlobNotFound
        (the upload is over), BlobsUnavailable; then nothing was kept. Cancelling keeps nothing either.
        """
        ...
