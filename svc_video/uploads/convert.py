"""Between the nouns of uploads and the protos, one function each way."""

from __future__ import annotations

from clipmesh.video.v1 import upload_service_pb2 as pb2

from svc_video.uploads.actions import SeenUpload, SignedPart, Streamed
from svc_video.uploads.rules import Declared
from svc_video.uploads.tables import UploadKind, UploadState
from svc_video.videos.actions import MediaState, plays


def declared_from_proto(request: pb2.StartUploadRequest) -> Declared:
    """What the client says of the file."""
    return Declared(
        size_bytes=request.size_bytes,
        mime_type=request.mime_type,
        duration_ms=request.duration_ms,
        width=request.width,
        height=request.height,
        sha256=request.sha256,
        kind=UploadKind(request.kind or UploadKind.VIDEO),
    )


def upload_to_proto(seen: SeenUpload) -> pb2.Upload:
    """A session as its creator sees it; bytes that processing refused make it FAILED."""
    upload, video = seen.upload, seen.video
    refused = video is not None and upload.state is UploadState.COMPLETED and video.media_state is MediaState.FAILED
    return pb2.Upload(
        upload_id=upload.upload_id,
        creator_id=upload.creator_id,
        state=pb2.UploadState.ValueType(UploadState.FAILED if refused else upload.state),
        size_bytes=upload.size_bytes,
        mime_type=upload.mime_type,
        part_size_bytes=upload.part_size_bytes,
        part_count=upload.part_count,
        received_parts=[pb2.ReceivedPart(part_number=part.part_number, size_bytes=part.size_bytes, etag=part.etag) for part in seen.parts],
        expires_at_ms=upload.ends_at_ms,
        failure_code=video.failure_code if refused and video is not None else upload.failure_code,
        failure_detail=video.failure_detail if refused and video is not None else upload.failure_detail,
        stage=pb2.ProcessingStage.ValueType(seen.progress.stage if seen.progress is not None else 0),
        progress_percent=seen.progress.percent if seen.progress is not None else 0,
        created_at_ms=upload.created_at_ms,
        playable=video is not None and not video.is_over and plays(video),
    )


def offset_to_proto(streamed: Streamed) -> pb2.GetUploadOffsetResponse:
    """How far a session is for a stream."""
    return pb2.GetUploadOffsetResponse(
        upload=upload_to_proto(streamed.seen),
        offset_bytes=streamed.offset_bytes,
        tails_prefix=streamed.tails_prefix,
        tail_bytes=streamed.tail_bytes,
    )


def part_to_proto(part: SignedPart) -> pb2.SignedPart:
    """Where one part goes."""
    return pb2.SignedPart(part_number=part.part_number, url=part.url, size_bytes=part.size_bytes, expires_at_ms=part.expires_at_ms)
