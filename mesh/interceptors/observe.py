"""Counts and times each call, and writes one log line for each that failed."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

import grpc

from mesh.interceptors.call import Call, Handler, Method
from mesh.metrics import SERVER_CALLS, SERVER_SECONDS
from mesh.telemetry import Telemetry

_log = logging.getLogger("clipmesh.rpc")

_OURS = frozenset({grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED})
"""Codes that speak of this system's state, not of the request."""


class Observe:
    """RED metrics per method. Successes are logged at DEBUG only: at thousands a second the log would cost more than the call."""

    def __init__(self, *, telemetry: Telemetry) -> None:
        self._telemetry = telemetry

    def wrap(self, method: Method, inner: Handler) -> Handler:
        """The handler with its outcome counted."""
        telemetry, path = self._telemetry, method.path
        telemetry.metrics.know_methods([path])

        async def observed(request: Any, call: Call) -> Any:
            start = time.perf_counter()
            try:
                return await inner(request, call)
            except asyncio.CancelledError:
                call.code = grpc.StatusCode.CANCELLED
                raise
            finally:
                seconds = time.perf_counter() - start
                telemetry.count(SERVER_CALLS, method=path, code=call.code.name)
                telemetry.observe(SERVER_SECONDS, seconds, method=path)
                _write(path, call, seconds)

        return observed


def _write(path: str, call: Call, seconds: float) -> None:
    level = logging.DEBUG if call.code is grpc.StatusCode.OK else logging.WARNING if call.code in _OURS else logging.INFO
    if _log.isEnabledFor(level):
        _log.log(
            level,
            "call answered",
            extra={
                "method": path,
                "code": call.code.name,
                "reason": call.reason,
                "caller": call.caller,
                "duration_ms": round(seconds * 1000, 3),
            },
        )
