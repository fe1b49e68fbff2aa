"""The block list: rows are the truth, memory is what is searched."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from mesh.clock import Clock
from svc_rights.publication.facts import HashMatch
from svc_rights.publication.hash_index import HashIndex
from svc_rights.publication.store import BlockedHashStore, bucket_of
from svc_rights.publication.tables import BlockedHash

_INLINE_ROWS = 2_000
"""A search of so few rows takes less time than the way to a thread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockList:
    """Adds, removes, lists and matches. The copy in memory follows this process's own writes: there is one process of rights per installation."""

    store: BlockedHashStore
    clock: Clock
    index: HashIndex = field(default_factory=HashIndex)

    async def load(self) -> None:
        """Fill the copy in memory."""
        async for blocked in self.store.every():
            self.index.add(blocked)

    async def add(self, blocked: bytes, *, reason: str, by: int) -> BlockedHash:
        """The entry of a hash; the first one stays when it is on the list already."""
        while True:
            standing = await self.store.get(blocked)
            if standing is not None and not standing.removed_at_ms:
                self.index.add(blocked)
                return standing
            entry = BlockedHash(bucket=bucket_of(blocked), hash=blocked, reason=reason, added_at_ms=self.clock.now_ms(), added_by=by)
            written = await self.store.write(entry, after=standing)
            if written is not None:
                self.index.add(blocked)
                return written

    async def remove(self, blocked: bytes, *, by: int) -> None:
        """Take a hash off the list; safe to repeat. Who did it stays in the row."""
        while True:
            standing = await self.store.get(blocked)
            if standing is None or standing.removed_at_ms:
                self.index.remove(blocked)
                return
            removed = replace(standing, removed_at_ms=self.clock.now_ms(), removed_by=by)
            if await self.store.write(removed, after=standing) is not None:
                self.index.remove(blocked)
                return

    async def match(self, hashes: Sequence[bytes]) -> HashMatch | None:
        """The nearest blocked hash within the threshold."""
        snapshot = self.index.snapshot()
        if len(self.index) <= _INLINE_ROWS:
            return snapshot.match(hashes)
        return await asyncio.to_thread(snapshot.match, hashes)

    async def page(self, *, after: bytes, limit: int) -> tuple[list[BlockedHash], bytes]:
        """Entries in the order of hashes, and the hash after which the next page begins; empty at the end."""
        rows = await self.store.listed(after=after, limit=limit + 1)
        return rows[:limit], rows[limit - 1].hash if len(rows) > limit else b""
