"""Upload links of our own door: a path, its bounds and an HMAC over both, so that nothing has to be remembered."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re

from mesh.stores.blobs.door import LinkExpired, LinkInvalid, UploadTicket
from mesh.stores.blobs.keys import is_key

PATH_PREFIX = "/upload/"
MIN_KEY_BYTES = 32

_LONGEST = 1200
_QUERY = re.compile(
    r"expires=(?P<expires>\d{1,16})&size=(?P<size>\d{1,16})(?:&ref=(?P<ref>[0-9a-f]{32})&part=(?P<part>\d{1,5}))?&signature=(?P<signature>[\w-]{43})",
    re.ASCII,
)


def sign_link(ticket: UploadTicket, url_key: bytes) -> str:
    """The relative URL that carries a ticket."""
    if len(url_key) < MIN_KEY_BYTES:
        raise ValueError(f"upload links need a key of at least {MIN_KEY_BYTES} bytes; this process has {len(url_key)}")
    query = f"expires={ticket.expires_at_ms}&size={ticket.size_bytes}"
    if ticket.part_number:
        query += f"&ref={ticket.upload_ref}&part={ticket.part_number}"
    return f"{PATH_PREFIX}{ticket.key}?{query}&signature={_signature(ticket.key, query, url_key)}"


def read_link(path: str, query: str, *, url_key: bytes, now_ms: int) -> UploadTicket:
    """The ticket of a link, whose query has to be ours to the letter. Raises LinkInvalid, LinkExpired."""
    key = path.removeprefix(PATH_PREFIX)
    found = _QUERY.fullmatch(query)
    if (
        len(url_key) < MIN_KEY_BYTES
        or not path.startswith(PATH_PREFIX)
        or len(path) + len(query) > _LONGEST
        or found is None
        or not is_key(key)
    ):
        raise LinkInvalid
    signed = query[: found.start("signature") - len("&signature=")]
    if not hmac.compare_digest(_signature(key, signed, url_key), found["signature"]):
        raise LinkInvalid
    ticket = UploadTicket(
        key=key,
        size_bytes=int(found["size"]),
        expires_at_ms=int(found["expires"]),
        upload_ref=found["ref"] or "",
        part_number=int(found["part"] or 0),
    )
    if now_ms >= ticket.expires_at_ms:
        raise LinkExpired
    return ticket


def _signature(key: str, query: str, url_key: bytes) -> str:
    message = f"clipmesh.upload.v1\nPUT\n{PATH_PREFIX}{key}\n{query}".encode()
    return base64.urlsafe_b64encode(hmac.digest(url_key, message, hashlib.sha256)).rstrip(b"=").decode()
