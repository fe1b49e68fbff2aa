"""Persisted nouns of processing: the jobs of a video with the plan they share, and the list of videos that have open jobs."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from mesh.stores.tables.schema import Clustering, Guard, Partition, table

PLAN_KEY = "plan"
"""job_key of the row that the jobs of one video share."""
PROBE_KEY = "probe"
AUDIO_KEY = "audio"
FIRST, REST = "first", "rest"
"""The two groups of renditions: the one that makes a clip playable, and all others."""
PACKAGE_FIRST_KEY = f"package/{FIRST}"
PACKAGE_REST_KEY = f"package/{REST}"
PICTURES_KEY = "pictures"
LADDER = (FIRST, REST)
"""Groups of the H.264 ladder; every other group is a further codec, whose jobs can wait."""


class JobKind(enum.IntEnum):
    """The unit of work; the numbers are those of the proto."""

    PLAN = 0
    """No work: the row that the jobs of one video share."""
    PROBE = 1
    AUDIO = 2
    CHUNK = 3
    PACKAGE = 4
    PICTURES = 5


class Tier(enum.IntEnum):
    """Whose uploads are processed first when workers are short; a smaller number goes first."""

    LARGE = 0
    """Verified creators with large followings."""
    REGULAR = 1
    """Everybody else, and those of whom nothing is known."""
    NEW = 2
    """Accounts that have not shown yet what they are, and those with strikes."""


class JobState(enum.StrEnum):
    """Where a job is, or, on the plan, where all of them are together."""

    OPEN = "open"
    """Waits for a worker; the plan: under way."""
    LEASED = "leased"
    DONE = "done"
    DEAD = "dead"
    """No further attempt is made; `reason` and `detail` tell why. The plan: the video failed."""
    CLOSED = "closed"
    """Not wanted any more: the video is over, or the job belongs to a plan that was begun anew."""


class JobEnd(enum.StrEnum):
    """How the lease with the row's fence ended."""

    NONE = ""
    COMMITTED = "committed"
    FAILED = "failed"
    EXPIRED = "expired"


@table("jobs", guard=Guard.GUARDED)
@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One unit of work. All rows of a video share a partition, and every batch rewrites its plan: no two batches pass each other unseen."""

    video_id: Partition[int]
    job_key: Clustering[str]
    """plan, probe, audio, chunk/first/0, package/first, pictures, chunk/rest/0, package/rest, chunk/h265/0, package/h265."""
    kind: JobKind = JobKind.PLAN
    state: JobState = JobState.OPEN
    opened_at_ms: int = 0
    attempt: int = 0
    """Leases so far, without those that were given back unused."""
    not_before_ms: int = 0
    """The pause after a failed attempt ends here; of a job that can wait, first the pause until the quiet hours."""
    outage_since_ms: int = 0
    """When the job was first given back for a fault that is not its own, such as a store that is away; 0: never."""
    fence: int = 0
    """Token of the newest lease: the version of this row that the lease wrote, so a later lease always has a larger one."""
    ended: JobEnd = JobEnd.NONE
    worker: str = ""
    leased_at_ms: int = 0
    lease_expires_at_ms: int = 0
    progress_percent: int = 0
    result_json: str = ""
    """What the job found; empty until it is done."""
    reason: str = ""
    """Why the last attempt failed, or why the plan died."""
    detail: str = ""
    """Tail of the tool's stderr, or a sentence."""
    trace_context: str = ""
    """W3C traceparent of the call that brought the job here: opened it, or ended it for good; of the plan, the one that began it. Empty: none."""

    creator_id: int = 0
    """This and what follows stand on the plan only."""
    source_key: str = ""
    source_size_bytes: int = 0
    declared_sha256: bytes = b""
    tier: Tier = Tier.REGULAR
    """As it was when the jobs were opened."""
    restarts: int = 0
    """How often the plan was begun anew because a worker had other tools."""
    redos: int = 0
    """How often an operator had the video made once more."""
    lazy: bool = False
    """Further renditions wait until somebody asks for one."""
    codecs: str = ""
    """Further codecs that the clip gets, joined by one space, in the order in which they are made."""

    expires_at_ms: int = 0
    version: int = 0

    @property
    def group(self) -> str:
        """first, rest or a further codec; empty for jobs that belong to none."""
        parts = self.job_key.split("/")
        return parts[1] if len(parts) > 1 else ""

    @property
    def can_wait(self) -> bool:
        """True for work that only adds to what plays everywhere already."""
        return self.group not in {"", *LADDER}

    @property
    def tells(self) -> bool:
        """True for a job whose result is kept: of further renditions and of what grows no more, nobody asks for pieces."""
        return self.kind is not JobKind.CHUNK or self.group == FIRST

    @property
    def chunk_index(self) -> int:
        """Which chunk, counted from 0; 0 for other kinds."""
        return int(self.job_key.rpartition("/")[2]) if self.kind is JobKind.CHUNK else 0


OPEN_SHARDS = 8


@table("open_jobs", guard=Guard.PLAIN)
@dataclass(frozen=True, slots=True, kw_only=True)
class OpenVideo:
    """A video whose jobs are not all done; written before its plan, deleted after what follows from its end was told."""

    shard: Partition[int]
    video_id: Clustering[int]
    version: int = 0
    """When it was written, in milliseconds since the Unix epoch."""


@table("dead_videos", guard=Guard.PLAIN)
@dataclass(frozen=True, slots=True, kw_only=True)
class DeadVideo:
    """A video for which the attempts of a job ran out; an index for operators, the plan alone says whether it still holds."""

    shard: Partition[int]
    video_id: Clustering[int]
    job_key: str = ""
    """The job that failed."""
    died_at_ms: int = 0
    plays: bool = False
    """The clip plays and lacks further renditions only."""
    expires_at_ms: int = 0
    version: int = 0
    """When it was written, in milliseconds since the Unix epoch."""


def package_key(group: str) -> str:
    """job_key of what makes a group play."""
    return f"package/{group}"


def chunk_key(group: str, index: int) -> str:
    """job_key of one chunk."""
    return f"chunk/{group}/{index}"


@table("clip_views", guard=Guard.GUARDED)
@dataclass(frozen=True, slots=True, kw_only=True)
class ClipViews:
    """Views of a clip that feed counted under one key of its ledger; kept only where they decide about further codecs."""

    video_id: Partition[int]
    ledger_key: Clustering[str]
    views: int = 0
    source_version: int = 0
    """key_version of the last event that was counted; one that is not newer was counted before."""
    version: int = 0


PROCESSING_TABLES: tuple[type, ...] = (Job, OpenVideo, DeadVideo, ClipViews)
