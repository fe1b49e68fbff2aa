"""A producer that the driver gave up is replaced at once, and what it was given is answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from mesh import deadline
from mesh.events.stream.kafka import publisher as publishing
from mesh.events.stream.kafka.publisher import Outgoing, Publisher
from mesh.events.stream.port import StreamUnavailable
from mesh.testing.stream_readers import records
from tests.servers.stream.conftest import KafkaEngine
from tests.servers.stream.patience import published

Heard = Callable[[KafkaError | None, Any], None]


class GivenUp:
    """Raises a fatal error in front of its answers, as the driver does; the next one works."""

    made = 0

    def __init__(self, configuration: Mapping[str, Any]) -> None:
        type(self).made += 1
        self._dies = type(self).made == 1
        self._waiting: list[Heard] = []
        self._purged = False

    def produce(self, topic: str, value: bytes, key: bytes, partition: int, heard: Heard) -> None:
        self._waiting.append(heard)

    def poll(self, timeout_s: float) -> None:
        if self._dies and self._waiting and not self._purged:
            raise KafkaException(KafkaError(KafkaError._FATAL, "a gap", fatal=True))
        while self._waiting:
            self._waiting.pop()(KafkaError(KafkaError._PURGE_QUEUE) if self._purged else None, None)

    def purge(self) -> None:
        self._purged = True

    def __len__(self) -> int:
        return len(self._waiting)


async def test_a_fatal_error_ends_the_producer_and_no_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "Producer", GivenUp)
    publisher = Publisher(connection={})
    with pytest.raises(StreamUnavailable):
        await publisher.send([Outgoing("t", 0, b"k", b"1")], timeout_s=20)
    await publisher.send([Outgoing("t", 0, b"k", b"1")], timeout_s=20)
    assert GivenUp.made == 2
    await publisher.close()


async def test_what_was_on_the_wire_when_its_call_was_given_up_ends_no_thread(engine: KafkaEngine) -> None:
    """The driver calls it a gap, and raises."""
    stream = engine.open()
    await published(stream, records(5))
    engine.cut(stream)
    with pytest.raises(StreamUnavailable), deadline.scope(0.5):
        await stream.publish(records(5))
    await stream.close()
