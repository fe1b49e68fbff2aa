"""Applying one event: find the handler, parse, run it within its time, write the rows it returned."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from clipmesh.common.v1.envelope_pb2 import EventEnvelope
from google.protobuf.message import Message
from opentelemetry.trace import SpanKind

from mesh import deadline
from mesh.errors import MeshError
from mesh.events.incoming import Incoming, MalformedEvent, open_payload
from mesh.events.shapes import Consumer, Gathered, Rejected
from mesh.stores.tables.port import Tables
from mesh.telemetry import Telemetry

DETAIL_CHARS = 500
"""How much of an error's text is kept."""


class HandlerTimedOut(Exception):
    """The handler did not end within its time."""


class Applying:
    """One consumer's handlers over one service's tables."""

    def __init__(self, *, consumer: Consumer, tables: Tables, handler_timeout_ms: int, telemetry: Telemetry | None) -> None:
        self._consumer = consumer
        self._tables = tables
        self._timeout_s = handler_timeout_ms / 1000
        self._telemetry = telemetry
        self._types: dict[str, type[Message]] = {kind.DESCRIPTOR.full_name: kind for kind in consumer.handlers}

    async def apply(self, envelope: EventEnvelope) -> bool:
        """Let the effect of an event be recorded; False when nobody handles its type. Raises whatever the handler or the tables raise."""
        message_type = self._types.get(envelope.type)
        if message_type is None:
            return False
        event = open_payload(envelope, message_type)
        with self._span(envelope), deadline.scope(self._timeout_s):
            try:
                async with asyncio.timeout(self._timeout_s) as limit:
                    rows = self._consumer.rows_of(event, _rows(await self._consumer.handlers[message_type](event)))
                    if rows:
                        await self._tables.put(*rows)
            except TimeoutError as error:
                if not limit.expired():
                    raise
                raise HandlerTimedOut(f"the handler of {envelope.type} took longer than {self._timeout_s:.0f} s") from error
        return True

    @property
    def gathered(self) -> Gathered | None:
        """The consumer when it takes many events together."""
        return self._consumer if isinstance(self._consumer, Gathered) else None

    def opened(self, envelope: EventEnvelope) -> Incoming[Message] | None:
        """The event as a handler gets it; None when nobody handles its type. Raises MalformedEvent."""
        message_type = self._types.get(envelope.type)
        return None if message_type is None else open_payload(envelope, message_type)

    async def gather(self, events: Sequence[Incoming[Message]], *, last: bool) -> Sequence[Incoming[Message]]:
        """Let the effects of events be recorded together; the events that are held. Raises whatever the consumer or its store raises."""
        consumer = self.gathered
        if consumer is None:
            raise TypeError(f"{self._consumer.name} takes one event at a time")
        with deadline.scope(self._timeout_s):
            try:
                async with asyncio.timeout(self._timeout_s) as limit:
                    return await consumer.gather(events, last=last)
            except TimeoutError as error:
                if not limit.expired():
                    raise
                raise HandlerTimedOut(f"{len(events)} events together took longer than {self._timeout_s:.0f} s") from error

    def _span(self, envelope: EventEnvelope) -> AbstractContextManager[None]:
        if self._telemetry is None:
            return nullcontext()
        return self._telemetry.span(f"consume {self._consumer.name}", traceparent=envelope.trace_context, kind=SpanKind.CONSUMER)


def reason_of(error: BaseException) -> str:
    """The stable word for why an event failed."""
    if isinstance(error, MeshError | Rejected):
        return error.reason
    if isinstance(error, MalformedEvent):
        return "MALFORMED_EVENT"
    if isinstance(error, HandlerTimedOut):
        return "HANDLER_TIMED_OUT"
    return type(error).__name__


def detail_of(error: BaseException) -> str:
    """What an error says, cut short."""
    return str(error)[:DETAIL_CHARS]


def _rows(effect: Any) -> tuple[Any, ...]:
    if effect is None:
        return ()
    return tuple(effect) if isinstance(effect, Sequence) else (effect,)
