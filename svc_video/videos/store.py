"""Rows of videos: the only place of this area that touches the tables port."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from mesh.events.event import Event
from mesh.stores.tables.port import Insert, OutcomeUnknown, Page, Remove, RowExists, Tables, Transition, VersionConflict
from svc_video.videos.tables import CreatorVideo, MediaFacts, OpenWork, Rendition, Video, WorkKind

_WORK_PAGE = 500
_MOST_KEYS = 1_000


class VideoStore:
    """Typed reads and writes of videos, their facts, creators' lists and open work."""

    def __init__(self, *, tables: Tables) -> None:
        self._tables = tables

    async def get(self, video_id: int) -> Video | None:
        """The video, or None."""
        return await self._tables.get(Video, video_id)

    async def get_many(self, video_ids: Sequence[int]) -> dict[int, Video]:
        """Videos by id; absent ids are absent."""
        rows = await self._tables.get_many(Video, [(video_id,) for video_id in set(video_ids)]) if video_ids else {}
        return {video.video_id: video for video in rows.values()}

    async def facts_of(self, video_id: int) -> MediaFacts | None:
        """What processing found, or None before the probe."""
        return await self._tables.get(MediaFacts, video_id)

    async def facts_of_many(self, video_ids: Sequence[int]) -> dict[int, MediaFacts]:
        """Media facts by video; absent ids are absent."""
        rows = await self._tables.get_many(MediaFacts, [(video_id,) for video_id in set(video_ids)]) if video_ids else {}
        return {facts.video_id: facts for facts in rows.values()}

    async def add(self, video: Video) -> Video:
        """Write a new video, its place in the creator's list first; the row that stands there when it was added before."""
        await self._tables.put(CreatorVideo(creator_id=video.creator_id, video_id=video.video_id))
        try:
            return await self._tables.insert(video)
        except RowExists as exists:
            row: Video = exists.row
            return row

    async def replace(self, video: Video, *, expected_version: int, events: Sequence[Event]) -> Video | None:
        """Write the next version with its events; None when another write was faster."""
        try:
            return await self._tables.transition(video, expected_version=expected_version, events=events)
        except VersionConflict:
            return None
        except OutcomeUnknown as unknown:
            if await self._tables.settle(unknown.token):
                return await self.get(video.video_id)
            return None

    async def write_facts(self, facts: MediaFacts) -> bool:
        """Write facts on top of the version they carry (0 means new); False when another write was faster."""
        try:
            if facts.version:
                await self._tables.transition(facts, expected_version=facts.version)
            else:
                await self._tables.insert(facts)
        except (RowExists, VersionConflict):
            return False
        except OutcomeUnknown as unknown:
            return await self._tables.settle(unknown.token)
        return True

    async def renditions_of(self, video_id: int) -> Sequence[Rendition]:
        """All renditions of a video, in no order."""
        return (await self._tables.scan(Rendition, video_id, limit=_MOST_KEYS)).rows

    async def renditions_of_many(self, facts: Iterable[MediaFacts]) -> dict[int, list[Rendition]]:
        """The rows that each video's facts name, in their order; absent ones are absent."""
        keys = {one.video_id: [(one.video_id, name) for name in one.rendition_names] for one in facts}
        wanted = [key for several in keys.values() for key in several]
        rows: dict[tuple[Any, ...], Rendition] = {}
        for start in range(0, len(wanted), _MOST_KEYS):
            rows |= await self._tables.get_many(Rendition, wanted[start : start + _MOST_KEYS])
        return {video_id: [rows[key] for key in several if key in rows] for video_id, several in keys.items()}

    async def write_renditions(self, renditions: Sequence[Rendition]) -> bool:
        """Write renditions of one video, each on top of the version it carries (0 means new), all or none; False when another write was
        faster."""
        changes = [Transition(row, row.version) if row.version else Insert(row) for row in renditions]
        try:
            await self._tables.commit(*changes)
        except (RowExists, VersionConflict):
            return False
        except OutcomeUnknown as unknown:
            return await self._tables.settle(unknown.token)
        return True

    async def forget(self, video: Video) -> None:
        """Remove a deleted video's facts, renditions and its place in the creator's list; the tombstone of the video stays."""
        renditions = await self.renditions_of(video.video_id)
        if renditions:
            await self._tables.commit(*(Remove(row, row.version) for row in renditions))
        await self._tables.delete(CreatorVideo(creator_id=video.creator_id, video_id=video.video_id, version=video.version))
        facts = await self.facts_of(video.video_id)
        if facts is not None:
            await self._tables.remove(facts, expected_version=facts.version)

    async def page_of_creator(self, creator_id: int, *, after: str, limit: int) -> Page[CreatorVideo]:
        """A page of a creator's list, newest first."""
        return await self._tables.scan(CreatorVideo, creator_id, after=after, limit=limit)

    async def walk(self, *, after: str = "", limit: int = 500) -> Page[Video]:
        """All videos, page by page, in no order."""
        return await self._tables.walk(Video, after=after, limit=limit)

    async def list_for_creator(self, videos: Sequence[Video]) -> None:
        """Write the places of videos in their creators' lists again; what stands there already changes nothing."""
        if videos:
            await self._tables.put(*(CreatorVideo(creator_id=video.creator_id, video_id=video.video_id) for video in videos))

    async def open_work(self, work: Sequence[OpenWork]) -> None:
        """Note work that waits."""
        await self._tables.put(*work)

    async def close_work(self, work: OpenWork) -> None:
        """Strike work that is done; later work of the same kind and video stays."""
        await self._tables.delete(work)

    async def waiting(self, kind: WorkKind) -> list[OpenWork]:
        """All work of a kind that waits."""
        found: list[OpenWork] = []
        cursor = ""
        while True:
            page = await self._tables.scan(OpenWork, kind, after=cursor, limit=_WORK_PAGE)
            found.extend(page.rows)
            cursor = page.next
            if not cursor:
                return found
