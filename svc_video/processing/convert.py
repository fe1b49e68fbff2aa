"""Between jobs and the proto."""

from __future__ import annotations

from clipmesh.video.v1 import job_service_pb2 as pb2

from svc_video.layout import audio_key, images_prefix
from svc_video.processing.dead import Dead
from svc_video.processing.leasing import Leased
from svc_video.processing.places import published_prefix, source_work_prefix
from svc_video.processing.results import ProbeResult
from svc_video.processing.tables import JobKind

_KINDS = {
    JobKind.PROBE: pb2.JOB_KIND_PROBE,
    JobKind.AUDIO: pb2.JOB_KIND_AUDIO,
    JobKind.CHUNK: pb2.JOB_KIND_CHUNK,
    JobKind.PACKAGE: pb2.JOB_KIND_PACKAGE,
    JobKind.PICTURES: pb2.JOB_KIND_PICTURES,
}


def job_to_proto(leased: Leased, *, lease_ms: int) -> pb2.Job:
    """A leased job with all that its worker needs."""
    plan, job = leased.plan, leased.job
    probed = ProbeResult.from_json(leased.probe_json) if leased.probe_json else None
    return pb2.Job(
        video_id=job.video_id,
        job_key=job.job_key,
        kind=_KINDS[job.kind],
        fence=job.fence,
        lease_expires_at_ms=job.lease_expires_at_ms,
        lease_ms=lease_ms,
        source_key=plan.source_key,
        source_size_bytes=plan.source_size_bytes,
        declared_sha256=plan.declared_sha256,
        facts_json=probed.facts_json if probed is not None else "",
        recipe_version=probed.recipe_version if probed is not None else "",
        group=job.group,
        chunk_index=job.chunk_index,
        output_prefix=published_prefix(job.video_id, probed.folder if probed is not None else ""),
        attempt=job.attempt,
        images_prefix=images_prefix(job.video_id),
        audio_key=audio_key(job.video_id),
        work_prefix=source_work_prefix(job.video_id, probed.source_sha256) if probed is not None else "",
        source_sha256=bytes.fromhex(probed.source_sha256) if probed is not None else b"",
        trace_context=leased.trace_context,
        joined_trace_contexts=leased.joined_trace_contexts,
    )


def dead_to_proto(dead: Dead) -> pb2.DeadVideo:
    """A dead video as an operator sees it."""
    return pb2.DeadVideo(
        video_id=dead.video_id,
        job_key=dead.job_key,
        reason=dead.reason,
        detail=dead.detail,
        attempts=dead.attempts,
        died_at_ms=dead.died_at_ms,
        plays=dead.plays,
    )
