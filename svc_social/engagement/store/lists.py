"""Rows of lists by person."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mesh.stores.tables.port import Tables
from svc_social.engagement.rules import month_row
from svc_social.engagement.tables import EngagedMonth, EngagedVideo, EngagementKind

_ROWS_A_WRITE = 100
_MONTHS = 1_000
"""Months that one read brings: 80 years."""


@dataclass(frozen=True, slots=True)
class ListPage:
    """Some places of a list."""

    places: tuple[EngagedVideo, ...]
    next: str
    """Where to go on; empty at the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListStore:
    """Repository of lists."""

    tables: Tables

    async def move(self, taken: Sequence[EngagedVideo], left: Sequence[EngagedVideo]) -> None:
        """Write places, and take those away that were left: a place keeps what its largest version says, in whatever order they come."""
        for rows in _writes(_newest([*taken, *map(month_row, taken)])):
            await self.tables.put(*rows)
        for rows in _writes(_newest(left)):
            await self.tables.delete(*rows)

    async def page(self, user_id: int, kind: EngagementKind, collection_id: int, *, after: str, limit: int) -> ListPage:
        """The next places of a list, newest first; fewer than `limit` at the end alone."""
        at, _, cursor = after.partition(":")
        first = (int(at),) if at else ()
        months = (await self.tables.scan(EngagedMonth, user_id, kind, collection_id, first=first, limit=_MONTHS)).rows
        found: list[EngagedVideo] = []
        for index, row in enumerate(months):
            inside = cursor if at and row.month == int(at) else ""
            while True:
                page = await self.tables.scan(EngagedVideo, user_id, kind, collection_id, row.month, after=inside, limit=limit - len(found))
                found += page.rows
                inside = page.next
                if len(found) == limit or not inside:
                    break
            if len(found) == limit:
                if inside:
                    return ListPage(tuple(found), f"{row.month}:{inside}")
                following = months[index + 1 : index + 2]
                return ListPage(tuple(found), f"{following[0].month}:" if following else "")
        return ListPage(tuple(found), "")


def _writes(rows: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """Rows in as many writes as it takes: some ten numbers each, so that so many stay far below what one may weigh."""
    for start in range(0, len(rows), _ROWS_A_WRITE):
        yield rows[start : start + _ROWS_A_WRITE]


def _newest(rows: Sequence[Any]) -> list[Any]:
    """Each row once, in its largest version."""
    found: dict[Any, Any] = {}
    for row in rows:
        key = replace(row, version=0)
        if key not in found or found[key].version < row.version:
            found[key] = row
    return list(found.values())
