"""Conditional writes of one process to one partition go one after the other: they would only repeat each other's rounds, and a writer decides what
happened to its last write before it goes on to the next."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field
from types import TracebackType

from mesh import deadline
from mesh.stores.tables.cql.outbox_log import Entry
from mesh.stores.tables.cql.session import DEFAULT_S
from mesh.stores.tables.cql.tables import CqlTable
from mesh.stores.tables.port import TablesUnavailable
from mesh.stores.tables.rows import Scalar

_PARTITIONS_KNOWN = 20_000

Partition = tuple[str, tuple[Scalar, ...]]
"""A table's name and the values of a partition key."""


@dataclass(slots=True, eq=False)
class Attempt:
    """One conditional write that was sent, or is about to be."""

    table: CqlTable
    partition: tuple[Scalar, ...]
    position: int
    versions: tuple[int, ...]
    entries: tuple[Entry, ...]
    happened: bool | None = None
    """None while nobody knows."""
    confirmed: asyncio.Task[None] | None = None
    """Writes down that the entries may be sent; done when the next write of the lane may begin."""

    @property
    def lane(self) -> Partition:
        """Where it stands in line."""
        return (self.table.schema.name, self.partition)


@dataclass(slots=True)
class Lane:
    """The line in front of one partition."""

    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    users: int = 0
    unfinished: list[Attempt] = field(default_factory=list)
    """Sent, and not yet decided or written down as decided."""


class Turn:
    """A place in a line. Entering it waits, and raises TablesUnavailable when one's turn does not come in time."""

    __slots__ = ("_lane", "_lanes", "_partition")

    def __init__(self, lanes: Lanes, partition: Partition) -> None:
        self._lanes = lanes
        self._partition = partition

    async def __aenter__(self) -> Lane:
        self._lane = lane = self._lanes.join(self._partition)
        try:
            if lane.users == 1:
                await lane.turn.acquire()
                return lane
            async with asyncio.timeout(deadline.remaining_s(DEFAULT_S)):
                await lane.turn.acquire()
        except TimeoutError as error:
            self._lanes.leave(self._partition, lane)
            raise TablesUnavailable("the deadline passed before the write began") from error
        except BaseException:
            self._lanes.leave(self._partition, lane)
            raise
        return lane

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._lane.turn.release()
        self._lanes.leave(self._partition, self._lane)


class Lanes:
    """Every line that somebody stands in, or where something is left to be decided."""

    def __init__(self) -> None:
        self._lanes: dict[Partition, Lane] = {}
        self._marked: OrderedDict[Partition, None] = OrderedDict()

    def turn(self, partition: Partition) -> Turn:
        """Wait for one's turn, and have it."""
        return Turn(self, partition)

    def join(self, partition: Partition) -> Lane:
        """The line of a partition, with one more in it."""
        lane = self._lanes.get(partition)
        if lane is None:
            lane = self._lanes[partition] = Lane()
        lane.users += 1
        return lane

    def leave(self, partition: Partition, lane: Lane) -> None:
        """One less in it."""
        lane.users -= 1
        self._sweep(partition)

    def _sweep(self, partition: Partition) -> None:
        lane = self._lanes.get(partition)
        if lane is not None and not lane.users and not lane.unfinished:
            del self._lanes[partition]

    def finished(self, attempt: Attempt) -> None:
        """Nothing of it is left to be decided or written down."""
        lane = self._lanes.get(attempt.lane)
        if lane is not None and attempt in lane.unfinished:
            lane.unfinished.remove(attempt)
        self._sweep(attempt.lane)

    def is_marked(self, partition: Partition) -> bool:
        """True when this process knows that the partition has a last position."""
        return partition in self._marked

    def note(self, partition: Partition, *, marked: bool) -> None:
        """Remember whether it has one."""
        if not marked:
            self._marked.pop(partition, None)
            return
        self._marked[partition] = None
        self._marked.move_to_end(partition)
        if len(self._marked) > _PARTITIONS_KNOWN:
            self._marked.popitem(last=False)
