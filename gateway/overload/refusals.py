"""What is said to who is turned away: made once, so that saying it costs next to nothing."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

import orjson

from gateway.browsers import Origins
from gateway.media.answers import ANY_ORIGIN
from gateway.media.problems import Problem
from gateway.overload.urgency import GRAPHQL
from gateway.protocols.negotiation import Media
from gateway.wire.refusal import Refusal

RETRY_AFTER_S: Final = 1
_DETAIL: Final = "There is too much to do: try again in a moment."
_PROBLEM: Final = Problem(HTTPStatus.SERVICE_UNAVAILABLE, "OVERLOADED", _DETAIL).body()
_FAULT: Final = orjson.dumps(
    {
        "errors": [
            {
                "message": _DETAIL,
                "extensions": {"code": "UNAVAILABLE", "reason": "RESOURCE_EXHAUSTED", "retryAfterMs": RETRY_AFTER_S * 1_000},
            }
        ]
    }
)
_OPEN_PATHS: Final = ("/m/", "/upload/", "/tus")
"""Beginnings of paths whose answers pages of any origin may read."""


def _refusal(media_type: str, body: bytes, headers: Mapping[str, str]) -> Refusal:
    named = {
        "content-type": media_type,
        "content-length": str(len(body)),
        "retry-after": str(RETRY_AFTER_S),
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
        **{name.lower(): value for name, value in headers.items()},
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in named.items())
    return Refusal(head=f"HTTP/1.1 503 Service Unavailable\r\n{lines}".encode(), body=body)


class Refusals:
    """One for each kind of answer, and for each origin whose pages may read it."""

    def __init__(self, *, origins: Origins) -> None:
        self._problem = _refusal("application/problem+json", _PROBLEM, {})
        self._open = _refusal("application/problem+json", _PROBLEM, ANY_ORIGIN)
        self._faults = {
            (media, origin.encode()): _refusal(media.content_type, _FAULT, origins.headers_for(origin))
            for media in (Media.JSON, Media.GRAPHQL)
            for origin in ("", *origins.allowed)
        }

    def of(self, path: str, fields: Mapping[bytes, bytes]) -> Refusal:
        """In the media type that the request takes, for its origin to read."""
        if path == GRAPHQL:
            media = Media.GRAPHQL if b"application/graphql-response+json" in fields.get(b"accept", b"") else Media.JSON
            return self._faults.get((media, fields.get(b"origin", b""))) or self._faults[media, b""]
        return self._open if path.startswith(_OPEN_PATHS) else self._problem
