"""What follows from what, and who may still commit."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from svc_video.processing.errors import InvalidResult, LeaseLost
from svc_video.processing.needed import wanted
from svc_video.processing.places import chunk_object, source_work_prefix
from svc_video.processing.results import PicturesResult, PlannedRendition, ProbeResult
from svc_video.processing.rules import VideoJobs, held, leased, opened
from svc_video.processing.tables import Job, JobKind, JobState, Tier
from svc_video.processing.urgency import urgency_ms

FIRST = PlannedRendition(name="720p", group="first", width=720, height=1280)
REST = PlannedRendition(name="240p", group="rest", width=240, height=426)


def result(*, chunks: int = 2, has_audio: bool = True, renditions: tuple[PlannedRendition, ...] = (FIRST, REST)) -> ProbeResult:
    return ProbeResult(
        facts_json="{}",
        source_sha256="5a" * 32,
        recipe_version="1",
        duration_ms=20_000,
        width=720,
        height=1280,
        has_audio=has_audio,
        chunks=chunks,
        renditions=renditions,
        has_waveform=has_audio,
    )


@pytest.mark.parametrize(
    ("done", "opens"),
    [
        (set(), ["probe", "audio", "chunk/first/0", "chunk/first/1"]),
        ({"probe", "audio", "chunk/first/0"}, ["probe", "audio", "chunk/first/0", "chunk/first/1"]),
        ({"probe", "audio", "chunk/first/0", "chunk/first/1"}, ["probe", "audio", "chunk/first/0", "chunk/first/1", "package/first"]),
        (
            {"probe", "audio", "chunk/first/0", "chunk/first/1", "package/first"},
            ["probe", "audio", "chunk/first/0", "chunk/first/1", "package/first", "pictures"],
        ),
        (
            {"probe", "audio", "chunk/first/0", "chunk/first/1", "package/first", "pictures", "chunk/rest/0", "chunk/rest/1"},
            [
                *("probe", "audio", "chunk/first/0", "chunk/first/1", "package/first", "pictures"),
                *("chunk/rest/0", "chunk/rest/1", "package/rest"),
            ],
        ),
    ],
)
def test_a_job_exists_once_everything_it_reads_is_done(done: set[str], opens: list[str]) -> None:
    assert list(wanted(result(), frozenset(done))) == opens


def test_nothing_but_the_probe_exists_before_it_is_done() -> None:
    assert wanted(None, frozenset()) == ("probe",)


def rows_of(state: JobState, *, plan_state: JobState = JobState.OPEN, fence: int = 4) -> VideoJobs:
    plan = Job(video_id=1, job_key="plan", state=plan_state, version=3)
    return VideoJobs(plan, {"probe": Job(video_id=1, job_key="probe", kind=JobKind.PROBE, state=state, fence=fence, version=6)})


@pytest.mark.parametrize(
    "rows",
    [
        rows_of(JobState.LEASED, fence=5),
        rows_of(JobState.LEASED, fence=3),
        rows_of(JobState.OPEN),
        rows_of(JobState.DONE),
        rows_of(JobState.LEASED, plan_state=JobState.CLOSED),
        rows_of(JobState.LEASED, plan_state=JobState.DEAD),
    ],
)
def test_only_the_newest_lease_of_a_wanted_job_holds_it(rows: VideoJobs) -> None:
    with pytest.raises(LeaseLost):
        held(rows, "probe", 4)


def test_the_holder_of_the_newest_lease_holds_the_job() -> None:
    assert held(rows_of(JobState.LEASED), "probe", 4).job_key == "probe"
    with pytest.raises(LeaseLost):
        held(rows_of(JobState.LEASED), "audio", 4)


def test_a_fence_is_the_version_that_the_lease_writes() -> None:
    _, job = leased(rows_of(JobState.OPEN), "probe", worker="w", now_ms=10, lease_ms=5)
    assert (job.fence, job.version, job.lease_expires_at_ms) == (7, 6, 15)


@pytest.mark.parametrize(
    ("tier", "expected"), [(Tier.LARGE, [100, 100, 164]), (Tier.REGULAR, [107, 107, 171]), (Tier.NEW, [114, 114, 178])]
)
def test_urgency_is_age_and_further_tiers_and_renditions_count_as_younger(tier: Tier, expected: list[int]) -> None:
    plan, probe = opened(video_id=1, creator_id=2, source_key="raw/1", size_bytes=3, sha256=b"", now_ms=100, tier=tier)
    rest = Job(video_id=1, job_key="chunk/rest/0", kind=JobKind.CHUNK)
    first = Job(video_id=1, job_key="chunk/first/0", kind=JobKind.CHUNK)
    assert [urgency_ms(plan, job, ageing_ms=50, tier_ms=7) for job in (probe, first, rest)] == expected


def test_a_result_reads_back_equal() -> None:
    assert ProbeResult.from_json(result().to_json()) == result()
    pictured = PicturesResult(hashes_hex=("ab" * 32,), findings=(("black_ratio", 0.5),), has_storyboard=True)
    assert PicturesResult.from_json(pictured.to_json()) == pictured


def test_a_result_of_an_earlier_recipe_is_read_without_what_it_saw() -> None:
    fields = json.loads(result().to_json())
    del fields["has_waveform"]
    old = json.dumps({**fields, "hashes_hex": ["ab" * 32], "findings": [["black_ratio", 0.5]], "has_preview": True})
    assert ProbeResult.from_json(old) == replace(result(), has_waveform=False)


@pytest.mark.parametrize(
    "broken",
    [
        result(renditions=()),
        result(renditions=(REST, FIRST)),
        result(renditions=(FIRST, FIRST)),
        result(renditions=(FIRST, REST, REST)),
        result(chunks=0),
        result(chunks=65),
    ],
)
def test_a_result_without_a_sound_plan_is_refused(broken: ProbeResult) -> None:
    with pytest.raises(InvalidResult):
        ProbeResult.from_json(broken.to_json())


@pytest.mark.parametrize("sha256", ["", "5A" * 32, "5a" * 31, "zz" * 32])
def test_a_result_without_the_hash_of_its_source_is_refused(sha256: str) -> None:
    with pytest.raises(InvalidResult):
        ProbeResult.from_json(replace(result(), source_sha256=sha256).to_json())


def test_chunks_of_another_source_or_recipe_are_other_objects() -> None:
    places = {
        chunk_object(source_work_prefix(1, source), version, name, index)
        for source in ("5a" * 32, "a5" * 32)
        for version in ("1", "2")
        for name in ("720p", "240p")
        for index in (0, 1)
    }
    assert len(places) == 16
    assert all(place.startswith("work/1/") and place.endswith(".chunk") for place in places)
