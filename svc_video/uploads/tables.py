"""Persisted nouns of uploads: the guarded session, the creator's guarded quota, and lists of sessions."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from mesh.stores.tables.schema import Clustering, ClusteringDescending, Guard, Partition, table


class UploadState(enum.IntEnum):
    """Where a session stands; the numbers are those of the proto."""

    UNSPECIFIED = 0
    OPEN = 1
    COMPLETED = 2
    ABORTED = 3
    EXPIRED = 4
    FAILED = 5
    """Never stored: a completed session whose video failed is shown as FAILED."""


class UploadKind(enum.IntEnum):
    """What the bytes are for; the numbers are those of the proto."""

    UNSPECIFIED = 0
    VIDEO = 1
    LIVE_RECORDING = 2


@table("uploads", guard=Guard.GUARDED)
@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """One session; its video carries the same id."""

    upload_id: Partition[int]
    creator_id: int = 0
    state: UploadState = UploadState.OPEN
    size_bytes: int = 0
    mime_type: str = ""
    declared_duration_ms: int = 0
    declared_width: int = 0
    declared_height: int = 0
    sha256: bytes = b""
    part_size_bytes: int = 0
    part_count: int = 0
    upload_ref: str = ""
    """The blob store's name for the multipart upload."""
    ends_at_ms: int = 0
    """When an open session ends. (Not `expires_at_ms`: an ended session stays readable.)"""
    failure_code: str = ""
    failure_detail: str = ""
    created_at_ms: int = 0
    version: int = 0


@table("upload_quotas", guard=Guard.GUARDED)
@dataclass(frozen=True, slots=True, kw_only=True)
class UploadQuota:
    """What one creator has under way and has begun today: sets of ids, so that nothing is counted twice."""

    creator_id: Partition[int]
    open_ids: str = ""
    """Ids of open sessions, joined by spaces."""
    reserved_at_ms: str = ""
    """When each of open_ids took its place, in the same order, joined by spaces."""
    day: int = 0
    """The UTC day of day_ids, counted from the epoch."""
    day_ids: str = ""
    """Ids of sessions begun on that day and not aborted, joined by spaces."""
    version: int = 0


@table("creator_uploads", guard=Guard.PLAIN)
@dataclass(frozen=True, slots=True, kw_only=True)
class CreatorUpload:
    """One entry of a creator's list of sessions, newest first; written before its session."""

    creator_id: Partition[int]
    upload_id: ClusteringDescending[int]
    version: int = 1


SWEEP_SHARD = 0


@table("unended_uploads", guard=Guard.PLAIN)
@dataclass(frozen=True, slots=True, kw_only=True)
class UnendedUpload:
    """A session that the sweeper still has to look at; written before its session, deleted when all that follows from its end is done."""

    shard: Partition[int]
    upload_id: Clustering[int]
    creator_id: int = 0
    since_ms: int = 0
    version: int = 1


UPLOAD_TABLES: tuple[type, ...] = (Upload, UploadQuota, CreatorUpload, UnendedUpload)
