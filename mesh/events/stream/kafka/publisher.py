"""Publishing: one idempotent producer, a thread that hears its answers, a new producer after every failure."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple

from confluent_kafka import KafkaError, KafkaException, Producer

from mesh import deadline
from mesh.events.stream.kafka import clients
from mesh.events.stream.kafka.failures import unavailable
from mesh.events.stream.port import StreamUnavailable

AT_ONCE: Final = 10_000
"""Records that are handed to the driver before their answers are awaited."""
POLL_S: Final = 0.1
CLOSE_S: Final = 1.0


class Outgoing(NamedTuple):
    """One record on its way, by the server's names."""

    topic: str
    partition: int
    key: bytes
    value: bytes


class Batch:
    """Records whose answers are awaited together; the last of them wakes the caller."""

    def __init__(self, count: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._left = count
        self._lock = threading.Lock()
        self.error: KafkaError | None = None
        self.done: asyncio.Future[None] = self._loop.create_future()

    def heard(self, error: KafkaError | None, _: Any) -> None:
        """The driver's answer to one record, in the thread that polls."""
        self.settle(1, error)

    def settle(self, count: int, error: KafkaError | None) -> None:
        """So many records have their answer."""
        with self._lock:
            self._left -= count
            if error is not None and self.error is None:
                self.error = error
            last = self._left == 0
        if last and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        if not self.done.done():
            self.done.set_result(None)


class Voice:
    """One producer with its thread. After its first failure it publishes nothing more."""

    def __init__(self, configuration: Mapping[str, Any]) -> None:
        self.over = False
        """True when another has to take its place."""
        self._producer = Producer(dict(configuration))
        self._thread = threading.Thread(target=self._run, name="kafka-producer", daemon=True)
        self._thread.start()

    def produce(self, records: Sequence[Outgoing], batch: Batch) -> None:
        """Hand records to the driver in order; those after one that it does not take fail with it."""
        produce, heard = self._producer.produce, batch.heard
        for index, (topic, partition, key, value) in enumerate(records):
            try:
                produce(topic, value, key, partition, heard)
            except (BufferError, KafkaException) as error:
                known = error.args[0] if isinstance(error, KafkaException) else KafkaError(KafkaError._QUEUE_FULL)
                batch.settle(len(records) - index, known)
                return

    def retire(self) -> None:
        """Publish nothing more; what was not sent yet never will be."""
        self.over = True

    async def gone(self, timeout_s: float) -> None:
        """Return when its thread has ended, or when time is over."""
        await asyncio.to_thread(self._thread.join, timeout_s)

    def _run(self) -> None:
        producer = self._producer
        # A fatal error is no call of ours: the driver raises it here, in front of the answers that it has for our records.
        with suppress(KafkaException):
            while not self.over:
                producer.poll(POLL_S)
        self.over = True
        # What is purged gets its answer now; a request that is on the wire may still be stored, which is a repeat.
        producer.purge()
        while len(producer):
            with suppress(KafkaException):
                producer.poll(POLL_S)


class Publisher:
    """Publishes in the order given."""

    def __init__(self, *, connection: Mapping[str, Any]) -> None:
        self._configuration = clients.producer(connection, on_error=lambda _: None)
        self._voice: Voice | None = None

    async def send(self, records: Sequence[Outgoing], *, timeout_s: float = clients.CALL_TIMEOUT_S) -> None:
        """Return when all are stored. Raises StreamUnavailable, and then some may be, in their order."""
        loop = asyncio.get_running_loop()
        limit_s = deadline.remaining_s(timeout_s)
        if limit_s <= 0:
            raise StreamUnavailable("no time was left to publish")
        until = loop.time() + limit_s
        for begin in range(0, len(records), AT_ONCE):
            await self._send(records[begin : begin + AT_ONCE], until)

    async def _send(self, records: Sequence[Outgoing], until: float) -> None:
        voice = self._voice
        if voice is None or voice.over:
            voice = self._voice = Voice(self._configuration)
        batch = Batch(len(records))
        voice.produce(records, batch)
        try:
            async with asyncio.timeout_at(until):
                await batch.done
        except TimeoutError as error:
            raise StreamUnavailable("Kafka did not confirm in time that it stored what was published") from error
        if batch.error is not None:
            self._replace(voice)
            raise unavailable("publish", batch.error)

    def renew(self) -> None:
        """Go on with a new producer: the server knows nothing of the numbers that the present one counts by."""
        if self._voice is not None:
            self._replace(self._voice)

    def _replace(self, voice: Voice) -> None:
        if not voice.over:
            voice.retire()
        if voice is self._voice:
            self._voice = None

    async def close(self) -> None:
        """Let go; safe to repeat."""
        voice, self._voice = self._voice, None
        if voice is not None:
            voice.retire()
            await voice.gone(CLOSE_S)
