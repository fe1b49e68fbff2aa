"""Rows of what creators choose: the pinned comment of a video, and what they want held."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mesh.stores.tables.port import OutcomeUnknown, RowExists, Tables
from mesh.stores.tables.retry import update
from svc_social.comments.tables import CommentFilter, PinnedComment


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoiceStore:
    """Repository of pins and filters."""

    tables: Tables

    async def pinned(self, video_id: int) -> PinnedComment:
        """The pin of a video; version 0 when there never was one."""
        return await self.tables.get(PinnedComment, video_id) or PinnedComment(video_id=video_id)

    async def filters(self, user_id: int) -> CommentFilter:
        """What a person wants held; version 0 when they never said."""
        return await self.tables.get(CommentFilter, user_id) or CommentFilter(user_id=user_id)

    async def pin(self, video_id: int, change: Callable[[PinnedComment], PinnedComment | None]) -> PinnedComment:
        """Apply a pure change to a pin. Raises VersionConflict."""
        while True:
            written = await update(self.tables, PinnedComment, (video_id,), change)
            if written is not None:
                return written
            first = change(PinnedComment(video_id=video_id))
            if first is None:
                return PinnedComment(video_id=video_id)
            if await self._inserted(first):
                return first

    async def filter(self, user_id: int, change: Callable[[CommentFilter], CommentFilter | None]) -> CommentFilter:
        """Apply a pure change to a person's filters. Raises VersionConflict."""
        while True:
            written = await update(self.tables, CommentFilter, (user_id,), change)
            if written is not None:
                return written
            first = change(CommentFilter(user_id=user_id))
            if first is None:
                return CommentFilter(user_id=user_id)
            if await self._inserted(first):
                return first

    async def _inserted(self, row: PinnedComment | CommentFilter) -> bool:
        try:
            await self.tables.insert(row)
        except RowExists:
            return False
        except OutcomeUnknown as unknown:
            return await self.tables.settle(unknown.token)
        return True
