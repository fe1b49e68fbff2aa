"""Relaying one shard of the outbox: held by a guarded row, published, then remembered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from clipmesh.common.v1.envelope_pb2 import EventEnvelope

from mesh import failpoints
from mesh.clock import Clock
from mesh.events.relay_marks import mark_text, new_standing, standing_of
from mesh.events.rows import RelayPosition
from mesh.events.stream.port import Mark, Record, Stream, StreamMoved
from mesh.failpoints import Failpoint
from mesh.stores.tables.port import OutboxEntry, OutcomeUnknown, RowExists, Tables, VersionConflict


@dataclass(frozen=True, slots=True, kw_only=True)
class RelaySettings:
    """How a relay works."""

    batch: int = 250
    """Entries of a shard that are published in one step, during which Redis answers nobody else."""
    lease_ms: int = 30_000
    """How long a shard stays with a relay that does not write, in milliseconds."""
    overlap_ms: int = 30_000
    """What a new or returning relay sends again, in milliseconds: longer than any write's deadline and than the stream may forget in a crash."""
    generation_every_ms: int = 5_000
    """How often the relay looks whether the stream lost contents though there is nothing to publish, in milliseconds."""
    idle_ms: int = 1_000
    """Longest wait for new entries, in milliseconds."""
    backoff_ms: int = 50
    """First pause while the stream or the tables are away, in milliseconds; doubled up to `longest_backoff_ms`."""
    longest_backoff_ms: int = 5_000


def resume_position(row: RelayPosition, *, now_ms: int, overlap_ms: int) -> str:
    """The latest position of a row whose events were published at least an overlap ago."""
    if now_ms - row.saved_at_ms >= overlap_ms:
        return row.position
    if now_ms - row.checkpoint_at_ms >= overlap_ms:
        return row.checkpoint
    return row.overlap


def advanced(row: RelayPosition, position: str, *, now_ms: int, overlap_ms: int, lease_ms: int) -> RelayPosition:
    """The row after everything up to `position` was published."""
    moved = replace(row, position=position, saved_at_ms=now_ms, held_until_ms=now_ms + lease_ms)
    if now_ms - row.checkpoint_at_ms < overlap_ms:
        return moved
    overlap = row.position if now_ms - row.saved_at_ms >= overlap_ms else row.checkpoint
    return replace(moved, overlap=overlap, checkpoint=row.position, checkpoint_at_ms=now_ms)


class ShardRelay:
    """One shard as one relay sees it. A step that loses the row to another relay forgets everything and starts over."""

    def __init__(self, *, shard: int, tables: Tables, stream: Stream, owner: str, clock: Clock, settings: RelaySettings) -> None:
        self.shard = shard
        self.held = False
        self.waiting_since_ms = 0
        """When the oldest entry known to be unpublished happened; 0 when there is none."""
        self.rewound = 0
        """How often the stream was found to lack what it had acknowledged."""
        self._tables = tables
        self._stream = stream
        self._owner = owner
        self._clock = clock
        self._settings = settings
        self._row: RelayPosition | None = None
        self._cursor = ""
        self._mark: str | None = None
        """Where the stream stands; None when the engine needs no marks."""
        self._looked_at_ms = 0

    def forget(self) -> None:
        """Read the row anew and send the overlap again: after an outage nobody knows what the stream kept."""
        self._row = None
        self.held = False

    async def step(self, generation: str) -> int:
        """Publish the next entries and remember it; returns how many. 0 as well when another relay holds the shard."""
        try:
            if not await self._hold(generation):
                return 0
            return await self._publish_next() or await self._look_at_mark()
        except (VersionConflict, RowExists, StreamMoved):
            self.forget()
            return 0
        except OutcomeUnknown:
            self.forget()
            raise

    async def look(self) -> None:
        """Find out since when the oldest unpublished entry waits while nothing can be published; raises what the tables raise."""
        row = self._row or await self._tables.get(RelayPosition, self.shard)
        page = await self._tables.read_outbox(self.shard, after=row.position if row is not None else "", limit=1)
        self._note(page.entries)

    def _note(self, waiting: Sequence[OutboxEntry]) -> None:
        self.waiting_since_ms = EventEnvelope.FromString(waiting[0].envelope).occurred_at_ms if waiting else 0

    async def let_go(self) -> None:
        """Give the shard to whoever wants it."""
        row, self._row = self._row, None
        if row is not None and self.held:
            self.held = False
            await self._tables.transition(replace(row, held_until_ms=0), expected_version=row.version)

    async def _hold(self, generation: str) -> bool:
        now_ms = self._clock.now_ms()
        row = self._row
        if row is None:
            row = await self._tables.get(RelayPosition, self.shard)
            if row is not None and row.owner != self._owner and row.held_until_ms > now_ms:
                return False
            if row is not None:
                self._cursor = resume_position(row, now_ms=now_ms, overlap_ms=self._settings.overlap_ms)
        held = RelayPosition(shard=self.shard) if row is None else row
        if held.generation != generation:
            self._cursor = ""
            held = replace(held, generation=generation, position="", checkpoint="", overlap="", saved_at_ms=0, checkpoint_at_ms=0)
            held = await self._compare(replace(held, lineage=""))
        elif self._row is None:
            held = await self._compare(held)
        elif held.held_until_ms - now_ms > self._settings.lease_ms // 2:
            return True
        held = replace(held, owner=self._owner, held_until_ms=now_ms + self._settings.lease_ms)
        if row is None:
            self._row = await self._tables.insert(held)
        else:
            self._row = await self._tables.transition(held, expected_version=row.version)
        self.held = True
        return True

    async def _compare(self, held: RelayPosition) -> RelayPosition:
        """The row in step with the mark that the stream has, which may be an earlier one than the row remembers."""
        standing = new_standing() if not held.lineage else None
        self._looked_at_ms = self._clock.monotonic_ms()
        self._mark = await self._stream.marked(standing.lineage if standing else held.lineage)
        if self._mark is None:
            return held
        standing = standing or standing_of(self._mark, lineage=held.lineage, tick=held.tick)
        self._mark = standing.mark
        if standing.back_to is not None:
            self._cursor = standing.back_to
            self.rewound += 1
        return replace(held, lineage=standing.lineage, tick=standing.tick)

    async def _look_at_mark(self) -> int:
        """Nothing to publish is no reason to believe that the stream still has what it had. Always 0."""
        assert self._row is not None
        now_ms = self._clock.monotonic_ms()
        if self._mark is not None and now_ms - self._looked_at_ms >= self._settings.generation_every_ms:
            self._looked_at_ms = now_ms
            mark = await self._stream.marked(self._row.lineage)
            if mark != self._mark:
                raise StreamMoved(mark or "")
        return 0

    async def _publish_next(self) -> int:
        assert self._row is not None
        page = await self._tables.read_outbox(self.shard, after=self._cursor, limit=self._settings.batch)
        self._note(page.entries)
        if not page.entries:
            return 0
        row = self._row
        if self._mark is None:
            await self._stream.publish(_records(page.entries))
        else:
            row = replace(row, tick=row.tick + 1)
            mark = Mark(name=row.lineage, after=self._mark, until=mark_text(row.tick, page.position))
            await self._stream.publish(_records(page.entries), mark=mark)
            self._mark, self._looked_at_ms = mark.until, self._clock.monotonic_ms()
        failpoints.hit(Failpoint.RELAY_AFTER_PUBLISH)
        row = advanced(
            row,
            page.position,
            now_ms=self._clock.now_ms(),
            overlap_ms=self._settings.overlap_ms,
            lease_ms=self._settings.lease_ms,
        )
        self._row = await self._tables.transition(row, expected_version=row.version)
        self._cursor = page.position
        return len(page.entries)


def _records(entries: Sequence[OutboxEntry]) -> list[Record]:
    return [Record(topic=entry.topic, key=entry.key, value=entry.envelope, event_id=entry.event_id) for entry in entries]
