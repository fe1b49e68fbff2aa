"""The tus door: creation, HEAD, PATCH, termination under /tus, over the same sessions as the other door.

The access token is the whole authority and no cookie is looked at, so pages of any origin may use it.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from http import HTTPStatus

from clipmesh.video.v1 import upload_service_pb2 as pb2
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from gateway.admission import Admission
from gateway.context import Contexts
from gateway.media.answers import preflight, refuse, respond
from gateway.media.problems import Problem, method_not_allowed
from gateway.protocols.parameters import request_id_of
from gateway.rates import RateLimited
from gateway.tus.answers import alive, check_body_type, expires, tus_send
from gateway.tus.asking import Asking, Call
from gateway.tus.body import Body, ClientGone, StreamLimits
from gateway.tus.headers import (
    ALGORITHMS,
    EXTENSIONS,
    VERSION,
    body_bytes_in,
    checksum_in,
    metadata_of,
    number_in,
    start_of,
)
from gateway.tus.problems import CHECKSUM_STATUS, TooLarge, WrongChecksum, problem_of, unauthenticated
from gateway.tus.stream import PartStream
from gateway.tus.writers import Writers
from gateway.viewers import Viewer, Viewers
from mesh.errors import MeshError
from mesh.stores.blobs.port import Blobs
from mesh.stores.redis import Redis
from mesh.tokens import InvalidAccessToken

REQUEST_COST = 50
"""Of any request, as of a small mutation: each asks the video service, and the smallest body is an object that is written."""
COMPLETE_S = 30.0
"""Joining the parts of a large file takes a while on a slow disk."""
_TAKEN_HEADERS = (
    "Authorization, Content-Type, Tus-Resumable, Upload-Length, Upload-Offset, Upload-Metadata, Upload-Checksum, "
    "X-HTTP-Method-Override, X-Request-ID"
)
_EXPOSED_HEADERS = (
    "Location, Retry-After, Tus-Resumable, Tus-Version, Tus-Extension, Tus-Checksum-Algorithm, "
    "Upload-Offset, Upload-Length, Upload-Metadata, Upload-Expires, X-Request-ID"
)


class TusApp:
    """An ASGI application over upload sessions."""

    def __init__(
        self,
        *,
        viewers: Viewers,
        admission: Admission,
        contexts: Contexts,
        blobs: Blobs,
        redis: Redis,
        limits: StreamLimits | None = None,
    ) -> None:
        self._uploads = contexts.clients.uploads
        self._viewers = viewers
        self._admission = admission
        self._contexts = contexts
        self._patient = replace(contexts, budget_s=COMPLETE_S)
        self._blobs = blobs
        self._limits = limits or StreamLimits()
        self._writers = Writers(redis=redis, max_open=self._limits.max_open)

    def routes(self) -> list[BaseRoute]:
        """Where the door stands."""
        return [Route("/tus", endpoint=self), Route("/tus/{upload_id}", endpoint=self)]

    @property
    def streams(self) -> int:
        """Bodies that are being taken now."""
        return self._writers.open

    async def close(self) -> None:
        """Let streams under way keep what they have; no new one begins."""
        await self._writers.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers = Headers(scope=scope)
        method = headers.get("x-http-method-override", "").upper() if scope["method"] == "POST" else ""
        method = method or scope["method"]
        body = Body(
            receive,
            idle_s=self._limits.idle_ms / 1000,
            expected=headers.get("content-length", "0") != "0" or "transfer-encoding" in headers,
        )
        call = Call(scope=scope, headers=headers, method=method, body=body)
        try:
            status, answered = await self._answer(call)
        except ClientGone:
            return
        except Problem as problem:
            problem.headers.setdefault("Access-Control-Expose-Headers", _EXPOSED_HEADERS)
            unread = receive if body.worth_draining else None
            await refuse(
                tus_send(send, CHECKSUM_STATUS if isinstance(problem, WrongChecksum) else 0), problem, head=method == "HEAD", unread=unread
            )
        else:
            if method == "OPTIONS":
                await preflight(tus_send(send, 0, answered), methods=call.methods, headers=_TAKEN_HEADERS)
                return
            await respond(
                tus_send(send), status, {"Cache-Control": "no-store", "Access-Control-Expose-Headers": _EXPOSED_HEADERS, **answered}
            )

    async def _answer(self, call: Call) -> tuple[HTTPStatus, dict[str, str]]:
        if call.method == "OPTIONS":
            algorithms = ",".join(ALGORITHMS)
            return HTTPStatus.NO_CONTENT, {
                "Tus-Version": VERSION,
                "Tus-Extension": EXTENSIONS,
                "Tus-Checksum-Algorithm": algorithms,
                "Access-Control-Expose-Headers": _EXPOSED_HEADERS,
            }
        if call.method not in call.methods.split(", "):
            raise method_not_allowed(call.methods)
        if call.headers.get("tus-resumable") != VERSION:
            detail = f"Tus-Resumable has to be {VERSION}."
            raise Problem(HTTPStatus.PRECONDITION_FAILED, "TUS_VERSION", detail, headers={"Tus-Version": VERSION})
        try:
            viewer = await self._viewer(call)
            await self._admission.charge(viewer, REQUEST_COST)
            if call.upload_id == 0:
                raise Problem(HTTPStatus.NOT_FOUND, "UPLOAD_NOT_FOUND", "No such session of this viewer.")
            context = self._contexts.make(viewer, request_id_of(call.headers))
            patient = self._patient.make(viewer, context.request_id)
            asking = Asking(call=call, context=context, patient=patient)
            if call.upload_id is None:
                return await self._create(asking)
            if call.method == "HEAD":
                return await self._head(asking, call.upload_id)
            if call.method == "PATCH":
                return await self._patch(asking, call.upload_id)
            return await self._terminate(asking, call.upload_id)
        except RateLimited as limited:
            raise Problem(HTTPStatus.TOO_MANY_REQUESTS, limited.code, limited.message, headers=dict(limited.headers)) from None
        except MeshError as error:
            raise problem_of(error) from error

    async def _viewer(self, call: Call) -> Viewer:
        request = Request(call.scope)
        try:
            viewer = await self._viewers.of(request)
        except InvalidAccessToken as error:
            with suppress(RateLimited):
                await self._admission.charge_stranger(self._viewers.address(request))
            challenge = f'Bearer error="invalid_token", error_description="{error.message}"'
            raise unauthenticated(error.message, challenge=challenge) from None
        self._admission.check(viewer)
        if not viewer.user_id:
            await self._admission.charge_refusal(viewer)
            raise unauthenticated("Uploads need a signed-in person.")
        return viewer

    async def _create(self, asking: Asking) -> tuple[HTTPStatus, dict[str, str]]:
        call = asking.call
        request = start_of(call.headers)
        length = body_bytes_in(call.headers)
        brings_body = length != 0
        if brings_body:
            check_body_type(call.headers)
            checksum_in(call.headers)
            if length is not None and length > request.size_bytes:
                raise TooLarge(request.size_bytes)
        with asking.context.acting():
            upload = (await self._uploads.StartUpload(request)).upload
        answered = {"Location": f"/tus/{upload.upload_id}", **expires(upload)}
        if not brings_body:
            return HTTPStatus.CREATED, answered
        async with self._writers.hold(upload.upload_id, call.body):
            at = await self._offset(asking, upload.upload_id)
            # Of a repeated creation the first body may be there already; this one then is left alone.
            offset_bytes = (
                await self._write(asking, at) if at.offset_bytes == 0 and upload.state == pb2.UPLOAD_STATE_OPEN else at.offset_bytes
            )
        return HTTPStatus.CREATED, answered | {"Upload-Offset": str(offset_bytes)}

    async def _head(self, asking: Asking, upload_id: int) -> tuple[HTTPStatus, dict[str, str]]:
        at = await self._offset(asking, upload_id)
        if await self._writers.settle(upload_id):
            at = await self._offset(asking, upload_id)
        alive(at)
        if at.offset_bytes == at.upload.size_bytes:
            # A client that hears that all is there will not come again.
            await self._complete(asking, at.upload)
        return HTTPStatus.OK, {
            "Upload-Offset": str(at.offset_bytes),
            "Upload-Length": str(at.upload.size_bytes),
            "Upload-Metadata": metadata_of(at.upload),
            **expires(at.upload),
        }

    async def _patch(self, asking: Asking, upload_id: int) -> tuple[HTTPStatus, dict[str, str]]:
        call = asking.call
        check_body_type(call.headers)
        offset_bytes = number_in(call.headers, "upload-offset")
        checksum_in(call.headers)
        length = body_bytes_in(call.headers)
        await self._offset(asking, upload_id)
        async with self._writers.hold(upload_id, call.body):
            at = alive(await self._offset(asking, upload_id))
            if at.offset_bytes != offset_bytes:
                detail = f"The upload goes on at {at.offset_bytes}, not at {offset_bytes}."
                headers = {"Upload-Offset": str(at.offset_bytes)}
                raise Problem(HTTPStatus.CONFLICT, "OFFSET_MISMATCH", detail, headers=headers)
            remaining = at.upload.size_bytes - at.offset_bytes
            if length is not None and length > remaining:
                raise TooLarge(remaining)
            written = await self._write(asking, at)
        return HTTPStatus.NO_CONTENT, {"Upload-Offset": str(written), **expires(at.upload)}

    async def _terminate(self, asking: Asking, upload_id: int) -> tuple[HTTPStatus, dict[str, str]]:
        # Strangers end nothing, also no transfer.
        await self._offset(asking, upload_id)
        await self._writers.settle(upload_id, at_once=True)
        with asking.patient.acting():
            await self._uploads.AbortUpload(pb2.AbortUploadRequest(upload_id=upload_id))
        return HTTPStatus.NO_CONTENT, {}

    async def _write(self, asking: Asking, at: pb2.GetUploadOffsetResponse) -> int:
        """Take the body, complete the session when it is all there; how far the upload is then."""
        call, limits = asking.call, self._limits
        remaining = at.upload.size_bytes - at.offset_bytes
        if not remaining:
            await self._complete(asking, at.upload)
            return at.offset_bytes
        checksum = checksum_in(call.headers)
        length = body_bytes_in(call.headers)
        if checksum is not None and (length or 0) > at.upload.part_size_bytes:
            raise TooLarge(at.upload.part_size_bytes)
        stream = PartStream(uploads=self._uploads, acting=asking.context.acting, blobs=self._blobs, at=at)
        limit_ms = min(limits.base_ms + remaining * 1000 // limits.min_bytes_per_s, limits.longest_ms)
        await stream.write(call.body.pieces(limit_s=limit_ms / 1000), checksum)
        if stream.offset_bytes == at.upload.size_bytes:
            await self._complete(asking, at.upload)
        return stream.offset_bytes

    async def _offset(self, asking: Asking, upload_id: int) -> pb2.GetUploadOffsetResponse:
        with asking.context.acting():
            return await self._uploads.GetUploadOffset(pb2.GetUploadOffsetRequest(upload_id=upload_id))

    async def _complete(self, asking: Asking, upload: pb2.Upload) -> None:
        if upload.state == pb2.UPLOAD_STATE_OPEN:
            with asking.patient.acting():
                await self._uploads.CompleteUpload(pb2.CompleteUploadRequest(upload_id=upload.upload_id))
