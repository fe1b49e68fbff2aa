"""The port for wide-column tables: what ScyllaDB and SQLite can both promise, and nothing more."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from mesh.events.event import Event
from mesh.stores.tables.errors import (
    BatchTooLarge,
    IncompatibleTable,
    InvalidUse,
    OutcomeUnknown,
    RowExists,
    TablesError,
    TablesInUse,
    TablesUnavailable,
    VersionConflict,
)

__all__ = [
    "MAX_BATCH_BYTES",
    "BatchTooLarge",
    "Change",
    "IncompatibleTable",
    "Insert",
    "InvalidUse",
    "OutboxEntry",
    "OutboxPage",
    "OutcomeUnknown",
    "Page",
    "Remove",
    "RowExists",
    "Tables",
    "TablesError",
    "TablesInUse",
    "TablesUnavailable",
    "Transition",
    "VersionConflict",
]

R = TypeVar("R")

MAX_BATCH_BYTES = 48 * 1024
"""Largest write, rows and events together; a wide-column store refuses or warns at 50 KiB."""


@dataclass(frozen=True, slots=True)
class Page(Generic[R]):
    """One page of a scan."""

    rows: tuple[R, ...]
    next: str
    """Opaque cursor of the next page; empty at the end."""


@dataclass(frozen=True, slots=True)
class Insert:
    """Write a guarded row that must not exist; it gets version 1."""

    row: Any


@dataclass(frozen=True, slots=True)
class Transition:
    """Replace a guarded row that must be in `expected_version`; it gets the next version."""

    row: Any
    expected_version: int


@dataclass(frozen=True, slots=True)
class Remove:
    """Delete a guarded row that must be in `expected_version`."""

    row: Any
    expected_version: int


Change = Insert | Transition | Remove


@dataclass(frozen=True, slots=True)
class OutboxEntry:
    """One event as it waits for the relay."""

    event_id: int
    topic: str
    key: str
    envelope: bytes
    """A serialised clipmesh.common.v1.EventEnvelope."""


@dataclass(frozen=True, slots=True)
class OutboxPage:
    """Entries of one shard in the order in which a relay must send them: a key's entries by their key_version."""

    entries: tuple[OutboxEntry, ...]
    position: str
    """Where to go on; equal to the position asked when nothing came."""


class Tables(Protocol):
    """Rows with keys, versions and events.

    Every call takes its time limit from `mesh.deadline` (5 s when none is set) and raises TablesUnavailable when it runs out before a write
    could have begun, OutcomeUnknown after that. A write that returned is durable: it survives the death of the process and the machine.
    A write is visible to every read that begins after it returned.
    """

    async def get(self, row_type: type[R], *key: Any) -> R | None:
        """The row with the full key, or None. Expired rows are absent."""
        ...

    async def get_many(self, row_type: type[R], keys: Sequence[tuple[Any, ...]]) -> dict[tuple[Any, ...], R]:
        """Rows by full key, in one round trip; absent and expired keys are absent. At most 1,000 keys."""
        ...

    async def scan(
        self,
        row_type: type[R],
        *partition: Any,
        first: tuple[Any, ...] = (),
        last: tuple[Any, ...] = (),
        after: str = "",
        limit: int = 100,
        backwards: bool = False,
    ) -> Page[R]:
        """Rows of one partition in clustering order (or backwards), at most `limit` (1 to 1,000).

        `first` and `last` bound the clustering key by a prefix, inclusive both, in the order of the scan. `after` continues a page; a cursor
        of another scan is InvalidUse. A page may be shorter than `limit` and still have a next one.
        """
        ...

    async def walk(self, row_type: type[R], *, after: str = "", limit: int = 500) -> Page[R]:
        """All rows of a table, page by page, in no order a caller may rely on; for rebuilds and sweepers, never on a request's path."""
        ...

    async def insert(self, row: R, *, events: Sequence[Event] = ()) -> R:
        """Write a guarded row that must not exist, with its events, in one atomic step; returns it with version 1. Raises RowExists.

        An expired row counts as absent; its successor goes on from the old version.
        """
        ...

    async def transition(self, row: R, *, expected_version: int, events: Sequence[Event] = ()) -> R:
        """Replace a guarded row that is in `expected_version`, with its events; returns it with the next version. Raises VersionConflict."""
        ...

    async def remove(self, row: Any, *, expected_version: int, events: Sequence[Event] = ()) -> None:
        """Delete a guarded row that is in `expected_version`, with its events. Raises VersionConflict.

        Events take the next version; a row inserted under the same key later starts at version 1 again.
        """
        ...

    async def commit(self, *changes: Change, events: Sequence[Event] = ()) -> tuple[Any, ...]:
        """Several guarded changes of one partition of one table, all or nothing, with their events; returns the written rows (None for
        Remove). Raises RowExists or VersionConflict for the first change that does not fit; InvalidUse when they span more."""
        ...

    async def put(self, *rows: Any, events: Sequence[Event] = ()) -> None:
        """Write plain rows of any plain tables with their events: all become durable or none, though not in one instant for readers.

        A row whose version is smaller than what stands there changes nothing; equal versions are the same write repeated. Versions start
        at 1. Events are written whatever became of the rows; without rows each event needs its own key_version.
        """
        ...

    async def put_once(self, first: Any, *rows: Any, events: Sequence[Event] = ()) -> None:
        """Insert the guarded row `first`, which must not exist, and put plain rows with their events behind it. Raises RowExists, then nothing is written.

        What ends badly in any other way may have left `first` alone, without the rows: an engine may take two steps. `settle` tells of `first`; whoever
        finds that it stands puts the rows once more, which changes nothing where they are.
        """
        ...

    async def delete(self, *rows: Any, events: Sequence[Event] = ()) -> None:
        """Delete plain rows, each with the version it carries: a put of the same or an older version does not bring the row back."""
        ...

    async def settle(self, token: str) -> bool:
        """Whether the write behind an OutcomeUnknown happened; after the answer it does not change any more.

        Raises TablesUnavailable when it cannot be told in time, InvalidUse for a token that no OutcomeUnknown of this store carried.
        """
        ...

    @property
    def broken(self) -> asyncio.Event:
        """Set when nothing can be written any more until the process starts again: only what is on the disk tells what was written. An engine
        that comes back by itself never sets it."""
        ...

    @property
    def outbox_shards(self) -> int:
        """How many shards the outbox has; a key always lives in one shard."""
        ...

    async def read_outbox(self, shard: int, *, after: str = "", limit: int = 500) -> OutboxPage:
        """Entries of a shard after a position; an empty position starts at the oldest bucket that is kept. At least once, in order per key."""
        ...

    async def wait_outbox(self, timeout_s: float) -> None:
        """Return soon after new entries may have come, or when `timeout_s` is over."""
        ...

    async def drop_outbox(self, *, before_ms: int) -> int:
        """Drop whole buckets whose every entry is older than `before_ms`; returns how many buckets went."""
        ...

    async def close(self) -> None:
        """Finish what is under way, then let go of the store; safe to repeat."""
        ...
