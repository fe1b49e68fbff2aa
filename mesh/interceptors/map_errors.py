"""Turns what a handler raises into a status: expected errors with their reason and facts, everything else as INTERNAL with an error id only."""

from __future__ import annotations

import logging
from typing import Any

import grpc

from mesh import deadline
from mesh.errors import Aborted, DeadlineExceeded, MeshError, Unavailable
from mesh.events.stream.port import PartitionLost, StreamUnavailable
from mesh.interceptors.call import Call, Handler, Method
from mesh.interceptors.request_id import new_request_id
from mesh.status import DETAILS_KEY, RpcFailed, to_status
from mesh.stores.blobs.port import BlobsUnavailable
from mesh.stores.tables.port import OutcomeUnknown, RowExists, TablesUnavailable, VersionConflict

_log = logging.getLogger("clipmesh.rpc")

NO_RETRY = ("grpc-retry-pushback-ms", "-1")
"""Trailing metadata that stops every gRPC client from retrying by itself."""

_CONFLICTS = (RowExists, VersionConflict, PartitionLost)
_UNREACHABLE = (
    TablesUnavailable,
    OutcomeUnknown,
    BlobsUnavailable,
    StreamUnavailable,
)

_ABOUT_US = frozenset({"UNAUTHENTICATED", "MALFORMED_REQUEST", "DEADLINE_REQUIRED"})
"""Reasons by which a called service blames this one, not the request at hand: they are faults of ours and stay inside."""


class InternalFault(MeshError):
    """Something went wrong on our side."""


def expected(error: Exception) -> MeshError | None:
    """What `error` tells a caller; None when it is a bug and tells nothing."""
    if isinstance(error, RpcFailed):
        return None if error.reason in _ABOUT_US else error
    if isinstance(error, MeshError):
        return error
    if isinstance(error, _CONFLICTS):
        return Aborted()
    if isinstance(error, (*_UNREACHABLE, TimeoutError)):
        return DeadlineExceeded() if deadline.expired() else Unavailable()
    return None


class MapErrors:
    """`domain` of ErrorInfo is `clipmesh.<service>`."""

    def __init__(self, *, service: str) -> None:
        self._domain = f"clipmesh.{service}"

    def wrap(self, method: Method, inner: Handler) -> Handler:
        """The handler that never fails without a status of ours."""
        domain, path = self._domain, method.path
        # Of a read that the dependency lost a retry is welcome; a write that may have happened is its caller's to settle.
        pushback = () if method.access.idempotent else (NO_RETRY,)

        async def mapped(request: Any, call: Call) -> Any:
            try:
                return await inner(request, call)
            except grpc.aio.AbortError:
                raise
            except Exception as error:
                answer = expected(error) or _fault(error, path)
            call.code, call.reason = answer.code, answer.reason
            details = to_status(answer, domain=domain).SerializeToString()
            return await call.context.abort(answer.code, answer.message, ((DETAILS_KEY, details), *pushback))

        return mapped


def _fault(error: Exception, path: str) -> InternalFault:
    error_id = new_request_id()
    _log.error("call failed", exc_info=error, extra={"method": path, "error_id": error_id, "error_type": type(error).__qualname__})
    return InternalFault(error_id=error_id)
