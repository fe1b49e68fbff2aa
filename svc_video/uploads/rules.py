"""Pure decisions about uploads: what is taken, how it is cut into parts, and what a creator's quota allows."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import chain, repeat

from svc_video.lengths import LONGEST_MS, SHORTEST_MS, is_too_long, is_too_short
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
    if declared.duration_ms and is_too_short(declared.duration_ms):
        raise DurationTooShort(duration_ms=declared.duration_ms, min_ms=SHORTEST_MS)
    if is_too_long(declared.duration_ms):
        raise DurationTooLong(duration_ms=declared.duration_ms, max_ms=LONGEST_MS)


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


def whole_parts(upload: Upload, sizes: Mapping[int, int]) -> int:
    """How many parts from the first one on are durable in their exact size; `sizes` by part."""
    numbers = range(1, upload.part_count + 1)
    return next((number - 1 for number in numbers if sizes.get(number) != part_size(upload, number)), upload.part_count)


def reserved(quota: UploadQuota, upload_id: int, *, now_ms: int, limits: Limits) -> UploadQuota:
    """The quota with one more open session; the same one again renews its place and counts no other. Raises TooManyOpenUploads,
    DailyLimitExceeded."""
    today = now_ms // DAY_MS
    places = _places(quota)
    day_ids = _ids(quota.day_ids) if quota.day == today else []
    if upload_id not in places and len(places) >= limits.open:
        raise TooManyOpenUploads(limit=limits.open)
    if upload_id not in day_ids:
        if len(day_ids) >= limits.daily:
            wait_ms = (today + 1) * DAY_MS - now_ms
            raise DailyLimitExceeded(limit=limits.daily, retry_after_ms=wait_ms)
        day_ids.append(upload_id)
    return _with_places(replace(quota, day=today, day_ids=_text(day_ids)), {**places, upload_id: now_ms})


def released(quota: UploadQuota, upload_id: int, *, gives_day_back: bool) -> UploadQuota:
    """The quota without an ended session; an aborted one gives its place in the day back too."""
    places = {known: at_ms for known, at_ms in _places(quota).items() if known != upload_id}
    day_ids = [known for known in _ids(quota.day_ids) if known != upload_id or not gives_day_back]
    return _with_places(replace(quota, day_ids=_text(day_ids)), places)


def without_stale(quota: UploadQuota, unwritten: Collection[int], *, taken_before_ms: int) -> UploadQuota:
    """The quota without the places of starts that ended before they wrote a session. A place is as old as its reservation, not as its id: a start
    that was refused keeps its id for its repeats."""
    for upload_id, at_ms in _places(quota).items():
        if upload_id in unwritten and at_ms < taken_before_ms:
            quota = released(quota, upload_id, gives_day_back=True)
    return quota


def open_ids(quota: UploadQuota) -> list[int]:
    """Ids of the sessions that hold a place, in the order of their first reservation."""
    return _ids(quota.open_ids)


def _places(quota: UploadQuota) -> dict[int, int]:
    return dict(zip(_ids(quota.open_ids), chain(_ids(quota.reserved_at_ms), repeat(0)), strict=False))


def _with_places(quota: UploadQuota, places: Mapping[int, int]) -> UploadQuota:
    return replace(quota, open_ids=_text(places), reserved_at_ms=_text(places.values()))


def _ids(text: str) -> list[int]:
    return [int(word) for word in text.split()]


def _text(ids: Iterable[int]) -> str:
    return " ".join(map(str, ids))
