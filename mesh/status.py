"""Errors on the wire: MeshError -> google.rpc.Status with ErrorInfo, and back into a typed RpcFailed.

MeshError
└── RpcFailed               a call to another service failed; `code`, `reason`, `facts` are what it said
    ├── RpcInvalidArgument  and so on: one per class of errors.py, so that `except NotFound` also catches a peer's
    └── RpcUnavailable      the peer cannot be reached, or said so itself
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import grpc
from google.protobuf import any_pb2
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from mesh.errors import (
    Aborted,
    AlreadyExists,
    DeadlineExceeded,
    Fact,
    FailedPrecondition,
    InvalidArgument,
    MeshError,
    NotFound,
    PermissionDenied,
    ResourceExhausted,
    Unauthenticated,
    Unavailable,
    Violation,
)

DETAILS_KEY = "grpc-status-details-bin"
_FACT_KEY = re.compile(r"[a-z][a-zA-Z0-9_-]{0,63}")
_CODE_OF_NUMBER = {code.value[0]: code for code in grpc.StatusCode}


class RpcFailed(MeshError):
    """A call to another service failed."""

    def __init__(
        self,
        message: str = "",
        *,
        service: str = "",
        method: str = "",
        code: grpc.StatusCode | None = None,
        reason: str = "",
        domain: str = "",
        facts: Mapping[str, Fact] | None = None,
        violations: tuple[Violation, ...] = (),
        retry_after_ms: int = 0,
    ) -> None:
        MeshError.__init__(self, message, retry_after_ms=retry_after_ms)
        self.service = service
        self.method = method
        self.code = code or type(self).code
        self.reason = reason or type(self).reason
        self.domain = domain or type(self).domain
        self.facts = dict(facts or {})
        self.violations = violations


class RpcInvalidArgument(RpcFailed, InvalidArgument):
    """The called service refused a field of the request."""


class RpcNotFound(RpcFailed, NotFound):
    """The called service has no such thing for this viewer."""


class RpcAlreadyExists(RpcFailed, AlreadyExists):
    """The called service has it already."""


class RpcFailedPrecondition(RpcFailed, FailedPrecondition):
    """The called service wants something else changed first."""


class RpcAborted(RpcFailed, Aborted):
    """Another write in the called service was faster."""


class RpcPermissionDenied(RpcFailed, PermissionDenied):
    """The called service forbids it."""


class RpcUnauthenticated(RpcFailed, Unauthenticated):
    """The called service knows neither caller nor viewer."""


class RpcResourceExhausted(RpcFailed, ResourceExhausted):
    """The called service has too much to do."""


class RpcUnavailable(RpcFailed, Unavailable):
    """The called service cannot be reached, or cannot reach what it needs."""


class RpcDeadlineExceeded(RpcFailed, DeadlineExceeded):
    """The called service did not answer in time."""


_CLASSES: Mapping[grpc.StatusCode, type[RpcFailed]] = {
    grpc.StatusCode.INVALID_ARGUMENT: RpcInvalidArgument,
    grpc.StatusCode.NOT_FOUND: RpcNotFound,
    grpc.StatusCode.ALREADY_EXISTS: RpcAlreadyExists,
    grpc.StatusCode.FAILED_PRECONDITION: RpcFailedPrecondition,
    grpc.StatusCode.ABORTED: RpcAborted,
    grpc.StatusCode.PERMISSION_DENIED: RpcPermissionDenied,
    grpc.StatusCode.UNAUTHENTICATED: RpcUnauthenticated,
    grpc.StatusCode.RESOURCE_EXHAUSTED: RpcResourceExhausted,
    grpc.StatusCode.UNAVAILABLE: RpcUnavailable,
    # A server that stops cancels what did not end in its grace: it was not the caller's wish.
    grpc.StatusCode.CANCELLED: RpcUnavailable,
    grpc.StatusCode.DEADLINE_EXCEEDED: RpcDeadlineExceeded,
}


def to_status(error: MeshError, *, domain: str) -> status_pb2.Status:
    """`error` as it travels; `domain` names the service that says it unless the error brought the domain of another one along."""
    info = error_details_pb2.ErrorInfo(
        reason=error.reason,
        domain=domain if error.domain == MeshError.domain else error.domain,
        metadata={key: _text(value) for key, value in error.facts.items() if _FACT_KEY.fullmatch(key)},
    )
    details = [_packed(info)]
    if error.violations:
        fields = [
            error_details_pb2.BadRequest.FieldViolation(field=field, description=description) for field, description in error.violations
        ]
        details.append(_packed(error_details_pb2.BadRequest(field_violations=fields)))
    if error.retry_after_ms > 0:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromMilliseconds(error.retry_after_ms)
        details.append(_packed(retry))
    return status_pb2.Status(code=error.code.value[0], message=error.message, details=details)


def from_rpc_error(error: grpc.aio.AioRpcError, *, service: str, method: str) -> RpcFailed:
    """The typed form of a failed call; without details of ours it was the transport that spoke, and its text (addresses) is not passed on."""
    for key, value in error.trailing_metadata() or ():
        if key == DETAILS_KEY and isinstance(value, bytes):
            try:
                return from_status(status_pb2.Status.FromString(value), service=service, method=method)
            except DecodeError:
                break
    code = error.code()
    kind = _CLASSES.get(code, RpcFailed)
    failed = kind(service=service, method=method, code=kind.code)
    failed.args = (f"{service} cannot be reached" if isinstance(failed, Unavailable) else f"{service} answered {code.name}",)
    return failed


def from_status(status: status_pb2.Status, *, service: str, method: str) -> RpcFailed:
    """The typed form of a status that a service of ours wrote."""
    kind = _CLASSES.get(_CODE_OF_NUMBER.get(status.code, grpc.StatusCode.UNKNOWN), RpcFailed)
    reason, domain, retry_after_ms = "", "", 0
    facts: dict[str, Fact] = {}
    violations: tuple[Violation, ...] = ()
    for detail in status.details:
        info, bad, retry = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest(), error_details_pb2.RetryInfo()
        if detail.Unpack(info):
            reason, domain = info.reason, info.domain
            facts.update(info.metadata)
        elif detail.Unpack(bad):
            violations = tuple((violation.field, violation.description) for violation in bad.field_violations)
        elif detail.Unpack(retry):
            retry_after_ms = retry.retry_delay.ToMilliseconds()
    return kind(
        status.message,
        service=service,
        method=method,
        code=kind.code,
        reason=reason,
        domain=domain,
        facts=facts,
        violations=violations,
        retry_after_ms=retry_after_ms,
    )


def _packed(message: error_details_pb2.ErrorInfo | error_details_pb2.BadRequest | error_details_pb2.RetryInfo) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed


def _text(value: Fact) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
