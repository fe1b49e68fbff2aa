"""Reads a request that came whole in one piece and means one thing to everybody; of every other it says nothing: pure.

It is no parser: it knows the plainest requests, which are nearly all, for a twentieth of what the parser costs. Whatever is in the least odd has to be left
to the parser, and to `unclear`, which name what is wrong with it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

LARGEST: Final = 16 * 1024
"""Bytes of a message that is read here."""
_LINE: Final = re.compile(rb"(GET|POST) (/(?:[\w.~!$&'()*+,;=:@-][\w.~!$&'()*+,;=:@/-]*)?)(?:\?[\w.~!$&'()*+,;=:@/?%-]*)? HTTP/1\.1")
"""With a path in which nothing is escaped."""
_NAME: Final = bytes(set(range(0x21, 0x7F)) - set(b'()<>@,;:\\"/[]?={}_'))
"""Characters of a field's name, without the underscore, which some read as a hyphen."""
_TEXT: Final = bytes(range(0x20, 0x7F)) + b"\r\n"
_LEFT_TO_THE_PARSER: Final = frozenset(
    {
        *(b"transfer-encoding", b"te", b"trailer", b"expect", b"upgrade", b"http2-settings", b"keep-alive", b"proxy-connection"),
        *(b"sec-websocket-key", b"sec-websocket-version", b"x-http-method-override", b"content-encoding"),
    }
)
"""Fields that change what the message is, or what becomes of the connection."""


@dataclass(frozen=True, slots=True)
class Whole:
    """A request without anything before or behind it, on a connection that stays."""

    method: str
    path: str
    """Without the query."""
    fields: dict[bytes, bytes]
    """By name in small letters; each comes once."""
    body: bytes


def whole(sent: bytes, *, most_fields: int) -> Whole | None:
    """The request that `sent` is, from its first byte to its last; None when that is not certain."""
    end = sent.find(b"\r\n\r\n")
    if end < 0 or len(sent) > LARGEST:
        return None
    head = sent[:end]
    lines = head.split(b"\r\n")
    # Whatever is left of a line's end, and no character else, is a lone CR, a lone LF, a NUL or their like.
    if (
        len(lines) > most_fields
        or head.translate(None, _TEXT)
        or head.count(b"\r") != len(lines) - 1
        or head.count(b"\n") != len(lines) - 1
    ):
        return None
    asked = _LINE.fullmatch(lines[0])
    fields = _fields(lines)
    if asked is None or fields is None:
        return None
    method, length, body = asked[1], fields.get(b"content-length"), sent[end + 4 :]
    is_measured = not body and method == b"GET" if length is None else length.isdigit() and len(length) <= 5 and int(length) == len(body)
    if not is_measured or b"host" not in fields or fields.get(b"connection", b"keep-alive").lower() != b"keep-alive":
        return None
    return Whole(method.decode(), asked[2].decode(), fields, body)


def _fields(lines: list[bytes]) -> dict[bytes, bytes] | None:
    """Fields by name; None when one is odd."""
    fields: dict[bytes, bytes] = {}
    for line in lines[1:]:
        name, colon, value = line.partition(b":")
        if not colon:
            return None
        fields[name.lower()] = value.lstrip(b" ")
    if (
        len(fields) != len(lines) - 1
        or b"" in fields
        or b"".join(fields).translate(None, _NAME)
        or not _LEFT_TO_THE_PARSER.isdisjoint(fields)
    ):
        return None
    return fields
