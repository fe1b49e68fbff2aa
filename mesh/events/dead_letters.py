"""Events that a consumer gave up on: kept with their reason, listed, replayed.

MeshError
├── NotFound
│   └── DeadLetterNotFound   there is no such dead letter
└── FailedPrecondition
    └── ReplayFailed         the consumer refused the event again; mend the cause first
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final, Protocol

from clipmesh.common.v1.envelope_pb2 import EventEnvelope

from mesh.clock import Clock
from mesh.errors import FailedPrecondition, NotFound
from mesh.events.applying import detail_of, reason_of
from mesh.events.backoff import OUTAGES
from mesh.events.incoming import open_envelope
from mesh.events.rows import DeadLetter
from mesh.stores.tables.port import BatchTooLarge, Page, Tables

REPLAYED_KEPT_MS: Final = 7 * 24 * 3_600_000
"""How long a replayed letter stays as a record, in milliseconds."""


class DeadLetterNotFound(NotFound):
    """There is no such dead letter."""

    reason = "DEAD_LETTER_NOT_FOUND"


class ReplayFailed(FailedPrecondition):
    """The consumer refused the event again; mend the cause first."""

    reason = "REPLAY_FAILED"


class Replayable(Protocol):
    """Whose letters are replayed; a ConsumerGroup is."""

    @property
    def group(self) -> str:
        """The group's name."""
        ...

    async def apply(self, envelope: EventEnvelope) -> bool:
        """Let the effect of an event be recorded."""
        ...


class DeadLetters:
    """The dead letters of one service. `group` is `<service>.<consumer>`."""

    def __init__(self, *, tables: Tables, clock: Clock) -> None:
        self._tables = tables
        self._clock = clock

    async def dead_letters(self, group: str, *, after: str = "", limit: int = 100) -> Page[DeadLetter]:
        """Letters by event id; a page may be shorter than `limit` and still have a next one."""
        page = await self._tables.scan(DeadLetter, group, after=after, limit=limit)
        return Page(tuple(letter for letter in page.rows if not letter.replayed_at_ms), page.next)

    async def count(self, group: str) -> int:
        """How many letters nobody replayed yet."""
        found, after = 0, ""
        while True:
            page = await self.dead_letters(group, after=after, limit=1_000)
            found += len(page.rows)
            if not page.next:
                return found
            after = page.next

    async def bury(self, group: str, *, envelope: bytes, event: EventEnvelope, error: BaseException, attempts: int) -> DeadLetter:
        """Keep an event that a consumer gave up on; returns when that is durable."""
        before = await self._tables.get(DeadLetter, group, event.event_id)
        now_ms = self._clock.now_ms()
        letter = DeadLetter(
            consumer=group,
            event_id=event.event_id,
            topic=event.topic,
            key=event.key,
            key_version=event.key_version,
            type=event.type,
            reason=reason_of(error),
            detail=detail_of(error),
            attempts=attempts,
            died_at_ms=now_ms,
            envelope=envelope,
            version=max(now_ms, before.version + 1 if before else 1),
        )
        try:
            await self._tables.put(letter)
        except BatchTooLarge:
            letter = replace(letter, envelope=b"")
            await self._tables.put(letter)
        return letter

    async def replay(self, group: Replayable, event_id: int) -> None:
        """Let the consumer try again, out of order: its shape keeps a late event from changing what is newer.

        Raises DeadLetterNotFound; ReplayFailed, and then the letter has the new reason; whatever tells of an outage, and then nothing changed.
        """
        letter = await self._tables.get(DeadLetter, group.group, event_id)
        if letter is None or letter.replayed_at_ms:
            raise DeadLetterNotFound(event_id=event_id)
        if not letter.envelope:
            raise ReplayFailed("the event was too large to be kept; rewind the group instead", event_id=event_id)
        try:
            await group.apply(open_envelope(letter.envelope))
        except OUTAGES:
            raise
        except Exception as error:
            await self._tables.put(
                replace(letter, reason=reason_of(error), detail=detail_of(error), attempts=letter.attempts + 1, version=letter.version + 1)
            )
            raise ReplayFailed(f"the event failed again: {reason_of(error)}", event_id=event_id) from error
        now_ms = self._clock.now_ms()
        await self._tables.put(replace(letter, replayed_at_ms=now_ms, expires_at_ms=now_ms + REPLAYED_KEPT_MS, version=letter.version + 1))
