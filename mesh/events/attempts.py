"""How often the event at the head of a partition was tried: a row, so that the count outlives the process."""

from __future__ import annotations

from dataclasses import replace

from mesh.clock import Clock
from mesh.events.rows import EventAttempt
from mesh.stores.tables.port import Tables


class Attempts:
    """The count of one partition; it goes back to nothing when another event comes to the head."""

    def __init__(self, *, tables: Tables, clock: Clock, consumer: str, topic: str, partition: int) -> None:
        self._tables = tables
        self._clock = clock
        self._place = (consumer, topic, partition)
        self._row: EventAttempt | None = None

    async def of(self, event_id: int) -> EventAttempt:
        """What is known of an event's attempts."""
        row = await self._load()
        if row.event_id == event_id:
            return row
        return replace(row, event_id=event_id, attempts=0, failed_first_at_ms=0)

    async def count(self, event_id: int) -> EventAttempt:
        """Count one attempt; returns when that is durable."""
        row = await self.of(event_id)
        return await self._save(replace(row, attempts=row.attempts + 1))

    async def forgive(self, event_id: int) -> EventAttempt:
        """Take one attempt back and note since when the event waits for an outage to end."""
        row = await self.of(event_id)
        return await self._save(replace(row, attempts=row.attempts - 1, failed_first_at_ms=row.failed_first_at_ms or self._clock.now_ms()))

    async def clear(self) -> None:
        """Forget the event: it is done, and should it come again by a rewind, it starts anew."""
        row = await self._load()
        if row.event_id:
            await self._save(replace(row, event_id=0, attempts=0, failed_first_at_ms=0))

    async def _load(self) -> EventAttempt:
        if self._row is None:
            consumer, topic, partition = self._place
            self._row = await self._tables.get(EventAttempt, *self._place) or EventAttempt(
                consumer=consumer, topic=topic, partition=partition
            )
        return self._row

    async def _save(self, row: EventAttempt) -> EventAttempt:
        stands = await self._load()
        saved = replace(row, version=max(stands.version + 1, self._clock.now_ms()))
        await self._tables.put(saved)
        self._row = saved
        return saved
