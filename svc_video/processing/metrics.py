"""What processing counts, and what an operator does when it moves."""

from __future__ import annotations

from typing import Final

from mesh.telemetry import Kind, Metric, Telemetry
from svc_video.processing.needed import is_complete
from svc_video.processing.queue import JobQueue
from svc_video.processing.rules import VideoJobs
from svc_video.processing.tables import PACKAGE_FIRST_KEY, PICTURES_KEY, PROBE_KEY, Job, JobKind, Tier

_KINDS: Final = frozenset({"probe", "audio", "chunk", "package", "pictures"})
_SECONDS: Final = (0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0, 120.0, 160.0, 320.0, 640.0)

JOBS_OPEN = Metric(
    name="video_jobs_open",
    kind=Kind.GAUGE,
    help="Jobs that wait for a worker, by kind; without those that can wait.",
    labels={"kind": _KINDS},
    when_it_moves="Growing for minutes: start more workers (`python -m svc_video worker`). Standing while workers idle: look at their logs.",
)
JOBS_OPEN_BY_TIER = Metric(
    name="video_jobs_open_by_tier",
    kind=Kind.GAUGE,
    help="Jobs that wait for a worker, by the tier of their creators.",
    labels={"tier": frozenset(tier.name.lower() for tier in Tier)},
    when_it_moves="large growing: every tier waits, start more workers. new alone growing: workers suffice for the others, new creators wait.",
)
JOBS_DEFERRED = Metric(
    name="video_jobs_deferred",
    kind=Kind.GAUGE,
    help="Jobs that can wait (further codecs), by whether they may run now or wait for the quiet hours.",
    labels={"may_run": frozenset({"yes", "no"})},
    when_it_moves="yes growing over days: the fleet never gets to it, start more workers in CLIPMESH_JOB_OFF_PEAK or take fewer CLIPMESH_JOB_CODECS.",
)
JOB_SECONDS = Metric(
    name="video_job_seconds",
    kind=Kind.HISTOGRAM,
    help="From the lease of a job to its commit, by kind.",
    labels={"kind": _KINDS},
    when_it_moves="Larger at an equal mix of clips: workers share cores with something else, or the blob store is slow.",
    buckets=_SECONDS,
)
STAGE_SECONDS = Metric(
    name="video_stage_seconds",
    kind=Kind.HISTOGRAM,
    help="From the completed upload to a stage of its processing.",
    labels={"stage": frozenset({"probed", "playable", "pictured", "complete"})},
    when_it_moves="`playable` above two minutes for the slowest hundredth: more workers. `complete` alone: more workers off-peak.",
    buckets=_SECONDS,
)
JOBS_ENDED = Metric(
    name="video_jobs_ended_total",
    kind=Kind.COUNTER,
    help="Leases by how they ended.",
    labels={"kind": _KINDS, "end": frozenset({"committed", "failed", "rejected", "expired", "returned"})},
    when_it_moves="expired: workers die or freeze. failed: their logs and the job's `detail` tell which tool. rejected alone: bad uploads.",
)


def show_queue(telemetry: Telemetry, queue: JobQueue) -> None:
    """Let the gauges say what waits."""
    depth = queue.depth()
    for kind in JobKind:
        if kind is not JobKind.PLAN:
            telemetry.set(JOBS_OPEN, sum(depth[kind, tier] for tier in Tier), kind=kind.name.lower())
    for tier in Tier:
        telemetry.set(JOBS_OPEN_BY_TIER, sum(depth[kind, tier] for kind in JobKind), tier=tier.name.lower())
    for may_run, count in queue.deferred().items():
        telemetry.set(JOBS_DEFERRED, count, may_run="yes" if may_run else "no")


def count_end(telemetry: Telemetry, job: Job, end: str) -> None:
    """Count how a lease ended."""
    telemetry.count(JOBS_ENDED, kind=job.kind.name.lower(), end=end)


def observe_commit(telemetry: Telemetry, before: VideoJobs, job: Job, *, now_ms: int) -> None:
    """Time a committed job, and the stage that it ended; `before` are the rows without the commit."""
    count_end(telemetry, job, "committed")
    telemetry.observe(JOB_SECONDS, (now_ms - job.leased_at_ms) / 1000, kind=job.kind.name.lower())
    stage = {PROBE_KEY: "probed", PACKAGE_FIRST_KEY: "playable", PICTURES_KEY: "pictured"}.get(job.job_key)
    stages = [stage] if stage is not None else []
    done = before.done | {job.job_key}
    if (probed := before.probed) is not None and not before.is_complete and is_complete(probed, done, lazy=before.plan.lazy):
        stages.append("complete")
    for stage in stages:
        telemetry.observe(STAGE_SECONDS, (now_ms - before.plan.opened_at_ms) / 1000, stage=stage)
