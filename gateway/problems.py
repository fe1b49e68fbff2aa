"""Refusals outside GraphQL as problem+json (RFC 9457, which replaced RFC 7807)."""

from __future__ import annotations

from http import HTTPStatus

from starlette.responses import Response

from gateway.media.problems import Problem


def problem(status: int, code: str, detail: str, *, headers: dict[str, str] | None = None) -> Response:
    """A refusal as a response."""
    refusal = Problem(HTTPStatus(status), code, detail)
    return Response(refusal.body(), status_code=status, media_type="application/problem+json", headers=headers)
