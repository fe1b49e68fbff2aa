"""Rows of likes of comments, and how many there are."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Sequence
from weakref import WeakValueDictionary

from mesh.events.event import Event
from mesh.stores.tables.port import Page, Tables
from mesh.stores.tables.tallies import TalliedSet
from svc_social.comments.rules import shard_of
from svc_social.comments.tables import CommentLike, CountedCommentLike

COUNT_SHARDS = 2
"""Partitions of one comment's count; must never change. Few: a page of 500 comments reads all of them at once."""


class LikeStore:
    """Repository of likes and their numbers."""

    def __init__(self, *, tables: Tables) -> None:
        self._tables = tables
        self._sets = TalliedSet(tables=tables, row_type=CountedCommentLike, shards=COUNT_SHARDS)
        self._turns: WeakValueDictionary[Hashable, asyncio.Lock] = WeakValueDictionary()

    def turn(self, user_id: int, comment_id: int) -> asyncio.Lock:
        """Held while a like is judged and written, so that two of one process never choose one version."""
        return self._turns.setdefault((user_id, comment_id), asyncio.Lock())

    async def of_person(self, user_id: int, comment_ids: Sequence[int]) -> dict[int, CommentLike]:
        """What a person said of comments, by comment; what was never said is left out. At most 1,000."""
        shard = shard_of(user_id)
        rows = await self._tables.get_many(CommentLike, [(comment_id, shard, user_id) for comment_id in comment_ids])
        return {row.comment_id: row for row in rows.values()}

    async def of_comment(self, comment_id: int, shard: int, *, after: str, limit: int) -> Page[CommentLike]:
        """Likes of one partition of a comment, those that were taken back among them."""
        return await self._tables.scan(CommentLike, comment_id, shard, after=after, limit=limit)

    async def write(self, like: CommentLike, event: Event) -> None:
        """Write a like with its event; what stands in a larger version stays."""
        await self._tables.put(like, events=[event])

    async def count(self, likes: Sequence[CountedCommentLike]) -> None:
        """Bring members up to date."""
        await self._sets.apply(likes)

    async def counts(self, comment_ids: Sequence[int]) -> dict[int, int]:
        """How many people like comments."""
        found = await self._sets.counts([(comment_id,) for comment_id in comment_ids])
        return {owner[0]: size for owner, size in found.items()}

    async def count_with(self, user_id: int, comment_id: int, *, active: bool) -> int:
        """How many people like a comment, a person's like counted as it stands, whether or not its event was heard."""
        counted = await self._sets.standing([(comment_id, user_id)])
        member = counted.get((comment_id, user_id))
        told = member is not None and member.present
        return (await self.counts([comment_id]))[comment_id] - told + active
