"""Rows, consumers and events that the tests of relay and consumers share."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from clipmesh.common.v1.envelope_pb2 import EventEnvelope
from clipmesh.video.v1.events_pb2 import MediaFailed, UploadCompleted, VideoWithdrawn

from mesh.clock import Clock
from mesh.events.consumers import ConsumerGroup, ConsumerSettings, SetMembership, VersionedRow
from mesh.events.event import Event, EventMaker
from mesh.events.incoming import Incoming
from mesh.events.relay import Relay, RelaySettings
from mesh.events.shapes import Consumer
from mesh.events.stream import StreamSettings
from mesh.events.stream.port import Record, Stream
from mesh.stores.tables.port import Tables
from mesh.stores.tables.schema import Clustering, Guard, Partition, table
from mesh.testing.stream_readers import drain, owned_by

NOW_MS = 1_760_000_000_000
SHARD_SETTINGS = RelaySettings(idle_ms=50, backoff_ms=5, longest_backoff_ms=50)
QUICK = ConsumerSettings(backoff_ms=1, longest_backoff_ms=5, wait_ms=500)

_event_ids = itertools.count(1)


@table("test_sizes", guard=Guard.PLAIN)
@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """The size a video has; gone when it was withdrawn."""

    video_id: Partition[int]
    size_bytes: int = 0
    gone: bool = False
    version: int = 0


@table("test_uploads", guard=Guard.PLAIN)
@dataclass(frozen=True, slots=True, kw_only=True)
class UploadOf:
    """A member of the set of a creator's uploads."""

    creator_id: Partition[int]
    operation_id: Clustering[int]
    size_bytes: int = 0
    version: int = 0


@table("test_states", guard=Guard.GUARDED)
@dataclass(frozen=True, slots=True, kw_only=True)
class Owned:
    """What the producing service owns."""

    video_id: Partition[int]
    step: int = 0
    version: int = 0


Gate = Callable[[Incoming[Any]], Awaitable[None]]


async def open_gate(_: Incoming[Any]) -> None:
    """Let every event through."""


class Sizes(VersionedRow):
    """Keeps the size of each video."""

    name = "sizes"
    topics = ("video",)

    def __init__(self, gate: Gate = open_gate) -> None:
        self.gate = gate
        self.seen: list[tuple[str, int]] = []
        self.handlers = {UploadCompleted: self.completed, VideoWithdrawn: self.withdrawn}

    async def completed(self, event: Incoming[UploadCompleted]) -> Size:
        await self._pass(event)
        return Size(video_id=event.message.video_id, size_bytes=event.message.size_bytes)

    async def withdrawn(self, event: Incoming[VideoWithdrawn]) -> list[Size]:
        await self._pass(event)
        return [Size(video_id=event.message.video_id, gone=True)]

    async def _pass(self, event: Incoming[Any]) -> None:
        self.seen.append((event.envelope.key, event.envelope.key_version))
        await self.gate(event)


class Uploads(SetMembership):
    """Keeps the uploads of each creator."""

    name = "uploads"
    topics = ("video",)

    def __init__(self) -> None:
        self.handlers = {UploadCompleted: self.completed}

    async def completed(self, event: Incoming[UploadCompleted]) -> UploadOf:
        return UploadOf(creator_id=event.message.creator_id, operation_id=event.envelope.event_id, size_bytes=event.message.size_bytes)


def completed(video_id: int, version: int, *, size_bytes: int = 0, creator_id: int = 7) -> EventEnvelope:
    """An event as a consumer gets it."""
    return envelope(UploadCompleted(video_id=video_id, creator_id=creator_id, size_bytes=size_bytes or version), video_id, version)


def withdrawn(video_id: int, version: int) -> EventEnvelope:
    """The end of a video."""
    return envelope(VideoWithdrawn(video_id=video_id), video_id, version)


def unknown(video_id: int, version: int) -> EventEnvelope:
    """An event of a type that no consumer here handles."""
    return envelope(MediaFailed(video_id=video_id), video_id, version)


def envelope(message: Any, video_id: int, version: int) -> EventEnvelope:
    """A message in an envelope of its own."""
    return Event(
        event_id=next(_event_ids),
        topic="video",
        key=str(video_id),
        message=message,
        occurred_at_ms=NOW_MS,
        producer="video",
        key_version=version,
    ).envelope(row_version=version)


def record(envelope: EventEnvelope) -> Record:
    """An envelope as the relay publishes it."""
    return Record(topic=envelope.topic, key=envelope.key, value=envelope.SerializeToString(), event_id=envelope.event_id)


@dataclass
class World:
    """Tables, a stream and a clock, and what is made of them."""

    tables: Tables
    stream: Stream
    clock: Clock
    maker: EventMaker = field(init=False)
    _inspections: Iterator[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self.maker = EventMaker(producer="video", next_id=lambda: next(_event_ids), clock=self.clock)

    def group(
        self, consumer: Consumer, *, member: str = "a", stream: Stream | None = None, settings: ConsumerSettings = QUICK
    ) -> ConsumerGroup:
        """A consumer group as a process runs it."""
        return ConsumerGroup(
            consumer=consumer,
            service="feed",
            member=member,
            stream=stream or self.stream,
            tables=self.tables,
            clock=self.clock,
            settings=settings,
        )

    def relay(self, *, owner: str = "video", stream: Stream | None = None, settings: RelaySettings = SHARD_SETTINGS) -> Relay:
        """A relay as a process runs it."""
        return Relay(tables=self.tables, stream=stream or self.stream, owner=owner, clock=self.clock, settings=settings)

    async def write(self, video_id: int, steps: int = 1) -> None:
        """Let a video take steps, each with its event."""
        row = await self.tables.get(Owned, video_id)
        for _ in range(steps):
            message = UploadCompleted(video_id=video_id, creator_id=7, size_bytes=100 + (row.version if row else 0))
            event = self.maker.make(message, key=str(video_id))
            if row is None:
                row = await self.tables.insert(Owned(video_id=video_id), events=[event])
            else:
                row = await self.tables.transition(row, expected_version=row.version, events=[event])

    async def publish(self, *envelopes: EventEnvelope) -> None:
        """Put events into the stream as a relay would."""
        await self.stream.publish([record(envelope) for envelope in envelopes])

    async def lag(self, consumer: str = "feed.sizes") -> int:
        """Events that the group did not acknowledge."""
        return sum(entry.records for entry in await self.stream.lag(["video"], group=consumer))

    async def published(self) -> list[tuple[str, int]]:
        """(key, key_version) of everything in the stream, in order within each key."""
        async with self.stream.consume(["video"], group=f"inspection-{next(self._inspections)}", member="test") as consumption:
            deliveries = await drain(await owned_by(consumption, StreamSettings().partitions), acknowledge=False)
        events = [EventEnvelope.FromString(delivery.value) for delivery in deliveries]
        return [(event.key, event.key_version) for event in events]


@contextlib.asynccontextmanager
async def running(*work: Awaitable[None]) -> AsyncIterator[list[asyncio.Task[None]]]:
    """Run in the background; cancelled at the end, and what failed fails the test."""
    tasks: list[asyncio.Task[None]] = [asyncio.ensure_future(item) for item in work]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    for result in results:
        if isinstance(result, Exception):
            raise result


async def until(condition: Callable[[], bool | Awaitable[bool]], *, patience_s: float = 15) -> None:
    """Return when the condition holds."""
    async with asyncio.timeout(patience_s):
        while True:
            answer = condition()
            if answer if isinstance(answer, bool) else await answer:
                return
            await asyncio.sleep(0.005)
