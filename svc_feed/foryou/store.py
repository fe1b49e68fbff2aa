"""Rows of For You."""

from __future__ import annotations

from collections.abc import Sequence

from mesh.events.event import Event
from mesh.stores.tables.port import RowExists, Tables
from svc_feed.foryou.tables import FeedVideo, ServedPage

MOST_PAGES = 1000
"""Pages of one session that are looked at; a longer session has to begin anew."""


class ForYouStore:
    """Reads and writes copies of videos and served pages."""

    def __init__(self, *, tables: Tables) -> None:
        self._tables = tables

    async def all_videos(self) -> list[FeedVideo]:
        """Every copy, for filling the memory."""
        videos: list[FeedVideo] = []
        after = ""
        while True:
            page = await self._tables.walk(FeedVideo, after=after)
            videos += page.rows
            after = page.next
            if not after:
                return videos

    async def pages(self, session_id: str) -> list[ServedPage]:
        """Pages that a session was served."""
        page = await self._tables.scan(ServedPage, session_id, limit=MOST_PAGES)
        return list(page.rows)

    async def serve(self, page: ServedPage, events: Sequence[Event]) -> ServedPage:
        """Write a page with its events, or find what was served to the same cursor meanwhile."""
        try:
            return await self._tables.insert(page, events=events)
        except RowExists as met:
            existing: ServedPage = met.row
            return existing
