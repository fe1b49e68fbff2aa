"""One event before it is written: what happened, to which key, and whom it concerns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from clipmesh.common.v1 import envelope_pb2
from google.protobuf.message import Message

from mesh.clock import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An event that waits to be written together with its row."""

    event_id: int
    topic: str
    key: str
    message: Message
    occurred_at_ms: int
    producer: str
    subject_ids: tuple[int, ...] = ()
    key_version: int = 0
    """Version of the row that the event tells of; 0 lets the engine take the version of the first row of the write."""
    trace_context: str = ""

    def envelope(self, *, row_version: int) -> envelope_pb2.EventEnvelope:
        """The envelope as it is stored and sent; `row_version` fills a key_version of 0."""
        return envelope_pb2.EventEnvelope(
            event_id=self.event_id,
            type=self.message.DESCRIPTOR.full_name,
            topic=self.topic,
            key=self.key,
            key_version=self.key_version or row_version,
            occurred_at_ms=self.occurred_at_ms,
            producer=self.producer,
            schema_version=1,
            trace_context=self.trace_context,
            subject_ids=self.subject_ids,
            payload=self.message.SerializeToString(deterministic=True),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class EventMaker:
    """Makes events of one service: knows its name, its ids and the time."""

    producer: str
    next_id: Callable[[], int]
    clock: Clock
    trace_context: Callable[[], str] = lambda: ""

    def make(self, message: Message, *, key: str, topic: str = "", subject_ids: tuple[int, ...] = (), key_version: int = 0) -> Event:
        """An event on `topic` (the service's own name when empty) about `key`."""
        return Event(
            event_id=self.next_id(),
            topic=topic or self.producer,
            key=key,
            message=message,
            occurred_at_ms=self.clock.now_ms(),
            producer=self.producer,
            subject_ids=subject_ids,
            key_version=key_version,
            trace_context=self.trace_context(),
        )
