"""Refusals of the tus door: HTTP statuses that its clients act on, and the services' own reasons as codes."""

from __future__ import annotations

import json
import logging
import math
from http import HTTPStatus

import grpc

from gateway.errors import INTERNAL_MESSAGE, code_of, is_outcome
from gateway.media.problems import Problem
from mesh.errors import MeshError

_log = logging.getLogger("clipmesh.gateway")

CHECKSUM_STATUS = 460
"""Of tus alone."""

_NAMED = {
    "FILE_TOO_LARGE": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "UNSUPPORTED_CONTENT_TYPE": HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    "UPLOAD_NOT_OPEN": HTTPStatus.GONE,
}
_STATUS = {
    grpc.StatusCode.INVALID_ARGUMENT: HTTPStatus.BAD_REQUEST,
    grpc.StatusCode.OUT_OF_RANGE: HTTPStatus.BAD_REQUEST,
    grpc.StatusCode.UNAUTHENTICATED: HTTPStatus.UNAUTHORIZED,
    grpc.StatusCode.PERMISSION_DENIED: HTTPStatus.FORBIDDEN,
    grpc.StatusCode.NOT_FOUND: HTTPStatus.NOT_FOUND,
    grpc.StatusCode.ALREADY_EXISTS: HTTPStatus.CONFLICT,
    # Clients ask for the offset again and go on from there, which is right for parts that were lost meanwhile.
    grpc.StatusCode.FAILED_PRECONDITION: HTTPStatus.CONFLICT,
    grpc.StatusCode.ABORTED: HTTPStatus.CONFLICT,
    grpc.StatusCode.RESOURCE_EXHAUSTED: HTTPStatus.TOO_MANY_REQUESTS,
    grpc.StatusCode.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED: HTTPStatus.SERVICE_UNAVAILABLE,
}


class WrongChecksum(Problem):
    """The body is not what Upload-Checksum says; none of it was kept."""

    def __init__(self) -> None:
        super().__init__(HTTPStatus.BAD_REQUEST, "CHECKSUM_MISMATCH", "The body is not what Upload-Checksum says; none of it was kept.")

    def body(self) -> bytes:
        """The problem document with the status of tus."""
        document = json.loads(super().body())
        return json.dumps(document | {"title": "Checksum Mismatch", "status": CHECKSUM_STATUS}).encode()


class TooLarge(Problem):
    """The body is longer than what the file still lacks, or than what can be checked before any of it is kept."""

    def __init__(self, most_bytes: int) -> None:
        super().__init__(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "BODY_TOO_LARGE", f"At most {most_bytes} bytes are taken here.")


class Locked(Problem):
    """Somebody else writes; HEAD tells how far."""

    def __init__(self) -> None:
        detail = "Another request sends to this upload."
        super().__init__(HTTPStatus.LOCKED, "UPLOAD_LOCKED", detail, headers={"Retry-After": "1"})


class Interrupted(Problem):
    """The transfer gave way; what had arrived is kept."""

    def __init__(self) -> None:
        detail = "The transfer was interrupted; what arrived is kept. Ask for the offset and go on."
        super().__init__(HTTPStatus.SERVICE_UNAVAILABLE, "INTERRUPTED", detail, headers={"Retry-After": "1", "Connection": "close"})


def problem_of(error: MeshError) -> Problem:
    """What a service refused, under its own name; what is a fault of ours is logged and masked."""
    if error.reason == "OVERLOADED":
        # No fault of this client: its library tries a 503 again, and gives up on a 429.
        return Problem(HTTPStatus.SERVICE_UNAVAILABLE, error.reason, error.message, headers={"Retry-After": "1"} | _retry(error))
    if not is_outcome(error):
        code = code_of(error)
        if code == "INTERNAL":
            _log.error("a service failed", exc_info=error, extra={"reason": error.reason})
            return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, code, INTERNAL_MESSAGE)
        return Problem(_STATUS[error.code], code, error.message, headers=_retry(error))
    status = _NAMED.get(error.reason) or _STATUS[error.code]
    return Problem(status, error.reason, error.message, headers=_retry(error))


def unauthenticated(detail: str, *, challenge: str = "Bearer") -> Problem:
    """Nobody is signed in, or not any more."""
    return Problem(HTTPStatus.UNAUTHORIZED, "UNAUTHENTICATED", detail, headers={"WWW-Authenticate": challenge})


def _retry(error: MeshError) -> dict[str, str]:
    if error.retry_after_ms:
        return {"Retry-After": str(math.ceil(error.retry_after_ms / 1000))}
    return {"Retry-After": "1"} if error.code in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED} else {}
