"""What clients send, read strictly: `query`, `variables`, `operationName`, `extensions`."""

from __future__ import annotations

import asyncio
import contextlib
import re
import uuid
from collections.abc import AsyncIterator, Mapping
from typing import Any

import orjson
from starlette.requests import Request

from gateway.errors import Fault
from gateway.execution.engine import Asked

BODY_S = 10.0
"""How long a body may take to arrive."""
DISCARDED = 4
"""How many times the largest body is read on and thrown away, so that the client hears why."""
DISCARD_S = 2.0

_SHA256 = re.compile(r"[0-9A-Fa-f]{64}", re.ASCII)
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}", re.ASCII)


class BadRequest(Fault):
    """The request is none that GraphQL could look at; `status` is the one of HTTP."""

    def __init__(self, message: str, *, status: int = 400, headers: Mapping[str, str] | None = None) -> None:
        super().__init__("FORBIDDEN" if status == 403 else "BAD_USER_INPUT", message)
        self.status = status
        self.headers = dict(headers or {})


def request_id_of(headers: Mapping[str, str]) -> str:
    """The client's own request id when it is a harmless one, else a new one."""
    given = headers.get("x-request-id", "")
    return given if _REQUEST_ID.fullmatch(given) else str(uuid.uuid4())


def asked_of(parameters: object) -> Asked:
    """The operation in a JSON object. Raises BadRequest."""
    if not isinstance(parameters, dict):
        raise BadRequest("an operation is a JSON object")
    query, variables, name, extensions = (parameters.get(key) for key in ("query", "variables", "operationName", "extensions"))
    if extensions is not None and not isinstance(extensions, dict):
        raise BadRequest("extensions has to be an object or null")
    persisted = _hash_in(extensions) if extensions else ""
    if query is None and persisted:
        query = ""
    elif not isinstance(query, str) or not query.strip():
        raise BadRequest("query has to be the text of a document")
    if variables is not None and not isinstance(variables, dict):
        raise BadRequest("variables has to be an object or null")
    if name is not None and not isinstance(name, str):
        raise BadRequest("operationName has to be a string or null")
    return Asked(query=query, variables=variables or {}, operation_name=name or None, persisted=persisted)


def _hash_in(extensions: Mapping[str, Any]) -> str:
    """The hash that names the document (Apollo's automatic persisted queries), empty when none does. Raises BadRequest."""
    given = extensions.get("persistedQuery")
    if given is None:
        return ""
    if not isinstance(given, dict) or given.get("version") != 1:
        raise BadRequest("persistedQuery is an object of version 1")
    sha256 = given.get("sha256Hash")
    if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
        raise BadRequest("sha256Hash is a SHA-256 in hexadecimal digits")
    return sha256.lower()


def json_of(text: str | bytes) -> Any:
    """Parsed JSON. Raises BadRequest."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        raise BadRequest("that is no JSON in UTF-8") from None


def asked_in_address(request: Request) -> Asked:
    """The operation in the address of a GET. Raises BadRequest."""
    given = request.query_params
    parameters: dict[str, Any] = {"query": given.get("query"), "operationName": given.get("operationName")}
    for name in ("variables", "extensions"):
        if given.get(name):
            parameters[name] = json_of(given[name])
    return asked_of(parameters)


async def body_of(request: Request, *, most: int) -> bytes:
    """The body of a POST, kept no further than it may be long. Raises BadRequest."""
    if request.headers.get("content-encoding", "identity") != "identity":
        raise BadRequest("the body must not be compressed", status=415)
    body = bytearray()
    chunks = request.stream()
    try:
        async with asyncio.timeout(BODY_S):
            async for chunk in chunks:
                body += chunk
                if len(body) > most:
                    break
            else:
                return bytes(body)
    except TimeoutError:
        raise BadRequest("the body did not come in time", status=408, headers={"connection": "close"}) from None
    await _pass_over(chunks, DISCARDED * most)
    raise BadRequest(f"a request has at most {most} bytes", status=413, headers={"connection": "close"})


async def _pass_over(chunks: AsyncIterator[bytes], most: int) -> None:
    """Read on for a while without keeping anything: a connection closed over unread bytes takes the answer with it."""
    size = 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(DISCARD_S):
            async for chunk in chunks:
                size += len(chunk)
                if size > most:
                    return
