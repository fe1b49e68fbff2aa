"""Membership of a consumer group on Kafka: the share that the group gives, handed over in order, committed under its fence."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from confluent_kafka import KafkaError

from mesh import deadline
from mesh.events.stream.kafka import clients
from mesh.events.stream.kafka.admin import Admin
from mesh.events.stream.kafka.clients import CALL_TIMEOUT_S
from mesh.events.stream.kafka.control import Control
from mesh.events.stream.kafka.failures import LOST, MOVING, unavailable
from mesh.events.stream.kafka.member_thread import MemberThread
from mesh.events.stream.kafka.names import Names, Place, legal
from mesh.events.stream.kafka.partition import KafkaPartition
from mesh.events.stream.kafka.positions import Position, Positions
from mesh.events.stream.kafka.sink import Commit
from mesh.events.stream.port import Delivery, PartitionLost
from mesh.events.stream.settings import StreamSettings

LEAVE_TIMEOUT_S: Final = 1.5
"""How long a leaving member may take, in seconds; else its lease runs out."""
_AGAIN_S: Final = 0.05
"""Pause before a commit that met a group in motion is sent again, in seconds."""

_log = logging.getLogger("clipmesh.events")


class Membership:
    """One member of a group. Everything here happens on the loop; what the driver says comes from its thread in order."""

    def __init__(
        self,
        *,
        connection: Mapping[str, Any],
        names: Names,
        settings: StreamSettings,
        admin: Admin,
        control: Control,
        positions: Positions,
        topics: Sequence[str],
        group: str,
        member: str,
    ) -> None:
        self._settings = settings
        self._admin = admin
        self._control = control
        self._positions = positions
        self._group = group
        self._owned: dict[Place, KafkaPartition] = {}
        self._leaving: dict[Place, KafkaPartition] = {}
        self._answered: tuple[KafkaPartition, ...] | None = None
        self._changed = asyncio.Event()
        self._error: KafkaError | None = None
        self._waiting: dict[KafkaPartition, tuple[int, asyncio.Future[KafkaError | None]]] = {}
        self._in_flight: dict[KafkaPartition, tuple[int, asyncio.Future[KafkaError | None]]] = {}
        self._let_go: set[KafkaPartition] = set()
        """Whose reader is done while a commit is on its way."""
        self._handed_over: Callable[[], None] | None = None
        self._stop_listening = control.listen(self._rewound)
        configure = partial(
            clients.member,
            connection,
            group=names.group(group),
            name=legal(member),
            lease_ms=settings.lease_ms,
            heartbeat_ms=settings.heartbeat_ms,
        )
        self._thread = MemberThread(configure=configure, names=names, topics=sorted(set(topics)), sink=self)

    async def next_assignment(self) -> Sequence[KafkaPartition]:
        """See the port. Raises StreamUnavailable when the membership is over: another member came under the same name, or the group is refused."""
        while True:
            self._changed.clear()
            if self._error is not None:
                raise unavailable(f"keep the membership of {self._group}", self._error)
            owned = tuple(self._owned[place] for place in sorted(self._owned))
            if owned != self._answered:
                self._answered = owned
                return owned
            await self._changed.wait()

    async def leave(self) -> None:
        """Let go of everything at once, so that others need not wait for the lease."""
        self._stop_listening()
        self.lost([*self._owned, *self._leaving])
        self._thread.leave()
        try:
            async with asyncio.timeout(LEAVE_TIMEOUT_S):
                await self._thread.gone.wait()
        except TimeoutError:
            _log.warning("a member could not tell its group that it leaves", extra={"consumer": self._group})

    async def end_of(self, place: Place) -> int:
        """See `Owner`."""
        return (await self._admin.ends([place]))[place]

    def pause(self, place: Place, *, paused: bool) -> None:
        """See `Owner`."""
        self._thread.pause(place, paused=paused)

    async def commit(self, partition: KafkaPartition, offset: int) -> None:
        """See `Owner`; one commit of a member is on its way at a time, and takes along what came meanwhile."""
        loop = asyncio.get_running_loop()
        until = loop.time() + deadline.remaining_s(CALL_TIMEOUT_S)
        while True:
            error = await self._committed(partition, offset, until)
            if error is None:
                return
            if error.code() in LOST:
                self._drop(partition)
                raise PartitionLost(f"{partition.topic}/{partition.partition} of {self._group} has another owner: {error.str()}")
            if error.code() not in MOVING or loop.time() + _AGAIN_S >= until:
                raise unavailable("commit", error)
            await asyncio.sleep(_AGAIN_S)

    async def _committed(self, partition: KafkaPartition, offset: int, until: float) -> KafkaError | None:
        if partition.lost:
            return KafkaError(KafkaError._ASSIGNMENT_LOST)
        known = self._waiting.get(partition)
        answer = known[1] if known is not None else asyncio.get_running_loop().create_future()
        self._waiting[partition] = (max(offset, known[0] if known is not None else 0), answer)
        self._send()
        try:
            async with asyncio.timeout_at(until):
                return await asyncio.shield(answer)
        except TimeoutError:
            return KafkaError(KafkaError._TIMED_OUT, "it did not confirm a commit in time")

    def _send(self) -> None:
        if self._waiting and not self._in_flight:
            self._in_flight, self._waiting = self._waiting, {}
            self._thread.commit(
                Commit({partition.place: (offset, str(partition.note)) for partition, (offset, _) in self._in_flight.items()})
            )

    def committed(self, commit: Commit, error: KafkaError | None) -> None:
        """See `Sink`."""
        answered, self._in_flight = self._in_flight, {}
        for partition, (_, answer) in answered.items():
            if not answer.done():
                answer.set_result(error)
            if partition in self._let_go:
                self._let_go.discard(partition)
                self.released(partition)
        self._send()

    async def starts(self, places: Sequence[Place]) -> dict[Place, Position]:
        """See `Sink`."""
        with deadline.scope(CALL_TIMEOUT_S):
            return await self._positions.of(self._group, places)

    def assigned(self, starts: Mapping[Place, Position]) -> None:
        """See `Sink`."""
        for place, start in starts.items():
            self._owned[place] = KafkaPartition(owner=self, place=place, start=start)
        self._changed.set()
        for topic in {place.topic for place in starts}:
            self._rewound(self._group, topic)

    def arrived(self, batch: dict[Place, list[Delivery]]) -> None:
        """See `Sink`."""
        for place, deliveries in batch.items():
            partition = self._owned.get(place)
            if partition is not None and (missed := partition.arrived(deliveries)) > 0:
                _log.error("records were trimmed before a group read them", extra={"count": missed, "topic": place.topic})

    def revoke(self, places: Sequence[Place], done: Callable[[], None]) -> None:
        """See `Sink`; who works on one of them may finish what is in hand, for as long as a lease."""
        for place in places:
            if (partition := self._owned.pop(place, None)) is not None:
                partition.leaving = True
                self._leaving[place] = partition
                partition.stir()
        self._changed.set()
        self._handed_over = done
        leaving = list(self._leaving.values())
        asyncio.get_running_loop().call_later(self._settings.lease_ms / 1000, self._overdue, leaving)
        for partition in leaving:
            if partition.idle:
                self.released(partition)
        self._look_whether_handed_over()

    def _overdue(self, leaving: Sequence[KafkaPartition]) -> None:
        self.lost([it.place for it in leaving if self._leaving.get(it.place) is it])

    def released(self, partition: KafkaPartition) -> None:
        """See `Owner`."""
        if self._leaving.get(partition.place) is not partition:
            return
        if partition in self._in_flight:
            self._let_go.add(partition)
            return
        del self._leaving[partition.place]
        self._mark(partition)
        self._look_whether_handed_over()

    def lost(self, places: Sequence[Place]) -> None:
        """See `Sink`."""
        for place in places:
            for held in (self._owned, self._leaving):
                if (partition := held.pop(place, None)) is not None:
                    self._mark(partition)
        self._changed.set()
        self._look_whether_handed_over()

    def failed(self, error: KafkaError) -> None:
        """See `Sink`."""
        _log.warning("a membership is over: %s", error.str(), extra={"consumer": self._group})
        self._error = error
        self.lost([*self._owned, *self._leaving])

    def _rewound(self, group: str, topic: str) -> None:
        """Whoever reads now loses the topic's partitions and takes them anew at the earlier position."""
        if group != self._group:
            return
        latest = self._control.seen.latest(group=group, topic=topic)
        behind = [it.place for it in self._owned.values() if it.topic == topic and it.note.rewind < latest]
        if behind:
            self.lost(behind)
            self._thread.begin_again(behind)

    def _drop(self, partition: KafkaPartition) -> None:
        if self._owned.get(partition.place) is partition:
            del self._owned[partition.place]
            self._changed.set()
            # The driver may think otherwise of its membership, and would go on fetching for nobody.
            self._thread.begin_again([partition.place])
        self._mark(partition)

    def _mark(self, partition: KafkaPartition) -> None:
        partition.lost = True
        partition.stir()
        waiting = self._waiting.pop(partition, None)
        if waiting is not None and not waiting[1].done():
            waiting[1].set_result(KafkaError(KafkaError._ASSIGNMENT_LOST))

    def _look_whether_handed_over(self) -> None:
        if not self._leaving and (done := self._handed_over) is not None:
            self._handed_over = None
            done()
