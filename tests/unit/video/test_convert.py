"""Nouns and protos are the same: every field, every number, every reason."""

from __future__ import annotations

import dataclasses
import enum

import pytest
from clipmesh.common.v1 import errors_pb2 as common_errors
from clipmesh.common.v1 import viewer_pb2
from clipmesh.rights.v1 import publication_service_pb2 as rights_pb2
from clipmesh.video.v1 import errors_pb2, playback_service_pb2, upload_service_pb2, video_service_pb2
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper

from mesh.errors import reasons_of
from mesh.testing.reasons import raised_by
from svc_video.images import errors as image_errors
from svc_video.playback import rules as playback_rules
from svc_video.playback.convert import network_from_proto, playback_to_proto
from svc_video.playback.rules import Network, Playback, Refusal
from svc_video.uploads import errors as upload_errors
from svc_video.uploads import tables as upload_tables
from svc_video.uploads.convert import declared_from_proto
from svc_video.uploads.rules import Declared
from svc_video.uploads.tables import UploadKind
from svc_video.videos import errors as video_errors
from svc_video.videos import rules as video_rules
from svc_video.videos import tables as video_tables
from svc_video.videos.convert import verdict_from_proto, video_to_proto
from svc_video.videos.rules import VerdictKind
from svc_video.videos.tables import MediaState, PublicationState, Video, Visibility


@pytest.mark.parametrize(
    ("noun", "proto"),
    [
        (video_tables.MediaState, video_service_pb2.MediaState),
        (video_tables.PublicationState, video_service_pb2.PublicationState),
        (video_tables.VideoState, video_service_pb2.VideoState),
        (video_tables.Visibility, video_service_pb2.Visibility),
        (video_tables.ProcessingStage, upload_service_pb2.ProcessingStage),
        (upload_tables.UploadState, upload_service_pb2.UploadState),
        (upload_tables.UploadKind, upload_service_pb2.UploadKind),
        (video_rules.VerdictKind, rights_pb2.VerdictKind),
    ],
)
def test_enums_have_the_names_and_numbers_of_their_protos(noun: type[enum.IntEnum], proto: EnumTypeWrapper) -> None:
    names = dict(proto.items())
    prefix = next(name for name, number in names.items() if number == 0).removesuffix("UNSPECIFIED")
    assert {f"{prefix}{member.name}": member.value for member in noun} == names


def test_refusals_and_networks_have_the_numbers_of_their_protos() -> None:
    refusals = dict(playback_service_pb2.PlaybackRefusal.items())
    assert {member.value for member in playback_rules.Refusal} == set(refusals.values())
    assert all(int(refusals[f"PLAYBACK_REFUSAL_{member.name}"]) == member.value for member in Refusal if member)
    assert {member.value for member in Network} == set(viewer_pb2.NetworkClass.values())
    assert network_from_proto(99) is Network.UNSPECIFIED


FULL = Video(
    video_id=1,
    creator_id=2,
    media_state=MediaState.COMPLETE,
    publication_state=PublicationState.PUBLISHED,
    caption="c",
    hashtags="a b",
    category=3,
    language="de",
    visibility=Visibility.PUBLIC,
    duration_ms=4,
    width=5,
    height=6,
    has_audio=True,
    sound_id=7,
    created_at_ms=8,
    published_at_ms=9,
    failure_code="F",
    failure_detail="D",
    version=10,
)


def test_every_field_of_a_video_is_told() -> None:
    told = video_to_proto(FULL, progress_percent=50, with_failure=True)
    names = {field.name for field in told.DESCRIPTOR.fields}
    assert {field.name for field, _ in told.ListFields()} == names
    shared = {field.name for field in dataclasses.fields(Video)} & names
    derived = {"state", "switches", "recommendable", "progress_percent"}
    assert shared | derived == names
    for name in shared - {"hashtags"}:
        assert getattr(told, name) == getattr(FULL, name)
    assert list(told.hashtags) == ["a", "b"]


def test_failures_are_told_only_where_they_belong() -> None:
    told = video_to_proto(FULL)
    assert (told.failure_code, told.failure_detail, told.progress_percent) == ("", "", 0)
    assert video_to_proto(FULL, version=11).version == 11


def test_every_field_of_a_playback_is_told() -> None:
    paths = {field.name: field.name for field in dataclasses.fields(Playback) if field.name.endswith("_path")}
    playback = Playback(video_id=1, refusal=Refusal.PRIVATE, start_level=2, expires_at_ms=3, renditions=(4,), **paths)
    told = playback_to_proto(playback)
    assert {field.name for field, _ in told.ListFields()} == {field.name for field in dataclasses.fields(Playback)}
    assert {field.name for field in told.DESCRIPTOR.fields} == {field.name for field in dataclasses.fields(Playback)}


def test_every_field_of_a_declaration_is_read() -> None:
    request = upload_service_pb2.StartUploadRequest(
        request_id="r",
        size_bytes=1,
        mime_type="m",
        duration_ms=2,
        width=3,
        height=4,
        sha256=b"s",
        kind=upload_service_pb2.UPLOAD_KIND_VIDEO,
    )
    names = {field.name for field in request.DESCRIPTOR.fields} - {"request_id"}
    assert {field.name for field in dataclasses.fields(Declared)} == names
    declared = declared_from_proto(request)
    assert {name: getattr(declared, name) for name in names} == {name: getattr(request, name) for name in names}
    assert declared_from_proto(upload_service_pb2.StartUploadRequest()).kind is UploadKind.VIDEO


def test_a_verdict_of_an_unknown_kind_is_no_verdict() -> None:
    assert verdict_from_proto(rights_pb2.Verdict(kind=99)).kind is VerdictKind.UNSPECIFIED  # type: ignore[arg-type]
    read = verdict_from_proto(rights_pb2.Verdict(kind=rights_pb2.VERDICT_KIND_LIMIT, policy="p", publication_version=2, version=3))
    assert (read.kind, read.policy, read.publication_version, read.version) == (VerdictKind.LIMIT, "p", 2, 3)


def test_every_reason_stands_in_the_protos() -> None:
    known, common = reasons_of(errors_pb2.VideoErrorReason.DESCRIPTOR), reasons_of(common_errors.CommonErrorReason.DESCRIPTOR)
    reasons = set(raised_by(video_errors, upload_errors, image_errors))
    assert reasons <= known | common
    told_by_processing = {
        "LEASE_LOST", "CORRUPT_MEDIA", "NO_VIDEO", "TOO_MANY_PIXELS", "TOO_MANY_STREAMS", "UNSUPPORTED_CONTAINER", "UNSUPPORTED_CODEC",
        "FPS_OUT_OF_RANGE", "PROCESSING_FAILED",
    }  # fmt: skip
    failure_codes = {"UPLOAD_EXPIRED", "UPLOAD_ABORTED", "POLICY_VIOLATION"}
    assert known - reasons - told_by_processing - failure_codes == {reason for reason in known if reason.startswith("UNSUPPORTED_ASPECT_")}
