"""Rows of acts."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

from mesh.events.event import Event
from mesh.stores.tables.port import Page, Tables
from svc_social.engagement.rules import LISTED, shard_of
from svc_social.engagement.tables import Act, EngagementKind


@dataclass(frozen=True, slots=True, kw_only=True)
class ActStore:
    """Repository of acts."""

    tables: Tables
    _turns: WeakValueDictionary[Hashable, asyncio.Lock] = field(default_factory=WeakValueDictionary)

    def turn(self, user_id: int, video_id: int) -> asyncio.Lock:
        """Held while an act of a person on a video is judged and written, so that two of one process never choose one version."""
        return self._turns.setdefault((user_id, video_id), asyncio.Lock())

    async def of_person(
        self, user_id: int, video_ids: Sequence[int], *, kinds: Sequence[EngagementKind] = LISTED
    ) -> dict[tuple[int, EngagementKind], Act]:
        """What a person did with videos, by video and kind; what was never done is left out. At most 1,000 pairs."""
        keys = [(video_id, shard_of(user_id), kind, user_id, 0) for video_id in video_ids for kind in kinds]
        rows = await self.tables.get_many(Act, keys)
        return {(row.video_id, row.kind): row for row in rows.values()}

    async def share(self, *, video_id: int, user_id: int, share_id: int) -> Act | None:
        """One share."""
        return await self.tables.get(Act, video_id, shard_of(user_id), EngagementKind.SHARE, user_id, share_id)

    async def one(self, act: Act) -> Act | None:
        """An act as it stands by now."""
        return await self.tables.get(Act, act.video_id, act.shard, act.kind, act.user_id, act.share_id)

    async def of_video(self, video_id: int, shard: int, *, after: str, limit: int) -> Page[Act]:
        """Acts of one partition of a video, those that were taken back among them."""
        return await self.tables.scan(Act, video_id, shard, after=after, limit=limit)

    async def write(self, act: Act, event: Event) -> None:
        """Write an act with its event; what stands in a larger version stays."""
        await self.tables.put(act, events=[event])
