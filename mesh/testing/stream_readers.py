"""What the contract suite of the stream port needs: an engine under test, and readers that note what they saw."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from typing import Protocol, TypeVar

from mesh.events.stream.port import Consumption, Delivery, OwnedPartition, PartitionLost, Record, Stream, StreamUnavailable

T = TypeVar("T")

PATIENCE_S = 30.0
"""How long the suite waits for what has to happen, in seconds."""
LONG_LEASE_MS = 60_000
"""A lease that outlasts the suite's patience: what needs one to run out does not happen in time."""


class StreamEngine(Protocol):
    """What the suite needs of an engine under test."""

    lease_ms: int
    """Length of the leases that `open` sets; short, the suite waits for some to run out."""

    def open(self, *, lease_ms: int | None = None) -> Stream:
        """A client as another process would open it, with leases of that length where given."""
        ...

    def cut(self, stream: Stream) -> None:
        """From now on nothing of this client reaches the server."""
        ...

    def mend(self, stream: Stream) -> None:
        """Undo `cut`."""
        ...

    async def crash(self) -> None:
        """Kill the server and start it again with what it kept."""
        ...

    async def stop(self) -> None:
        """Stop the server."""
        ...

    async def lose_contents(self) -> None:
        """Make the server forget everything."""
        ...


def records(count: int, *, topic: str = "video", keys: int = 10, first: int = 0) -> list[Record]:
    """`count` records, numbered in their value, that go round `keys` keys."""
    return [Record(topic=topic, key=f"key-{n % keys}", value=str(n).encode(), event_id=n) for n in range(first, first + count)]


async def eventually(condition: Callable[[], bool | Awaitable[bool]]) -> None:
    """Return when the condition holds; fails after PATIENCE_S."""
    async with asyncio.timeout(PATIENCE_S):
        while not (answer if isinstance(answer := condition(), bool) else await answer):  # noqa: ASYNC110 - whatever a test looks at
            await asyncio.sleep(0.01)


async def outlast(call: Callable[[], Awaitable[T]]) -> T:
    """The answer of a call, made until no outage is in its way."""
    while True:
        try:
            return await call()
        except StreamUnavailable:
            await asyncio.sleep(0.05)


class Reader:
    """Reads a group as a consumer would, and notes what it saw in order."""

    def __init__(
        self, *, log: list[Delivery], limit: int = 7, acknowledges: bool = True, before: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        self.log = log
        self.owned: set[tuple[str, int]] = set()
        self._limit = limit
        self._acknowledges = acknowledges
        self._before = before

    async def run(self, stream: Stream, topics: Sequence[str], *, group: str, member: str) -> None:
        """Read for ever."""
        async with stream.consume(topics, group=group, member=member) as consumption, asyncio.TaskGroup() as workers:
            # The partitions themselves: the id of one that is gone may be given to the next.
            started: set[OwnedPartition] = set()
            while True:
                assignment = await consumption.next_assignment()
                self.owned = {(partition.topic, partition.partition) for partition in assignment}
                for partition in assignment:
                    if partition not in started:
                        started.add(partition)
                        workers.create_task(self._work(partition))

    async def _work(self, partition: OwnedPartition) -> None:
        try:
            while True:
                for delivery in await outlast(lambda: partition.read(limit=self._limit, wait_ms=1_000)):
                    if self._before is not None:
                        await self._before()
                    self.log.append(delivery)
                    if self._acknowledges:
                        # Whoever went on without would acknowledge with the next record what it never worked on.
                        await outlast(partial(partition.acknowledge, [delivery]))
        except PartitionLost:
            return


@contextlib.asynccontextmanager
async def running(*work: Awaitable[None]) -> AsyncIterator[Sequence[asyncio.Future[None]]]:
    """Run in the background; ended at the end."""
    tasks = [asyncio.ensure_future(item) for item in work]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def owned_by(consumption: Consumption, count: int) -> list[OwnedPartition]:
    """The assignment, once it has `count` partitions."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            assignment = list(await consumption.next_assignment())
            if len(assignment) == count:
                return assignment


async def lost(partition: OwnedPartition) -> None:
    """Return when the partition is no longer its reader's; what it still gives is dropped."""
    async with asyncio.timeout(PATIENCE_S):
        with contextlib.suppress(PartitionLost):
            while True:
                await partition.read(limit=1, wait_ms=20)


async def drain(partitions: Sequence[OwnedPartition], *, acknowledge: bool) -> list[Delivery]:
    """Everything that waits in the partitions now."""
    read: list[Delivery] = []
    for partition in partitions:
        while batch := await partition.read(limit=50, wait_ms=0):
            read += batch
            if acknowledge:
                await partition.acknowledge(batch)
    return read


def values(deliveries: Sequence[Delivery]) -> list[int]:
    """The numbers that `records` gave, in the order read."""
    return [int(delivery.value) for delivery in deliveries]


def first_sights(deliveries: Sequence[Delivery]) -> dict[str, list[int]]:
    """By key the numbers in the order in which they were first seen."""
    seen: dict[str, list[int]] = defaultdict(list)
    for delivery in deliveries:
        if int(delivery.value) not in seen[delivery.key]:
            seen[delivery.key].append(int(delivery.value))
    return seen
