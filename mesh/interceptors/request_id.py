"""Outermost: gives the call its request id and its place in a trace, so that everything inside can name them."""

from __future__ import annotations

import os
import re
from typing import Any

from opentelemetry.trace import SpanKind

from mesh.interceptors.call import Call, Handler, Method
from mesh.logs import request_id
from mesh.tracing import Tracing, continue_trace

REQUEST_ID_KEY = "clipmesh-request-id"
TRACEPARENT_KEY = "traceparent"
_WELL_FORMED = re.compile(r"[A-Za-z0-9_-]{1,64}")


def new_request_id() -> str:
    """A fresh id, 16 hexadecimal digits."""
    return os.urandom(8).hex()


class RequestId:
    """Takes request id and traceparent from the caller; a missing or malformed id is replaced."""

    def __init__(self, *, tracing: Tracing) -> None:
        self._tracing = tracing

    def wrap(self, method: Method, inner: Handler) -> Handler:
        """The handler under its request id and, when traces are on, inside a span."""
        tracing, path = self._tracing, method.path
        attributes: dict[str, str | int] = {"rpc.system": "grpc", "rpc.service": method.service, "rpc.method": method.name}

        async def identified(request: Any, call: Call) -> Any:
            given = call.text(REQUEST_ID_KEY)
            request_id.set(given if _WELL_FORMED.fullmatch(given) else new_request_id())
            continue_trace(call.text(TRACEPARENT_KEY))
            if not tracing.enabled:
                return await inner(request, call)
            with tracing.span(path, kind=SpanKind.SERVER, attributes=attributes):
                return await inner(request, call)

        return identified
