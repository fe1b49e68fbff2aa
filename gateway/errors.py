"""How outcomes of services are told to clients: expected ones as `userErrors`, faults as `errors[].extensions.code`.

MeshError (of a service)
├── expected outcome of a mutation   userErrors {code = reason}
└── fault                            GraphQL error {code = one of CODES}
"""

from __future__ import annotations

import grpc
from graphql import GraphQLError

from mesh.errors import MeshError

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


def code_of(error: MeshError) -> str:
    """The code of a fault."""
    return NAMED.get(error.reason) or CODES.get(error.code, "INTERNAL")


def is_outcome(error: MeshError) -> bool:
    """True when a mutation answers it as a userError."""
    if error.code is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return error.reason != "OVERLOADED"
    return error.code in OUTCOMES or (error.code is grpc.StatusCode.UNAUTHENTICATED and error.reason == "WRONG_CREDENTIALS")


class Fault(GraphQLError):
    """An error with a code that clients may rely on."""

    def __init__(self, code: str, message: str, *, retry_after_ms: int = 0) -> None:
        extensions: dict[str, object] = {"code": code}
        if retry_after_ms:
            extensions["retryAfterMs"] = retry_after_ms
        super().__init__(message, extensions=extensions)


def fault_of(error: MeshError) -> Fault:
    """A service's error as a fault; texts of internal errors stay inside."""
    code = code_of(error)
    message = "something went wrong on our side" if code == "INTERNAL" else error.message
    return Fault(code, message, retry_after_ms=error.retry_after_ms)
