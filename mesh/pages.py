"""Page tokens that only their list and their viewer can use, and page sizes that stay within bounds."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

from mesh.errors import InvalidPageToken

DEFAULT_SIZE = 20
"""Rows of a page when the request says 0."""
MAX_SIZE = 100
"""Most rows of a page; a larger wish is clamped."""

_TAG_BYTES = 16
_MIN_KEY_BYTES = 16


def clamp(page_size: int, *, default: int = DEFAULT_SIZE, most: int = MAX_SIZE) -> int:
    """How many rows a page gets: `default` for 0 or less, at most `most`."""
    return default if page_size <= 0 else min(page_size, most)


class PageTokens:
    """Signs the cursors of lists, so that a client can neither alter one nor take it to another list or viewer."""

    def __init__(self, key: bytes) -> None:
        """`key` is secret, equal in all processes of a service, at least 16 bytes."""
        if len(key) < _MIN_KEY_BYTES:
            raise ValueError(f"a page token key has at least {_MIN_KEY_BYTES} bytes")
        self._key = key

    def encode(self, list_name: str, scope: str, cursor: str) -> str:
        """The token of a cursor; `scope` is whose list it is, such as the viewer's id. An empty cursor, the end, has an empty token."""
        if not cursor:
            return ""
        return _text(self._tag(list_name, scope, cursor.encode()) + cursor.encode())

    def decode(self, list_name: str, scope: str, token: str) -> str:
        """The cursor of a token, empty for an empty one; InvalidPageToken when it was altered or made for another list or scope."""
        if not token:
            return ""
        try:
            raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise InvalidPageToken("the page token cannot be read") from None
        tag, cursor = raw[:_TAG_BYTES], raw[_TAG_BYTES:]
        # One cursor has one token: base64 alone would let its last character vary.
        if not cursor or _text(raw) != token or not hmac.compare_digest(tag, self._tag(list_name, scope, cursor)):
            raise InvalidPageToken("the page token was not made for this list")
        return cursor.decode()

    def _tag(self, list_name: str, scope: str, cursor: bytes) -> bytes:
        spoken = b"".join(len(part).to_bytes(4, "big") + part for part in (list_name.encode(), scope.encode(), cursor))
        return hmac.new(self._key, spoken, hashlib.sha256).digest()[:_TAG_BYTES]


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
