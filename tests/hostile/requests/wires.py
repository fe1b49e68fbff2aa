"""Requests that are no honest HTTP, byte by byte: by name, with what is said to each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

BODY = b'{"query": "{ __typename }"}'
RIGHT = b'"__typename":"Query"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """Bytes as they are sent; `{port}` is the gateway's."""

    sent: bytes
    statuses: tuple[int, ...]
    """Of all answers; empty when the connection ends without one."""
    code: str = ""
    ended: bool = True
    """Whether the server ends the connection."""
    finish: bool = False
    """Whether the client closes its half when all is sent."""
    holds: bytes = b""
    """What the last answer has to hold."""


def head(
    *fields: str, line: str = "POST /graphql HTTP/1.1", host: str = "Host: a", sent_as: str = "Content-Type: application/json"
) -> bytes:
    """A request's head, its fields as they are written."""
    return "\r\n".join([line, *(field for field in (host, sent_as, *fields) if field), "", ""]).encode("latin-1")


def posted(*fields: str, body: bytes = BODY, length: bool = True, **parts: str) -> bytes:
    """A POST of an honest query, but for `fields`."""
    return head(*fields, *([f"Content-Length: {len(body)}"] if length else []), **parts) + body


def unclear(sent: bytes) -> Wire:
    """Two readers would take it for two different requests."""
    return Wire(sent=sent, statuses=(400,), code="AMBIGUOUS_REQUEST")


def malformed(sent: bytes) -> Wire:
    """No request by the letter of RFC 9112."""
    return Wire(sent=sent, statuses=(400,), code="MALFORMED")


def chunked(*chunks: bytes, fields: tuple[str, ...] = ()) -> bytes:
    """A chunked POST with the chunks as they are written."""
    return head("Transfer-Encoding: chunked", *fields) + b"".join(chunks)


def _chunk(content: bytes, extension: bytes = b"") -> bytes:
    return b"%x%s\r\n%s\r\n" % (len(content), extension, content)


HIDDEN = b"GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n"
"""What a smuggler hides in the body of another request."""
LAST = b"0\r\n\r\n"

WIRES: Mapping[str, Wire] = {
    # where a body ends
    "content-length and transfer-encoding": malformed(head("Content-Length: 6", "Transfer-Encoding: chunked") + LAST + HIDDEN),
    "transfer-encoding and content-length": malformed(head("Transfer-Encoding: chunked", "Content-Length: 6") + LAST + HIDDEN),
    "two lengths that agree": malformed(posted(f"Content-Length: {len(BODY)}")),
    "two lengths that do not": malformed(head("Content-Length: 5", "Content-Length: 50") + b"hello" + HIDDEN),
    "two lengths on a line": malformed(head("Content-Length: 5, 5") + b"hello"),
    "a length with a sign": malformed(head("Content-Length: +5") + b"hello"),
    "a negative length": malformed(head("Content-Length: -1") + HIDDEN),
    "a length in sixteens": malformed(head("Content-Length: 0x1b") + BODY),
    "a length that wraps around": malformed(head("Content-Length: 18446744073709551621") + b"hello" + HIDDEN),
    "a length with a blank inside": malformed(head("Content-Length: 2 7") + BODY),
    "an encoding that sounds like chunked": unclear(head("Transfer-Encoding: xchunked") + LAST + HIDDEN),
    "chunked twice": malformed(head("Transfer-Encoding: chunked", "Transfer-Encoding: chunked") + LAST),
    "chunked within gzip": unclear(head("Transfer-Encoding: gzip, chunked") + LAST + HIDDEN),
    "chunked, but identity last": malformed(head("Transfer-Encoding: chunked, identity") + LAST + HIDDEN),
    "chunked after a vertical tab": malformed(head("Transfer-Encoding: \x0bchunked") + LAST + HIDDEN),
    "chunked in HTTP/1.0": unclear(head("Transfer-Encoding: chunked", line="POST /graphql HTTP/1.0") + LAST + HIDDEN),
    "a chunk size that wraps around": malformed(chunked(b"1000000000000001b\r\n" + BODY + b"\r\n", LAST)),
    "a chunk size with a sign": malformed(chunked(b"+1b\r\n" + BODY + b"\r\n", LAST)),
    "a chunk size that is none": malformed(chunked(b"zz\r\n" + BODY)),
    "a chunk longer than it says": malformed(chunked(b"5\r\n" + BODY + b"\r\n", LAST)),
    "a chunk extension of six hundred kilobytes": Wire(
        sent=chunked(_chunk(BODY, b";" + b"x" * 600_000), LAST), statuses=(431,), code="HEAD_TOO_LARGE"
    ),
    "a trailer of a hundred kilobytes": Wire(
        sent=chunked(_chunk(BODY), b"0\r\nx: " + b"x" * 100_000), statuses=(431,), code="HEAD_TOO_LARGE"
    ),
    "a trailer that signs in": Wire(
        sent=chunked(_chunk(BODY), b"0\r\nauthorization: Bearer nonsense\r\n\r\n"), statuses=(200,), ended=False, holds=RIGHT
    ),
    "a trailer that compresses": Wire(
        sent=chunked(_chunk(BODY), b"0\r\ncontent-encoding: gzip\r\n\r\n"), statuses=(200,), ended=False, holds=RIGHT
    ),
    "honest chunks": Wire(sent=chunked(_chunk(BODY[:9]), _chunk(BODY[9:]), LAST), statuses=(200,), ended=False, holds=RIGHT),
    "two honest requests at once": Wire(sent=posted() * 2, statuses=(200, 200), ended=False, holds=RIGHT),
    # what a field says
    "a blank before the colon": malformed(posted("Authorization : Bearer x")),
    "a field folded over two lines": malformed(posted("X-Long: a\r\n b")),
    "a lone line feed": malformed(b"POST /graphql HTTP/1.1\nHost: a\nContent-Length: 5\n\nhello"),
    "a lone carriage return": malformed(posted("X-Sly: a\rAuthorization: Bearer x")),
    "a NUL in a value": malformed(posted("X-Sly: a\0b")),
    "a field without a name": malformed(posted(": x")),
    "a field with a name in quotes": malformed(posted('"X": x')),
    "an underscore for a hyphen": unclear(posted("Content_Length: 1")),
    "two hosts": unclear(posted("Host: b")),
    "no host": unclear(posted(host="")),
    "two authorizations": unclear(posted("Authorization: Bearer x", "Authorization: Bearer y")),
    "two content types": unclear(posted("Content-Type: text/plain")),
    "two ranges": unclear(head("Range: bytes=0-1", "Range: bytes=5-", line="GET /m/x/y.mp4 HTTP/1.1", sent_as="")),
    "two origins": unclear(posted("Origin: http://a", "Origin: https://evil.example")),
    "one field of forty kilobytes": Wire(sent=posted("X-Large: " + "x" * 40_000), statuses=(431,), code="HEAD_TOO_LARGE"),
    "one hundred and one fields": Wire(sent=posted(*(f"X-{n}: x" for n in range(101))), statuses=(431,), code="HEAD_TOO_LARGE"),
    "fields without end": Wire(sent=head()[:-2] + b"X-More: x\r\n" * 20_000, statuses=(431,), code="HEAD_TOO_LARGE"),
    "a target of two hundred kilobytes": Wire(
        sent=head(line="GET /graphql?query=" + "x" * 200_000 + " HTTP/1.1"), statuses=(431,), code="HEAD_TOO_LARGE"
    ),
    "empty lines without end": Wire(sent=b"\r\n" * 40_000, statuses=(431,), code="HEAD_TOO_LARGE"),
    # what is asked for
    "a target of another server": unclear(posted(line="POST http://evil.example/graphql HTTP/1.1")),
    "a target of this server": Wire(sent=posted(line="POST http://a/graphql HTTP/1.1"), statuses=(200,), ended=False, holds=RIGHT),
    "a target with a person in it": unclear(posted(line="POST http://a@evil.example/graphql HTTP/1.1", host="Host: a@evil.example")),
    "a target of another scheme": unclear(head(line="GET file:///etc/passwd HTTP/1.1")),
    "a tunnel": unclear(head(line="CONNECT evil.example:443 HTTP/1.1", sent_as="")),
    "a fragment": unclear(head(line="GET /graphql#x HTTP/1.1")),
    "a target beyond ASCII": malformed(head(line="GET /gr\xe4phql HTTP/1.1")),
    "a NUL in the target": malformed(head(line="GET /m/x\0.mp4 HTTP/1.1")),
    "a blank in the target": malformed(head(line="GET /m/a b.mp4 HTTP/1.1")),
    "a method of one's own": malformed(head(line="STEAL /graphql HTTP/1.1")),
    "HTTP/2 without being asked": malformed(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "HTTP/0.9": unclear(b"GET /graphql\r\n\r\n"),
    "TLS to a port that speaks none": malformed(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64)),
    "Redis at our door": malformed(b"*1\r\n$8\r\nFLUSHALL\r\n"),
    "two slashes before the path": Wire(sent=posted(line="POST //graphql HTTP/1.1"), statuses=(404,), code="NOT_FOUND", ended=False),
    "dots before the path": Wire(sent=posted(line="POST /x/../graphql HTTP/1.1"), statuses=(404,), code="NOT_FOUND", ended=False),
    "dots out of the files of the pages": Wire(
        sent=head(line="GET /static/x/../../../../etc/passwd HTTP/1.1", sent_as=""), statuses=(404,), code="NOT_FOUND", ended=False
    ),
    "escaped dots out of the files of the pages": Wire(
        sent=head(line="GET /static/x/%2e%2e%2f%2e%2e%2fetc%2fpasswd%00.css HTTP/1.1", sent_as=""),
        statuses=(404,),
        code="NOT_FOUND",
        ended=False,
    ),
    # bodies that are not what they say
    "a body that is announced and never sent": Wire(sent=head("Content-Length: 500") + b"{", statuses=(408,), code="BAD_USER_INPUT"),
    "a body of a petabyte": Wire(sent=head("Content-Length: 1000000000000000") + b"x" * 1_500_000, statuses=(413,), code="BAD_USER_INPUT"),
    "a body of gzip": Wire(sent=posted("Content-Encoding: gzip"), statuses=(415,), code="BAD_USER_INPUT", ended=False),
    "a form for GraphQL": Wire(
        sent=posted(sent_as="Content-Type: multipart/form-data; boundary=x"), statuses=(415,), code="BAD_USER_INPUT", ended=False
    ),
    "half a body, then half a connection": Wire(sent=head("Content-Length: 500") + b"{", statuses=(), finish=True),
    "half a form, then half a connection": Wire(
        sent=head("Content-Length: 500", line="POST /oauth/token HTTP/1.1", sent_as="Content-Type: application/x-www-form-urlencoded")
        + b"code=",
        statuses=(),
        finish=True,
    ),
    "half a head, then half a connection": Wire(sent=b"POST /graphql HT", statuses=(), finish=True),
    "half a head, then nothing": Wire(sent=b"POST /graphql HT", statuses=(408,), code="HEAD_TOO_SLOW"),
    "nothing at all": Wire(sent=b"", statuses=(408,), code="HEAD_TOO_SLOW"),
    "an answer, then half a head": Wire(sent=posted() + b"POST /gr", statuses=(200, 408), code="HEAD_TOO_SLOW"),
    "an answer, then empty lines": Wire(sent=posted() + b"\r\n", statuses=(200,), ended=False, holds=RIGHT),
    # other protocols
    "a socket where there is none": Wire(
        sent=head(
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
            "Sec-WebSocket-Version: 13",
            line="GET /feed HTTP/1.1",
            sent_as="",
        ),
        statuses=(403,),
    ),
    "a socket without a key": Wire(
        sent=head("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", line="GET /graphql HTTP/1.1", sent_as=""),
        statuses=(400,),
    ),
    "a socket of another version": Wire(
        sent=head(
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
            "Sec-WebSocket-Version: 8",
            line="GET /graphql HTTP/1.1",
            sent_as="",
        ),
        statuses=(400,),
    ),
    "a socket by POST": Wire(
        sent=posted(
            "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", "Sec-WebSocket-Version: 13"
        ),
        statuses=(400,),
        code="UPGRADE_REFUSED",
    ),
    "a socket with a cookie of ten kilobytes": Wire(
        sent=head(
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
            "Sec-WebSocket-Version: 13",
            "Cookie: " + "x" * 10_000,
            line="GET /graphql HTTP/1.1",
            sent_as="",
        ),
        statuses=(400,),
        code="UPGRADE_REFUSED",
    ),
    "HTTP/2 by upgrade, with a request hidden behind": Wire(
        sent=head(
            "Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMAAABk", line="GET /healthz HTTP/1.1", sent_as=""
        )
        + HIDDEN,
        statuses=(200,),
    ),
}
