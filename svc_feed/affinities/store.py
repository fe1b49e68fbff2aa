"""Rows of affinities."""

from __future__ import annotations

from mesh.stores.tables.port import Tables
from svc_feed.affinities.tables import ViewerEngagement

_PAGE = 1_000
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

    async def forget(self, row: ViewerEngagement) -> None:
        """Take a row away in the version that it carries."""
        await self._tables.delete(row)
