"""The port for event streams: publish in key order, consume under fenced partitions, tail hints."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol


class StreamError(Exception):
    """Base of what a stream engine can answer besides success.

    StreamError
    ├── StreamUnavailable   cannot be reached or out of time; publishing again is safe
    ├── StreamMoved         the stream does not stand where its publisher left it; nothing was appended
    └── PartitionLost       another consumer owns the partition now; nothing more may be acknowledged
    """


class StreamUnavailable(StreamError):
    """The stream cannot be reached or the deadline passed; publishing again is safe."""


class StreamMoved(StreamError):
    """The stream does not stand at the mark that its publisher left: it lost acknowledged records, or another publishes. Nothing was appended."""

    def __init__(self, at: str) -> None:
        super().__init__(f"the stream stands at {at or 'no mark'!r}")
        self.at = at
        """Where it stands; empty when the mark is gone."""


class PartitionLost(StreamError):
    """Another consumer owns the partition now; stop working on what it gave."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record to publish."""

    topic: str
    key: str
    value: bytes
    event_id: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """How far a publisher came, kept beside its records and lost with them: so it can tell what the stream lost though it had acknowledged it."""

    name: str
    """Whose mark it is; one publisher at a time writes it."""
    after: str
    """Where the publisher believes the stream to stand; empty before the first mark."""
    until: str
    """Where it stands once the records are in it; never the same twice."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One record as it was read."""

    topic: str
    partition: int
    position: str
    """Opaque position inside the partition; later records have later positions."""
    key: str
    value: bytes
    published_at_ms: int


@dataclass(frozen=True, slots=True)
class Lag:
    """How far a group is behind in one partition."""

    topic: str
    partition: int
    records: int
    """Records that are not acknowledged yet."""
    oldest_ms: int
    """Age of the oldest of them in milliseconds; 0 when there is none."""


class OwnedPartition(Protocol):
    """One partition that this consumer alone reads, until its lease is lost."""

    topic: str
    partition: int

    async def read(self, *, limit: int, wait_ms: int) -> Sequence[Delivery]:
        """The next records in order, first those that a predecessor read and did not acknowledge; empty after `wait_ms` without any.
        Raises PartitionLost."""
        ...

    async def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """Mark records as done, after their effect is recorded, and with them all before them. Raises PartitionLost, then nothing was marked."""
        ...


class Consumption(Protocol):
    """Membership of a consumer group; partitions come and go as members do."""

    async def next_assignment(self) -> Sequence[OwnedPartition]:
        """The partitions owned now, as soon as they differ from the last answer; the first answer comes at once, maybe empty."""
        ...


class Stream(Protocol):
    """Records in partitions, ordered within a key. Every call takes its time limit from `mesh.deadline` (5 s when none is set)."""

    async def check(self) -> None:
        """Find out before a start whether it cannot go well. Raises InvalidSetting; a server that is away is none."""
        ...

    async def publish(self, records: Sequence[Record], *, mark: Mark | None = None) -> None:
        """Append records in the order given; returns when the stream has them durably. Repeats are possible after an error.

        With a mark, all are appended and the mark moves in one step, or none are and it raises StreamMoved, where the mark is not at `after`.
        """
        ...

    async def marked(self, name: str) -> str | None:
        """Where a mark is, empty when there is none. None from an engine whose acknowledged records outlive the loss of a server: it needs no
        marks and `publish` pays no heed to them."""
        ...

    def consume(self, topics: Sequence[str], *, group: str, member: str) -> AbstractAsyncContextManager[Consumption]:
        """Join a group. A group that never read before starts at the oldest record that is kept."""
        ...

    def tail(self, topics: Sequence[str], *, since_ms: int = 0) -> AsyncGenerator[Delivery, None]:
        """Records from `since_ms` ago on, then new ones for ever; no group, no acknowledgement, may skip when the reader is slow. Ends with
        StreamUnavailable; 0 starts at the moment of the first read. Close it to let go."""
        ...

    async def publish_hint(self, topic: str, key: str, version: int) -> None:
        """Tell tailing readers that a key moved; kept for minutes only, lost hints are no loss."""
        ...

    async def rewind(self, topics: Sequence[str], *, group: str, to_ms: int) -> None:
        """Let a group read again from a moment (milliseconds since the Unix epoch); 0 is the oldest that is kept. What it did not read yet is never
        skipped, whatever the moment."""
        ...

    async def lag(self, topics: Sequence[str], *, group: str) -> Sequence[Lag]:
        """How far a group is behind, one entry a partition."""
        ...

    async def groups(self) -> Mapping[str, Sequence[str]]:
        """Every group that ever acknowledged or holds a partition, with the topics that it reads."""
        ...

    async def generation(self) -> str:
        """A marker that lives in the stream: it changes when the stream's contents were lost, and relays then send again."""
        ...

    async def close(self) -> None:
        """Let go of the stream; safe to repeat."""
        ...
