"""Rows of signals."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Callable, Sequence

from mesh.events.event import Event
from mesh.stores.tables.port import Change, Insert, RowExists, Tables, Transition, VersionConflict
from mesh.stores.tables.retry import update
from svc_feed.signals.tables import SHARDS, LedgerEntry, ViewerPace, WatchedVideo
from svc_feed.signals.tokens import ViewToken

HISTORY_PAGE = 1000


def shard_of(token_id: str) -> int:
    """The ledger partition of a token."""
    return zlib.crc32(token_id.encode()) % SHARDS


class SignalStore:
    """Reads and writes ledgers, histories and paces."""

    def __init__(self, *, tables: Tables) -> None:
        self._tables = tables

    async def entries(self, token: ViewToken, event_id: str) -> tuple[LedgerEntry | None, LedgerEntry | None, LedgerEntry | None]:
        """Tally, token and report entries of one report, each None when absent; one round trip."""
        shard = shard_of(token.token_id)
        keys = [(token.video_id, shard, entry) for entry in ("", f"t:{token.token_id}", f"e:{token.token_id}:{event_id}")]
        rows = await self._tables.get_many(LedgerEntry, keys)
        return rows.get(keys[0]), rows.get(keys[1]), rows.get(keys[2])

    async def record(self, tally: LedgerEntry, token: LedgerEntry, report: LedgerEntry, events: Sequence[Event]) -> bool:
        """Write a report with its token and tally in one step; False when somebody else wrote meanwhile: read and judge again."""
        changes: list[Change] = [Transition(row, row.version) if row.version else Insert(row) for row in (tally, token)]
        try:
            await self._tables.commit(*changes, Insert(report), events=events)
        except (RowExists, VersionConflict):
            return False
        return True

    async def tallies(self, video_ids: Sequence[int]) -> dict[int, list[LedgerEntry]]:
        """The tallies of videos, those that exist; 100 videos a round trip."""
        found: dict[int, list[LedgerEntry]] = {video_id: [] for video_id in video_ids}
        unique = list(found)
        for start in range(0, len(unique), 100):
            keys = [(video_id, shard, "") for video_id in unique[start : start + 100] for shard in range(SHARDS)]
            for key, row in (await self._tables.get_many(LedgerEntry, keys)).items():
                found[key[0]].append(row)
        return found

    async def all_tallies(self) -> AsyncIterator[LedgerEntry]:
        """Every tally, for rebuilding what is kept in memory."""
        after = ""
        while True:
            page = await self._tables.walk(LedgerEntry, after=after)
            for row in page.rows:
                if not row.entry:
                    yield row
            after = page.next
            if not after:
                return

    async def remember(self, watched: WatchedVideo) -> None:
        """Keep the larger share of a person's watching of a video."""
        before = await self._tables.get(WatchedVideo, watched.viewer_id, watched.video_id)
        if before is None or before.share < watched.share or before.watched_at_ms < watched.watched_at_ms:
            share = max(watched.share, before.share if before else 0.0)
            await self._tables.put(
                WatchedVideo(
                    viewer_id=watched.viewer_id,
                    video_id=watched.video_id,
                    creator_id=watched.creator_id,
                    category=watched.category,
                    hashtags=watched.hashtags,
                    share=share,
                    watched_at_ms=watched.watched_at_ms,
                    version=max(watched.version, (before.version if before else 0) + 1),
                )
            )

    async def history(self, viewer_id: int) -> list[WatchedVideo]:
        """Everything a person watched, in no order."""
        rows: list[WatchedVideo] = []
        after = ""
        while True:
            page = await self._tables.scan(WatchedVideo, viewer_id, after=after, limit=HISTORY_PAGE)
            rows += page.rows
            after = page.next
            if not after:
                return rows

    async def pace(self, viewer_key: str) -> ViewerPace | None:
        """How much a viewer claims to have watched lately."""
        return await self._tables.get(ViewerPace, viewer_key)

    async def change_pace(self, viewer_key: str, change: Callable[[ViewerPace], ViewerPace]) -> None:
        """Change a viewer's pace, whatever it is by now."""
        if await update(self._tables, ViewerPace, (viewer_key,), change) is None:
            try:
                await self._tables.insert(change(ViewerPace(viewer_key=viewer_key)))
            except RowExists:
                await update(self._tables, ViewerPace, (viewer_key,), change)
