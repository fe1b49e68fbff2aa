"""Drops old buckets of the outbox, once everybody who has to read them has."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass

from clipmesh.common.v1.envelope_pb2 import EventEnvelope

from mesh.clock import Clock
from mesh.events.archive.rows import ArchivePosition, positions_of
from mesh.events.rows import RelayPosition
from mesh.stores.tables.port import Tables, TablesError

SLACK_MS = 60_000
"""How much earlier than its write an event may have happened, in milliseconds: longer than any deadline."""

_log = logging.getLogger("clipmesh.events")


@dataclass(frozen=True, slots=True, kw_only=True)
class CleaningSettings:
    """How an outbox is kept short."""

    retention_ms: int = 7 * 24 * 3_600_000
    """How long every entry is kept, in milliseconds, though everybody has read it: a stream that lost its contents is filled from here."""
    every_ms: int = 10 * 60_000
    """Pause between two looks, in milliseconds."""


class OutboxCleaner:
    """Any process of a service may run one: what is needed it reads from the rows of relay and archive, not from its own memory."""

    def __init__(self, *, tables: Tables, clock: Clock, archived: bool, settings: CleaningSettings | None = None) -> None:
        """`archived`: the archive has to have an entry, too, before it goes. RelayPosition and then ArchivePosition are among the row types."""
        self._tables = tables
        self._clock = clock
        self._archived = archived
        self._settings = settings or CleaningSettings()

    async def run(self) -> None:
        """Clean until cancelled; what fails is tried again after the pause."""
        while True:
            with suppress(TablesError):
                dropped = await self.clean()
                if dropped:
                    _log.info("old buckets of the outbox went", extra={"count": dropped})
            await asyncio.sleep(self._settings.every_ms / 1000)

    async def clean(self) -> int:
        """Drop what is old enough and needed by nobody; returns how many buckets went. Raises what the tables raise."""
        needed_ms = await self.needed_since_ms()
        return await self._tables.drop_outbox(before_ms=min(self._clock.now_ms() - self._settings.retention_ms, needed_ms))

    async def needed_since_ms(self) -> int:
        """Every entry that somebody still has to read was written at or after this moment."""
        now_ms = self._clock.now_ms()
        shards = range(self._tables.outbox_shards)
        relayed = await asyncio.gather(*(self._tables.get(RelayPosition, shard) for shard in shards))
        readers = [[row.position if row is not None else "" for row in relayed]]
        if self._archived:
            readers.append(positions_of(await self._tables.get(ArchivePosition, 0), len(shards)))
        oldest = await asyncio.gather(*(self._oldest_after(shard, reader[shard]) for reader in readers for shard in shards))
        return min([now_ms, *(at_ms for at_ms in oldest if at_ms is not None)]) - SLACK_MS

    async def _oldest_after(self, shard: int, position: str) -> int | None:
        page = await self._tables.read_outbox(shard, after=position, limit=1)
        return EventEnvelope.FromString(page.entries[0].envelope).occurred_at_ms if page.entries else None
