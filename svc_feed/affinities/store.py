"""Rows of affinities."""

from __future__ import annotations

from mesh.stores.tables.port import Page, Tables
from svc_feed.affinities.tables import ViewerComment, ViewerEngagement

_PAGE = 1_000
_DELETED_AT_ONCE = 200
"""Some ten numbers each: far below what one write may weigh."""
MOST_ROWS = 5_000
"""Acts of a person that are read: more would take a page too long."""


class AffinityStore:
    """Reads and forgets engagements; the consumer's base class writes them."""

    def __init__(self, *, tables: Tables) -> None:
        self._tables = tables

    async def of_viewer(self, viewer_id: int) -> list[ViewerEngagement]:
        """What a person did, by creator; at most MOST_ROWS."""
        rows: list[ViewerEngagement] = []
        after = ""
        while len(rows) < MOST_ROWS:
            page = await self._tables.scan(ViewerEngagement, viewer_id, after=after, limit=min(_PAGE, MOST_ROWS - len(rows)))
            rows += page.rows
            after = page.next
            if not after:
                break
        return rows

    async def comments_of_viewer(self, viewer_id: int) -> list[ViewerComment]:
        """What a person wrote, by creator; at most one page."""
        return list((await self._tables.scan(ViewerComment, viewer_id, limit=_PAGE)).rows)

    async def keep(self, row: ViewerEngagement | ViewerComment) -> None:
        """Write a row; what stands there in a larger version stays."""
        await self._tables.put(row)

    async def forget_until(self, viewer_id: int, *, until_ms: int) -> None:
        """Take away everything that a person did until a moment."""
        await self._forget_until(ViewerEngagement, viewer_id, until_ms)
        await self._forget_until(ViewerComment, viewer_id, until_ms)

    async def _forget_until(self, kind: type[ViewerEngagement] | type[ViewerComment], viewer_id: int, until_ms: int) -> None:
        after = ""
        while True:
            page: Page[ViewerEngagement | ViewerComment] = await self._tables.scan(kind, viewer_id, after=after, limit=_DELETED_AT_ONCE)
            old = [row for row in page.rows if row.acted_at_ms <= until_ms]
            if old:
                await self._tables.delete(*old)
            after = page.next
            if not after:
                return

    async def forget(self, row: ViewerEngagement | ViewerComment) -> None:
        """Take a row away in the version that it carries."""
        await self._tables.delete(row)
