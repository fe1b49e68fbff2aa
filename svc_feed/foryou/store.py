"""Rows of For You."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from mesh.events.event import Event
from mesh.stores.tables.port import RowExists, Tables
from svc_feed.foryou.tables import FeedVideo, ServedPage


class ForYouStore:
    """Reads and writes copies of videos and served pages."""

    def __init__(self, *, tables: Tables) -> None:
        self._tables = tables

    async def all_videos(self) -> AsyncIterator[Sequence[FeedVideo]]:
        """Every copy, some at a time, for filling the memory."""
        after = ""
        while True:
            page = await self._tables.walk(FeedVideo, after=after)
            yield page.rows
            after = page.next
            if not after:
                return

    async def pages(self, session_id: str, *cursor_keys: str) -> list[ServedPage | None]:
        """Pages of a session in the order asked, None for those that were not served or have expired."""
        rows = await self._tables.get_many(ServedPage, [(session_id, key) for key in cursor_keys])
        return [rows.get((session_id, key)) for key in cursor_keys]

    async def serve(self, page: ServedPage, events: Sequence[Event]) -> ServedPage:
        """Write a page with its events, or find what was served to the same cursor meanwhile."""
        try:
            return await self._tables.insert(page, events=events)
        except RowExists as met:
            existing: ServedPage = met.row
            return existing
