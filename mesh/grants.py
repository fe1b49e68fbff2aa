"""Playback grants: what the owner of a video signs into a path, so that the media edge can serve its bytes without asking anyone.

A grant speaks for whoever holds it: who may play was decided when it was signed, and it lives for minutes. It is therefore the same for all
viewers of a minute, and their caches share the bytes.
"""

from __future__ import annotations

import base64
import binascii
import enum
import struct
from collections.abc import Callable
from dataclasses import dataclass

GRANT_LIFE_MS = 600_000
"""How long a grant lives at most (spec/platform.md: 10 minutes, renewed)."""
GRANT_STEP_MS = 60_000
"""Ends fall on multiples of this, so that grants of one minute are equal."""
GRANT_SKEW_MS = 60_000
"""How far ahead the signer's clock may be; a grant that ends later than life and skew is none of ours."""
LONGEST_TOKEN = 400

_CONTEXT = b"clipmesh.grant.v1\0"
"""Keeps signatures of grants apart from all else that the same key signs."""
_HEAD = struct.Struct(">BBqIq")
_VERSION = 1
_SIGNATURE_BYTES = 64
_MAX_PREFIX_BYTES = 120


class GrantRefused(Exception):
    """Base of what makes a grant worthless.

    GrantRefused
    ├── GrantInvalid  forged, changed, cut, or of another kind than ours
    └── GrantExpired  its time is over; ask for a new one
    """


class GrantInvalid(GrantRefused):
    """The token is not one that the video's owner signed."""


class GrantExpired(GrantRefused):
    """The grant's time is over."""


class GrantKind(enum.IntEnum):
    """What may be fetched under the prefix."""

    MEDIA = 1
    """Everything: playlists, segments, files, pictures."""
    IMAGES = 2
    """Pictures only, for lists that show a clip and may not play it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """The right to fetch the objects under one prefix."""

    video_id: int
    epoch: int
    """The video's revocation epoch when this was signed; a higher one ends the grant."""
    expires_at_ms: int
    prefix: str
    """Keys under it may be fetched; ends with a slash."""
    kind: GrantKind = GrantKind.MEDIA


def grant_expires_at_ms(now_ms: int) -> int:
    """When a grant that is signed now ends: a whole minute, more than 9 and at most 10 minutes ahead."""
    return (now_ms + GRANT_LIFE_MS) // GRANT_STEP_MS * GRANT_STEP_MS


def sign_grant(grant: Grant, *, sign: Callable[[bytes], bytes]) -> str:
    """The path segment that carries a grant; `sign` makes the raw Ed25519 signature of the video's owner over a message."""
    prefix = grant.prefix.encode("ascii")
    if not grant.prefix.endswith("/") or grant.prefix.startswith("/") or len(prefix) > _MAX_PREFIX_BYTES:
        raise ValueError(f"{grant.prefix!r} is no prefix for a grant: it ends with a slash and has at most {_MAX_PREFIX_BYTES} characters")
    body = _HEAD.pack(_VERSION, grant.kind, grant.video_id, grant.epoch, grant.expires_at_ms) + prefix
    return base64.urlsafe_b64encode(body + sign(_CONTEXT + body)).rstrip(b"=").decode()


def read_grant(token: str, *, verify: Callable[[bytes, bytes], bool], now_ms: int) -> Grant:
    """The grant of a token; `verify` takes a message and a signature. Raises GrantInvalid, GrantExpired. The epoch is the caller's to check."""
    grant = verified_grant(token, verify=verify)
    check_grant_time(grant, now_ms=now_ms)
    return grant


def verified_grant(token: str, *, verify: Callable[[bytes, bytes], bool]) -> Grant:
    """The grant of a token whose signature holds, whatever the time; may be remembered. Raises GrantInvalid."""
    if len(token) > LONGEST_TOKEN or not token.isascii():
        raise GrantInvalid
    try:
        signed = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise GrantInvalid from None
    # One grant has one spelling: the unused bits of the last character are not a place to vary it.
    if base64.urlsafe_b64encode(signed).rstrip(b"=").decode() != token or len(signed) <= _HEAD.size + _SIGNATURE_BYTES:
        raise GrantInvalid
    body, signature = signed[:-_SIGNATURE_BYTES], signed[-_SIGNATURE_BYTES:]
    if not verify(_CONTEXT + body, signature):
        raise GrantInvalid
    version, kind, video_id, epoch, expires_at_ms = _HEAD.unpack_from(body)
    if version != _VERSION or kind not in {known.value for known in GrantKind}:
        raise GrantInvalid
    prefix = body[_HEAD.size :].decode("ascii")
    return Grant(video_id=video_id, epoch=epoch, expires_at_ms=expires_at_ms, prefix=prefix, kind=GrantKind(kind))


def check_grant_time(grant: Grant, *, now_ms: int) -> None:
    """Raises GrantExpired, or GrantInvalid for one that lives longer than grants do."""
    if now_ms >= grant.expires_at_ms:
        raise GrantExpired
    if grant.expires_at_ms > now_ms + GRANT_LIFE_MS + GRANT_SKEW_MS:
        raise GrantInvalid
