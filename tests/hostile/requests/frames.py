"""WebSocket frames byte by byte (RFC 6455, section 5.2), honest or not."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass

from tests.hostile.requests.wires import head

CONTINUED, TEXT, BYTES, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
MASK = b"\1\2\3\4"
OPENING = head(
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Protocol: graphql-transport-ws",
    line="GET /graphql HTTP/1.1",
    sent_as="",
)
INIT = b'{"type": "connection_init"}'


def frame(
    opcode: int, content: bytes = b"", *, final: bool = True, masked: bool = True, reserved: int = 0, says: int | None = None
) -> bytes:
    """One frame; `says` is the length that it claims to have."""
    length = len(content) if says is None else says
    first = (0x80 if final else 0) | reserved << 4 | opcode
    mask_bit = 0x80 if masked else 0
    if length < 126:
        begin = struct.pack("!BB", first, mask_bit | length)
    elif length < 2**16:
        begin = struct.pack("!BBH", first, mask_bit | 126, length)
    else:
        begin = struct.pack("!BBQ", first, mask_bit | 127, length)
    if not masked:
        return begin + content
    return begin + MASK + bytes(byte ^ MASK[at % 4] for at, byte in enumerate(content))


@dataclass(frozen=True, slots=True, kw_only=True)
class Flood:
    """Frames after the handshake, and the code with which the socket closes."""

    sent: bytes
    code: int


SUBSCRIBE = b'{"type": "subscribe", "id": "%d", "payload": {"query": "{ nobody }"}}'

FLOODS: Mapping[str, Flood] = {
    "a frame without a mask": Flood(sent=frame(TEXT, INIT, masked=False), code=1002),
    "a frame of a kind that there is not": Flood(sent=frame(5, INIT), code=1002),
    "a frame with bits that mean nothing": Flood(sent=frame(TEXT, INIT, reserved=7), code=1002),
    "a compressed frame that nobody agreed to": Flood(sent=frame(TEXT, INIT, reserved=4), code=1002),
    "text that is no text": Flood(sent=frame(TEXT, b"\xff\xfe\xfd"), code=1007),
    "a ping of two hundred bytes": Flood(sent=frame(PING, b"x" * 200), code=1002),
    "a ping in pieces": Flood(sent=frame(PING, b"x", final=False), code=1002),
    "the end of a message that did not begin": Flood(sent=frame(CONTINUED, INIT), code=1002),
    "a message within a message": Flood(sent=frame(TEXT, b"{", final=False) + frame(TEXT, b"}"), code=1002),
    "a message that says it has all the bytes there are": Flood(sent=frame(TEXT, b"", says=2**63 - 1), code=1009),
    "a message one byte too long": Flood(sent=frame(TEXT, b"", says=262_145), code=1009),
    "pieces that are too much together": Flood(sent=frame(TEXT, b"x" * 200_000, final=False) + frame(CONTINUED, b"x" * 200_000), code=1009),
    "pieces of one byte": Flood(sent=frame(TEXT, b"x", final=False) + frame(CONTINUED, b"x", final=False) * 2_000, code=1008),
    "pieces of none": Flood(sent=frame(TEXT, b"", final=False) + frame(CONTINUED, b"", final=False) * 2_000, code=1008),
    "a thousand pings": Flood(sent=frame(PING, b"x" * 125) * 1_000, code=1008),
    "a thousand pongs": Flood(sent=frame(PONG) * 1_000, code=1008),
    "a thousand pongs of the protocol above": Flood(sent=frame(TEXT, b'{"type": "pong"}') * 1_000, code=1008),
    "a thousand operations": Flood(
        sent=frame(TEXT, INIT) + b"".join(frame(TEXT, SUBSCRIBE % number) for number in range(1_000)), code=1008
    ),
    "a message nested past every parser": Flood(sent=frame(TEXT, b"[" * 100_000), code=4400),
    "a message of NULs": Flood(sent=frame(TEXT, b"\0" * 1_000), code=4400),
    "a close with a code that nobody may send": Flood(sent=frame(CLOSE, struct.pack("!H", 1005)), code=1002),
    "a close of one byte": Flood(sent=frame(CLOSE, b"x"), code=1002),
}
