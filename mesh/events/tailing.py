"""Tailing a stream for ever: reconnects by itself and goes on where it was, so that an outage costs repeats at most."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Any, Final

from clipmesh.common.v1.envelope_pb2 import ChangeHint
from google.protobuf.message import DecodeError, Message

from mesh.events.backoff import Backoff
from mesh.events.incoming import Incoming, MalformedEvent, incoming_of
from mesh.events.stream.port import Delivery, Stream, StreamUnavailable

OVERLAP_MS: Final = 10_000
"""What is read again after an outage beyond the time it took, in milliseconds: longer than a slow answer to the first read may take."""
REMEMBERED: Final = 4_096
"""Records that are remembered so that the overlap does not repeat them."""

_log = logging.getLogger("clipmesh.events")


class Tail:
    """Records of topics from `since_ms` ago on, then new ones, without group and acknowledgement; iterate it once.

    Nothing is buffered: a slow reader slows the tail, and misses only what the stream itself no longer keeps, which the engine logs. After an
    outage it goes on `since_ms` before the last record it had; some records may come twice.
    """

    def __init__(self, *, stream: Stream, topics: Sequence[str], since_ms: int = 0, on_connect: Callable[[], None] | None = None) -> None:
        """`on_connect` is called before each attempt to read, the first one included: whoever watches by hints then reads its owner again, so
        that an outage degrades to polling."""
        self._stream = stream
        self._topics = tuple(topics)
        self._since_ms = since_ms
        self._on_connect = on_connect
        self._seen: OrderedDict[tuple[str, int, str], None] = OrderedDict()

    async def __aiter__(self) -> AsyncGenerator[Delivery, None]:
        """Deliveries for ever; ends only with the reader."""
        loop = asyncio.get_running_loop()
        backoff = Backoff(first_ms=50, longest_ms=2_000)
        since_ms, heard_at = self._since_ms, loop.time()
        while True:
            if self._on_connect is not None:
                self._on_connect()
            try:
                async with aclosing(self._stream.tail(self._topics, since_ms=since_ms)) as deliveries:
                    async for delivery in deliveries:
                        backoff.reset()
                        heard_at = loop.time()
                        if self._is_new(delivery):
                            yield delivery
            except StreamUnavailable:
                _log.warning("a tail lost its stream and tries again", extra={"topic": self._topics[0]})
                await backoff.pause(unless=asyncio.Event())
            since_ms = self._since_ms + int((loop.time() - heard_at) * 1000) + OVERLAP_MS

    async def events(self, *message_types: type[Message]) -> AsyncGenerator[Incoming[Any], None]:
        """The events of the given types; what cannot be parsed is logged and left out."""
        async with aclosing(aiter(self)) as deliveries:
            async for delivery in deliveries:
                try:
                    event = incoming_of(delivery.value, message_types)
                except MalformedEvent:
                    _log.exception("a tail met a malformed event", extra={"topic": delivery.topic, "position": delivery.position})
                    continue
                if event is not None:
                    yield event

    async def run(self, on: Callable[[Delivery], Awaitable[None]]) -> None:
        """Call `on` for each delivery, one after the other; a record that it fails on is logged and left out, for no record comes a second time."""
        async for delivery in self:
            try:
                await on(delivery)
            except Exception:
                _log.exception("a tail left out a record", extra={"topic": delivery.topic, "position": delivery.position})

    def _is_new(self, delivery: Delivery) -> bool:
        place = (delivery.topic, delivery.partition, delivery.position)
        if place in self._seen:
            return False
        self._seen[place] = None
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        return True


def hint_of(delivery: Delivery) -> ChangeHint:
    """The hint in a record of a topic of hints. Raises MalformedEvent."""
    try:
        return ChangeHint.FromString(delivery.value)
    except DecodeError as error:
        raise MalformedEvent(f"not a hint: {error}") from error
