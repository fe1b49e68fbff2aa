"""Jobs as workers are told of them: every field of the protos comes from its noun."""

from __future__ import annotations

import dataclasses
import enum

from clipmesh.video.v1 import job_service_pb2 as pb2
from google.protobuf.message import Message

from svc_video.layout import audio_key, images_prefix, video_prefix
from svc_video.processing.convert import dead_to_proto, job_to_proto
from svc_video.processing.dead import Dead
from svc_video.processing.leasing import Leased
from svc_video.processing.places import published_folder, source_work_prefix
from svc_video.processing.results import PlannedRendition, ProbeResult
from svc_video.processing.tables import FIRST, PLAN_KEY, Job, JobKind

SOURCE = "ab" * 32
TRACE = f"00-{'a' * 32}-{'1' * 16}-01"
OTHER_TRACE = f"00-{'a' * 32}-{'2' * 16}-01"
PROBED = ProbeResult(
    facts_json='{"codec": "h264"}',
    source_sha256=SOURCE,
    recipe_version="1+8.1.2",
    duration_ms=20_000,
    width=720,
    height=1280,
    has_audio=True,
    chunks=4,
    renditions=(PlannedRendition(name="720p", group=FIRST, width=720, height=1280),),
)
PLAN = Job(video_id=7, job_key=PLAN_KEY, source_key="raw/7", source_size_bytes=1_000, declared_sha256=b"s" * 32)
CHUNK = Job(video_id=7, job_key="chunk/first/3", kind=JobKind.CHUNK, fence=11, lease_expires_at_ms=12, attempt=2)


def told(message: Message) -> set[str]:
    """Fields that say something."""
    return {field.name for field, _ in message.ListFields()}


def fields(message: Message) -> set[str]:
    """All fields."""
    return {field.name for field in message.DESCRIPTOR.fields}


def test_every_field_of_a_job_is_told() -> None:
    leased = Leased(plan=PLAN, job=CHUNK, probe_json=PROBED.to_json(), trace_context=TRACE, joined_trace_contexts=(OTHER_TRACE,))
    job = job_to_proto(leased, lease_ms=30_000)
    assert told(job) == fields(job)
    of_job = {field.name for field in dataclasses.fields(Job)} | {"group", "chunk_index"}
    of_plan = {"source_key", "source_size_bytes", "declared_sha256"}
    for name in (of_job - of_plan) & fields(job) - {"kind", "trace_context"}:
        assert getattr(job, name) == getattr(CHUNK, name), name
    for name in of_plan:
        assert getattr(job, name) == getattr(PLAN, name), name
    assert (job.kind, job.lease_ms) == (pb2.JOB_KIND_CHUNK, 30_000)
    assert (job.trace_context, list(job.joined_trace_contexts)) == (TRACE, [OTHER_TRACE])
    assert (job.facts_json, job.recipe_version, job.source_sha256.hex()) == (PROBED.facts_json, PROBED.recipe_version, SOURCE)
    places = (video_prefix(7), images_prefix(7), audio_key(7), source_work_prefix(7, SOURCE))
    assert (job.output_prefix, job.images_prefix, job.audio_key, job.work_prefix) == places


def test_what_players_fetch_goes_into_the_folder_of_its_plan() -> None:
    folder = published_folder(SOURCE, PROBED.recipe_version)
    others = {published_folder(SOURCE, "2+8.1.2"), published_folder("cd" * 32, PROBED.recipe_version)}
    assert len({folder, *others}) == 3
    leased = Leased(plan=PLAN, job=CHUNK, probe_json=dataclasses.replace(PROBED, folder=folder).to_json())
    assert job_to_proto(leased, lease_ms=1).output_prefix == f"{video_prefix(7)}{folder}/"


def test_a_probe_is_told_nothing_that_only_a_probe_finds() -> None:
    probe = Job(video_id=7, job_key="probe", kind=JobKind.PROBE, fence=1, lease_expires_at_ms=12, attempt=1)
    job = job_to_proto(Leased(plan=PLAN, job=probe, probe_json=""), lease_ms=30_000)
    of_others = {"facts_json", "recipe_version", "source_sha256", "work_prefix", "group", "chunk_index"}
    assert fields(job) - told(job) == of_others | {"trace_context", "joined_trace_contexts"}


def test_kinds_have_the_names_and_numbers_of_the_proto() -> None:
    def named(kinds: type[enum.IntEnum]) -> dict[str, int]:
        return {f"JOB_KIND_{kind.name}": kind.value for kind in kinds if kind}

    assert named(JobKind) == {name: number for name, number in pb2.JobKind.items() if number}
    for kind in JobKind:
        if kind is not JobKind.PLAN:
            leased = Leased(plan=PLAN, job=dataclasses.replace(CHUNK, kind=kind), probe_json="")
            assert job_to_proto(leased, lease_ms=1).kind == kind.value


def test_every_field_of_a_dead_video_is_told() -> None:
    dead = Dead(video_id=1, job_key="probe", reason="R", detail="d", attempts=3, died_at_ms=4, plays=True)
    proto = dead_to_proto(dead)
    assert told(proto) == fields(proto)
    assert {name: getattr(proto, name) for name in fields(proto)} == dataclasses.asdict(dead)
