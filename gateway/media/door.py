"""The upload door: `PUT /upload/...` takes the body of a signed link, exactly as long as it says, and keeps nothing else."""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from gateway.media.answers import preflight, refuse, respond
from gateway.media.paths import raw_path
from gateway.media.problems import Problem, method_not_allowed, overloaded, store_unavailable
from gateway.protocols.connections import Connections, TooManyConnections
from gateway.proxies import peer
from mesh.stores.blobs.door import BodyChecksumMismatch, BodySizeMismatch, LinkExpired, LinkInvalid, UploadDoor, UploadTicket
from mesh.stores.blobs.port import BlobNotFound, BlobsError

_CONTENT_TYPE = re.compile(r"[a-z0-9][a-z0-9.+-]{0,40}/[a-z0-9][a-z0-9.+-]{0,60}", re.ASCII)
_MD5_BYTES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorLimits:
    """What one body may cost."""

    idle_ms: int = 20_000
    """Longest pause between two pieces of a body."""
    base_ms: int = 30_000
    """What every body gets, whatever its size."""
    min_bytes_per_s: int = 16 * 1024
    """What a body has to reach on average beyond `base_ms`."""
    max_open: int = 256
    """Bodies at once; more are refused with OVERLOADED."""
    max_open_per_address: int = 64
    """Bodies of one network at once: senders that drip take no more places than these from others."""


class ClientGone(Exception):
    """The client went away; there is nobody to answer."""


class UploadDoorApp:
    """An ASGI application over the door of a store."""

    def __init__(self, *, door: UploadDoor, limits: DoorLimits | None = None, address: Callable[[HTTPConnection], str] = peer) -> None:
        """`address` tells whose a request is."""
        self._door = door
        self._limits = limits or DoorLimits()
        self._address = address
        self._transfers = Connections(most=self._limits.max_open, most_per_address=self._limits.max_open_per_address)

    @property
    def open(self) -> int:
        """Bodies that are being taken."""
        return self._transfers.open

    def routes(self) -> list[BaseRoute]:
        """Where the door stands."""
        return [Route("/upload/{link:path}", endpoint=self)]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["method"] == "OPTIONS":
            await preflight(send, methods="PUT", headers="Content-Type, Content-MD5")
            return
        body = _Body(receive, self._limits.idle_ms / 1000)
        try:
            etag = await self._take(scope, body)
        except ClientGone:
            return
        except Problem as problem:
            await refuse(send, problem, head=scope["method"] == "HEAD", unread=receive if body.worth_draining else None)
        else:
            headers = {"ETag": f'"{etag}"', "Content-Length": "0", "Access-Control-Expose-Headers": "ETag", "Cache-Control": "no-store"}
            await respond(send, HTTPStatus.OK, headers)

    async def _take(self, scope: Scope, body: _Body) -> str:
        if scope["method"] != "PUT":
            raise method_not_allowed("PUT, OPTIONS")
        ticket, headers = self._ticket(scope), Headers(scope=scope)
        _check_length(headers, ticket)
        md5 = _announced_md5(headers)
        try:
            with self._transfers.one(self._address(HTTPConnection(scope))):
                return await self._receive(ticket, body, _content_type(headers), md5)
        except TooManyConnections:
            raise overloaded() from None

    def _ticket(self, scope: Scope) -> UploadTicket:
        try:
            return self._door.read_link(raw_path(scope), scope["query_string"].decode("latin-1"))
        except LinkExpired:
            raise Problem(HTTPStatus.FORBIDDEN, "LINK_EXPIRED", "The upload link's time is over; ask for a new one.") from None
        except LinkInvalid:
            raise Problem(HTTPStatus.FORBIDDEN, "LINK_INVALID", "This is not an upload link of ours.") from None

    async def _receive(self, ticket: UploadTicket, body: _Body, content_type: str, md5: bytes) -> str:
        limit_s = self._limits.base_ms / 1000 + ticket.size_bytes / self._limits.min_bytes_per_s
        try:
            async with asyncio.timeout(limit_s), aclosing(body.chunks()) as chunks:
                return await self._door.receive(ticket, chunks, content_type=content_type, md5=md5)
        except TimeoutError:
            body.worth_draining = False
            raise Problem(
                HTTPStatus.REQUEST_TIMEOUT, "BODY_TOO_SLOW", "The body came too slowly.", headers={"Connection": "close"}
            ) from None
        except BodySizeMismatch as error:
            raise Problem(HTTPStatus.BAD_REQUEST, "BODY_SIZE_MISMATCH", str(error)) from None
        except BodyChecksumMismatch:
            raise Problem(HTTPStatus.BAD_REQUEST, "CHECKSUM_MISMATCH", "The body is not what Content-MD5 says.") from None
        except BlobNotFound:
            raise Problem(HTTPStatus.NOT_FOUND, "UPLOAD_NOT_FOUND", "This upload is over.") from None
        except BlobsError:
            raise store_unavailable() from None


class _Body:
    """The pieces of a request's body as they come, and whether some are still to come."""

    def __init__(self, receive: Receive, idle_s: float) -> None:
        self._receive = receive
        self._idle_s = idle_s
        self.worth_draining = True

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Each piece. Raises ClientGone; TimeoutError after a pause that is too long."""
        while self.worth_draining:
            async with asyncio.timeout(self._idle_s):
                message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            self.worth_draining = message.get("more_body", False)
            yield message.get("body", b"")


def _check_length(headers: Headers, ticket: UploadTicket) -> None:
    length = headers.get("content-length", "")
    if not (length.isascii() and length.isdecimal()) or len(length) > 18:
        raise Problem(HTTPStatus.LENGTH_REQUIRED, "LENGTH_REQUIRED", "A body needs its Content-Length.")
    if int(length) != ticket.size_bytes:
        status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE if int(length) > ticket.size_bytes else HTTPStatus.BAD_REQUEST
        raise Problem(status, "BODY_SIZE_MISMATCH", f"The link takes {ticket.size_bytes} bytes, {length} were announced.")


def _announced_md5(headers: Headers) -> bytes:
    text = headers.get("content-md5")
    if text is None:
        return b""
    try:
        digest = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        digest = b""
    if len(digest) != _MD5_BYTES:
        raise Problem(HTTPStatus.BAD_REQUEST, "CHECKSUM_MISMATCH", "Content-MD5 is not the base64 of an MD5.")
    return digest


def _content_type(headers: Headers) -> str:
    essence = headers.get("content-type", "").partition(";")[0].strip().lower()
    return essence if _CONTENT_TYPE.fullmatch(essence) else ""
