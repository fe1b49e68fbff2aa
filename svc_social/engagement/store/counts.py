"""Rows of counts: tallied sets of acts, and marks of videos whose counts lag behind."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from mesh.clock import Clock
from mesh.stores.tables.port import Tables
from mesh.stores.tables.tallies import TalliedSet
from svc_social.engagement.tables import BusyVideo, CountedAct, EngagementKind

COUNT_SHARDS = 4
"""Partitions of one video and kind; must never change. Few, since a page reads all of them, and since acts come to be counted many at once."""
COPY_MS = 1_000
"""How long a process tells counts again without reading them: what it counts itself it reads anew, this is how late it learns what others did."""
MOST_COPIES = 20_000


@dataclass(frozen=True, slots=True)
class Told:
    """The counts of a video as they were read."""

    sizes: Mapping[EngagementKind, int]
    busy: bool
    """True while they lag behind what was done."""


class CountStore:
    """Repository of counts."""

    def __init__(self, *, tables: Tables, clock: Clock) -> None:
        self._tables = tables
        self._clock = clock
        self._sets = TalliedSet(tables=tables, row_type=CountedAct, shards=COUNT_SHARDS)
        self._copies: dict[int, tuple[int, Told]] = {}
        """Until when a copy is good, and the copy; the oldest first."""
        self._reading: list[set[int]] = []
        """Of each read that goes on: the videos that were not forgotten since it began."""

    async def apply(self, acts: Sequence[CountedAct]) -> None:
        """Bring members up to date; the sizes change by what changed."""
        try:
            await self._sets.apply(acts)
        finally:
            # Some of what failed may be written.
            self._forget({act.video_id for act in acts})

    async def read(self, video_ids: Sequence[int]) -> dict[int, Told]:
        """The counts of videos, at most COPY_MS old."""
        now_ms = self._clock.monotonic_ms()
        found = {video_id: copy[1] for video_id in video_ids if (copy := self._copies.get(video_id)) is not None and copy[0] > now_ms}
        missing = [video_id for video_id in video_ids if video_id not in found]
        if missing:
            unchanged = set(missing)
            self._reading.append(unchanged)
            try:
                fresh = await self._fresh(missing)
            finally:
                self._reading = [other for other in self._reading if other is not unchanged]
            for video_id, told in fresh.items():
                # What changed meanwhile may have been read before it changed.
                if video_id in unchanged:
                    self._keep(video_id, now_ms + COPY_MS, told)
            found |= fresh
        return found

    async def _fresh(self, video_ids: Sequence[int]) -> dict[int, Told]:
        # Marks first: a mark is there before anything is held, so no count that lags is read without it.
        busy = await self._busy(video_ids)
        sizes = await self._sets.counts([(video_id, kind) for video_id in video_ids for kind in EngagementKind])
        return {video_id: Told({kind: sizes[video_id, kind] for kind in EngagementKind}, video_id in busy) for video_id in video_ids}

    async def mark_busy(self, video_id: int, *, now_ms: int, until_ms: int) -> None:
        """Let everybody know that counts of a video lag behind until a moment."""
        await self._tables.put(BusyVideo(video_id=video_id, expires_at_ms=until_ms, version=now_ms))
        self._forget((video_id,))

    async def _busy(self, video_ids: Sequence[int]) -> set[int]:
        rows = await self._tables.get_many(BusyVideo, [(video_id,) for video_id in video_ids])
        return {row.video_id for row in rows.values()}

    def _keep(self, video_id: int, until_ms: int, told: Told) -> None:
        self._copies.pop(video_id, None)
        self._copies[video_id] = (until_ms, told)
        if len(self._copies) > MOST_COPIES:
            del self._copies[next(iter(self._copies))]

    def _forget(self, video_ids: Collection[int]) -> None:
        for video_id in video_ids:
            self._copies.pop(video_id, None)
        for unchanged in self._reading:
            unchanged.difference_update(video_ids)
