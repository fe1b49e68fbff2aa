"""What all processes have to know about the stream, in a topic of its own: which topics there ever were, and who is to read again from when."""

from __future__ import annotations

import asyncio
import contextvars
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from confluent_kafka.cimpl import NewTopic

from mesh import deadline
from mesh.events.stream.kafka import clients
from mesh.events.stream.kafka.admin import Admin
from mesh.events.stream.kafka.names import Names, Place
from mesh.events.stream.kafka.publisher import Outgoing, Publisher
from mesh.events.stream.kafka.reading import PartitionReader
from mesh.events.stream.port import Delivery, StreamUnavailable

TOPIC: Final = "__control"
_PLACE: Final = Place(TOPIC, 0)

_log = logging.getLogger("clipmesh.events")


@dataclass(frozen=True, slots=True)
class Rewind:
    """A group is to read a topic again."""

    number: int
    """Which one, counted from 1 in the order in which they were asked for."""
    to_ms: int


@dataclass(slots=True)
class ControlState:
    """All that was written, folded."""

    id: str
    """Identity of the control topic; another one when the server lost its contents."""
    identities: dict[str, list[str]] = field(default_factory=dict)
    """The identities that each topic had, by the topic's name in the port; more than one when it lost its contents."""
    rewinds: dict[tuple[str, str], list[Rewind]] = field(default_factory=dict)
    """By group and topic, oldest first."""
    read_to: int = 0

    @property
    def losses(self) -> int:
        """How often a topic came back without its contents."""
        return sum(len(ids) - 1 for ids in self.identities.values())

    def rewinds_after(self, number: int, *, group: str, topic: str) -> Sequence[Rewind]:
        """Those that were asked for after one."""
        return [rewind for rewind in self.rewinds.get((group, topic), ()) if rewind.number > number]

    def latest(self, *, group: str, topic: str) -> int:
        """The number of the latest rewind; 0 when there is none."""
        known = self.rewinds.get((group, topic))
        return known[-1].number if known else 0

    def fold(self, delivery: Delivery) -> tuple[str, str] | None:
        """Take one record in; answers whose rewind it was, as group and topic."""
        self.read_to = int(delivery.position) + 1
        said: Mapping[str, Any] = json.loads(delivery.value)
        if delivery.key == "topic":
            ids = self.identities.setdefault(said["topic"], [])
            if said["id"] not in ids:
                ids.append(said["id"])
            return None
        who = (said["group"], said["topic"])
        self.rewinds.setdefault(who, []).append(Rewind(self.read_to, said["to_ms"]))
        return who


class Control:
    """Reads the control topic as it grows, and writes to it."""

    def __init__(
        self,
        *,
        admin: Admin,
        publisher: Publisher,
        names: Names,
        connection: Mapping[str, Any],
        replication: int,
        on_lost: Callable[[], None],
    ) -> None:
        """`on_lost` is called when the server lost its contents."""
        self._admin = admin
        self._publisher = publisher
        self._names = names
        self._configuration = clients.reader(connection, on_error=lambda _: None, name=f"{names.prefix}.__reader")
        self._replication = replication
        self._on_lost = on_lost
        self._reader: PartitionReader | None = None
        self._reading: asyncio.Task[None] | None = None
        self._state = ControlState(id="")
        self._grew = asyncio.Event()
        self._opening = asyncio.Lock()
        self._listeners: list[Callable[[str, str], None]] = []

    def listen(self, on_rewind: Callable[[str, str], None]) -> Callable[[], None]:
        """Call with group and topic of each rewind that is seen; answers how to stop."""
        self._listeners.append(on_rewind)
        return lambda: self._listeners.remove(on_rewind)

    @property
    def seen(self) -> ControlState:
        """What was read so far."""
        return self._state

    async def is_there(self) -> bool:
        """Whether anybody ever used the stream. Raises StreamUnavailable."""
        return await self._identity() is not None

    async def state(self) -> ControlState:
        """With everything that was written before this call. Raises StreamUnavailable."""
        await self._open()
        end = (await self._admin.ends([_PLACE]))[_PLACE]
        limit_s = deadline.remaining_s(clients.CALL_TIMEOUT_S)
        try:
            async with asyncio.timeout(limit_s):
                while self._state.read_to < end:
                    self._grew.clear()
                    await self._grew.wait()
        except TimeoutError as error:
            raise StreamUnavailable(f"Kafka did not show its control topic within {limit_s * 1000:.0f} ms") from error
        return self._state

    async def register(self, topics: Mapping[str, str]) -> None:
        """Note the identity of topics, by their name in the port."""
        await self._write("topic", [{"topic": topic, "id": identity} for topic, identity in topics.items()])

    async def rewind(self, topics: Sequence[str], *, group: str, to_ms: int) -> None:
        """Let a group read topics again."""
        await self._open()
        await self._write("rewind", [{"group": group, "topic": topic, "to_ms": to_ms} for topic in topics])

    async def _write(self, key: str, said: Sequence[Mapping[str, Any]]) -> None:
        records = [Outgoing(self._names.control, 0, key.encode(), json.dumps(each).encode()) for each in said]
        if records:
            await self._publisher.send(records)

    async def _open(self) -> None:
        async with self._opening:
            if (identity := await self._identity()) is None:
                await self._admin.create([self._new_topic()])
                identity = await self._settled()
            if identity == self._state.id:
                return
            if self._state.id:
                self._on_lost()
            self._let_go()
            self._state = ControlState(id=identity)
            self._reader = PartitionReader(self._configuration, names=self._names, ends_with_brokers=False)
            self._reader.add({_PLACE: 0})
            self._reading = asyncio.create_task(self._read(self._reader, self._state), context=contextvars.Context())

    async def _identity(self) -> str | None:
        found = await self._admin.topics([self._names.control])
        return found[self._names.control].id if found else None

    async def _settled(self) -> str:
        """A new topic is not known to every broker at once."""
        while True:
            if identity := await self._identity():
                return identity
            await asyncio.sleep(0.05)

    def _new_topic(self) -> NewTopic:
        kept = {"retention.ms": "-1", "retention.bytes": "-1", "cleanup.policy": "delete"}
        return NewTopic(self._names.control, 1, self._replication, config=kept)

    async def _read(self, reader: PartitionReader, state: ControlState) -> None:
        with suppress(StreamUnavailable):
            while True:
                for delivery in (await reader.read()).get(_PLACE, ()):
                    try:
                        who = state.fold(delivery)
                    except (ValueError, KeyError, TypeError):
                        _log.exception("a record of the control topic cannot be read", extra={"position": delivery.position})
                        continue
                    if who is not None:
                        for on_rewind in tuple(self._listeners):
                            on_rewind(*who)
                self._grew.set()

    def _let_go(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
        if self._reader is not None:
            self._reader.close()
        self._reader = self._reading = None

    async def close(self) -> None:
        """Let go; safe to repeat."""
        reading = self._reading
        self._let_go()
        if reading is not None:
            await asyncio.gather(reading, return_exceptions=True)
