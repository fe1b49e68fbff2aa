"""Which requests the wire reads by itself: those alone that every reader takes for the same."""

from __future__ import annotations

import random

import httptools
import pytest

from gateway.wire.heads import unclear
from gateway.wire.whole import LARGEST, Whole, whole
from tests.hostile.requests.wires import WIRES, head, posted

FIELDS = 100
BODY = b'{"query": "{ __typename }"}'


def read(sent: bytes) -> Whole | None:
    return whole(sent, most_fields=FIELDS)


def test_a_plain_request_is_read_to_its_last_byte() -> None:
    asked = read(posted("Cookie: a=b; c=d", "X-Empty:", "Connection: Keep-Alive", line="POST /graphql?x=%20 HTTP/1.1"))
    assert asked == Whole(
        "POST",
        "/graphql",
        {
            b"host": b"a",
            b"content-type": b"application/json",
            b"cookie": b"a=b; c=d",
            b"x-empty": b"",
            b"connection": b"Keep-Alive",
            b"content-length": b"27",
        },
        BODY,
    )
    assert read(b"GET /m/x/5/720p.mp4 HTTP/1.1\r\nHost: a\r\n\r\n") == Whole("GET", "/m/x/5/720p.mp4", {b"host": b"a"}, b"")


ODD = {
    "two lengths": posted(f"Content-Length: {len(BODY)}"),
    "two lengths, one in capitals": posted(f"CONTENT-LENGTH: {len(BODY)}"),
    "two lengths on a line": head(f"Content-Length: {len(BODY)}, {len(BODY)}") + BODY,
    "a length with a sign": head(f"Content-Length: +{len(BODY)}") + BODY,
    "a length of another alphabet": head("Content-Length: \xb2\xb7") + BODY,
    "a length of many zeros": head(f"Content-Length: {len(BODY):019}") + BODY,
    "a length and an encoding": posted("Transfer-Encoding: chunked"),
    "an encoding": head("Transfer-Encoding: chunked") + b"1b\r\n" + BODY + b"\r\n0\r\n\r\n",
    "an encoding that sounds like one": posted("Transfer-Encoding: xchunked"),
    "an encoding in capitals": posted("TRANSFER-ENCODING: identity"),
    "a compressed body": posted("Content-Encoding: gzip"),
    "a body that is announced": posted("Expect: 100-continue"),
    "another protocol": posted("Connection: upgrade", "Upgrade: websocket"),
    "another protocol alone": posted("Upgrade: h2c"),
    "trailers": posted("TE: trailers"),
    "a connection that ends": posted("Connection: close"),
    "a connection of its own": posted("Connection: keep-alive, x-forwarded-for"),
    "HTTP/1.0": posted(line="POST /graphql HTTP/1.0"),
    "HTTP/1.2": posted(line="POST /graphql HTTP/1.2"),
    "HTTP/0.9": b"GET /graphql\r\n\r\n",
    "another method": posted(line="PUT /graphql HTTP/1.1"),
    "a method that is only asked for": posted("X-HTTP-Method-Override: GET"),
    "a method in small letters": posted(line="post /graphql HTTP/1.1"),
    "no host": posted(host=""),
    "two hosts": posted("Host: b"),
    "two authorizations": posted("Authorization: Bearer x", "Authorization: Bearer y"),
    "two cookies": posted("Cookie: a=b", "cookie: c=d"),
    "an underscore": posted("Content_Length: 5"),
    "a field that is folded": posted("X-Long: a\r\n b"),
    "a field that is folded by a tab": posted("X-Long: a\r\n\tb"),
    "a folded length": head(f"Content-Length:\r\n {len(BODY)}") + BODY,
    "a field folded out of nothing": posted(line="POST /graphql HTTP/1.1\r\n X: y"),
    "a blank before the colon": posted("Authorization : Bearer x"),
    "a field without a colon": posted("Authorization"),
    "a field without a name": posted(": x"),
    "a name in quotes": posted('"X": x'),
    "a name beyond ASCII": posted("X-\xe4: x"),
    "a value beyond ASCII": posted("X-Name: \xe4"),
    "a tab in a value": posted("X-Tab: a\tb"),
    "a NUL in a value": posted("X-Sly: a\0b"),
    "a NUL in a name": posted("X-\0Sly: a"),
    "a lone carriage return": posted("X-Sly: a\rAuthorization: Bearer x"),
    "a lone line feed": posted("X-Sly: a\nTransfer-Encoding: chunked"),
    "line feeds alone": posted().replace(b"\r\n", b"\n"),
    "a line feed before the end of a line": posted("X-Sly: a\n"),
    "a carriage return before the end of a line": posted("X-Sly: a\r"),
    "a vertical tab": posted("X-Sly: a\x0bb"),
    "a delete": posted("X-Sly: a\x7fb"),
    "an empty line before": b"\r\n" + posted(),
    "two blanks in the line": posted(line="POST  /graphql HTTP/1.1"),
    "a tab in the line": posted(line="POST\t/graphql HTTP/1.1"),
    "a blank behind the line": posted(line="POST /graphql HTTP/1.1 "),
    "an escaped path": posted(line="POST /%67raphql HTTP/1.1"),
    "two slashes": posted(line="POST //graphql HTTP/1.1"),
    "a fragment": posted(line="POST /graphql#x HTTP/1.1"),
    "a backslash": posted(line="POST /\\graphql HTTP/1.1"),
    "a whole address": posted(line="POST http://a/graphql HTTP/1.1"),
    "a star": posted(line="GET * HTTP/1.1"),
    "one behind the other": posted() * 2,
    "a byte behind": posted() + b"G",
    "a byte less": posted()[:-1],
    "a GET with a body": head(line="GET /graphql HTTP/1.1") + BODY,
    "a POST without a length": head(),
    "a head that goes on": posted()[:60],
    "more fields than may be": posted(*(f"X-{number}: x" for number in range(FIELDS))),
    "more bytes than are read here": posted(body=b" " * LARGEST),
    "nothing": b"",
}


@pytest.mark.parametrize("name", ODD)
def test_whatever_is_odd_is_left_to_the_parser(name: str) -> None:
    assert read(posted()) is not None
    assert read(ODD[name]) is None


HONEST = frozenset({200, 404})


@pytest.mark.parametrize("name", [name for name, case in WIRES.items() if not HONEST.issuperset(case.statuses)])
def test_what_the_wire_refuses_is_left_to_it(name: str) -> None:
    case = WIRES[name]
    asked = read(case.sent)
    # What is left are honest requests that an application refuses for what they ask.
    assert asked is None or set(case.statuses) <= {401, 403, 405, 406, 415}


class _Parser:
    """What httptools makes of the same bytes."""

    def __init__(self, sent: bytes) -> None:
        self.fields: list[tuple[bytes, bytes]] = []
        self.url = self.body = b""
        self.begun = self.complete = 0
        self._parser = httptools.HttpRequestParser(self)
        self._parser.feed_data(sent)
        self.method = self._parser.get_method().decode()
        self.keeps = self._parser.should_keep_alive() and not self._parser.should_upgrade()
        self.version = self._parser.get_http_version()

    def on_message_begin(self) -> None:
        self.begun += 1

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((name.lower(), value))

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.complete += 1


_PIECES = [
    *(
        b"\r\n",
        b"\r",
        b"\n",
        b"\0",
        b" ",
        b"\t",
        b":",
        b",",
        b"_",
        b"%",
        b"#",
        b"?",
        b"/",
        b"\r\n ",
        b"\r\n\r\n",
        b"\x80",
        b"0",
        b"1",
        b"2",
    ),
    *(b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"Host: b\r\n", b"Connection: close\r\n", b"HTTP/1.0", b"GET", b"POST "),
]


def test_what_is_read_here_the_parser_reads_alike() -> None:
    """Whole requests with something put in, taken out or written over at random places."""
    chance, agreed = random.Random(5), 0
    honest = [posted("Cookie: a=b"), posted("X-A: b", "Connection: keep-alive"), head(line="GET /m/x?y=z HTTP/1.1", sent_as="")]
    for _ in range(12_000):
        sent = chance.choice(honest)
        for _ in range(chance.choice((1, 1, 2, 3))):
            at, over = chance.randrange(len(sent)), chance.choice((0, 0, 1, 2))
            sent = sent[:at] + chance.choice((*_PIECES, b"", b"", sent[at : at + 12])) + sent[at + over :]
        asked = read(sent)
        if asked is None:
            continue
        agreed += 1
        parsed = _Parser(sent)
        assert (parsed.begun, parsed.complete, parsed.version, parsed.keeps) == (1, 1, "1.1", True), sent
        assert (parsed.method, parsed.url.partition(b"?")[0].decode(), parsed.body) == (asked.method, asked.path, asked.body), sent
        assert dict(parsed.fields) == asked.fields, sent
        assert len(parsed.fields) == len(asked.fields), sent
        assert not unclear(parsed.fields, version="1.1", url=parsed.url), sent
    assert agreed > 1_000
