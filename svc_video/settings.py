"""Settings of the video service."""

from __future__ import annotations

from dataclasses import dataclass

from mesh.store_settings import StoreSettings
from svc_video.processing.codecs import codecs_in
from svc_video.processing.quiet import QuietHours
from svc_video.uploads.rules import MAX_PARTS, Limits, part_count


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoSettings(StoreSettings):
    """What the video service reads at start; the numbers of uploads are those of the specification."""

    upload_max_bytes: int = 4 * 1024**3
    """Largest file, in bytes."""
    upload_part_bytes: int = 8 * 1024**2
    """Size of every part but the last, in bytes."""
    upload_daily_limit: int = 30
    """Sessions that a creator may begin in a UTC day; aborted ones do not count."""
    upload_open_limit: int = 5
    """Sessions that a creator may have open at once."""
    upload_session_ms: int = 86_400_000
    """How long a session lives, in milliseconds."""
    upload_link_ms: int = 3_600_000
    """How long a signed part URL lives, in milliseconds; it never outlives its session."""
    upload_unattended_ms: int = 120_000
    """How long all bytes of a session may lie complete before it is completed unasked, in milliseconds."""
    upload_sweep_ms: int = 30_000
    """How often sessions are swept, in milliseconds."""
    upload_reconcile_ms: int = 3_600_000
    """How often raw objects and rows are compared, in milliseconds."""
    job_lease_ms: int = 20_000
    """How long a worker holds a job without a heartbeat, in milliseconds; larger than three heartbeats of the workers."""
    job_retry_ms: int = 2_000
    """Pause before the second attempt of a job, in milliseconds; four times as long before each further one."""
    job_ageing_ms: int = 600_000
    """How much longer than first renditions of any creator further renditions wait before they count as equally urgent, in milliseconds."""
    job_tier_ms: int = 30_000
    """How much longer the uploads of each tier of creators wait before they count as equally urgent to those of the tier before, in milliseconds."""

    job_lazy: bool = False
    """True: only the first rendition is made of a clip until a viewer's line asks for another one. Saves encoding of what nobody watches; the first
    viewers on slow lines and large screens get the first rendition."""
    job_codecs: str = ""
    """Further codecs beside H.264: h265, vp9, av1, with commas between. Empty: none. Each costs several times the CPU of the H.264 ladder and
    as much room again, and saves a third of the bytes for players that know it. Made when the ladder is whole and nothing more urgent waits."""
    job_codecs_from_views: int = 0
    """How many views a clip has to have before it gets the further codecs; 0: every clip gets them."""
    job_off_peak: str = ""
    """When work is done that can wait (further codecs): 02:00-06:00 Europe/Paris, in UTC where no place is named. Empty: at any time."""

    def check(self) -> None:
        """ValueError for numbers that do not go together."""
        StoreSettings.check(self)
        for name in (
            "max_bytes",
            "part_bytes",
            "daily_limit",
            "open_limit",
            "session_ms",
            "link_ms",
            "sweep_ms",
            "reconcile_ms",
        ):
            if getattr(self, f"upload_{name}") < 1:
                raise ValueError(f"CLIPMESH_UPLOAD_{name.upper()} has to be at least 1")
        for name in ("lease_ms", "retry_ms", "ageing_ms", "tier_ms"):
            if getattr(self, f"job_{name}") < 1:
                raise ValueError(f"CLIPMESH_JOB_{name.upper()} has to be at least 1")
        if self.job_codecs_from_views < 0:
            raise ValueError("CLIPMESH_JOB_CODECS_FROM_VIEWS has to be at least 0")
        for name, read in (("codecs", codecs_in), ("off_peak", QuietHours.parse)):
            try:
                read(getattr(self, f"job_{name}"))
            except ValueError as error:
                raise ValueError(f"CLIPMESH_JOB_{name.upper()}: {error}") from error
        if part_count(self.upload_max_bytes, self.upload_part_bytes) > MAX_PARTS:
            raise ValueError(
                f"CLIPMESH_UPLOAD_PART_BYTES is too small: a file of CLIPMESH_UPLOAD_MAX_BYTES would have more than {MAX_PARTS} parts"
            )

    @property
    def limits(self) -> Limits:
        """The numbers as the rules of uploads take them."""
        return Limits(
            max_bytes=self.upload_max_bytes,
            part_bytes=self.upload_part_bytes,
            daily=self.upload_daily_limit,
            open=self.upload_open_limit,
            session_ms=self.upload_session_ms,
            link_ms=self.upload_link_ms,
            unattended_ms=self.upload_unattended_ms,
        )
