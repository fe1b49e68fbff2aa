"""Pure decisions about acts: which one is newer, where it lives, when a video is busy."""

from __future__ import annotations

import zlib
from datetime import UTC, datetime

from svc_social.engagement.tables import Act, CountedAct, EngagedMonth, EngagedVideo, EngagementKind

ACT_SHARDS = 16
"""Partitions of one video's acts."""
MOST_COLLECTIONS = 200
LISTED = (EngagementKind.LIKE, EngagementKind.SAVE, EngagementKind.REPOST)
"""Kinds of which a person has a list, and which can be taken back."""

_BELOW_MS = (1 << 22) - 1
"""The part of an id that tells which node made it, and which of its ids within a millisecond it is."""


def shard_of(user_id: int) -> int:
    """The partition of a video's acts in which a person's are."""
    return zlib.crc32(str(user_id).encode()) % ACT_SHARDS


def version_after(standing: int, fresh_id: int) -> int:
    """The version of an act that follows one of version `standing`.

    A fresh id, unless the clock that made the standing one is ahead: then the next millisecond after it. The rest stays the fresh id's own, so
    that two nodes never choose the same one.
    """
    if fresh_id > standing:
        return fresh_id
    return ((standing >> 22) + 1) << 22 | (fresh_id & _BELOW_MS)


def is_so(standing: Act | None, *, active: bool, collection_id: int) -> bool:
    """Whether an act would change nothing."""
    if standing is None or not standing.active:
        return not active
    return active and standing.collection_id == collection_id


def month_of(at_ms: int) -> int:
    """The month of a moment in UTC, counted from year 0."""
    moment = datetime.fromtimestamp(at_ms / 1000, UTC)
    return moment.year * 12 + moment.month - 1


def places(*, user_id: int, video_id: int, kind: EngagementKind, collection_id: int, acted_at_ms: int, version: int) -> list[EngagedVideo]:
    """Where an act stands in the lists of its person."""
    month = month_of(acted_at_ms)
    return [
        EngagedVideo(
            user_id=user_id,
            kind=kind,
            collection_id=place,
            month=month,
            acted_at_ms=acted_at_ms,
            video_id=video_id,
            version=version,
        )
        for place in dict.fromkeys((0, collection_id))
    ]


def month_row(place: EngagedVideo) -> EngagedMonth:
    """The row that makes the month of a place be looked through."""
    return EngagedMonth(user_id=place.user_id, kind=place.kind, collection_id=place.collection_id, month=place.month, version=place.version)


def stands(place: EngagedVideo, act: Act | None) -> bool:
    """Whether a place of a list still tells of the act as it is."""
    if act is None or not act.active or act.acted_at_ms != place.acted_at_ms:
        return False
    return place.collection_id in (0, act.collection_id)


def counted(*, video_id: int, kind: EngagementKind, member: int, present: bool, version: int) -> CountedAct:
    """An act as a member of the set that is counted."""
    return CountedAct(video_id=video_id, kind=kind, shard=0, member=member, source_version=version, present=present)


class Rates:
    """How many acts each video gets, told in windows of equal length that begin at the same moments in every process."""

    def __init__(self, *, window_ms: int, busy_per_s: float) -> None:
        self._window_ms = window_ms
        self._busy_from = max(1.0, busy_per_s * window_ms / 1000)
        self._window = 0
        self._counts: dict[int, int] = {}
        self._before: dict[int, int] = {}

    def end_ms(self, now_ms: int) -> int:
        """When the window of a moment ends."""
        return (now_ms // self._window_ms + 1) * self._window_ms

    def note(self, video_id: int, now_ms: int) -> bool:
        """Count an act; True when the video is busy: it had so many in this window, or in the one before."""
        window = now_ms // self._window_ms
        if window != self._window:
            self._before = self._counts if window == self._window + 1 else {}
            self._window, self._counts = window, {}
        count = self._counts[video_id] = self._counts.get(video_id, 0) + 1
        return count >= self._busy_from or self._before.get(video_id, 0) >= self._busy_from
