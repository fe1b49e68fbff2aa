"""One partition while this member has it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Final, Protocol

from mesh import deadline
from mesh.events.stream.kafka.clients import CALL_TIMEOUT_S, PREFETCH
from mesh.events.stream.kafka.names import Place
from mesh.events.stream.kafka.positions import Position
from mesh.events.stream.port import Delivery, PartitionLost, StreamUnavailable

FULL: Final = 2 * PREFETCH
"""Records that wait for their reader; then no more are fetched."""
LOW: Final = PREFETCH // 4
"""So few waiting records let fetching go on."""


class Owner(Protocol):
    """What a partition needs of its membership."""

    async def end_of(self, place: Place) -> int:
        """Where the next record goes, asked at the server. Raises StreamUnavailable."""
        ...

    async def commit(self, partition: KafkaPartition, offset: int) -> None:
        """Raises PartitionLost, StreamUnavailable."""
        ...

    def pause(self, place: Place, *, paused: bool) -> None:
        """Fetch no more for a while, or go on."""
        ...

    def released(self, partition: KafkaPartition) -> None:
        """Nobody here works on it any longer."""
        ...


class KafkaPartition:
    """Satisfies `OwnedPartition`. What was fetched waits here; position and ownership are the group's."""

    def __init__(self, *, owner: Owner, place: Place, start: Position) -> None:
        self.topic = place.topic
        self.partition = place.partition
        self.place = place
        self.note = start.note
        self.leaving = False
        """True when others are to have it as soon as nobody here works on it."""
        self.lost = False
        """True when nothing may be acknowledged any longer."""
        self.acknowledged = start.offset
        """The first record that is not acknowledged."""
        self._owner = owner
        self._waiting: deque[Delivery] = deque()
        self._fetched = start.offset
        self._given = start.offset
        self._paused = False
        self._changed = asyncio.Event()

    @property
    def idle(self) -> bool:
        """True when everything that was given is acknowledged."""
        return self.acknowledged >= self._given

    def arrived(self, deliveries: Sequence[Delivery]) -> int:
        """Take in what was fetched; answers how many records before them are not kept any longer."""
        deliveries = [delivery for delivery in deliveries if int(delivery.position) >= self._fetched]
        if not deliveries:
            return 0
        missed = int(deliveries[0].position) - self._fetched
        self._fetched = int(deliveries[-1].position) + 1
        self._waiting.extend(deliveries)
        if not self._paused and len(self._waiting) >= FULL:
            self._paused = True
            self._owner.pause(self.place, paused=True)
        self._changed.set()
        return missed

    def stir(self) -> None:
        """Let a waiting reader look again."""
        self._changed.set()

    async def read(self, *, limit: int, wait_ms: int) -> Sequence[Delivery]:
        """See the port; "empty" is asked at the server, since what is fetched may be on its way."""
        loop = asyncio.get_running_loop()
        until = loop.time() + deadline.remaining_s(wait_ms / 1000)
        while True:
            self._changed.clear()
            if self.leaving or self.lost:
                self._owner.released(self)
                raise PartitionLost(f"{self.topic}/{self.partition} went to another member")
            if self._waiting:
                return self._give(limit)
            try:
                async with asyncio.timeout_at(until):
                    await self._changed.wait()
            except TimeoutError:
                if self._waiting or self.leaving or self.lost:
                    continue
                if await self._owner.end_of(self.place) <= self._fetched and not self._waiting:
                    return ()
                until = loop.time() + deadline.remaining_s(CALL_TIMEOUT_S)
                await self._arrival(until)

    async def _arrival(self, until: float) -> None:
        try:
            async with asyncio.timeout_at(until):
                while not (self._waiting or self.leaving or self.lost):
                    await self._changed.wait()
                    self._changed.clear()
        except TimeoutError as error:
            raise StreamUnavailable(f"Kafka did not hand out {self.topic}/{self.partition} in time") from error

    def _give(self, limit: int) -> Sequence[Delivery]:
        given = [self._waiting.popleft() for _ in range(min(limit, len(self._waiting)))]
        self._given = int(given[-1].position) + 1
        if self._paused and len(self._waiting) <= LOW:
            self._paused = False
            self._owner.pause(self.place, paused=False)
        return given

    async def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """See the port; a position acknowledges everything before it."""
        if not deliveries:
            return
        offset = max(int(delivery.position) for delivery in deliveries) + 1
        if self.lost:
            raise PartitionLost(f"{self.topic}/{self.partition} has another owner")
        if offset > self.acknowledged:
            await self._owner.commit(self, offset)
            self.acknowledged = max(self.acknowledged, offset)
            if self.leaving and self.idle:
                self._owner.released(self)
