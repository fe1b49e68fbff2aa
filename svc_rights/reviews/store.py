"""Rows of reviews and of their queue."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Sequence
from dataclasses import dataclass, replace

from mesh.stores.tables.port import RowExists, Tables
from mesh.stores.tables.retry import update
from svc_rights.reviews.tables import QueueEntry, Review, ReviewState

SHARDS = 8
CLOSED_LISTED_MS = 90 * 24 * 3_600_000

Place = tuple[int, int, int]
"""Severity, time of creation and id: where a review stands in a list."""


def _entry(review: Review) -> QueueEntry:
    over = review.state is not ReviewState.OPEN
    return QueueEntry(
        state=review.state,
        shard=review.review_id % SHARDS,
        severity=review.severity,
        created_at_ms=review.created_at_ms,
        review_id=review.review_id,
        expires_at_ms=review.decided_at_ms + CLOSED_LISTED_MS if over else 0,
        version=1,
    )


def _order(entry: QueueEntry) -> Place:
    return (-entry.severity, entry.created_at_ms, entry.review_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewStore:
    """Repository of reviews. The review row decides; its place in a list follows and may be written again."""

    tables: Tables

    async def get(self, review_id: int) -> Review | None:
        """The review."""
        return await self.tables.get(Review, review_id)

    async def get_many(self, review_ids: Sequence[int]) -> dict[int, Review]:
        """Reviews by id."""
        rows = await self.tables.get_many(Review, [(review_id,) for review_id in review_ids])
        return {review_id: review for (review_id,), review in rows.items()}

    async def open(self, review: Review) -> None:
        """Queue a review; one that is there already stays as it is."""
        try:
            await self.tables.insert(review)
        except RowExists as exists:
            if exists.row.state is not ReviewState.OPEN:
                return
        await self.tables.put(_entry(review))

    async def end(self, review: Review) -> Review:
        """Write how an open review ended and move it from the open list to its own; a review that is over only moves."""
        written = await update(
            self.tables,
            Review,
            (review.review_id,),
            lambda row: replace(review, version=row.version) if row.state is ReviewState.OPEN else None,
        )
        ended = written or review
        await self.tables.put(_entry(ended))
        await self.tables.delete(_entry(replace(ended, state=ReviewState.OPEN)))
        return ended

    async def queue(self, state: ReviewState, *, after: Place | None, limit: int) -> list[QueueEntry]:
        """At most `limit` places behind `after`, most severe first, then oldest."""
        first = after if after is not None else ()
        shards = await asyncio.gather(
            *(self.tables.scan(QueueEntry, state, shard, first=first, limit=limit + 1) for shard in range(SHARDS))
        )
        behind = None if after is None else (-after[0], after[1], after[2])
        merged = heapq.merge(*(page.rows for page in shards), key=_order)
        return [entry for entry in merged if behind is None or _order(entry) > behind][:limit]
