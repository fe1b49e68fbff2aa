"""Rows of videos that are gone, and of the threads that they had."""

from __future__ import annotations

from dataclasses import dataclass

from mesh.stores.tables.port import Page, Tables
from svc_social.comments.tables import DeletedVideo, VideoRoot

SHARD = 0
_READ_AT_ONCE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class GoneStore:
    """Repository of videos that are to be cleared."""

    tables: Tables

    async def note(self, video_id: int, *, due_at_ms: int) -> None:
        """Have a video cleared; noted again it is cleared again, which changes nothing."""
        await self.tables.put(DeletedVideo(shard=SHARD, video_id=video_id, due_at_ms=due_at_ms, version=due_at_ms))

    async def due(self, *, now_ms: int) -> list[DeletedVideo]:
        """Videos whose time has come."""
        found: list[DeletedVideo] = []
        after = ""
        while True:
            page = await self.tables.scan(DeletedVideo, SHARD, after=after, limit=_READ_AT_ONCE)
            found += [row for row in page.rows if row.due_at_ms <= now_ms]
            after = page.next
            if not after:
                return found

    async def strike(self, noted: DeletedVideo) -> None:
        """Nothing is left to do for a video, unless it was noted again."""
        await self.tables.delete(noted)

    async def roots(self, video_id: int, shard: int, *, after: str, limit: int) -> Page[VideoRoot]:
        """Threads of one partition of a video, whatever became of them."""
        return await self.tables.scan(VideoRoot, video_id, shard, after=after, limit=limit)

    async def forget(self, root: VideoRoot) -> None:
        """A thread of which nothing is left."""
        await self.tables.delete(root)
