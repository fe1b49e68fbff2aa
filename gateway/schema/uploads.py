"""Uploads: sessions, presigned parts, progress."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from typing import Self

import strawberry
from clipmesh.video.v1 import upload_service_pb2

from gateway.context import GatewayInfo
from gateway.errors import Fault, is_away
from gateway.execution.costs import Cost, ListSize
from gateway.schema.enums import ProcessingStage, UploadState
from gateway.schema.outcomes import UserError, ask, ask_or_none, attempt, user_errors_field
from gateway.schema.pages import PageInfo, Place, page_info, page_size
from gateway.schema.scalars import BigInt, DateTime, big, id_of, number_of
from gateway.schema.videos import Video, load_video
from gateway.schema.watching import at_least_every
from mesh.errors import MeshError

PROGRESS_TOPIC = "video.progress"
LOOK_AGAIN_S = 5.0
"""How long a watcher waits for a hint before it looks by itself."""
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_OVER = frozenset({ProcessingStage.DONE, ProcessingStage.FAILED})
_ENDED = frozenset({UploadState.ABORTED, UploadState.EXPIRED, UploadState.FAILED})


@strawberry.type(description="A part whose bytes are durable.")
class ReceivedPart:
    part_number: int
    size_bytes: int
    etag: str


@strawberry.type(description="A URL that takes one PUT with the bytes of a part.")
class SignedPart:
    part_number: int
    url: str
    size_bytes: int
    expires_at: DateTime


@strawberry.type(description="One upload session; its id is the id of the video too.")
class Upload:
    id: strawberry.ID
    state: UploadState
    size_bytes: BigInt
    mime_type: str
    part_size_bytes: int
    part_count: int
    received_parts: list[ReceivedPart] = strawberry.field(directives=[ListSize(assumed_size=100)])
    expires_at: DateTime
    created_at: DateTime
    failure_code: str | None
    failure_detail: str | None
    stage: ProcessingStage
    progress_percent: int = strawberry.field(description="0 to 100 over the whole of processing; never falls.")
    playable: bool = strawberry.field(description="True from the first rendition on.")

    @strawberry.field(description="The video it becomes.")
    async def video(self, info: GatewayInfo) -> Video | None:
        return await load_video(info, int(self.id))

    @classmethod
    def of(cls, upload: upload_service_pb2.Upload) -> Self:
        """The type of a message."""
        return cls(
            id=id_of(upload.upload_id),
            state=UploadState(upload.state),
            size_bytes=big(upload.size_bytes),
            mime_type=upload.mime_type,
            part_size_bytes=upload.part_size_bytes,
            part_count=upload.part_count,
            received_parts=[
                ReceivedPart(part_number=part.part_number, size_bytes=part.size_bytes, etag=part.etag) for part in upload.received_parts
            ],
            expires_at=DateTime(upload.expires_at_ms),
            created_at=DateTime(upload.created_at_ms),
            failure_code=upload.failure_code or None,
            failure_detail=upload.failure_detail or None,
            stage=ProcessingStage(upload.stage),
            progress_percent=upload.progress_percent,
            playable=upload.playable,
        )


@strawberry.type(description="One session of a list.")
class UploadEdge:
    cursor: str
    node: Upload


@strawberry.type(description="A page of upload sessions.")
class UploadConnection:
    edges: list[UploadEdge]
    page_info: PageInfo


@strawberry.type
class UploadQuery:
    @strawberry.field(description="One of the viewer's own sessions.")
    async def upload(self, info: GatewayInfo, id: strawberry.ID) -> Upload | None:
        request = upload_service_pb2.GetUploadRequest(upload_id=number_of(id))
        answer = await ask_or_none(info.context.clients.uploads.GetUpload(request))
        return Upload.of(answer.upload) if answer is not None else None

    @strawberry.field(
        description="The viewer's own sessions, newest first.",
        directives=[Cost(weight="10"), ListSize(assumed_size=20, slicing_arguments=["first"], sized_fields=["edges"])],
    )
    async def uploads(self, info: GatewayInfo, first: int = 20, after: str | None = None) -> UploadConnection | None:
        size, place = page_size(first), Place.decode(after)
        request = upload_service_pb2.ListUploadsRequest(page_size=size + place.skip, page_token=place.token)
        answer = await ask(info.context.clients.uploads.ListUploads(request))
        uploads = answer.uploads[place.skip :]
        cursors = place.cursors(len(uploads), answer.next_page_token)
        return UploadConnection(
            edges=[UploadEdge(cursor=cursor, node=Upload.of(one)) for cursor, one in zip(cursors, uploads, strict=True)],
            page_info=page_info(cursors, has_next=bool(answer.next_page_token), after=after),
        )


@strawberry.input(description="The file that will come.")
class StartUploadInput:
    request_id: strawberry.ID
    size_bytes: BigInt
    mime_type: str
    duration_ms: int | None = None
    width: int | None = None
    height: int | None = None
    sha256: str | None = strawberry.field(default=None, description="Of the whole file, 64 hex digits; checked in processing.")


@strawberry.input(description="Which parts to sign, at most 100.")
class SignUploadPartsInput:
    upload_id: strawberry.ID
    part_numbers: list[int]


@strawberry.input(description="A part as the client saw it stored.")
class CompletedPartInput:
    part_number: int
    etag: str


@strawberry.input(description="Which session to close.")
class CompleteUploadInput:
    upload_id: strawberry.ID
    parts: list[CompletedPartInput] | None = None


@strawberry.input(description="Which session to end.")
class AbortUploadInput:
    upload_id: strawberry.ID


@strawberry.type(description="The session after the call, or why nothing happened.")
class UploadPayload:
    upload: Upload | None
    user_errors: list[UserError] = user_errors_field()


@strawberry.type(description="URLs in the order asked, or why there are none.")
class SignUploadPartsPayload:
    parts: list[SignedPart] = strawberry.field(directives=[ListSize(assumed_size=100)])
    user_errors: list[UserError] = user_errors_field()


def _payload(answer: upload_service_pb2.Upload | None, errors: list[UserError]) -> UploadPayload:
    return UploadPayload(upload=Upload.of(answer) if answer is not None else None, user_errors=errors)


@strawberry.type
class UploadMutation:
    @strawberry.mutation(description="Open a session; what cannot be taken is refused before a byte is sent.")
    async def start_upload(self, info: GatewayInfo, input: StartUploadInput) -> UploadPayload | None:
        if input.sha256 is not None and not _SHA256.fullmatch(input.sha256):
            raise Fault("BAD_USER_INPUT", "sha256 has 64 hex digits")
        request = upload_service_pb2.StartUploadRequest(
            request_id=input.request_id,
            size_bytes=input.size_bytes,
            mime_type=input.mime_type,
            duration_ms=input.duration_ms or 0,
            width=input.width or 0,
            height=input.height or 0,
            sha256=bytes.fromhex(input.sha256) if input.sha256 else b"",
            kind=upload_service_pb2.UPLOAD_KIND_VIDEO,
        )
        answer, errors = await attempt(info.context.clients.uploads.StartUpload(request))
        return _payload(answer.upload if answer is not None else None, errors)

    @strawberry.mutation(description="Get short-lived URLs to PUT parts to.")
    async def sign_upload_parts(self, info: GatewayInfo, input: SignUploadPartsInput) -> SignUploadPartsPayload | None:
        request = upload_service_pb2.SignUploadPartsRequest(upload_id=number_of(input.upload_id), part_numbers=input.part_numbers)
        answer, errors = await attempt(info.context.clients.uploads.SignUploadParts(request))
        parts = answer.parts if answer is not None else ()
        return SignUploadPartsPayload(
            parts=[
                SignedPart(part_number=part.part_number, url=part.url, size_bytes=part.size_bytes, expires_at=DateTime(part.expires_at_ms))
                for part in parts
            ],
            user_errors=errors,
        )

    @strawberry.mutation(description="Close a session when all parts are there; safe to repeat.")
    async def complete_upload(self, info: GatewayInfo, input: CompleteUploadInput) -> UploadPayload | None:
        parts = [upload_service_pb2.ReceivedPart(part_number=part.part_number, etag=part.etag) for part in input.parts or ()]
        request = upload_service_pb2.CompleteUploadRequest(upload_id=number_of(input.upload_id), parts=parts)
        answer, errors = await attempt(info.context.clients.uploads.CompleteUpload(request))
        return _payload(answer.upload if answer is not None else None, errors)

    @strawberry.mutation(description="End a session and free its quota.")
    async def abort_upload(self, info: GatewayInfo, input: AbortUploadInput) -> UploadPayload | None:
        request = upload_service_pb2.AbortUploadRequest(upload_id=number_of(input.upload_id))
        answer, errors = await attempt(info.context.clients.uploads.AbortUpload(request))
        return _payload(answer.upload if answer is not None else None, errors)


@strawberry.type
class UploadSubscription:
    @strawberry.subscription(description="The state now, then every change; ends when processing is over.")
    async def upload_progress(self, info: GatewayInfo, upload_id: strawberry.ID) -> AsyncGenerator[Upload, None]:
        number = number_of(upload_id)
        told: tuple[object, ...] = ()
        with info.context.hints.watch(PROGRESS_TOPIC, str(number)) as changes:
            async for _ in at_least_every(LOOK_AGAIN_S, changes):
                try:
                    with info.context.acting():
                        upload = await _own_upload(info, number)
                except Fault as fault:
                    # Whoever has heard something waits until the service is back; the first look tells of it.
                    cause = fault.__cause__
                    if not told or not isinstance(cause, MeshError) or not is_away(cause):
                        raise
                    continue
                news = (upload.state, upload.stage, upload.progress_percent, upload.playable)
                if news != told:
                    told = news
                    yield upload
                if upload.stage in _OVER or upload.state in _ENDED:
                    return


async def _own_upload(info: GatewayInfo, upload_id: int) -> Upload:
    request = upload_service_pb2.GetUploadRequest(upload_id=upload_id)
    return Upload.of((await ask(info.context.clients.uploads.GetUpload(request))).upload)
