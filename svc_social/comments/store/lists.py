"""Rows of lists: threads of a video by time, and what waits for a creator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mesh.stores.tables.port import Tables
from svc_social.comments.tables import MONTH_MS, HeldComment, ThreadMonth, VideoThread

Place = VideoThread | HeldComment

_ROWS_A_WRITE = 100
_MONTHS = 1_000
"""Months that one read brings: 80 years."""


@dataclass(frozen=True, slots=True)
class IdPage:
    """Ids of comments in their order, and whether more follow behind the last place that was looked at."""

    ids: tuple[int, ...]
    last: str
    """The cursor behind what was looked at; empty at the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListStore:
    """Repository of lists. Each place carries the version of its comment, and so does its deletion: what comes late or twice changes nothing."""

    tables: Tables

    async def move(self, taken: Sequence[Place], left: Sequence[Place]) -> None:
        """Write places, and take those away that were left."""
        months = {(row.video_id, row.month) for row in taken if isinstance(row, VideoThread)}
        listed = [ThreadMonth(video_id=video_id, month=month, version=1) for video_id, month in sorted(months)]
        for rows in _writes([*_newest(taken), *listed]):
            await self.tables.put(*rows)
        for rows in _writes(_newest(left)):
            await self.tables.delete(*rows)

    async def threads(self, video_id: int, *, oldest_first: bool, after: str, limit: int) -> IdPage:
        """The next threads of a video. `after` is the id behind which to go on, so a page stays where it is whatever is written before it."""
        after_id = int(after or 0)
        months = await self._months(video_id, oldest_first=oldest_first, from_month=_month_of(after_id) if after_id else None)
        found: list[int] = []
        for number, month in enumerate(months):
            first: tuple[Any, ...] = ()
            if after_id and month == _month_of(after_id):
                first = (after_id + 1,) if oldest_first else (after_id - 1,)
            cursor = ""
            while True:
                page = await self.tables.scan(
                    VideoThread, video_id, month, first=first, after=cursor, limit=limit - len(found), backwards=oldest_first
                )
                found += [row.thread_id for row in page.rows]
                cursor = page.next
                if len(found) == limit or not cursor:
                    break
            if len(found) == limit:
                more = cursor or number + 1 < len(months)
                return IdPage(tuple(found), str(found[-1]) if more else "")
        return IdPage(tuple(found), "")

    async def held(self, owner_id: int, *, after_id: int, limit: int) -> IdPage:
        """What waits for a creator, oldest first."""
        page = await self.tables.scan(HeldComment, owner_id, first=(after_id + 1,), limit=limit)
        ids = tuple(row.comment_id for row in page.rows)
        return IdPage(ids, str(ids[-1]) if page.next and ids else "")

    async def _months(self, video_id: int, *, oldest_first: bool, from_month: int | None) -> list[int]:
        first = () if from_month is None else (from_month,)
        rows = (await self.tables.scan(ThreadMonth, video_id, first=first, limit=_MONTHS, backwards=oldest_first)).rows
        return [row.month for row in rows]


def places(
    *, video_id: int, owner_id: int, thread_id: int, comment_id: int, stands: bool, is_held: bool, version: int
) -> tuple[list[Place], list[Place]]:
    """Where a comment stands in lists as of a version of it, and where it does not."""
    taken: list[Place] = []
    left: list[Place] = []
    if comment_id == thread_id:
        (taken if stands else left).append(VideoThread(video_id=video_id, month=_month_of(thread_id), thread_id=thread_id, version=version))
    (taken if is_held else left).append(HeldComment(owner_id=owner_id, comment_id=comment_id, version=version))
    return taken, left


def _month_of(comment_id: int) -> int:
    """Counted from when ids begin."""
    return (comment_id >> 22) // MONTH_MS


def _newest(rows: Sequence[Any]) -> list[Any]:
    """Each place once, in its largest version."""
    found: dict[Any, Any] = {}
    for row in rows:
        key = (type(row), *(getattr(row, name) for name in ("video_id", "thread_id", "owner_id", "comment_id") if hasattr(row, name)))
        if key not in found or found[key].version < row.version:
            found[key] = row
    return list(found.values())


def _writes(rows: Sequence[Any]) -> list[Sequence[Any]]:
    return [rows[start : start + _ROWS_A_WRITE] for start in range(0, len(rows), _ROWS_A_WRITE)]
