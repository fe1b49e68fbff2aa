"""How outcomes of services are told to clients: expected ones as `userErrors`, faults as `errors[].extensions.code`.

MeshError (of a service)
├── expected outcome of a mutation   userErrors {code = reason}
└── fault                            GraphQL error {code = one of CODES}

Fault                                ours, or a service's with its code
├── TooCostly                        QUERY_TOO_COSTLY (gateway.execution.limits)
├── PersistedQueryNotFound, PersistedQueryNotSupported, HashMismatch   (gateway.execution.persisted)
├── NotAllowed                       DOCUMENT_NOT_ALLOWED (gateway.execution.allowed)
└── RateLimited                      RATE_LIMITED (gateway.rates)
everything else                      a bug: INTERNAL, its text stays inside
"""

from __future__ import annotations

import logging
from typing import Any

import grpc
from graphql import FieldNode, GraphQLError

from mesh.errors import MeshError
from mesh.interceptors.map_errors import expected

_log = logging.getLogger("clipmesh.gateway")

CODES = {
    grpc.StatusCode.UNAUTHENTICATED: "UNAUTHENTICATED",
    grpc.StatusCode.PERMISSION_DENIED: "FORBIDDEN",
    grpc.StatusCode.NOT_FOUND: "NOT_FOUND",
    grpc.StatusCode.INVALID_ARGUMENT: "BAD_USER_INPUT",
    grpc.StatusCode.OUT_OF_RANGE: "BAD_USER_INPUT",
    grpc.StatusCode.ALREADY_EXISTS: "CONFLICT",
    grpc.StatusCode.ABORTED: "CONFLICT",
    grpc.StatusCode.FAILED_PRECONDITION: "FAILED_PRECONDITION",
    grpc.StatusCode.RESOURCE_EXHAUSTED: "RATE_LIMITED",
    grpc.StatusCode.DEADLINE_EXCEEDED: "TIMEOUT",
    grpc.StatusCode.UNAVAILABLE: "UNAVAILABLE",
}
"""gRPC status -> code of a fault; everything else is INTERNAL."""

NAMED = {"BAD_CURSOR": "BAD_CURSOR", "CURSOR_EXPIRED": "CURSOR_EXPIRED", "INVALID_PAGE_TOKEN": "BAD_CURSOR"}
"""Reasons that are codes of their own."""

OF_DOCUMENTS = frozenset(
    {"PERSISTED_QUERY_NOT_FOUND", "PERSISTED_QUERY_NOT_SUPPORTED", "PERSISTED_QUERY_HASH_MISMATCH", "DOCUMENT_NOT_ALLOWED"}
)
"""Codes of documents that were asked by their hash, or that are on no list."""

OUTCOMES = frozenset(
    {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.ALREADY_EXISTS,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.OUT_OF_RANGE,
    }
)
"""What a mutation answers as a userError; RESOURCE_EXHAUSTED is one too unless it is plain overload."""

AWAY = frozenset({"UNAVAILABLE", "TIMEOUT"})
"""Codes that say nothing of the question, only that nobody answered it."""

INTERNAL_MESSAGE = "something went wrong on our side"


def code_of(error: MeshError) -> str:
    """The code of a fault; INTERNAL for what a service holds against this gateway and not against the question."""
    if expected(error) is None:
        return "INTERNAL"
    return NAMED.get(error.reason) or CODES.get(error.code, "INTERNAL")


def is_away(error: MeshError) -> bool:
    """True when the service did not look at the question: it is gone, too slow or too crowded."""
    return code_of(error) in AWAY or (error.code is grpc.StatusCode.RESOURCE_EXHAUSTED and error.reason == "OVERLOADED")


def is_outcome(error: MeshError) -> bool:
    """True when a mutation answers it as a userError."""
    if expected(error) is None:
        return False
    if error.code is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return error.reason != "OVERLOADED"
    return error.code in OUTCOMES or (error.code is grpc.StatusCode.UNAUTHENTICATED and error.reason == "WRONG_CREDENTIALS")


class Fault(GraphQLError):
    """An error with a code that clients may rely on; facts become extensions."""

    def __init__(self, code: str, message: str, *, retry_after_ms: int = 0, **facts: str | int) -> None:
        extensions: dict[str, object] = {"code": code, **facts}
        if retry_after_ms:
            extensions["retryAfterMs"] = retry_after_ms
        super().__init__(message, extensions=extensions)
        self.code = code
        self.retry_after_ms = retry_after_ms


def fault_of(error: MeshError) -> Fault:
    """A service's error as a fault; internal errors are logged and their texts stay inside."""
    code = code_of(error)
    if code != "INTERNAL":
        return Fault(code, error.message, retry_after_ms=error.retry_after_ms)
    about = {"reason": error.reason, "service": getattr(error, "service", ""), "method": getattr(error, "method", "")}
    _log.error("a service failed", exc_info=error, extra=about)
    return Fault(code, INTERNAL_MESSAGE)


def told(error: GraphQLError, request_id: str, *, executing: bool = False) -> dict[str, Any]:
    """An error as the client may see it; what is no fault of the client's or of a known kind is masked and logged."""
    message, extensions = _seen(error, executing)
    answer: dict[str, Any] = {"message": message}
    if error.locations:
        answer["locations"] = [{"line": one.line, "column": one.column} for one in error.locations]
    if error.path:
        answer["path"] = list(error.path)
    answer["extensions"] = {**extensions, "requestId": request_id}
    return answer


def code_told(error: GraphQLError) -> str:
    """The code of an error of the document."""
    cause = error.original_error or error
    return cause.code if isinstance(cause, Fault) else "BAD_USER_INPUT"


def _seen(error: GraphQLError, executing: bool) -> tuple[str, dict[str, Any]]:
    cause = error.original_error or error
    if isinstance(cause, MeshError):
        cause = fault_of(cause)
    if isinstance(cause, Fault):
        return cause.message, dict(cause.extensions or {})
    if isinstance(cause, GraphQLError) and (not executing or _is_about_arguments(error)):
        return error.message, {"code": "BAD_USER_INPUT"}
    _log.error("an operation failed", exc_info=cause, extra={"error_type": type(cause).__name__})
    return INTERNAL_MESSAGE, {"code": "INTERNAL"}


def _is_about_arguments(error: GraphQLError) -> bool:
    """True for a value in the document that turned out wrong while running, as a null variable does; others point at a field."""
    return bool(error.nodes) and not any(isinstance(node, FieldNode) for node in error.nodes or ())
