"""Random sequences of what publishers and members of a group do, carried out on one engine, with everything that can be seen noted."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from random import Random
from typing import Final

from mesh.events.stream.partitions import partition_of
from mesh.events.stream.port import Delivery, OwnedPartition, Record, Stream
from mesh.testing.stream_readers import lost, owned_by

KEYS: Final = ("a", "b", "c", "d", "e")
PAUSE_S: Final = 0.004
"""Between two calls that publish, so that a moment tells them apart on both engines."""

Step = tuple[str, int]
Sight = tuple[str, object]


def sequence(random: Random) -> list[Step]:
    """A few steps; what cannot be done when its turn comes is left out, alike on both engines."""
    kinds = ("publish", "publish", "read", "read", "acknowledge", "acknowledge", "join", "leave", "rewind", "lag")
    return [
        ("publish", random.randrange(1, 9)),
        ("join", 0),
        *((random.choice(kinds), random.randrange(12)) for _ in range(random.randrange(3, 9))),
    ]


class Actor:
    """Carries out one sequence on one engine."""

    def __init__(self, stream: Stream, *, topic: str, partitions: int) -> None:
        self.seen: list[Sight] = []
        self._stream = stream
        self._topic = topic
        self._partitions = partitions
        self._published = 0
        self._calls: list[range] = []
        """The numbers of the records of each call that published."""
        self._moments: dict[int, int] = {}
        self._stack = AsyncExitStack()
        self._consumption: object = None
        self._owned: list[OwnedPartition] = []
        self._given: dict[int, list[Delivery]] = {}

    async def run(self, steps: list[Step]) -> list[Sight]:
        """Everything that was seen, in order."""
        try:
            for kind, number in steps:
                await getattr(self, f"_{kind}")(number)
            await self._lag(0)
        finally:
            await self._stack.aclose()
        return self.seen

    async def _publish(self, count: int) -> None:
        await asyncio.sleep(PAUSE_S)
        numbers = range(self._published, self._published + count + 1)
        self._calls.append(numbers)
        self._published = numbers[-1] + 1
        await self._stream.publish([Record(topic=self._topic, key=KEYS[n * 7 % 5], value=str(n).encode()) for n in numbers])
        await asyncio.sleep(PAUSE_S)

    async def _join(self, _: int) -> None:
        if not self._owned:
            consumption = await self._stack.enter_async_context(self._stream.consume([self._topic], group=self._topic, member="a"))
            self._consumption = consumption
            self._owned = await owned_by(consumption, self._partitions)

    async def _leave(self, _: int) -> None:
        self._owned, self._given = [], {}
        await self._stack.aclose()

    async def _read(self, limit: int) -> None:
        for partition in self._owned:
            batch = await read_all_of(partition, limit + 1)
            self._given.setdefault(partition.partition, []).extend(batch)
            self._moments |= {int(delivery.value): delivery.published_at_ms for delivery in batch}
            assert all(partition_of(delivery.key, self._partitions) == delivery.partition for delivery in batch)
            self.seen.append(("read", (partition.partition, [(delivery.key, int(delivery.value)) for delivery in batch])))

    async def _acknowledge(self, count: int) -> None:
        for partition in self._owned:
            done = self._given.get(partition.partition, [])[: count + 1]
            await partition.acknowledge(done)
            self._given[partition.partition] = self._given.get(partition.partition, [])[len(done) :]

    async def _rewind(self, number: int) -> None:
        # Partitions store one call at moments of their own.
        known = [min(map(self._moments.__getitem__, call)) for call in self._calls if self._moments.keys() >= set(call)]
        moments = [0, 2**42, *known]
        await self._stream.rewind([self._topic], group=self._topic, to_ms=moments[number % len(moments)])
        self._given = {}
        for partition in self._owned:
            await lost(partition)
        if self._owned:
            self._owned = await owned_anew(self._consumption, self._owned, self._partitions)

    async def _lag(self, _: int) -> None:
        self.seen.append(("lag", [(entry.partition, entry.records) for entry in await self._stream.lag([self._topic], group=self._topic)]))


async def read_all_of(partition: OwnedPartition, count: int) -> list[Delivery]:
    """So many records if there are: an engine may hand out fewer at once than it has."""
    read: list[Delivery] = []
    while len(read) < count and (batch := await partition.read(limit=count - len(read), wait_ms=0)):
        read += batch
    return read


async def owned_anew(consumption: object, former: list[OwnedPartition], count: int) -> list[OwnedPartition]:
    """The assignment, once it has `count` partitions and none of the former."""
    while True:
        owned = await owned_by(consumption, count)  # type: ignore[arg-type]
        if not {id(partition) for partition in owned} & {id(partition) for partition in former}:
            return owned
