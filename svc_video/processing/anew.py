"""Pure decisions about what is made once more, or after all: by an operator for what was given up or lost, by viewers for what was left for later."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from svc_video.processing.codecs import together
from svc_video.processing.rules import KEPT_MS, PROCESSING_FAILED, VideoJobs, begun_anew, closed_anew, follow, fresh
from svc_video.processing.tables import PROBE_KEY, Job, JobKind, JobState, package_key

_ENOUGH_MS = 3 * 24 * 3_600_000
"""Rows have to last longer than the longest wait for quiet hours, and the work after it."""
_MOST_SHED = 40
"""Rows of jobs that fit into one batch beside the plan."""


def redone(video: VideoJobs, now_ms: int, trace: str = "") -> tuple[Job, ...]:
    """Rows to write so that a video whose attempts ran out is made once more, with all its attempts again."""
    plan, *rows = begun_anew(video, now_ms, trace)
    return replace(plan, state=JobState.OPEN, reason="", detail="", restarts=0, redos=plan.redos + 1), *rows


def shed(video: VideoJobs) -> tuple[Job, ...]:
    """Rows to write so that chunks are forgotten whose group plays, as many as fit into one batch; none when there are none. Nobody asks for them
    any more, and a clip that is made once more as a whole has to close the rows of all others in one batch."""
    over = [job for key, job in sorted(video.jobs.items()) if job.kind is JobKind.CHUNK and job.state is JobState.DONE]
    rows = [closed_anew(job) for job in over if video.is_done(package_key(job.group))][:_MOST_SHED]
    return (video.plan, *rows) if rows else ()


def remade(video: VideoJobs, now_ms: int, trace: str = "") -> tuple[Job, ...]:
    """Rows to write so that a clip that plays, or should, is made once more as a whole. Nobody's state moves: the same recipe writes the same bytes to the
    same places, another one writes elsewhere and players are sent there once that plays."""
    # As if it came now: what an old clip lacks is no reason to let new ones wait.
    plan = replace(_woken(video.plan, now_ms), reason="", detail="", restarts=0, redos=video.plan.redos + 1)
    others = [closed_anew(job) for key, job in video.jobs.items() if key != PROBE_KEY and job.state is not JobState.CLOSED]
    return plan, fresh(plan, PROBE_KEY, now_ms, video.jobs[PROBE_KEY], trace), *others


def rest_asked(video: VideoJobs, now_ms: int, trace: str = "", *, later_ms: int = 0) -> tuple[Job, ...]:
    """Rows to write so that further renditions are made which nobody had asked for so far; none where nothing waits for that."""
    if not video.plan.lazy or video.plan.state not in {JobState.OPEN, JobState.DONE}:
        return ()
    if video.plan.state is JobState.OPEN:
        return (replace(video.plan, lazy=False),)
    probed = video.probed
    assert probed is not None, "a video is not done before it is probed"
    plan = replace(_woken(video.plan, now_ms), lazy=False)
    return plan, *follow(video, plan, video.done, probed, now_ms=now_ms, later_ms=later_ms, trace=trace)


def codecs_asked(video: VideoJobs, codecs: Sequence[str], now_ms: int, trace: str = "", *, later_ms: int = 0) -> tuple[Job, ...]:
    """Rows to write so that a clip gets further codecs that it was not to get so far; none where it gets them anyway, or is over."""
    plan = replace(video.plan, codecs=together(video.plan.codecs.split(), codecs))
    if plan == video.plan or plan.state not in {JobState.OPEN, JobState.DONE} or plan.expires_at_ms < now_ms + _ENOUGH_MS:
        return ()
    probed = video.probed if plan.state is JobState.DONE and not plan.lazy else None
    if probed is None:
        # Whatever is under way, or is asked for later, opens them at its end.
        return (plan,)
    plan = replace(plan, state=JobState.OPEN, opened_at_ms=now_ms)
    return plan, *follow(video, plan, video.done, probed, now_ms=now_ms, later_ms=later_ms, trace=trace)


def may_redo(video: VideoJobs) -> bool:
    """True for a video that an operator may have made once more: its attempts ran out, its bytes were not refused."""
    return video.plan.state is JobState.DEAD and video.plan.reason == PROCESSING_FAILED


def may_remake(video: VideoJobs) -> bool:
    """True when no job of the video is under way any more and none may be: its end was told."""
    return video.plan.state in {JobState.DONE, JobState.DEAD}


def _woken(plan: Job, now_ms: int) -> Job:
    return replace(plan, state=JobState.OPEN, opened_at_ms=now_ms, expires_at_ms=now_ms + KEPT_MS)
