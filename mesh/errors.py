"""Errors that cross a service boundary: the class says what the caller can do, `reason` is a stable word.

MeshError
├── InvalidArgument      mend the request
├── NotFound             there is no such thing for this viewer
├── AlreadyExists        it is there already
├── FailedPrecondition   change something else first
├── Aborted              read again and decide anew
├── PermissionDenied     not for you
├── Unauthenticated      say who you are
├── ResourceExhausted    wait, then try again
├── Unavailable          try again later
└── DeadlineExceeded     give more time
"""

from __future__ import annotations

import grpc
from google.protobuf.descriptor import EnumDescriptor

Fact = str | int | float | bool
"""What a fact of an error may be; it travels as text in ErrorInfo.metadata."""

Violation = tuple[str, str]
"""A field of the request, by its path, and what is wrong with it."""


AWAY_RETRY_MS = 1_000
"""When to ask again after a store or a service was away: sooner is in vain mostly, later keeps people waiting for what is back already."""


class MeshError(Exception):
    """Base of every expected outcome that is not success; all else is a bug and stays INTERNAL."""

    reason: str = "INTERNAL"
    code: grpc.StatusCode = grpc.StatusCode.INTERNAL
    domain: str = "clipmesh"
    retry_after_ms: int = 0
    """When to ask again; 0 says nothing of it. What a class says holds where nobody knows better."""
    violations: tuple[Violation, ...] = ()

    def __init__(self, message: str = "", *, retry_after_ms: int = 0, **facts: Fact) -> None:
        super().__init__(message or (type(self).__doc__ or self.reason).strip().splitlines()[0])
        self.facts = facts
        self.retry_after_ms = retry_after_ms or type(self).retry_after_ms

    @property
    def message(self) -> str:
        """One sentence for a person; nobody parses it."""
        return str(self.args[0])


class InvalidArgument(MeshError):
    """The request breaks a rule of its fields."""

    reason = "INVALID_REQUEST"
    code = grpc.StatusCode.INVALID_ARGUMENT

    def __init__(self, message: str = "", *, violations: tuple[Violation, ...] = (), retry_after_ms: int = 0, **facts: Fact) -> None:
        super().__init__(message, retry_after_ms=retry_after_ms, **facts)
        self.violations = violations


class MalformedRequest(InvalidArgument):
    """The bytes are no message of the expected type."""

    reason = "MALFORMED_REQUEST"


class DeadlineRequired(InvalidArgument):
    """The call came without a deadline."""

    reason = "DEADLINE_REQUIRED"


class NotFound(MeshError):
    """There is no such thing for this viewer."""

    reason = "NOT_FOUND"
    code = grpc.StatusCode.NOT_FOUND


class AlreadyExists(MeshError):
    """It is there already."""

    reason = "ALREADY_EXISTS"
    code = grpc.StatusCode.ALREADY_EXISTS


class FailedPrecondition(MeshError):
    """Something else has to change first."""

    reason = "FAILED_PRECONDITION"
    code = grpc.StatusCode.FAILED_PRECONDITION


class Aborted(MeshError):
    """Another write was faster; read again and decide anew."""

    reason = "CONFLICT"
    code = grpc.StatusCode.ABORTED


class PermissionDenied(MeshError):
    """The caller or the viewer may not do this."""

    reason = "FORBIDDEN"
    code = grpc.StatusCode.PERMISSION_DENIED


class Unauthenticated(MeshError):
    """The caller proved no identity."""

    reason = "UNAUTHENTICATED"
    code = grpc.StatusCode.UNAUTHENTICATED


class ResourceExhausted(MeshError):
    """Too much at once; wait, then try again."""

    reason = "OVERLOADED"
    code = grpc.StatusCode.RESOURCE_EXHAUSTED


class Unavailable(MeshError):
    """A store or service that is needed cannot be reached; retry later."""

    reason = "DEPENDENCY_UNAVAILABLE"
    code = grpc.StatusCode.UNAVAILABLE
    retry_after_ms = AWAY_RETRY_MS


class LoginUnconfirmed(Unavailable):
    """Nobody can say at this moment whether your session still lives; try again."""


class DeadlineExceeded(MeshError):
    """The deadline passed before the work began or ended."""

    reason = "DEADLINE_EXCEEDED"
    code = grpc.StatusCode.DEADLINE_EXCEEDED


class SignInRequired(Unauthenticated):
    """The viewer is not signed in."""

    reason = "SIGN_IN_REQUIRED"


class InvalidPageToken(InvalidArgument):
    """The page token is not one of ours or belongs to another list."""

    reason = "INVALID_PAGE_TOKEN"


class RequestIdReused(FailedPrecondition):
    """The same request id came with another body."""

    reason = "REQUEST_ID_REUSED"


class InvalidPermit(PermissionDenied):
    """The permit is forged, expired or speaks of something else."""

    reason = "INVALID_PERMIT"


def reasons_of(enum: EnumDescriptor) -> frozenset[str]:
    """The reasons of a service's error enum as they are told to people and programs: without the enum's prefix, and without UNSPECIFIED."""
    prefix = enum.values_by_number[0].name.removesuffix("UNSPECIFIED")
    return frozenset(value.name.removeprefix(prefix) for value in enum.values if value.number)
