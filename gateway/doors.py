"""Requests to the doors beside GraphQL and playback, which are sign-in and uploads: named in every log, traced, counted and timed."""

from __future__ import annotations

import time
from typing import Final

from opentelemetry.trace import SpanKind
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.metrics import DOOR_ANSWERS, DOOR_SECONDS, NO_ANSWER
from gateway.protocols.parameters import request_id_of
from mesh.logs import request_id
from mesh.telemetry import Telemetry

_DOORS: Final = {"oauth": "sign-in", "tus": "tus", "upload": "upload"}
"""The first word of a path, and what stands behind it."""


class Doors:
    """Stands around the application; whoever goes elsewhere is passed on untouched."""

    def __init__(self, app: ASGIApp, *, telemetry: Telemetry) -> None:
        self._app = app
        self._telemetry = telemetry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        door = _door_of(scope)
        if door is None:
            await self._app(scope, receive, send)
            return
        named, status, began_s = request_id_of(Headers(scope=scope)), NO_ANSWER, time.perf_counter()

        async def told(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = f"{message['status'] // 100}xx"
                MutableHeaders(scope=message).setdefault("x-request-id", named)
            await send(message)

        token = request_id.set(named)
        try:
            with self._telemetry.span(f"door {door}", kind=SpanKind.SERVER):
                await self._app(scope, receive, told)
        finally:
            request_id.reset(token)
            self._telemetry.count(DOOR_ANSWERS, door=door, status=status)
            self._telemetry.observe(DOOR_SECONDS, time.perf_counter() - began_s, door=door)


def _door_of(scope: Scope) -> str | None:
    """`/upload` alone is a page."""
    if scope["type"] != "http":
        return None
    first, _, rest = scope["path"][1:].partition("/")
    return _DOORS.get(first) if rest or first == "tus" else None
