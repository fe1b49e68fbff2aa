"""The stream on Kafka: topics with our partitions, groups of the cluster, rewinds and identities in a control topic."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final

from clipmesh.common.v1.envelope_pb2 import ChangeHint

from mesh import deadline
from mesh.events.stream.kafka import clients
from mesh.events.stream.kafka.admin import Admin
from mesh.events.stream.kafka.control import Control
from mesh.events.stream.kafka.failures import REFUSED
from mesh.events.stream.kafka.group import Membership
from mesh.events.stream.kafka.names import Names, Place
from mesh.events.stream.kafka.positions import Positions
from mesh.events.stream.kafka.publisher import Outgoing, Publisher
from mesh.events.stream.kafka.reading import PartitionReader, first_of_each
from mesh.events.stream.kafka.topics import Kind, Topics
from mesh.events.stream.kafka.url import VARIABLE, KafkaUrl
from mesh.events.stream.partitions import partition_of
from mesh.events.stream.port import Delivery, Lag, Mark, Record, StreamUnavailable
from mesh.events.stream.settings import StreamSettings
from mesh.settings import InvalidSetting

HINT_TIMEOUT_S: Final = 0.25
"""How long a hint may hold its caller, in seconds; then it goes on by itself."""
HINTS_ON_THEIR_WAY: Final = 100
"""Hints that go on by themselves; further ones are let go."""
HEAR_S: Final = 0.05
"""How often a start asks the driver what went wrong meanwhile, in seconds."""
LOOK_S: Final = 0.5
"""How often a tail looks whether a topic that was not there came, in seconds."""

_log = logging.getLogger("clipmesh.events")


class KafkaStream:
    """Satisfies `mesh.events.stream.port.Stream` on a Kafka cluster.

    Records survive what `replication` brokers in sync survive. The brokers' clock decides ages.
    """

    def __init__(self, url: KafkaUrl, *, settings: StreamSettings) -> None:
        self._url = url
        self._settings = url.settings(settings)
        self._names = Names(url.prefix)
        self._connection = url.connection()
        self._admin = Admin(connection=self._connection, names=self._names)
        self._publisher = Publisher(connection=self._connection)
        self._control = Control(
            admin=self._admin,
            publisher=self._publisher,
            names=self._names,
            connection=self._connection,
            replication=url.replication,
            on_lost=self._start_over,
        )
        self._topics = Topics(
            admin=self._admin, control=self._control, names=self._names, settings=self._settings, replication=url.replication
        )
        self._positions = Positions(admin=self._admin, control=self._control, names=self._names)
        self._hints: set[asyncio.Task[None]] = set()

    def _start_over(self) -> None:
        self._topics.forget()
        self._publisher.renew()

    async def check(self) -> None:
        """Refuse a start that cannot go well: wrong credentials, a certificate that is not trusted, topics cut otherwise. A cluster that is away is
        no refusal: events wait for it. Raises InvalidSetting."""
        looking = asyncio.create_task(self._look())
        try:
            while not looking.done():
                await asyncio.wait([looking], timeout=HEAR_S)
                self._admin.hear()
                if (refusal := self._refusal()) is not None:
                    raise InvalidSetting(refusal)
                if self._admin.away:
                    break
            if looking.done():
                looking.result()
                return
        except StreamUnavailable as error:
            _log.warning("the event stream is away: %s", error)
        else:
            _log.warning("the event stream is away: no broker of %s can be reached", self._url, extra={"reason": self._admin.told})
        finally:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)

    async def _look(self) -> None:
        async with _limited():
            # A start that another store refuses leaves nothing behind: what is not there yet is made by the first call.
            if await self._control.is_there():
                await self._topics.note_losses()

    def _refusal(self) -> str | None:
        error = self._admin.refusal
        if error is None:
            return None
        why = " ".join(error.str().split())
        if error.code() in REFUSED:
            return f"{VARIABLE}={self._url}: the broker refuses user and password ({why}); mend them in the URL, or their rights"
        return f"{VARIABLE}={self._url}: no trusted TLS connection ({why}); name the certificates to trust with ca=PATH"

    async def publish(self, records: Sequence[Record], *, mark: Mark | None = None) -> None:
        """See the port."""
        if not records:
            return
        try:
            async with _limited():
                await self._topics.ensure({record.topic for record in records}, Kind.EVENTS)
                await self._publisher.send(self._outgoing(records))
        except StreamUnavailable:
            # Whatever was wrong, the topic may be gone.
            self._topics.forget()
            raise

    async def marked(self, name: str) -> None:
        """See the port: what every replica in sync has outlives the loss of a broker."""

    def _outgoing(self, records: Sequence[Record]) -> list[Outgoing]:
        names = {topic: self._names.topic(topic) for topic in {record.topic for record in records}}
        partitions = self._settings.partitions
        return [Outgoing(names[it.topic], partition_of(it.key, partitions), it.key.encode(), it.value) for it in records]

    async def publish_hint(self, topic: str, key: str, version: int) -> None:
        """See the port; what takes longer than a moment goes on without its caller, and is let go when too much does."""
        if len(self._hints) >= HINTS_ON_THEIR_WAY:
            return
        record = Record(topic=topic, key=key, value=ChangeHint(topic=topic, key=key, version=version).SerializeToString())
        sending = asyncio.create_task(self._send_hint(record), context=contextvars.Context())
        self._hints.add(sending)
        sending.add_done_callback(self._hints.discard)
        await asyncio.wait([sending], timeout=deadline.remaining_s(HINT_TIMEOUT_S))

    async def _send_hint(self, record: Record) -> None:
        with suppress(StreamUnavailable):
            async with _limited():
                await self._topics.ensure([record.topic], Kind.HINTS)
                await self._publisher.send(self._outgoing([record]))

    @asynccontextmanager
    async def consume(self, topics: Sequence[str], *, group: str, member: str) -> AsyncIterator[Membership]:
        """See the port. A member that comes back under its name takes its partitions over at once, fencing off its former self."""
        async with _limited():
            await self._topics.ensure(topics, Kind.EVENTS)
            await self._control.state()
        membership = Membership(
            connection=self._connection,
            names=self._names,
            settings=self._settings,
            admin=self._admin,
            control=self._control,
            positions=self._positions,
            topics=topics,
            group=group,
            member=member,
        )
        try:
            yield membership
        finally:
            await membership.leave()

    async def tail(self, topics: Sequence[str], *, since_ms: int = 0) -> AsyncGenerator[Delivery, None]:
        """See the port; a slow reader skips only what is not kept any longer, and the log says how much."""
        wanted = set(topics)
        async with _limited():
            expected = await self._tail_positions(wanted, since_ms)
        missing = wanted - {place.topic for place in expected}
        configuration = clients.reader(self._connection, on_error=lambda _: None, name=f"{self._names.prefix}.__tail")
        reader = PartitionReader(configuration, names=self._names, ends_with_brokers=True)
        try:
            reader.add(expected)
            while True:
                for place, deliveries in (await reader.read(LOOK_S if missing else None)).items():
                    if (missed := int(deliveries[0].position) - expected[place]) > 0:
                        _log.warning("records were trimmed before a tail read them", extra={"count": missed, "topic": place.topic})
                    expected[place] = int(deliveries[-1].position) + 1
                    for delivery in deliveries:
                        yield delivery
                if missing:
                    come = {Place(topic, number): 0 for topic in await self._topics.find(missing) for number in self._partitions}
                    missing -= {place.topic for place in come}
                    expected |= come
                    reader.add(come)
        finally:
            reader.close()

    async def _tail_positions(self, topics: set[str], since_ms: int) -> dict[Place, int]:
        found = await self._topics.find(topics)
        places = [Place(topic, number) for topic in found for number in self._partitions]
        ends = await self._admin.ends(places)
        if since_ms <= 0:
            return ends
        begin_ms = max(0, int(time.time() * 1000) - since_ms)
        return {
            place: offset if offset >= 0 else ends[place]
            for place, offset in (await self._admin.at(dict.fromkeys(places, begin_ms))).items()
        }

    @property
    def _partitions(self) -> range:
        return range(self._settings.partitions)

    async def rewind(self, topics: Sequence[str], *, group: str, to_ms: int) -> None:
        """See the port; who reads the group now loses its partitions and takes them anew at the earlier position."""
        async with _limited():
            await self._control.rewind(list(dict.fromkeys(topics)), group=group, to_ms=to_ms)

    async def lag(self, topics: Sequence[str], *, group: str) -> Sequence[Lag]:
        """See the port."""
        places = [Place(topic, number) for topic in topics for number in self._partitions]
        async with _limited():
            positions = await self._positions.of(group, places)
            ends = await self._admin.ends(positions)
            behind = {place: it.offset for place, it in positions.items() if it.offset < ends[place]}
            oldest = await self._first_of_each(behind) if behind else {}
        now_ms = int(time.time() * 1000)
        return [
            Lag(
                topic=place.topic,
                partition=place.partition,
                records=max(0, ends[place] - int(oldest[place].position)) if place in oldest else 0,
                oldest_ms=max(0, now_ms - oldest[place].published_at_ms) if place in oldest else 0,
            )
            for place in places
        ]

    async def _first_of_each(self, offsets: Mapping[Place, int]) -> Mapping[Place, Delivery]:
        configuration = clients.reader(self._connection, on_error=lambda _: None, name=f"{self._names.prefix}.__lag")
        configuration |= {"fetch.message.max.bytes": 65_536, "fetch.wait.max.ms": 20, "queued.min.messages": 1}
        return await first_of_each(configuration, offsets, names=self._names, within_s=deadline.remaining_s(clients.CALL_TIMEOUT_S))

    async def groups(self) -> Mapping[str, Sequence[str]]:
        """See the port."""
        async with _limited():
            return {group: sorted(topics) for group, topics in sorted((await self._admin.groups()).items()) if topics}

    async def generation(self) -> str:
        """See the port."""
        async with _limited():
            losses = await self._topics.note_losses()
        return f"{self._control.seen.id}-{losses}"

    async def close(self) -> None:
        """See the port."""
        for hint in tuple(self._hints):
            hint.cancel()
        await asyncio.gather(*self._hints, return_exceptions=True)
        await self._control.close()
        await self._publisher.close()
        await self._admin.close()


@asynccontextmanager
async def _limited() -> AsyncIterator[None]:
    """One call under its deadline, with whatever it waits for."""
    with deadline.scope(clients.CALL_TIMEOUT_S):
        try:
            async with asyncio.timeout(deadline.remaining_s(clients.CALL_TIMEOUT_S)):
                yield
        except TimeoutError as error:
            raise StreamUnavailable("Kafka did not answer in time") from error
