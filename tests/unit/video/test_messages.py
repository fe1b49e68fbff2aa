"""Uploads, edits and revocations say the same as their messages: fields of the one are fields of the other."""

from __future__ import annotations

import dataclasses

from clipmesh.video.v1 import playback_service_pb2, upload_service_pb2, video_service_pb2
from google.protobuf.message import Message

from mesh.stores.blobs.port import BlobPart
from svc_video.playback.convert import revocation_to_proto
from svc_video.playback.tables import Revocation
from svc_video.uploads.actions import SeenUpload, SignedPart
from svc_video.uploads.convert import part_to_proto, upload_to_proto
from svc_video.uploads.tables import Upload, UploadState
from svc_video.videos.actions import Edit, MediaState, ProcessingStage, Progress, Publication, Switches, Video

UPLOAD = Upload(
    upload_id=1,
    creator_id=2,
    state=UploadState.ABORTED,
    size_bytes=3,
    mime_type="video/mp4",
    part_size_bytes=4,
    part_count=5,
    ends_at_ms=6,
    failure_code="UPLOAD_ABORTED",
    failure_detail="d",
    created_at_ms=7,
)


def told(message: Message) -> set[str]:
    """Fields that say something."""
    return {field.name for field, _ in message.ListFields()}


def fields(of: type[Message]) -> set[str]:
    """All fields of a message type."""
    return {field.name for field in of.DESCRIPTOR.fields}


def nouns(of: type) -> set[str]:
    """All fields of a dataclass."""
    return {field.name for field in dataclasses.fields(of)}


def test_every_field_of_an_upload_is_told() -> None:
    seen = SeenUpload(
        upload=UPLOAD,
        parts=(BlobPart(part_number=1, size_bytes=9, etag="e"),),
        video=Video(video_id=1, media_state=MediaState.PLAYABLE),
        progress=Progress(stage=ProcessingStage.ENCODING_REST, percent=50),
    )
    upload = upload_to_proto(seen)
    assert told(upload) == fields(upload_service_pb2.Upload)
    for name in nouns(Upload) & fields(upload_service_pb2.Upload):
        assert getattr(upload, name) == getattr(UPLOAD, name), name
    beside = {"received_parts": 1, "expires_at_ms": UPLOAD.ends_at_ms, "stage": 4, "progress_percent": 50, "playable": True}
    assert {"received_parts": len(upload.received_parts)} | {
        name: getattr(upload, name) for name in beside if name != "received_parts"
    } == beside
    assert nouns(Upload) & fields(upload_service_pb2.Upload) | beside.keys() == fields(upload_service_pb2.Upload)
    assert upload.received_parts[0] == upload_service_pb2.ReceivedPart(part_number=1, size_bytes=9, etag="e")
    assert told(upload.received_parts[0]) == fields(upload_service_pb2.ReceivedPart)


def test_bytes_that_processing_refused_make_a_failed_upload_with_the_videos_reason() -> None:
    video = Video(video_id=1, media_state=MediaState.FAILED, failure_code="CORRUPT_MEDIA", failure_detail="no picture")
    seen = SeenUpload(upload=dataclasses.replace(UPLOAD, state=UploadState.COMPLETED), parts=(), video=video, progress=None)
    upload = upload_to_proto(seen)
    assert (upload.state, upload.failure_code, upload.failure_detail, upload.playable) == (
        upload_service_pb2.UPLOAD_STATE_FAILED,
        "CORRUPT_MEDIA",
        "no picture",
        False,
    )


def test_every_field_of_a_signed_part_is_told() -> None:
    part = SignedPart(part_number=1, url="u", size_bytes=2, expires_at_ms=3)
    proto = part_to_proto(part)
    assert told(proto) == fields(upload_service_pb2.SignedPart) == nouns(SignedPart)
    assert {name: getattr(proto, name) for name in nouns(SignedPart)} == dataclasses.asdict(part)


def test_every_field_of_a_revocation_is_told() -> None:
    proto = revocation_to_proto(Revocation(shard=0, position=1, video_id=2, epoch=3))
    assert told(proto) == fields(playback_service_pb2.Revocation)
    assert (proto.video_id, proto.epoch) == (2, 3)


def test_publications_edits_and_switches_have_the_fields_of_their_requests() -> None:
    addressed = {"request_id", "video_id"}
    assert nouns(Publication) == fields(video_service_pb2.PublishVideoRequest) - addressed
    assert nouns(Edit) == fields(video_service_pb2.UpdateVideoRequest) - addressed - {"expected_version"}
    assert nouns(Switches) == fields(video_service_pb2.Switches)
