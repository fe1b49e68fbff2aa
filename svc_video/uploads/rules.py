"""Pure decisions about uploads: what is taken, how it is cut into parts, and what a creator's quota allows."""

from __future__ import annotations

from dataclasses import dataclass, replace

from svc_video.uploads.errors import (
    DailyLimitExceeded,
    DurationTooLong,
    DurationTooShort,
    FileTooLarge,
    KindNotSupported,
    PartOutOfRange,
    TooManyOpenUploads,
    UnsupportedContentType,
)
from svc_video.uploads.tables import Upload, UploadKind, UploadQuota

CONTENT_TYPES = frozenset(
    {
        "video/mp4",
        "video/quicktime",
        "video/x-m4v",
        "video/webm",
        "video/x-matroska",
        "video/matroska",
        "video/x-msvideo",
        "video/avi",
        "video/3gpp",
    }
)
"""What a client may declare; the probe decides by the bytes."""
MAX_PARTS = 10_000
DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Numbers of the specification; settings may change them."""

    max_bytes: int = 4 * 1024**3
    part_bytes: int = 8 * 1024**2
    shortest_ms: int = 15_000
    longest_ms: int = 600_000
    daily: int = 30
    open: int = 5
    session_ms: int = 86_400_000
    """How long a session lives."""
    link_ms: int = 3_600_000
    """How long a signed part URL lives."""
    unattended_ms: int = 120_000
    """How long all bytes may lie complete before the sweeper completes a session by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What a client says of the file before it sends a byte."""

    size_bytes: int
    mime_type: str
    duration_ms: int
    """0 means unknown."""
    width: int
    height: int
    sha256: bytes
    kind: UploadKind


def check_declared(declared: Declared, limits: Limits) -> None:
    """Raises the named reason for a file that is known to be refused; unknown length passes, the probe will tell."""
    if declared.kind is UploadKind.LIVE_RECORDING:
        raise KindNotSupported
    if content_type_of(declared.mime_type) not in CONTENT_TYPES:
        raise UnsupportedContentType(allowed=" ".join(sorted(CONTENT_TYPES)))
    if declared.size_bytes > limits.max_bytes:
        raise FileTooLarge(size_bytes=declared.size_bytes, max_bytes=limits.max_bytes)
    if declared.duration_ms and declared.duration_ms < limits.shortest_ms:
        raise DurationTooShort(duration_ms=declared.duration_ms, min_ms=limits.shortest_ms)
    if declared.duration_ms > limits.longest_ms:
        raise DurationTooLong(duration_ms=declared.duration_ms, max_ms=limits.longest_ms)


def content_type_of(mime_type: str) -> str:
    """The type without parameters, in lower case."""
    return mime_type.partition(";")[0].strip().lower()


def part_count(size_bytes: int, part_bytes: int) -> int:
    """How many parts a file has; all but the last are full."""
    return -(-size_bytes // part_bytes)


def part_size(upload: Upload, part_number: int) -> int:
    """The exact size of one part. Raises PartOutOfRange."""
    if not 1 <= part_number <= upload.part_count:
        raise PartOutOfRange(part_number=part_number, part_count=upload.part_count)
    if part_number < upload.part_count:
        return upload.part_size_bytes
    return upload.size_bytes - (upload.part_count - 1) * upload.part_size_bytes


def reserved(quota: UploadQuota, upload_id: int, *, now_ms: int, limits: Limits) -> UploadQuota:
    """The quota with one more open session; the same one again changes nothing. Raises TooManyOpenUploads, DailyLimitExceeded."""
    today = now_ms // DAY_MS
    open_ids = _ids(quota.open_ids)
    day_ids = _ids(quota.day_ids) if quota.day == today else []
    if upload_id not in open_ids:
        if len(open_ids) >= limits.open:
            raise TooManyOpenUploads(limit=limits.open)
        open_ids.append(upload_id)
    if upload_id not in day_ids:
        if len(day_ids) >= limits.daily:
            wait_ms = (today + 1) * DAY_MS - now_ms
            raise DailyLimitExceeded(limit=limits.daily, retry_after_ms=wait_ms)
        day_ids.append(upload_id)
    return replace(quota, open_ids=_text(open_ids), day=today, day_ids=_text(day_ids))


def released(quota: UploadQuota, upload_id: int, *, gives_day_back: bool) -> UploadQuota:
    """The quota without an ended session; an aborted one gives its place in the day back too."""
    open_ids = [known for known in _ids(quota.open_ids) if known != upload_id]
    day_ids = [known for known in _ids(quota.day_ids) if known != upload_id or not gives_day_back]
    return replace(quota, open_ids=_text(open_ids), day_ids=_text(day_ids))


def open_ids(quota: UploadQuota) -> list[int]:
    """Ids of the sessions that hold a place, oldest reservation first."""
    return _ids(quota.open_ids)


def _ids(text: str) -> list[int]:
    return [int(word) for word in text.split()]


def _text(ids: list[int]) -> str:
    return " ".join(map(str, ids))
