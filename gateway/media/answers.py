"""How both ends of the byte edge answer: headers for browsers of any origin, problems, and what is left of an unread body."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from http import HTTPStatus

from starlette.types import Receive, Send

from gateway.media.problems import Problem

Headers = Mapping[str, str]

# The link or grant is the whole authority and no cookie is looked at, so pages of any origin may use it.
ANY_ORIGIN = {"Access-Control-Allow-Origin": "*", "Cross-Origin-Resource-Policy": "cross-origin", "X-Content-Type-Options": "nosniff"}

LINGER_BYTES = 16 * 1024 * 1024
LINGER_S = 5.0


async def start(send: Send, status: HTTPStatus, headers: Headers) -> None:
    """Send status and headers."""
    encoded = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in {**ANY_ORIGIN, **headers}.items()]
    await send({"type": "http.response.start", "status": status.value, "headers": encoded})


async def respond(send: Send, status: HTTPStatus, headers: Headers) -> None:
    """Answer without a body."""
    await start(send, status, headers)
    await send({"type": "http.response.body", "body": b""})


async def preflight(send: Send, *, methods: str, headers: str) -> None:
    """Tell a browser what it may send here."""
    allowed = {"Access-Control-Allow-Methods": methods, "Access-Control-Allow-Headers": headers, "Access-Control-Max-Age": "86400"}
    await respond(send, HTTPStatus.NO_CONTENT, allowed)


async def refuse(send: Send, problem: Problem, *, head: bool = False, unread: Receive | None = None) -> None:
    """Answer with a problem document.

    `unread` is where an unread body still comes from: some of it is taken after the answer, because a client that is cut off while it sends
    may never see why.
    """
    body = problem.body()
    headers = {"Content-Type": "application/problem+json", "Content-Length": str(len(body)), "Cache-Control": "no-store", **problem.headers}
    if unread is not None:
        headers["Connection"] = "close"
    await start(send, problem.status, headers)
    await send({"type": "http.response.body", "body": b"" if head else body, "more_body": unread is not None})
    if unread is not None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINGER_S):
                await _drain(unread)
        await send({"type": "http.response.body", "body": b""})


async def _drain(receive: Receive) -> None:
    taken = 0
    while taken < LINGER_BYTES:
        message = await receive()
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            return
        taken += len(message.get("body", b""))
