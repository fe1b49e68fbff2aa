"""Rows of For You."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from mesh.events.event import Event
from mesh.stores.tables.port import RowExists, Tables
from svc_feed.foryou.tables import FeedVideo, ServedPage

RECENT_PAGES = 5_000
"""Pages that a process remembers, some 10 MB."""


class ForYouStore:
    """Reads and writes copies of videos and served pages."""

    def __init__(self, *, tables: Tables) -> None:
        self._tables = tables
        self._recent: dict[tuple[str, str], ServedPage] = {}

    async def all_videos(self) -> AsyncIterator[Sequence[FeedVideo]]:
        """Every copy, some at a time, for filling the memory."""
        after = ""
        while True:
            page = await self._tables.walk(FeedVideo, after=after)
            yield page.rows
            after = page.next
            if not after:
                return

    async def leading_to(self, session_id: str, cursor_key: str, page_key: str) -> tuple[ServedPage | None, ServedPage | None]:
        """The page that answered a cursor before, when that is known, and the page that holds the cursor's slot.

        An answer of another process may be unknown here; `serve` finds it.
        """
        holder = self._recent.get((session_id, page_key))
        if holder is not None:
            return self._recent.get((session_id, cursor_key)), holder
        keys = [(session_id, cursor_key), (session_id, page_key)]
        rows = await self._tables.get_many(ServedPage, keys)
        return rows.get(keys[0]), rows.get(keys[1])

    async def page(self, session_id: str, cursor_key: str) -> ServedPage | None:
        """One page of a session; None when it was not served or has expired."""
        return self._recent.get((session_id, cursor_key)) or await self._tables.get(ServedPage, session_id, cursor_key)

    async def serve(self, page: ServedPage, events: Sequence[Event]) -> ServedPage:
        """Write a page with its events, or find what was served to the same cursor meanwhile."""
        try:
            served = await self._tables.insert(page, events=events)
        except RowExists as met:
            served = met.row
        self.keep(served)
        return served

    def keep(self, page: ServedPage) -> None:
        """Remember a page in this process alone: written pages never change, and one that could not be written can still be continued here."""
        self._recent[(page.session_id, page.cursor_key)] = page
        if len(self._recent) > RECENT_PAGES:
            del self._recent[next(iter(self._recent))]
