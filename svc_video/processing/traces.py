"""To which traces jobs belong, as W3C traceparents: each goes on where the call that opened it stood, and a package with all that it is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from svc_video.processing.tables import AUDIO_KEY, Job, JobKind, chunk_key

if TYPE_CHECKING:
    from svc_video.processing.rules import VideoJobs

_TRACE_CHARACTERS: Final = len("00-") + 32
"""What is common to the traceparents of one trace: version and trace id."""


def going_on(before: str, trace: str) -> str:
    """Where what follows belongs: to the later of the two, unless a caller without traces would begin another one in the middle."""
    return trace if trace and (not before or _is_one(before, trace)) else before


def joined_by(video: VideoJobs, job: Job) -> tuple[str, ...]:
    """What a job goes on with besides its own trace: the parts that a package is made of, and the upload where an operator had it made once more."""
    parts: list[str] = []
    if job.kind is JobKind.PACKAGE and video.probed is not None:
        keys = (AUDIO_KEY, *(chunk_key(job.group, index) for index in range(video.probed.chunks)))
        parts = [video.jobs[key].trace_context for key in keys if video.is_done(key)]
    if not _is_one(video.plan.trace_context, job.trace_context):
        parts.append(video.plan.trace_context)
    return tuple(part for part in dict.fromkeys(parts) if part not in {"", job.trace_context})


def _is_one(one: str, other: str) -> bool:
    return one[:_TRACE_CHARACTERS] == other[:_TRACE_CHARACTERS]
