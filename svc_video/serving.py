"""The gRPC services of the areas with the rules of each method."""

from __future__ import annotations

from typing import Any

from clipmesh.video.v1 import (
    playback_service_pb2,
    playback_service_pb2_grpc,
    upload_service_pb2,
    upload_service_pb2_grpc,
    video_service_pb2,
    video_service_pb2_grpc,
)

from mesh.permits import Permits
from mesh.server import ANYONE, SIGNED_IN, Access, Priority, ServedService
from svc_video.playback.service import PlaybackServicer
from svc_video.rooms import Rooms
from svc_video.uploads.service import UploadServicer
from svc_video.videos.service import VideoServicer

_GATEWAY = frozenset({"gateway"})
_READERS = frozenset({"gateway", "feed"})
_LONG_MS = 60_000
"""Joining the parts of a large file takes a while on a slow disk."""


def _write(*, keeps_answers: bool = False, max_deadline_ms: int = 10_000) -> Access:
    return Access(
        callers=_GATEWAY,
        viewer=SIGNED_IN,
        idempotent=True,
        keeps_answers=keeps_answers,
        priority=Priority.WRITE,
        max_deadline_ms=max_deadline_ms,
    )


def _read(priority: Priority = Priority.FEED) -> Access:
    return Access(callers=_READERS, viewer=ANYONE, idempotent=True, priority=priority)


def served_services(rooms: Rooms[Any], *, permits: Permits) -> tuple[ServedService, ...]:
    """The services over `rooms`."""
    return (
        ServedService(
            add_to_server=upload_service_pb2_grpc.add_UploadServiceServicer_to_server,
            servicer=UploadServicer(actions=rooms.uploads),
            descriptor=upload_service_pb2.DESCRIPTOR.services_by_name["UploadService"],
            access={
                # Its answer is kept nowhere: an upload goes on from the parts that it names.
                "StartUpload": _write(),
                "SignUploadParts": _write(),
                # Who uploads asks how far it is before every further step.
                "GetUpload": _write(),
                "GetUploadOffset": _write(),
                "ListUploads": _write(),
                "CompleteUpload": _write(max_deadline_ms=_LONG_MS),
                "AbortUpload": _write(max_deadline_ms=_LONG_MS),
            },
        ),
        ServedService(
            add_to_server=video_service_pb2_grpc.add_VideoServiceServicer_to_server,
            servicer=VideoServicer(actions=rooms.videos, permits=permits),
            descriptor=video_service_pb2.DESCRIPTOR.services_by_name["VideoService"],
            access={
                "PublishVideo": _write(keeps_answers=True),
                "UpdateVideo": _write(keeps_answers=True),
                "DeleteVideo": _write(),
                # What is asked before something more urgent is as urgent: a clip is looked up before it plays, a permit fetched before a like is written.
                "BatchGetVideos": _read(Priority.PLAYBACK),
                "ListCreatorVideos": _read(),
                "BatchIssuePermits": _read(Priority.WRITE),
            },
        ),
        ServedService(
            add_to_server=playback_service_pb2_grpc.add_PlaybackServiceServicer_to_server,
            servicer=PlaybackServicer(actions=rooms.playback, revocations=rooms.revocations),
            descriptor=playback_service_pb2.DESCRIPTOR.services_by_name["PlaybackService"],
            access={
                "BatchGetPlayback": _read(Priority.PLAYBACK),
                "ListRevocations": Access(callers=_GATEWAY, viewer=ANYONE, idempotent=True, priority=Priority.PLAYBACK),
            },
        ),
    )
