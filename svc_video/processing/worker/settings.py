"""Settings of a media worker."""

from __future__ import annotations

from dataclasses import dataclass

from mesh.app import ServiceSettings
from svc_video.processing.media import CHOICES

_LONGEST_WAIT_MS = 20_000
_MOST_JOBS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings(ServiceSettings):
    """What a worker reads; it needs neither tables nor Redis."""

    blobs: str
    """Where objects are, the same as the video service's."""
    scratch: str = "scratch"
    """Folder for sources and outputs at work; workers of one machine may share it. Needs room for two sources, or as many as jobs at once where that
    is more, and one clip's renditions."""
    jobs: int = 0
    """How many jobs are done at once, each with a lease of its own; 0: one for each core that the process may use, and at most one for each GiB of
    memory. A job takes one core, less than 512 MiB for clips up to 1080p, and at most four GiB whatever its input."""
    job_encoder: str = "auto"
    """What encodes H.264: auto takes hardware where a try at start shows that it does as well as x264, and x264 elsewhere; x264 takes it in any case; the name
    of an encoder (h264_nvenc, h264_qsv, h264_vaapi, h264_v4l2m2m) takes that one or does not start. A clip is made by one kind of worker from beginning to end."""
    job_heartbeat_ms: int = 5_000
    """How often a lease is renewed, in milliseconds; at most a third of the service's CLIPMESH_JOB_LEASE_MS."""
    job_wait_ms: int = 5_000
    """How long one question for work waits at the service, in milliseconds, at most 20,000."""

    def check(self) -> None:
        """ValueError for a number out of range."""
        ServiceSettings.check(self)
        if self.job_heartbeat_ms < 1:
            raise ValueError("CLIPMESH_JOB_HEARTBEAT_MS has to be at least 1")
        if self.job_encoder not in CHOICES:
            raise ValueError(f"CLIPMESH_JOB_ENCODER has to be one of {', '.join(CHOICES)}")
        if not 0 <= self.jobs <= _MOST_JOBS:
            raise ValueError(f"CLIPMESH_JOBS has to be within 0 and {_MOST_JOBS}")
        if not 0 <= self.job_wait_ms <= _LONGEST_WAIT_MS:
            raise ValueError(f"CLIPMESH_JOB_WAIT_MS has to be within 0 and {_LONGEST_WAIT_MS}")
