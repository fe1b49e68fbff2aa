"""Rows of verdicts and of the block list."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace

from mesh.events.event import Event
from mesh.stores.tables.port import Insert, RowExists, Tables, Transition, VersionConflict
from svc_rights.publication.tables import HEAD, BlockedHash, Verdict

BUCKETS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictStore:
    """Repository of verdicts: the head of a video and its log live in one partition and are written as one."""

    tables: Tables

    async def head(self, video_id: int) -> Verdict | None:
        """The newest verdict of a video."""
        return await self.tables.get(Verdict, video_id, HEAD)

    async def heads(self, video_ids: Sequence[int]) -> list[Verdict]:
        """Newest verdicts in the order asked, each once, without the absent."""
        wanted = list(dict.fromkeys(video_ids))
        rows = await self.tables.get_many(Verdict, [(video_id, HEAD) for video_id in wanted])
        return [rows[video_id, HEAD] for video_id in wanted if (video_id, HEAD) in rows]

    async def numbered(self, keys: Sequence[tuple[int, int]]) -> dict[tuple[int, int], Verdict]:
        """Log entries by (video, number); absent ones are absent."""
        return await self.tables.get_many(Verdict, [*dict.fromkeys(keys)])

    async def add(self, verdict: Verdict, *, after: Verdict | None, event: Event) -> Verdict | None:
        """Make a verdict the newest, with its log entry and its event; None when somebody was faster."""
        number = 1 if after is None else after.version + 1
        head = replace(verdict, step=HEAD)
        change = Insert(head) if after is None else Transition(head, after.version)
        try:
            written = await self.tables.commit(change, Insert(replace(verdict, step=number)), events=[event])
        except (RowExists, VersionConflict):
            return None
        newest: Verdict = written[0]
        return newest

    async def log(self, video_id: int) -> tuple[Verdict, ...]:
        """All verdicts of a video, oldest first."""
        entries: list[Verdict] = []
        cursor = ""
        while True:
            page = await self.tables.scan(Verdict, video_id, after=cursor, limit=1000)
            entries.extend(row for row in page.rows if row.step != HEAD)
            cursor = page.next
            if not cursor:
                return tuple(entries)


def bucket_of(blocked: bytes) -> int:
    """The partition of a hash: hashes spread evenly."""
    return blocked[0] >> 4


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockedHashStore:
    """Repository of the block list."""

    tables: Tables

    async def get(self, blocked: bytes) -> BlockedHash | None:
        """The entry of a hash, also when it was taken off."""
        return await self.tables.get(BlockedHash, bucket_of(blocked), blocked)

    async def write(self, entry: BlockedHash, *, after: BlockedHash | None) -> BlockedHash | None:
        """Write the entry that follows the one that was read; None when somebody was faster."""
        try:
            if after is None:
                return await self.tables.insert(entry)
            return await self.tables.transition(entry, expected_version=after.version)
        except (RowExists, VersionConflict):
            return None

    async def listed(self, *, after: bytes, limit: int) -> list[BlockedHash]:
        """At most `limit` entries on the list whose hash is larger than `after`, in the order of hashes; fewer only at the end."""
        found: list[BlockedHash] = []
        for bucket in range(bucket_of(after) if after else 0, BUCKETS):
            first = (after,) if after and bucket == bucket_of(after) else ()
            cursor = ""
            while len(found) < limit:
                page = await self.tables.scan(BlockedHash, bucket, first=first, after=cursor, limit=1000)
                found.extend(row for row in page.rows if not row.removed_at_ms and row.hash != after)
                cursor = page.next
                if not cursor:
                    break
            if len(found) >= limit:
                break
        return found[:limit]

    async def every(self) -> AsyncIterator[bytes]:
        """All hashes on the list, for the copy in memory."""
        cursor = ""
        while True:
            page = await self.tables.walk(BlockedHash, after=cursor, limit=1000)
            for row in page.rows:
                if not row.removed_at_ms:
                    yield row.hash
            cursor = page.next
            if not cursor:
                return
