"""Cursors of scans: where the next page begins, bound to the scan that made them."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Sequence
from typing import Any

from mesh.stores.tables.port import InvalidUse
from mesh.stores.tables.rows import Scalar

_TAG_BYTES = 9


def _plain(values: Sequence[Any]) -> list[Any]:
    """Values as JSON has them; bytes become a one-element list, which no other scalar is."""
    return [[value.hex()] if isinstance(value, bytes) else value for value in values]


def _tag(scan: Sequence[Any], key: str) -> bytes:
    return hashlib.sha256(json.dumps([scan, key]).encode()).digest()[:_TAG_BYTES]


def identity(table: str, *parts: Sequence[Scalar] | bool) -> list[Any]:
    """What makes a scan this scan: table, partition, bounds and direction."""
    return [table, *(part if isinstance(part, bool) else _plain(part) for part in parts)]


def encode(scan: Sequence[Any], key: Sequence[Scalar]) -> str:
    """The cursor that goes on behind `key`."""
    text = json.dumps(_plain(key), separators=(",", ":"))
    return _text(_tag(scan, text) + text.encode())


def decode(scan: Sequence[Any], cursor: str) -> tuple[Scalar, ...]:
    """The key behind which the scan goes on; InvalidUse when the cursor was altered or is another scan's."""
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        text = raw[_TAG_BYTES:].decode()
    except (binascii.Error, ValueError) as error:
        raise InvalidUse("the cursor cannot be read") from error
    if not text or _text(raw) != cursor or raw[:_TAG_BYTES] != _tag(scan, text):
        raise InvalidUse("the cursor belongs to another scan")
    return tuple(bytes.fromhex(value[0]) if isinstance(value, list) else value for value in json.loads(text))


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
