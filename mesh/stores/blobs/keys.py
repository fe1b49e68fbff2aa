"""Which keys we take: those that every engine stores under exactly this name, without a trick."""

from __future__ import annotations

import re

from mesh.stores.blobs.port import InvalidKey

MAX_KEY_LENGTH = 512
MAX_SEGMENT_LENGTH = 200
"""A segment becomes the name of a file or folder, with room for our marks under the 255 bytes of file systems."""

_SEGMENT = re.compile(r"[A-Za-z0-9!\-_.]{1,200}", re.ASCII)
_PREFIX = re.compile(r"[A-Za-z0-9!\-_./]{0,512}", re.ASCII)


def is_key(key: str) -> bool:
    """True for a key that may be stored and asked for."""
    return 1 <= len(key) <= MAX_KEY_LENGTH and all(_SEGMENT.fullmatch(part) and part not in {".", ".."} for part in key.split("/"))


def check_key(key: str) -> str:
    """The key itself. Raises InvalidKey."""
    if not is_key(key):
        raise InvalidKey(f"{key[:80]!r} is no key: 1 to 512 of a-z A-Z 0-9 ! - _ . / in segments of 1 to 200, none of them . or ..")
    return key


def check_prefix(prefix: str) -> str:
    """A prefix that keys can begin with, whole segments or not. Raises InvalidKey."""
    parts = prefix.split("/")
    if not _PREFIX.fullmatch(prefix) or any(part in {"", ".", ".."} for part in parts[:-1]):
        raise InvalidKey(f"{prefix[:80]!r} begins no key")
    return prefix
