"""Rows of ranks: the score of each thread, and threads of a video in the order of scores."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from mesh.stores.tables.port import OutcomeUnknown, RowExists, Tables, TablesUnavailable, VersionConflict
from svc_social.comments.rules import UNRANKED
from svc_social.comments.tables import RankedThread, ThreadRank

_ATTEMPTS = 16
_FIRST_PAUSE_S = 0.002
_LONGEST_PAUSE_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class RankStore:
    """Repository of ranks."""

    tables: Tables

    async def bring(self, video_id: int, thread_id: int, judge: Callable[[], Awaitable[int]]) -> None:
        """Let a thread have the score that `judge` finds. It is asked after the rank was read, and again when the rank changed meanwhile: so the last
        to write is one who saw everything. Raises TablesUnavailable when others were faster each time."""
        for attempt in range(1, _ATTEMPTS + 1):
            rank = await self.tables.get(ThreadRank, thread_id)
            score = await judge()
            standing = rank.score if rank is not None else UNRANKED
            if score == standing:
                return
            version = rank.version + 1 if rank is not None else 1
            place = RankedThread(video_id=video_id, score=score, thread_id=thread_id, version=version)
            # The place comes first and the one that was left goes last: whatever dies in between, the rank says which of them holds.
            if score != UNRANKED:
                await self.tables.put(place)
            if await self._write(rank, ThreadRank(thread_id=thread_id, score=score)):
                if standing != UNRANKED:
                    await self.tables.delete(replace(place, score=standing))
                return
            await asyncio.sleep(random.uniform(0, min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2**attempt)))  # noqa: S311 - only parts writers
        raise TablesUnavailable("others ranked a thread each time it was read")

    async def page(self, video_id: int, *, after: str, limit: int) -> tuple[list[tuple[int, str]], str]:
        """The next threads by score, each with the cursor behind it, and the cursor behind what was looked at; may be fewer, or none, though more
        follow."""
        first: tuple[int, ...] = ()
        if after:
            score, _, thread_id = after.partition(":")
            first = (int(score), int(thread_id) - 1)
        page = await self.tables.scan(RankedThread, video_id, first=first, limit=limit)
        ranks = await self.tables.get_many(ThreadRank, [(row.thread_id,) for row in page.rows]) if page.rows else {}
        found = [
            (row.thread_id, _cursor(row))
            for row in page.rows
            if (rank := ranks.get((row.thread_id,))) is not None and rank.score == row.score
        ]
        return found, _cursor(page.rows[-1]) if page.next and page.rows else ""

    async def _write(self, rank: ThreadRank | None, changed: ThreadRank) -> bool:
        try:
            if rank is None:
                await self.tables.insert(changed)
            else:
                await self.tables.transition(changed, expected_version=rank.version)
        except (RowExists, VersionConflict):
            return False
        except OutcomeUnknown as unknown:
            return await self.tables.settle(unknown.token)
        return True


def _cursor(row: RankedThread) -> str:
    return f"{row.score}:{row.thread_id}"
