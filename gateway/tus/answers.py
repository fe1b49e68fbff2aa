"""What every answer of the tus door carries, and what its requests have in common."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from clipmesh.video.v1 import upload_service_pb2 as pb2
from starlette.datastructures import Headers
from starlette.types import Message, Send

from gateway.media.problems import Problem
from gateway.tus.headers import BODY_TYPE, VERSION, moment

_ENDED = frozenset({pb2.UPLOAD_STATE_ABORTED, pb2.UPLOAD_STATE_EXPIRED})


def tus_send(send: Send, status: int = 0, headers: Mapping[str, str] | None = None) -> Send:
    """Sends what every answer carries, and the status that only tus knows."""
    named = {"Tus-Resumable": VERSION, **(headers or {})}
    encoded = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in named.items()]

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], *encoded]
            message["status"] = status or message["status"]
        await send(message)

    return sending


def alive(at: pb2.GetUploadOffsetResponse) -> pb2.GetUploadOffsetResponse:
    """The same, when the session can still be asked for. Raises Problem."""
    if at.upload.state in _ENDED:
        raise Problem(HTTPStatus.GONE, "UPLOAD_NOT_OPEN", at.upload.failure_detail or "This upload is over.")
    return at


def check_body_type(headers: Headers) -> None:
    """Raises Problem for a body that does not say it is of tus."""
    if headers.get("content-type", "").partition(";")[0].strip().lower() != BODY_TYPE:
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "BODY_TYPE", f"Send {BODY_TYPE}.")


def expires(upload: pb2.Upload) -> dict[str, str]:
    """When an open session ends."""
    return {"Upload-Expires": moment(upload.expires_at_ms)} if upload.state == pb2.UPLOAD_STATE_OPEN else {}
