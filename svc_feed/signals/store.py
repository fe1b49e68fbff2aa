"""Rows of signals."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable, Hashable, Sequence

from mesh.events.event import Event
from mesh.stores.tables.port import Change, Insert, RowExists, Tables, Transition, VersionConflict
from mesh.stores.tables.retry import update
from svc_feed.signals.tables import SHARDS, LedgerEntry, ReportedEvent, ViewerPace, WatchedVideo
from svc_feed.signals.tokens import ViewToken

HISTORY_PAGE = 1000
HISTORY_ROWS = 3_000
"""Offers that are remembered as seen: more would take a page too long to read."""
_DELETED_AT_ONCE = 100
"""Rows with their hashtags stay far below what one write may weigh."""
TALLY_VIDEOS = 1000 // SHARDS
"""Videos whose tallies fit into one read of at most 1,000 keys."""


def shard_of(token_id: str) -> int:
    """The ledger partition of a token."""
    return zlib.crc32(token_id.encode()) % SHARDS


class Turns:
    """Lets writers of one key in this process write one after the other instead of colliding; other processes still collide and retry."""

    def __init__(self, count: int = 256) -> None:
        self._locks = tuple(asyncio.Lock() for _ in range(count))

    def of(self, key: Hashable) -> asyncio.Lock:
        """The lock of a key; few keys share one."""
        return self._locks[hash(key) % len(self._locks)]


class SignalStore:
    """Reads and writes ledgers, histories and paces."""

    def __init__(self, *, tables: Tables) -> None:
        self._tables = tables
        self._turns = Turns()

    def turn(self, token: ViewToken) -> asyncio.Lock:
        """Held while a report of this token is read, judged and written."""
        return self._turns.of((token.video_id, shard_of(token.token_id)))

    async def owner_of_event(self, event: ReportedEvent) -> str:
        """The token that an event id belongs to: this one's if nobody was first."""
        try:
            row = await self._tables.insert(event)
        except RowExists as met:
            row = met.row
        return row.token_id

    async def reported(self, keys: Sequence[tuple[ViewToken, str]]) -> set[tuple[str, str]]:
        """Which of (token, event id) are in the ledger, as (token id, event id)."""
        rows = await self._tables.get_many(
            LedgerEntry,
            [(token.video_id, shard_of(token.token_id), f"e:{token.token_id}:{event_id}") for token, event_id in keys],
        )
        found = {entry for _, _, entry in rows}
        return {(token.token_id, event_id) for token, event_id in keys if f"e:{token.token_id}:{event_id}" in found}

    async def entries(self, token: ViewToken, event_id: str) -> tuple[LedgerEntry | None, LedgerEntry | None, LedgerEntry | None]:
        """Tally, token and report entries of one report, each None when absent; one round trip."""
        shard = shard_of(token.token_id)
        keys = [(token.video_id, shard, entry) for entry in ("", f"t:{token.token_id}", f"e:{token.token_id}:{event_id}")]
        rows = await self._tables.get_many(LedgerEntry, keys)
        return rows.get(keys[0]), rows.get(keys[1]), rows.get(keys[2])

    async def record(
        self, tally: LedgerEntry, token: LedgerEntry, report: LedgerEntry, event: Event
    ) -> tuple[LedgerEntry, LedgerEntry] | None:
        """Write a report with its token and tally in one step; tally and token as written, None when somebody else wrote meanwhile: judge again."""
        changes: list[Change] = [Transition(row, row.version) if row.version else Insert(row) for row in (tally, token)]
        try:
            written = await self._tables.commit(*changes, Insert(report), events=[event])
        except (RowExists, VersionConflict):
            return None
        return written[0], written[1]

    async def tallies(self, video_ids: Sequence[int]) -> dict[int, list[LedgerEntry]]:
        """The tallies of videos, those that exist."""
        found: dict[int, list[LedgerEntry]] = {video_id: [] for video_id in video_ids}
        unique = list(found)
        for start in range(0, len(unique), TALLY_VIDEOS):
            keys = [(video_id, shard, "") for video_id in unique[start : start + TALLY_VIDEOS] for shard in range(SHARDS)]
            for key, row in (await self._tables.get_many(LedgerEntry, keys)).items():
                found[key[0]].append(row)
        return found

    async def tell(self, event: Event) -> None:
        """Put an event that belongs to no row into the outbox."""
        await self._tables.put(events=[event])

    async def remember(self, watched: WatchedVideo) -> None:
        """Write what a person watched; an older state of the same offer changes nothing."""
        await self._tables.put(watched)

    async def forget(self, watched: WatchedVideo) -> None:
        """Take away what a person watched of one offer, in the version that it carries."""
        await self._tables.delete(watched)

    async def forget_until(self, viewer_id: int, *, until_ms: int) -> None:
        """Take away everything that a person watched until a moment."""
        after = ""
        while True:
            page = await self._tables.scan(WatchedVideo, viewer_id, after=after, limit=_DELETED_AT_ONCE)
            old = [row for row in page.rows if row.watched_at_ms <= until_ms]
            if old:
                await self._tables.delete(*old)
            after = page.next
            if not after:
                return

    async def history(self, viewer_id: int) -> list[WatchedVideo]:
        """The last HISTORY_ROWS offers that a person watched, newest first."""
        rows: list[WatchedVideo] = []
        after = ""
        while len(rows) < HISTORY_ROWS:
            page = await self._tables.scan(WatchedVideo, viewer_id, after=after, limit=min(HISTORY_PAGE, HISTORY_ROWS - len(rows)))
            rows += page.rows
            after = page.next
            if not after:
                break
        return rows

    async def change_pace(self, pace_key: str, change: Callable[[ViewerPace], ViewerPace]) -> None:
        """Change a pace, whatever it is by now."""
        async with self._turns.of(pace_key):
            if await update(self._tables, ViewerPace, (pace_key,), change) is not None:
                return
            try:
                await self._tables.insert(change(ViewerPace(pace_key=pace_key)))
            except RowExists:
                await update(self._tables, ViewerPace, (pace_key,), change)
