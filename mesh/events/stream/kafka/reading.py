"""Reading named partitions without a group: a thread that polls, batches that cross to the loop, and waits while the reader is slow."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from mesh.events.stream.kafka.failures import REFUSED, unavailable
from mesh.events.stream.kafka.names import Names, Place
from mesh.events.stream.port import Delivery, StreamUnavailable

POLL_S: Final = 0.1
"""How long the thread waits for records before it looks whether it is to end, in seconds."""
BATCH: Final = 500
"""Records that cross to the loop at once."""
AHEAD: Final = 2_000
"""Records that wait for a slow reader; then nothing more is taken from the driver."""


def deliveries(messages: Sequence[Message], names: Names) -> dict[Place, list[Delivery]]:
    """Records by partition in order, without what is an error."""
    read: dict[Place, list[Delivery]] = {}
    topics: dict[str, str] = {}
    for message in messages:
        if message.error() is not None:
            continue
        name: Any = message.topic()
        partition: Any = message.partition()
        topic = topics.get(name) or topics.setdefault(name, names.topic_of(name))
        record = Delivery(
            topic, partition, str(message.offset()), (message.key() or b"").decode(), message.value() or b"", message.timestamp()[1]
        )
        read.setdefault(Place(topic, partition), []).append(record)
    return read


def take(consumer: Consumer, timeout_s: float) -> list[Message]:
    """What is there now, or the first that comes in time: waiting for a full batch would hold back the first of it."""
    message = consumer.poll(timeout_s)
    if message is None:
        return []
    return [message, *consumer.consume(BATCH - 1, 0)]


class PartitionReader:
    """Reads partitions from given offsets on; made and used on the loop."""

    def __init__(self, configuration: Mapping[str, Any], *, names: Names, ends_with_brokers: bool) -> None:
        """With `ends_with_brokers` it says so when no broker can be reached; else it goes on when one can."""
        self._names = names
        self._ends_with_brokers = ends_with_brokers
        self._loop = asyncio.get_running_loop()
        self._ready: deque[dict[Place, list[Delivery]]] = deque()
        self._news = asyncio.Event()
        self._error: KafkaError | None = None
        self._waiting = 0
        self._room = threading.Event()
        self._room.set()
        self._closing = threading.Event()
        self._added: deque[Mapping[Place, int]] = deque()
        self._consumer = Consumer({**configuration, "error_cb": self._hear})
        self._thread = threading.Thread(target=self._run, name="kafka-reader", daemon=True)
        self._thread.start()

    def add(self, offsets: Mapping[Place, int]) -> None:
        """Read these partitions too."""
        if offsets:
            self._added.append(offsets)

    async def read(self, timeout_s: float | None = None) -> dict[Place, list[Delivery]]:
        """The next records, empty when time is over. Raises StreamUnavailable when reading has ended."""
        while not self._ready:
            if self._error is not None:
                raise unavailable("be read", self._error)
            self._news.clear()
            try:
                async with asyncio.timeout(timeout_s):
                    await self._news.wait()
            except TimeoutError:
                return {}
        batch = self._ready.popleft()
        self._waiting -= sum(map(len, batch.values()))
        if self._waiting < AHEAD:
            self._room.set()
        return batch

    def close(self) -> None:
        """Let go; the thread ends by itself soon. Safe to repeat."""
        self._closing.set()
        self._room.set()

    def _arrived(self, batch: dict[Place, list[Delivery]]) -> None:
        self._ready.append(batch)
        self._waiting += sum(map(len, batch.values()))
        if self._waiting >= AHEAD and not self._closing.is_set():
            self._room.clear()
        self._news.set()

    def _ended(self, error: KafkaError) -> None:
        self._error = self._error or error
        self._news.set()

    def _hear(self, error: KafkaError) -> None:
        down = self._ends_with_brokers and error.code() == KafkaError._ALL_BROKERS_DOWN
        if down or error.fatal() or error.code() in REFUSED:
            self._tell(self._ended, error)

    def _tell(self, call: Any, *arguments: Any) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(call, *arguments)

    def _run(self) -> None:
        consumer = self._consumer
        try:
            while not self._closing.is_set():
                self._room.wait()
                while self._added:
                    offsets = self._added.popleft()
                    parts = [TopicPartition(self._names.topic(place.topic), place.partition, offset) for place, offset in offsets.items()]
                    consumer.incremental_assign(parts)
                messages = take(consumer, POLL_S)
                for message in messages:
                    if (error := message.error()) is not None and (error.fatal() or error.code() in REFUSED):
                        self._tell(self._ended, error)
                if batch := deliveries(messages, self._names):
                    self._tell(self._arrived, batch)
        except KafkaException as error:
            self._tell(self._ended, error.args[0])
        except RuntimeError:
            # The loop was closed before its readers were.
            return
        finally:
            consumer.close()


async def first_of_each(
    configuration: Mapping[str, Any], offsets: Mapping[Place, int], *, names: Names, within_s: float
) -> dict[Place, Delivery]:
    """The record at each offset, or the next one that is kept. Raises StreamUnavailable when not all came in time."""
    reader = PartitionReader(configuration, names=names, ends_with_brokers=True)
    found: dict[Place, Delivery] = {}
    try:
        reader.add(offsets)
        async with asyncio.timeout(within_s):
            while len(found) < len(offsets):
                for place, batch in (await reader.read()).items():
                    found.setdefault(place, batch[0])
    except TimeoutError as error:
        raise StreamUnavailable("Kafka did not show the oldest records in time") from error
    finally:
        reader.close()
    return found
