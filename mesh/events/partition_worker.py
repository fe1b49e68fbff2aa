"""Working off one partition in order: effect, then acknowledgement; a failing event waits at the head until it works or is buried."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, TypeVar

from clipmesh.common.v1.envelope_pb2 import EventEnvelope

from mesh import failpoints
from mesh.clock import Clock
from mesh.events.applying import Applying, reason_of
from mesh.events.attempts import Attempts
from mesh.events.backoff import OUTAGES, Backoff
from mesh.events.dead_letters import DeadLetters
from mesh.events.incoming import Incoming, MalformedEvent, open_envelope
from mesh.events.metrics import EVENT_DELAY, EVENTS_CONSUMED
from mesh.events.shapes import Rejected
from mesh.events.stream.port import Delivery, OwnedPartition, PartitionLost, StreamUnavailable
from mesh.failpoints import Failpoint
from mesh.telemetry import Telemetry

T = TypeVar("T")

_log = logging.getLogger("clipmesh.events")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerSettings:
    """How consumers work."""

    attempts: int = 5
    """How often an event is tried before it becomes a dead letter."""
    backoff_ms: int = 200
    """First pause after a failure, in milliseconds; doubled up to `longest_backoff_ms`."""
    longest_backoff_ms: int = 30_000
    patience_ms: int = 15 * 60_000
    """How long an event waits for an outage before its failures count as attempts, in milliseconds."""
    handler_timeout_ms: int = 30_000
    """Longest run of a handler, in milliseconds."""
    batch: int = 100
    """Events that are read at once, and acknowledged at once when nothing fails."""
    careful_batch: int = 16
    """Events of a freshly taken partition that are counted before they are tried, so that one which ends the process is found."""
    wait_ms: int = 5_000
    """Longest wait for new events, in milliseconds."""
    held_wait_ms: int = 250
    """The same while a consumer that gathers holds events."""
    held_batch: int = 1_000
    """Events that are read at once for a consumer that gathers."""
    most_held: int = 10_000
    """Events that such a consumer may leave without acknowledgement; then nothing is held any longer."""


@dataclass(slots=True)
class Tally:
    """What became of the events of one group."""

    handled: int = 0
    skipped: int = 0
    failed: int = 0
    dead_lettered: int = 0


class Stopped(Exception):
    """The worker was told to end while an event waited at the head."""


class CrashedBefore(Exception):
    """The event was tried as often as allowed and its end was never recorded: it ended the process, or the process was ended."""


class PartitionWorker:
    """Works one owned partition until it is lost or the group stops."""

    def __init__(
        self,
        *,
        partition: OwnedPartition,
        group: str,
        applying: Applying,
        attempts: Attempts,
        letters: DeadLetters,
        clock: Clock,
        settings: ConsumerSettings,
        tally: Tally,
        telemetry: Telemetry | None,
    ) -> None:
        self.ending = asyncio.Event()
        """Set to let the worker end after the event in hand."""
        self._partition = partition
        self._group = group
        self._applying = applying
        self._attempts = attempts
        self._letters = letters
        self._clock = clock
        self._settings = settings
        self._tally = tally
        self._telemetry = telemetry
        self._backoff = Backoff(first_ms=settings.backoff_ms, longest_ms=settings.longest_backoff_ms)
        self._careful = True
        self._unacknowledged: list[Delivery] = []
        """Read and given to a consumer that gathers, which holds some of them: `_held`."""
        self._held: Sequence[Incoming[Any]] = ()

    async def run(self) -> None:
        """Read, handle, acknowledge; returns when the partition is lost or `ending` is set."""
        with suppress(PartitionLost, Stopped):
            while not self.ending.is_set():
                batch = () if self._is_full else await self._read()
                if self._applying.gathered is not None and not self._careful:
                    await self._gather(batch)
                else:
                    await self._work_off(batch)
                if batch and self._careful:
                    await self._outlast(self._attempts.clear)
                    self._careful = False
            if self._held:
                await self._gather(())
        with suppress(PartitionLost, StreamUnavailable):
            # A partition that was taken away is handed over when its reader comes to read again.
            await self._partition.read(limit=1, wait_ms=0)

    async def _read(self) -> Sequence[Delivery]:
        limit = self._settings.held_batch if self._applying.gathered is not None else self._settings.batch
        limit = self._settings.careful_batch if self._careful else limit
        wait_ms = self._settings.held_wait_ms if self._held else self._settings.wait_ms
        reading = asyncio.ensure_future(self._partition.read(limit=limit, wait_ms=wait_ms))
        ending = asyncio.ensure_future(self.ending.wait())
        try:
            await asyncio.wait((reading, ending), return_when=asyncio.FIRST_COMPLETED)
            return reading.result() if reading.done() else ()
        except StreamUnavailable:
            await self._backoff.pause(unless=self.ending)
            return ()
        finally:
            reading.cancel()
            ending.cancel()
            await asyncio.gather(reading, ending, return_exceptions=True)

    async def _work_off(self, batch: Sequence[Delivery]) -> None:
        """Acknowledge events after their effects are recorded: together when all goes well, and before anything waits."""
        handled: list[Delivery] = []
        for delivery in batch:
            if self.ending.is_set():
                break
            failure = None if self._careful else await self._attempt(delivery)
            if self._careful or failure is not None:
                await self._acknowledge(handled)
                handled = []
                await self._persist(delivery, failure)
            handled.append(delivery)
            failpoints.hit(Failpoint.CONSUMER_AFTER_EFFECT)
            if self._careful:
                await self._acknowledge(handled)
                handled = []
        await self._acknowledge(handled)

    async def _gather(self, batch: Sequence[Delivery]) -> None:
        """Give events to a consumer that gathers, and acknowledge when it holds none; after a failure each goes its own way, in order."""
        self._unacknowledged += batch
        try:
            fresh = [self._applying.opened(open_envelope(delivery.value)) for delivery in batch]
            asked = self._held = [*self._held, *(event for event in fresh if event is not None)]
            last = self.ending.is_set() or self._is_full
            held = await self._applying.gather(asked, last=last) if asked else ()
        except OUTAGES as error:
            _log.warning("gathered events wait", extra={"consumer": self._group, "error_type": type(error).__name__})
            await self._backoff.pause(unless=self.ending)
            return
        except Exception as error:
            _log.warning("events are tried one by one", exc_info=error, extra={"consumer": self._group, "count": len(self._unacknowledged)})
            events, self._unacknowledged, self._held = self._unacknowledged, [], ()
            for delivery in events:
                await self._persist(delivery, None)
                await self._acknowledge([delivery])
            return
        self._backoff.reset()
        for _ in range(fresh.count(None)):
            self._skipped()
        staying = {event.envelope.event_id for event in held}
        for event in asked:
            if event.envelope.event_id not in staying:
                self._handled(event.envelope)
        self._held = held
        failpoints.hit(Failpoint.CONSUMER_AFTER_EFFECT)
        if not held:
            events, self._unacknowledged = self._unacknowledged, []
            await self._acknowledge(events)

    @property
    def _is_full(self) -> bool:
        return len(self._unacknowledged) >= self._settings.most_held

    async def _acknowledge(self, handled: Sequence[Delivery]) -> None:
        if handled:
            await self._outlast(lambda: self._partition.acknowledge(handled))

    async def _persist(self, delivery: Delivery, failure: Exception | None) -> None:
        """Try until the event works or is buried; each attempt is counted before it is made, but for a `failure` that just happened."""
        event = envelope_of(delivery)
        if failure is None:
            known = await self._outlast(lambda: self._attempts.of(event.event_id))
            if known.attempts >= self._settings.attempts:
                await self._bury(delivery, event, CrashedBefore("the process ended during every attempt"), known.attempts)
                return
        while True:
            count = await self._outlast(lambda: self._attempts.count(event.event_id))
            failure = failure or await self._attempt(delivery)
            if failure is None:
                break
            self._note_failure(event, failure)
            if isinstance(failure, OUTAGES) and self._is_patient(count.failed_first_at_ms):
                await self._outlast(lambda: self._attempts.forgive(event.event_id))
            elif isinstance(failure, Rejected | MalformedEvent) or count.attempts >= self._settings.attempts:
                await self._bury(delivery, event, failure, count.attempts)
                break
            await self._backoff.pause(unless=self.ending)
            if self.ending.is_set():
                raise Stopped
            failure = None
        self._backoff.reset()
        if not self._careful:
            await self._outlast(self._attempts.clear)

    async def _attempt(self, delivery: Delivery) -> Exception | None:
        """One attempt; returns what went wrong."""
        try:
            await self._apply(delivery)
        except Exception as error:
            return error
        return None

    async def _outlast(self, call: Callable[[], Awaitable[T]]) -> T:
        """Make a call until no outage is in its way. Raises Stopped when the worker has to end meanwhile."""
        while True:
            try:
                answer = await call()
            except OUTAGES:
                await self._backoff.pause(unless=self.ending)
                if self.ending.is_set():
                    raise Stopped from None
            else:
                return answer

    async def _apply(self, delivery: Delivery) -> None:
        envelope = open_envelope(delivery.value)
        if await self._applying.apply(envelope):
            self._handled(envelope)
        else:
            self._skipped()

    def _handled(self, envelope: EventEnvelope) -> None:
        self._tally.handled += 1
        self._measure("handled")
        if self._telemetry is not None:
            self._telemetry.observe(EVENT_DELAY, max(0, self._clock.now_ms() - envelope.occurred_at_ms) / 1000)

    def _skipped(self) -> None:
        self._tally.skipped += 1
        self._measure("skipped")

    async def _bury(self, delivery: Delivery, event: EventEnvelope, error: BaseException, attempts: int) -> None:
        await self._outlast(lambda: self._letters.bury(self._group, envelope=delivery.value, event=event, error=error, attempts=attempts))
        self._tally.dead_lettered += 1
        self._measure("dead_lettered")
        _log.error("an event became a dead letter", extra=self._facts(event, error) | {"attempt": attempts})

    def _is_patient(self, failed_first_at_ms: int) -> bool:
        return not failed_first_at_ms or self._clock.now_ms() - failed_first_at_ms < self._settings.patience_ms

    def _note_failure(self, event: EventEnvelope, error: BaseException) -> None:
        self._tally.failed += 1
        self._measure("failed")
        _log.warning("a consumer failed on an event", exc_info=error, extra=self._facts(event, error))

    def _facts(self, event: EventEnvelope, error: BaseException) -> dict[str, str | int]:
        return {"consumer": self._group, "event_id": event.event_id, "type": event.type, "reason": reason_of(error)}

    def _measure(self, outcome: str) -> None:
        if self._telemetry is not None:
            self._telemetry.count(EVENTS_CONSUMED, outcome=outcome)


def envelope_of(delivery: Delivery) -> EventEnvelope:
    """The envelope of a record; one that cannot be opened gets an id that follows from its place."""
    try:
        return open_envelope(delivery.value)
    except MalformedEvent:
        place = f"{delivery.topic}/{delivery.partition}/{delivery.position}"
        number = int.from_bytes(blake2b(place.encode(), digest_size=8).digest(), "big") >> 1
        return EventEnvelope(event_id=number, topic=delivery.topic, key=delivery.key)
