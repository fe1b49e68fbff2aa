"""Consumers of events: a group joins the stream, works each of its partitions in order, and comes back after every outage."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from clipmesh.common.v1.envelope_pb2 import EventEnvelope

from mesh.clock import Clock
from mesh.events.applying import Applying
from mesh.events.attempts import Attempts
from mesh.events.backoff import Backoff
from mesh.events.dead_letters import DeadLetters
from mesh.events.incoming import Incoming
from mesh.events.partition_worker import ConsumerSettings, PartitionWorker, Tally
from mesh.events.shapes import Consumer, Gathered, Rejected, SetMembership, VersionedRow
from mesh.events.stream.port import Consumption, OwnedPartition, Stream, StreamUnavailable
from mesh.stores.tables.port import Tables
from mesh.telemetry import Telemetry

__all__ = ["ConsumerGroup", "ConsumerSettings", "ConsumerStatus", "Gathered", "Incoming", "Rejected", "SetMembership", "VersionedRow"]

_log = logging.getLogger("clipmesh.events")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerStatus:
    """What a group tells about itself: events of this life, partitions now."""

    handled: int
    skipped: int
    """Of types that nobody handles."""
    failed: int
    """Attempts that failed."""
    dead_lettered: int
    partitions: int


class ConsumerGroup:
    """One consumer as this process runs it; `member` names the process among the service's replicas.

    EventAttempt and DeadLetter have to be among the row types of `tables`.
    """

    def __init__(
        self,
        *,
        consumer: Consumer,
        service: str,
        member: str,
        stream: Stream,
        tables: Tables,
        clock: Clock,
        settings: ConsumerSettings | None = None,
        telemetry: Telemetry | None = None,
    ) -> None:
        self.consumer = consumer
        self.group = f"{service}.{consumer.name}"
        self._member = member
        self._stream = stream
        self._tables = tables
        self._clock = clock
        self._settings = settings or ConsumerSettings()
        self._telemetry = telemetry
        self._letters = DeadLetters(tables=tables, clock=clock)
        self._applying = Applying(
            consumer=consumer, tables=tables, handler_timeout_ms=self._settings.handler_timeout_ms, telemetry=telemetry
        )
        self._tally = Tally()
        self._workers: dict[OwnedPartition, PartitionWorker] = {}
        self._stopping = asyncio.Event()

    def status(self) -> ConsumerStatus:
        """How it goes."""
        return ConsumerStatus(
            handled=self._tally.handled,
            skipped=self._tally.skipped,
            failed=self._tally.failed,
            dead_lettered=self._tally.dead_lettered,
            partitions=len(self._workers),
        )

    async def apply(self, envelope: EventEnvelope) -> bool:
        """Let the effect of one event be recorded, out of turn; for replays."""
        return await self._applying.apply(envelope)

    def stop(self) -> None:
        """Let `run` return after the events in hand are done and acknowledged."""
        self._stopping.set()

    async def run(self) -> None:
        """Consume until `stop` or cancellation; an outage of the stream is waited out with growing pauses."""
        backoff = Backoff(first_ms=self._settings.backoff_ms, longest_ms=self._settings.longest_backoff_ms)
        while not self._stopping.is_set():
            try:
                async with self._stream.consume(self.consumer.topics, group=self.group, member=self._member) as consumption:
                    backoff.reset()
                    await self._serve(consumption)
            except Exception as error:
                expected = isinstance(error, StreamUnavailable)
                _log.log(
                    logging.WARNING if expected else logging.ERROR,
                    "a consumer group waits",
                    exc_info=None if expected else error,
                    extra={"consumer": self.group, "error_type": type(error).__name__},
                )
                await backoff.pause(unless=self._stopping)

    async def _serve(self, consumption: Consumption) -> None:
        stopping = asyncio.ensure_future(self._stopping.wait())
        assigning = asyncio.ensure_future(consumption.next_assignment())
        try:
            async with asyncio.TaskGroup() as workers:
                while not stopping.done():
                    await asyncio.wait((stopping, assigning), return_when=asyncio.FIRST_COMPLETED)
                    if assigning.done():
                        self._assign(assigning.result(), workers)
                        assigning = asyncio.ensure_future(consumption.next_assignment())
                for worker in self._workers.values():
                    worker.ending.set()
        finally:
            self._workers.clear()
            for task in (stopping, assigning):
                task.cancel()
            await asyncio.gather(stopping, assigning, return_exceptions=True)

    def _assign(self, assignment: Sequence[OwnedPartition], workers: asyncio.TaskGroup) -> None:
        for partition in self._workers.keys() - set(assignment):
            self._workers.pop(partition).ending.set()
        for partition in assignment:
            if partition not in self._workers:
                worker = self._workers[partition] = self._worker(partition)
                workers.create_task(worker.run())

    def _worker(self, partition: OwnedPartition) -> PartitionWorker:
        return PartitionWorker(
            partition=partition,
            group=self.group,
            applying=self._applying,
            attempts=Attempts(
                tables=self._tables, clock=self._clock, consumer=self.group, topic=partition.topic, partition=partition.partition
            ),
            letters=self._letters,
            clock=self._clock,
            settings=self._settings,
            tally=self._tally,
            telemetry=self._telemetry,
        )
