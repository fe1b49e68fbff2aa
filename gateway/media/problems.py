"""Refusals of the byte edge as problem+json (RFC 9457), each with a stable code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus


class Problem(Exception):
    """A refusal on its way to the client: what happened, in a word and in a sentence."""

    def __init__(self, status: HTTPStatus, code: str, detail: str, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = dict(headers or {})

    def body(self) -> bytes:
        """The problem document."""
        document = {
            "type": f"urn:clipmesh:problem:{self.code.lower().replace('_', '-')}",
            "title": self.status.phrase,
            "status": self.status.value,
            "code": self.code,
            "detail": self.detail,
        }
        return json.dumps(document).encode()


def method_not_allowed(allowed: str) -> Problem:
    """Another method than ours."""
    return Problem(HTTPStatus.METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", f"Use {allowed}.", headers={"Allow": allowed})


def overloaded() -> Problem:
    """Too many bodies at once."""
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "OVERLOADED", "Too many transfers at once; try again.", headers={"Retry-After": "1"})


def store_unavailable() -> Problem:
    """The store of objects failed, is full or too slow."""
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "STORE_UNAVAILABLE", "The store cannot take the call now.", headers={"Retry-After": "2"})
