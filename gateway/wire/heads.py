"""Which request heads mean one thing to everybody who reads them (RFC 9110, RFC 9112): pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

Fields = Sequence[tuple[bytes, bytes]]

_ONCE = frozenset(
    {
        *(b"authorization", b"content-encoding", b"content-length", b"content-md5", b"content-range", b"content-type"),
        *(b"expect", b"host", b"if-modified-since", b"if-range", b"origin", b"range", b"sec-fetch-site", b"sec-websocket-key"),
        *(b"sec-websocket-version", b"transfer-encoding", b"x-http-method-override"),
    }
)
"""Fields that hold one value: of two, we would believe one and whoever stands before us the other."""
_LONGEST_LENGTH = 18
_TO_BE_ESCAPED = re.compile(rb"[^\x21-\x7e]")


def unclear(fields: Fields, *, version: str, url: bytes) -> str:
    """Why a head is not to be believed, empty when it is clear. Names come in small letters."""
    values: dict[bytes, bytes] = {}
    for name, value in fields:
        if name in _ONCE:
            if name in values:
                return f"{name.decode('latin-1')} comes twice"
            values[name] = value
        elif b"_" in name and name.replace(b"_", b"-") in _ONCE:
            # Some servers read an underscore as a hyphen: one before us may have taken it for the field that it looks like.
            return "a field is spelled with an underscore"
    if b"host" not in values and version != "1.0":
        return "there is no host"
    length, coding = values.get(b"content-length"), values.get(b"transfer-encoding")
    if length is not None and not (length.isdigit() and len(length) <= _LONGEST_LENGTH):
        return "content-length is no length"
    if coding is not None:
        if length is not None:
            return "both content-length and transfer-encoding say how long the body is"
        if coding.lower() != b"chunked" or version == "1.0":
            return "the only transfer-encoding is chunked"
    return _unclear_target(url, values.get(b"host", b""))


def _unclear_target(url: bytes, host: bytes) -> str:
    if _TO_BE_ESCAPED.search(url):
        return "the target holds what has to be escaped"
    if url.startswith(b"/") or url == b"*":
        return "" if b"#" not in url else "the target has a fragment"
    scheme, separator, rest = url.partition(b"://")
    authority = rest.partition(b"/")[0].partition(b"?")[0]
    if not separator or scheme.lower() not in {b"http", b"https"} or b"@" in authority:
        return "the target is no path of ours"
    return "" if authority.lower() == host.lower() else "target and host name different servers"
