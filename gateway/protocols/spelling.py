"""How bodies are written into a response that goes on: as events, as parts of an answer, as parts of a subscription.

Events follow graphql-sse in its distinct connections mode. Parts follow the RFC for incremental delivery over HTTP, and Apollo's protocol for subscriptions
over multipart HTTP: `payload` holds a result, is null with `errors` beside it when the stream itself fails, and an empty object keeps the connection open.
A boundary follows each part at once, so that whoever reads has the part whole without waiting for the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from gateway.protocols.negotiation import BOUNDARY, Media

Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spelling:
    """What is written before, between and after bodies."""

    begin: bytes
    body: Callable[[Body], bytes]
    failed: Callable[[Body], bytes]
    """Of what ends the stream itself and is no result of the operation."""
    ping: bytes
    """Empty where nothing may be said that is no result."""
    end: bytes


def _event(body: Body) -> bytes:
    return b"event: next\ndata: " + orjson.dumps(body) + b"\n\n"


_AFTER: Final = f"\r\n--{BOUNDARY}".encode()
_HEAD: Final = b"\r\ncontent-type: application/json; charset=utf-8\r\n\r\n"


def _part(body: Body) -> bytes:
    return _HEAD + orjson.dumps(body) + _AFTER


_EVENTS: Final = Spelling(begin=b"", body=_event, failed=_event, ping=b": ping\n\n", end=b"event: complete\ndata:\n\n")
_PARTS: Final = Spelling(
    begin=_AFTER,
    body=lambda body: _part(body if "hasNext" in body else {**body, "hasNext": False}),
    failed=lambda body: _part({**body, "hasNext": False}),
    ping=b"",
    end=b"--\r\n",
)
_SUBSCRIPTION: Final = Spelling(
    begin=_AFTER,
    body=lambda body: _part({"payload": body}),
    failed=lambda body: _part({"payload": None, "errors": body["errors"]}),
    ping=_part({}),
    end=b"--\r\n",
)


def spelling_of(media: Media) -> Spelling:
    """How a medium that goes on is written."""
    if media.is_events:
        return _EVENTS
    return _SUBSCRIPTION if media is Media.PARTS_SUBSCRIPTION else _PARTS
