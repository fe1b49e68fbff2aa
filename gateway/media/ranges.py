"""Single byte ranges (RFC 9110, section 14): pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

_ONE = re.compile(r"bytes\s*=\s*(?:(\d+)-(\d*)|-(\d+))\s*", re.ASCII | re.IGNORECASE)
_MOST_DIGITS = 18


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes [start, end) of a representation."""

    start: int
    end: int


class Unsatisfiable(Exception):
    """The range is well formed and lies outside the object."""


def read_range(header: str, size_bytes: int) -> Span | None:
    """The span that a Range header asks for; None when it is to be ignored, as anything is that is not one well-formed range of bytes.

    Several ranges at once are ignored too: the answer is the whole object, never a multipart one. Raises Unsatisfiable.
    """
    found = _ONE.fullmatch(header.strip())
    if found is None:
        return None
    first, last, suffix = found.groups()
    if suffix is not None:
        length = _number(suffix)
        if length == 0 or size_bytes == 0:
            raise Unsatisfiable
        return Span(max(0, size_bytes - length), size_bytes)
    start = _number(first)
    end = _number(last) + 1 if last else size_bytes
    if end <= start and last:
        return None
    if start >= size_bytes:
        raise Unsatisfiable
    return Span(start, min(end, size_bytes))


def _number(digits: str) -> int:
    """Larger than any object when it has more digits than objects have bytes: Python refuses to read very long numbers."""
    significant = digits.lstrip("0")
    return int(significant or "0") if len(significant) <= _MOST_DIGITS else 10**_MOST_DIGITS
