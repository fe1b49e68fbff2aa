"""The media edge: `GET /m/{grant}/{path}` serves what a grant allows, checked here and now without asking anyone."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from gateway.media.answers import preflight, refuse, respond, start
from gateway.media.conditions import entity_tag, last_modified, not_modified, range_applies
from gateway.media.kinds import Kind, cache_control, kind_of
from gateway.media.paths import media_path, raw_path
from gateway.media.problems import Problem, method_not_allowed, overloaded, store_unavailable
from gateway.media.ranges import Span, Unsatisfiable, read_range
from gateway.media.revocations import RevocationCopy
from gateway.protocols.connections import Connections, TooManyConnections
from gateway.proxies import peer
from mesh import deadline
from mesh.clock import Clock
from mesh.grants import Grant, GrantExpired, GrantInvalid, GrantKind, check_grant_time, verified_grant
from mesh.stores.blobs.keys import is_key
from mesh.stores.blobs.port import BlobInfo, BlobNotFound, BlobRange, Blobs, BlobsError, RangeNotSatisfiable

log = logging.getLogger("clipmesh.gateway.media")

_REMEMBERED_GRANTS = 4096
_OPEN_ATTEMPTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeLimits:
    """What one reader may cost."""

    store_ms: int = 5_000
    """Longest wait for the store, for each piece."""
    stall_ms: int = 30_000
    """Longest wait for the reader to take one piece, 256 KiB; a paused player asks again with a range."""
    max_open: int = 1_024
    """Responses at once; more are refused with OVERLOADED."""
    max_open_per_address: int = 256
    """Responses of one network at once: readers that sip take no more places than these from others. Many people may share one."""
    shared_max_age_s: int = 0
    """How long caches that viewers share may keep bytes; 0 keeps them to the viewer's own. A takedown lags this much behind in such caches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    status: HTTPStatus
    headers: dict[str, str]
    grant: Grant
    body: BlobRange | None = None


class MediaEdge:
    """An ASGI application over any store of objects."""

    def __init__(
        self,
        *,
        blobs: Blobs,
        verify: Callable[[bytes, bytes], bool],
        revocations: RevocationCopy,
        clock: Clock,
        limits: EdgeLimits | None = None,
        address: Callable[[HTTPConnection], str] = peer,
    ) -> None:
        """`verify` takes a message and a signature, and knows the key of whoever signs grants. `address` tells whose a request is."""
        self._blobs = blobs
        self._revocations = revocations
        self._clock = clock
        self._limits = limits or EdgeLimits()
        self._address = address
        self._transfers = Connections(most=self._limits.max_open, most_per_address=self._limits.max_open_per_address)
        # A player sends the same token with every segment; a signature that held once holds.
        self._verified = lru_cache(_REMEMBERED_GRANTS)(partial(verified_grant, verify=verify))

    @property
    def open(self) -> int:
        """Responses that are under way."""
        return self._transfers.open

    def routes(self) -> list[BaseRoute]:
        """Where the edge stands."""
        return [Route("/m/{rest:path}", endpoint=self)]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        method = scope["method"]
        if method == "OPTIONS":
            await preflight(send, methods="GET, HEAD", headers="Range, If-Range, If-None-Match")
            return
        try:
            if method not in {"GET", "HEAD"}:
                raise method_not_allowed("GET, HEAD, OPTIONS")
            with self._transfers.one(self._address(HTTPConnection(scope))):
                await self._answer(method, scope, receive, send)
        except (TooManyConnections, Problem) as error:
            await refuse(send, error if isinstance(error, Problem) else overloaded(), unread=receive)

    async def _answer(self, method: str, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            answer = await self._prepare(raw_path(scope), Headers(scope=scope), with_body=method == "GET")
        except Problem as problem:
            await refuse(send, problem, head=method == "HEAD")
        else:
            await self._send(answer, receive, send)

    def _granted(self, token: str) -> Grant:
        try:
            grant = self._verified(token)
        except GrantInvalid:
            raise _not_ours() from None
        self._check(grant)
        return grant

    def _check(self, grant: Grant) -> None:
        """Raises Problem unless a grant that was ours when it came still plays."""
        try:
            check_grant_time(grant, now_ms=self._clock.now_ms())
        except GrantExpired:
            raise Problem(HTTPStatus.FORBIDDEN, "GRANT_EXPIRED", "The grant's time is over; ask for a new one.") from None
        except GrantInvalid:
            raise _not_ours() from None
        if not self._revocations.fresh:
            detail = "It is not known now which grants were revoked."
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "REVOCATIONS_STALE", detail, headers={"Retry-After": "1"})
        if self._revocations.revoked(grant.video_id, grant.epoch):
            raise Problem(HTTPStatus.FORBIDDEN, "GRANT_REVOKED", "The grant was revoked; ask for a new one.")

    async def _prepare(self, path: str, headers: Headers, *, with_body: bool) -> _Answer:
        token, name = media_path(path)
        grant = self._granted(token)
        kind, key = kind_of(name), grant.prefix + name
        if kind is None or (grant.kind is GrantKind.IMAGES and not kind.is_image) or not is_key(key):
            raise _not_found()
        try:
            for _ in range(_OPEN_ATTEMPTS):
                with deadline.scope(self._limits.store_ms / 1000):
                    info = await self._blobs.head(key)
                    answer, span = self._decide(info, kind, grant, headers if with_body else _without_range(headers))
                    if span is None or not with_body or info.size_bytes == 0:
                        return answer
                    try:
                        body = await self._blobs.get(key, start=span.start, end=span.end)
                    except RangeNotSatisfiable:
                        continue
                if body.info.etag == info.etag:
                    return replace(answer, body=body)
                # Replaced between the two looks: the headers speak of another object than the bytes.
                await body.aclose()
        except BlobNotFound:
            raise _not_found() from None
        except BlobsError:
            raise store_unavailable() from None
        raise store_unavailable()

    def _decide(self, info: BlobInfo, kind: Kind, grant: Grant, headers: Headers) -> tuple[_Answer, Span | None]:
        common = {
            "ETag": entity_tag(info),
            "Last-Modified": last_modified(info),
            "Cache-Control": cache_control(
                kind, left_ms=grant.expires_at_ms - self._clock.now_ms(), shared_max_age_s=self._limits.shared_max_age_s
            ),
            "Access-Control-Expose-Headers": "Content-Length, Content-Range, ETag, Accept-Ranges",
            "Accept-Ranges": "bytes",
        }
        if not_modified(info, headers):
            return _Answer(status=HTTPStatus.NOT_MODIFIED, headers=common, grant=grant), None
        status, span = HTTPStatus.OK, Span(0, info.size_bytes)
        asked = headers.get("range")
        if asked is not None and range_applies(info, headers):
            try:
                part = read_range(asked, info.size_bytes)
            except Unsatisfiable:
                outside = {"Content-Range": f"bytes */{info.size_bytes}"}
                detail = f"The object has {info.size_bytes} bytes."
                raise Problem(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, "RANGE_NOT_SATISFIABLE", detail, headers=outside) from None
            if part is not None:
                status, span = HTTPStatus.PARTIAL_CONTENT, part
                common["Content-Range"] = f"bytes {span.start}-{span.end - 1}/{info.size_bytes}"
        common |= {"Content-Type": kind.content_type, "Content-Length": str(span.end - span.start)}
        return _Answer(status=status, headers=common, grant=grant), span

    async def _send(self, answer: _Answer, receive: Receive, send: Send) -> None:
        if answer.body is None:
            await respond(send, answer.status, answer.headers)
            return
        gone = asyncio.create_task(_until_gone(receive))
        try:
            await start(send, answer.status, answer.headers)
            await self._stream(answer.body, answer.grant, gone, send)
        # The length was promised: ending without the last piece makes the server cut the connection, which the client takes for a failure.
        except Problem as problem:
            log.info("a response was cut off", extra={"reason": problem.code})
        except (TimeoutError, BlobsError) as error:
            log.warning("a response was cut off", extra={"error_type": type(error).__name__})
        finally:
            gone.cancel()
            await asyncio.gather(gone, return_exceptions=True)
            await answer.body.aclose()

    async def _stream(self, body: BlobRange, grant: Grant, gone: asyncio.Task[None], send: Send) -> None:
        chunks = aiter(body.chunks)
        with contextlib.suppress(StopAsyncIteration):
            while not gone.done():
                with deadline.scope(self._limits.store_ms / 1000):
                    chunk = await anext(chunks)
                # A slow reader stays for hours, and what its grant allowed at the start may be over by now.
                self._check(grant)
                async with asyncio.timeout(self._limits.stall_ms / 1000):
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
        if not gone.done():
            await send({"type": "http.response.body", "body": b""})


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _without_range(headers: Headers) -> Headers:
    return Headers(raw=[(name, value) for name, value in headers.raw if name != b"range"])


def _not_ours() -> Problem:
    return Problem(HTTPStatus.FORBIDDEN, "GRANT_INVALID", "This is not a grant of ours.")


def _not_found() -> Problem:
    return Problem(HTTPStatus.NOT_FOUND, "NOT_FOUND", "The grant does not lead to such an object.")
