"""Pure decisions about the jobs of one video: what follows from what, who may still commit, what a failed attempt means."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, replace

from svc_video.processing.errors import LeaseLost
from svc_video.processing.needed import is_complete, is_over, wanted
from svc_video.processing.places import published_folder
from svc_video.processing.results import PackagedRendition, PackageResult, PicturesResult, PiecesResult, ProbeResult
from svc_video.processing.tables import (
    PACKAGE_FIRST_KEY,
    PICTURES_KEY,
    PLAN_KEY,
    PROBE_KEY,
    Job,
    JobEnd,
    JobKind,
    JobState,
    Tier,
    package_key,
)
from svc_video.processing.traces import going_on

MAX_RETRIES = 3
PROCESSING_FAILED = "PROCESSING_FAILED"
"""Reason of a video whose job failed, and failed again in every retry."""
LEASE_EXPIRED = "LEASE_EXPIRED"
KEPT_MS = 30 * 24 * 3_600_000
"""Rows of jobs are read for so long; a plan that is gone is begun anew by whoever still waits for it."""
OUTAGE_PAUSE_MS = 5_000
OUTAGE_MS = 6 * 3_600_000
"""What goes on for longer is no outage of the store but something about this job, and counts from then on."""
MAX_RESTARTS = 3
"""A plan is begun anew for other tools so often; then the fleet has two kinds for good, and tools that differ count as a failure."""
MAX_DETAIL_CHARACTERS = 4_000


class GivenBack(enum.StrEnum):
    """Reasons of workers that say nothing about the job: they count as no attempt."""

    WORKER_STOPPING = "WORKER_STOPPING"
    STORE_UNAVAILABLE = "STORE_UNAVAILABLE"


NOT_COUNTED: frozenset[str] = frozenset(GivenBack)
RECIPE_CHANGED = "RECIPE_CHANGED"
"""Reason of a worker whose tools would make other bytes than the plan says."""


@dataclass(frozen=True, slots=True)
class VideoJobs:
    """All rows of one video."""

    plan: Job
    jobs: Mapping[str, Job]
    """By job_key, without the plan."""

    @property
    def probed(self) -> ProbeResult | None:
        """What the probe found, once it is done; stays while a clip that plays is probed again for its further renditions."""
        job = self.jobs.get(PROBE_KEY)
        return ProbeResult.from_json(job.result_json) if job is not None and job.result_json else None

    def is_done(self, job_key: str) -> bool:
        """True when a job's result is durable."""
        job = self.jobs.get(job_key)
        return job is not None and job.state is JobState.DONE

    @property
    def packaged(self) -> dict[str, PackagedRendition]:
        """What was published of each rendition, by its name."""
        texts = [job.result_json for key, job in self.jobs.items() if job.kind is JobKind.PACKAGE and self.is_done(key)]
        return {one.name: one for text in texts for one in PackageResult.from_json(text).renditions}

    @property
    def pictured(self) -> PicturesResult | None:
        """What was seen of the clip and made to show it, once that is done."""
        return PicturesResult.from_json(self.jobs[PICTURES_KEY].result_json) if self.is_done(PICTURES_KEY) else None

    @property
    def plays(self) -> bool:
        """True from the first rendition on, which stays as it is whatever becomes of the further ones."""
        return self.is_done(PACKAGE_FIRST_KEY)

    @property
    def done(self) -> frozenset[str]:
        """Keys of the jobs whose results are durable."""
        return frozenset(key for key in self.jobs if self.is_done(key))

    @property
    def is_complete(self) -> bool:
        """True when the H.264 ladder is there, as far as it is wanted."""
        return bool(self.jobs) and self.probed is not None and is_complete(self.probed, self.done, lazy=self.plan.lazy)

    @property
    def is_under_way(self) -> bool:
        """True while jobs of this video may be leased."""
        return self.plan.state is JobState.OPEN


def opened(
    *,
    video_id: int,
    creator_id: int,
    source_key: str,
    size_bytes: int,
    sha256: bytes,
    now_ms: int,
    tier: Tier = Tier.REGULAR,
    lazy: bool = False,
    codecs: str = "",
) -> tuple[Job, Job]:
    """The plan and the first job of a video, in no trace."""
    plan = Job(
        video_id=video_id,
        job_key=PLAN_KEY,
        opened_at_ms=now_ms,
        creator_id=creator_id,
        source_key=source_key,
        source_size_bytes=size_bytes,
        declared_sha256=sha256,
        tier=tier,
        lazy=lazy,
        codecs=codecs,
        expires_at_ms=now_ms + KEPT_MS,
    )
    return plan, fresh(plan, PROBE_KEY, now_ms, None, "")


def closed_before_open(video_id: int, now_ms: int) -> Job:
    """The plan of a video that was over before anybody opened its jobs."""
    return Job(video_id=video_id, job_key=PLAN_KEY, state=JobState.CLOSED, opened_at_ms=now_ms, expires_at_ms=now_ms + KEPT_MS)


def follow(video: VideoJobs, plan: Job, done: frozenset[str], probed: ProbeResult, *, now_ms: int, later_ms: int, trace: str) -> list[Job]:
    """Jobs that have to exist under this plan once those in `done` are done, and do not; those that can wait begin at `later_ms`."""
    return [
        fresh(plan, key, now_ms, video.jobs.get(key), trace, later_ms=later_ms)
        for key in wanted(probed, done, lazy=plan.lazy, codecs=plan.codecs.split())
        if key not in video.jobs or video.jobs[key].state is JobState.CLOSED
    ]


def fresh(plan: Job, job_key: str, now_ms: int, before: Job | None, trace: str, *, later_ms: int = 0) -> Job:
    """A job of that key that nobody has tried; `before` is the row that it replaces. It begins at `later_ms` if it can wait."""
    word = job_key.partition("/")[0]
    job = Job(
        video_id=plan.video_id,
        job_key=job_key,
        kind=JobKind[word.upper()],
        opened_at_ms=now_ms,
        # A row that was closed keeps its version, and so fences go on growing.
        version=before.version if before is not None else 0,
        trace_context=trace or plan.trace_context,
        expires_at_ms=plan.expires_at_ms,
    )
    return replace(job, not_before_ms=later_ms) if job.can_wait and later_ms > now_ms else job


def held(video: VideoJobs, job_key: str, fence: int) -> Job:
    """The job under that lease; raises LeaseLost when the lease is not the newest one or the job is not wanted any more."""
    job = video.jobs.get(job_key)
    if job is None or not video.is_under_way or job.state is not JobState.LEASED or job.fence != fence:
        raise LeaseLost(video_id=video.plan.video_id, job_key=job_key)
    return job


def may_lease(video: VideoJobs, job_key: str, now_ms: int) -> bool:
    """True when the job waits for a worker and its pause is over."""
    job = video.jobs.get(job_key)
    return job is not None and video.is_under_way and job.state is JobState.OPEN and job.not_before_ms <= now_ms


def leased(video: VideoJobs, job_key: str, *, worker: str, now_ms: int, lease_ms: int) -> tuple[Job, ...]:
    """Rows to write so that `worker` holds the job."""
    job = video.jobs[job_key]
    held_by = replace(
        job,
        state=JobState.LEASED,
        attempt=job.attempt + 1,
        fence=job.version + 1,
        ended=JobEnd.NONE,
        worker=worker,
        leased_at_ms=now_ms,
        lease_expires_at_ms=now_ms + lease_ms,
        progress_percent=0,
    )
    return video.plan, held_by


def committed(video: VideoJobs, job: Job, *, result_json: str, now_ms: int, later_ms: int = 0, trace: str = "") -> tuple[Job, ...]:
    """Rows to write so that the job is done and what waited for it alone is open, from `later_ms` on if it can wait. Raises InvalidResult."""
    if job.kind is JobKind.PROBE:
        result_json = _with_folder(video, ProbeResult.from_json(result_json)).to_json()
    done_job = replace(
        job,
        state=JobState.DONE,
        ended=JobEnd.COMMITTED,
        result_json=result_json if job.tells else "",
        progress_percent=100,
        reason="",
        detail="",
        outage_since_ms=0,
        trace_context=going_on(job.trace_context, trace),
    )
    probed = ProbeResult.from_json(result_json) if job.kind is JobKind.PROBE else video.probed
    assert probed is not None, "no other job exists before the probe is done"
    if job.kind is JobKind.PACKAGE:
        PackageResult.from_json(result_json).check_group(probed.of_group(job.group))
    if job.kind is JobKind.PICTURES:
        PicturesResult.from_json(result_json)
    if done_job.result_json and job.kind in {JobKind.AUDIO, JobKind.CHUNK}:
        PiecesResult.from_json(result_json)
    if video.plays and job.kind is JobKind.PROBE and not probed.goes_with(video.probed):
        kept = replace(done_job, result_json=job.result_json)
        detail = f"further renditions by {probed.recipe_version} would not go with the one that plays"
        # Without pictures the clip never becomes public: that is for an operator to see.
        reason = RECIPE_CHANGED if video.is_done(PICTURES_KEY) else PROCESSING_FAILED
        return replace(video.plan, state=JobState.DEAD, reason=reason, detail=detail), kept
    done = video.done | {job.job_key}
    opened_now = follow(video, video.plan, done, probed, now_ms=now_ms, later_ms=later_ms, trace=done_job.trace_context)
    over = is_over(probed, done, lazy=video.plan.lazy, codecs=video.plan.codecs.split())
    return replace(video.plan, state=JobState.DONE) if over else video.plan, done_job, *opened_now


def _with_folder(video: VideoJobs, probed: ProbeResult) -> ProbeResult:
    """A probe's result with the folder for what it plans: that of what plays already, else one for this source and recipe alone."""
    if video.plays and video.probed is not None:
        return replace(probed, folder=video.probed.folder)
    return replace(probed, folder=published_folder(probed.source_sha256, probed.recipe_version))


def given_back(video: VideoJobs, job: Job, *, end: JobEnd, reason: str, detail: str, now_ms: int, retry_ms: int) -> tuple[Job, ...]:
    """Rows to write after an attempt that made nothing: another attempt after a pause, or the end of the video."""
    detail = detail[-MAX_DETAIL_CHARACTERS:]
    if reason == RECIPE_CHANGED and video.plan.restarts < MAX_RESTARTS:
        return begun_anew(video, now_ms, job.trace_context)
    since_ms = job.outage_since_ms or now_ms
    if reason == GivenBack.WORKER_STOPPING:
        return video.plan, replace(_waiting(job, end, reason, detail, now_ms), attempt=job.attempt - 1)
    if reason in NOT_COUNTED and now_ms - since_ms < OUTAGE_MS:
        back = _waiting(job, end, reason, detail, now_ms + OUTAGE_PAUSE_MS)
        return video.plan, replace(back, attempt=job.attempt - 1, outage_since_ms=since_ms)
    if job.attempt <= MAX_RETRIES:
        return video.plan, _waiting(job, end, reason, detail, now_ms + retry_ms * 4 ** (job.attempt - 1))
    summary = f"{job.job_key} failed {job.attempt} times, last with {reason}"
    return _died(video, job, end, reason, detail, plan_reason=PROCESSING_FAILED, plan_detail=summary)


def rejected(video: VideoJobs, job: Job, *, reason: str, detail: str) -> tuple[Job, ...]:
    """Rows to write when the input itself is bad."""
    detail = detail[-MAX_DETAIL_CHARACTERS:]
    # What plays was made of good bytes. Without its pictures it never becomes public, and that is for an operator to see.
    plan_reason = PROCESSING_FAILED if job.kind is JobKind.PICTURES else reason
    return _died(video, job, JobEnd.FAILED, reason, detail, plan_reason=plan_reason, plan_detail=f"{job.job_key} was refused")


def begun_anew(video: VideoJobs, now_ms: int, trace: str) -> tuple[Job, ...]:
    """Rows to write so that a video is probed again and everything after it is made again by the recipe of then, but for what plays already."""
    before = video.jobs[PROBE_KEY]
    probe = fresh(video.plan, PROBE_KEY, now_ms, before, trace)
    if video.plays:
        probe = replace(probe, result_json=before.result_json)
    others = [
        closed_anew(job)
        for key, job in video.jobs.items()
        if key != PROBE_KEY and job.state is not JobState.CLOSED and not (video.plays and _stays(video, job))
    ]
    return replace(video.plan, restarts=video.plan.restarts + 1), probe, *others


def closed_anew(job: Job) -> Job:
    """Without its words: all rows of a video have to fit into one batch."""
    return replace(job, state=JobState.CLOSED, detail="", result_json="", trace_context="")


def _stays(video: VideoJobs, job: Job) -> bool:
    """Whether a job of a clip that plays is kept when its plan is begun anew: what plays stays, with what it was made of."""
    if job.kind is JobKind.PICTURES:
        return job.state is JobState.DONE
    return not job.group or video.is_done(package_key(job.group))


def closed(video: VideoJobs) -> tuple[Job, ...]:
    """Rows to write so that no job of the video can be leased or committed any more."""
    return (replace(video.plan, state=JobState.CLOSED),)


def _waiting(job: Job, end: JobEnd, reason: str, detail: str, not_before_ms: int) -> Job:
    return replace(job, state=JobState.OPEN, ended=end, not_before_ms=not_before_ms, reason=reason, detail=detail, progress_percent=0)


def _died(video: VideoJobs, job: Job, end: JobEnd, reason: str, detail: str, *, plan_reason: str, plan_detail: str) -> tuple[Job, ...]:
    dead = replace(job, state=JobState.DEAD, ended=end, reason=reason, detail=detail)
    return replace(video.plan, state=JobState.DEAD, reason=plan_reason, detail=plan_detail), dead
