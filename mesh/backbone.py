"""What every service with state has: tables, ids, Redis, the stream, its relay and its consumers, opened and closed in order."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import os
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from typing import Any

from mesh.app import Dependency, Process
from mesh.blobs_at_start import BlobsAtStart
from mesh.events.archive.archiver import Archiver, ArchiveSettings
from mesh.events.archive.reading import ArchiveReader
from mesh.events.archive.replaying import ArchiveReplay
from mesh.events.archive.retention import Retention
from mesh.events.archive.rows import ArchivePosition
from mesh.events.cleaning import OutboxCleaner
from mesh.events.consumers import ConsumerGroup
from mesh.events.dead_letters import DeadLetters
from mesh.events.event import EventMaker
from mesh.events.lag import LagWatch
from mesh.events.metrics import DEAD_LETTERS
from mesh.events.relay import Relay, RelaySettings
from mesh.events.rows import EVENT_TABLES
from mesh.events.shapes import Consumer
from mesh.events.stream import StreamSettings, connect_stream
from mesh.events.stream.port import Stream
from mesh.ids import Ids, NodeLease, open_ids
from mesh.operating import OperatorServicer, operator_service
from mesh.pages import PageTokens
from mesh.server import ServedService
from mesh.store_settings import StoreSettings
from mesh.stores.blobs import open_blobs
from mesh.stores.blobs.port import Blobs
from mesh.stores.protected.blobs import protected_blobs
from mesh.stores.protected.redis import ProtectedRedis
from mesh.stores.protected.stream import ProtectedStream
from mesh.stores.protected.tables import ProtectedTables
from mesh.stores.redis import Redis, open_redis
from mesh.stores.redis_checks import check_redis
from mesh.stores.tables import open_tables
from mesh.stores.tables.port import Tables, TablesError, TablesUnavailable
from mesh.stores.tables.requests import RequestRecord
from mesh.telemetry import trace_context

_log = logging.getLogger("clipmesh.backbone")

_LETTERS_EVERY_S = 5.0
_FINISH_S = 2.0
"""How long consumers and relay may take to finish what they have in hand, in seconds; then they are cancelled."""


class Backbone:
    """Made by `open` in an app's `start`, closed in its `stop`."""

    def __init__(self, *, process: Process, tables: Tables, ids: Ids, redis: Redis, stream: Stream) -> None:
        self.process = process
        self.tables = tables
        self.ids = ids
        self.redis = redis
        self.stream = stream
        self.events = EventMaker(producer=process.service, next_id=ids.next, clock=process.clock, trace_context=trace_context)
        self.member = f"{process.service}-{process.settings.node or os.getpid()}"
        self.relay = Relay(
            tables=tables,
            stream=stream,
            owner=self.member,
            clock=process.clock,
            settings=RelaySettings(lease_ms=process.settings.relay_lease_ms),
            telemetry=process.telemetry,
        )
        self.groups: list[ConsumerGroup] = []
        self.archiver: Archiver | None = None
        self._replay: ArchiveReplay | None = None
        self._blobs: Blobs | None = None
        self._look: BlobsAtStart | None = None
        self._tasks: list[asyncio.Task[Any]] = []
        self._finishing: list[asyncio.Task[Any]] = []
        """Those of the tasks that end by themselves once they are told to stop."""

    @classmethod
    async def open(cls, process: Process, *, tables: str, redis: str, events: str, row_types: Sequence[type]) -> Backbone:
        """Open the stores of one service and begin to relay its events; `row_types` are its own, the mesh's are added."""
        settings = process.settings
        rows = (*row_types, NodeLease, RequestRecord, *EVENT_TABLES, ArchivePosition)
        engine = await open_tables(tables, service=process.service, row_types=rows, clock=process.clock)
        opened = ProtectedTables(engine, telemetry=process.telemetry)
        # Whatever fails half-way must let go of the tables: the next start would find them in use.
        async with AsyncExitStack() as undo:
            undo.push_async_callback(opened.close)
            ids = await open_ids(opened, service=process.service, clock=process.clock, lease_ms=settings.node_lease_ms)
            undo.push_async_callback(ids.close)
            client = open_redis(redis)
            undo.push_async_callback(client.close)
            await check_redis(client)
            leases = StreamSettings(lease_ms=settings.partition_lease_ms, heartbeat_ms=settings.partition_heartbeat_ms)
            # Each protects itself: a stream that is behind leaves the cache its places.
            cache = ProtectedRedis(client, telemetry=process.telemetry)
            stream = ProtectedStream(await connect_stream(events, redis=client, settings=leases), telemetry=process.telemetry)
            undo.pop_all()
        backbone = cls(process=process, tables=opened, ids=ids, redis=cache, stream=stream)
        backbone._finishing.append(backbone.run(backbone.relay.run(), name="relay"))
        backbone.run(backbone._end_when_broken(), name="watch-tables")
        return backbone

    def run(self, work: Coroutine[Any, Any, Any], *, name: str) -> asyncio.Task[Any]:
        """Keep background work until `close`; it carries neither deadline nor viewer of whoever starts it."""
        task = asyncio.create_task(work, name=name, context=contextvars.Context())
        task.add_done_callback(_tell_of_failure)
        self._tasks.append(task)
        return task

    def consume(self, consumer: Consumer) -> ConsumerGroup:
        """Begin to feed a consumer."""
        group = ConsumerGroup(
            consumer=consumer,
            service=self.process.service,
            member=self.member,
            stream=self.stream,
            tables=self.tables,
            clock=self.process.clock,
            telemetry=self.process.telemetry,
        )
        if not self.groups:
            self.run(self._count_letters(), name="count-dead-letters")
        self.groups.append(group)
        self._finishing.append(self.run(group.run(), name=f"consume-{consumer.name}"))
        lag = LagWatch(group=group.group, topics=consumer.topics, stream=self.stream, telemetry=self.process.telemetry)
        self.run(lag.run(), name=f"lag-{consumer.name}")
        return group

    async def archive(self, settings: StoreSettings, *, topics: Sequence[str], blobs: Blobs | None = None) -> None:
        """Begin to archive the service's events, which are of these topics, and to drop outbox buckets that nobody needs any more. Without
        `blobs` the store is opened here, and may be away at first."""
        process = self.process
        if blobs is None:
            objects = open_blobs(settings.blobs, clock=process.clock, url_key=b"")
            blobs = self._blobs = protected_blobs(objects, telemetry=process.telemetry)
            look = self._look = BlobsAtStart(blobs, ending=process.ending)
            await look.start()
        key = process.secrets.named("archive_key")
        self.archiver = Archiver(
            tables=self.tables,
            blobs=blobs,
            key=key,
            topics=topics,
            service=process.service,
            member=self.member,
            clock=process.clock,
            settings=ArchiveSettings(every_ms=settings.archive_every_ms, retention=Retention.parse(settings.archive_days)),
            telemetry=process.telemetry,
        )
        reader = ArchiveReader(blobs=blobs, key=key, clock=process.clock)
        self._replay = ArchiveReplay(reader=reader, letters=DeadLetters(tables=self.tables, clock=process.clock))
        self._finishing.append(self.run(self.archiver.run(), name="archive"))
        self.run(OutboxCleaner(tables=self.tables, clock=process.clock, archived=True).run(), name="clean-outbox")

    def operator_service(self) -> ServedService:
        """What every service with consumers serves besides its own."""
        servicer = OperatorServicer(
            groups=self.groups,
            letters=DeadLetters(tables=self.tables, clock=self.process.clock),
            stream=self.stream,
            tokens=PageTokens(self.process.secrets.named("page_token_key")),
            archive=self._replay,
        )
        return operator_service(servicer)

    @property
    def dependencies(self) -> Mapping[str, Dependency]:
        """How health asks the stores: without tables nothing works, without Redis events wait."""

        async def tables() -> None:
            if self.tables.broken.is_set():
                raise TablesUnavailable("nothing can be written until the process starts again")
            await self.tables.get(NodeLease, 0, 0)

        async def redis() -> None:
            await self.redis.call("PING")

        return {"tables": Dependency(tables, required=True), "redis": Dependency(redis, required=False)}

    async def _end_when_broken(self) -> None:
        """A process that can only read would say for ever that it serves; a new one finds on the disk what was written."""
        await self.tables.broken.wait()
        self.process.ending.ask("a commit to the tables failed; only a new start can tell what was written")

    async def _count_letters(self) -> None:
        """Keep the gauge of dead letters true."""
        letters = DeadLetters(tables=self.tables, clock=self.process.clock)
        while True:
            with suppress(TablesError):
                total = sum([await letters.count(group.group) for group in self.groups])
                self.process.telemetry.set(DEAD_LETTERS, total)
            await asyncio.sleep(_LETTERS_EVERY_S)

    async def close(self) -> None:
        """Finish what consumers and relay have in hand, then close the stores; safe to repeat."""
        for group in self.groups:
            group.stop()
        self.relay.stop()
        if self.archiver is not None:
            self.archiver.stop()
        if self._finishing:
            await asyncio.wait(self._finishing, timeout=_FINISH_S)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        self._finishing.clear()
        await self.stream.close()
        await self.redis.close()
        if self._look is not None:
            await self._look.close()
        if self._blobs is not None:
            await self._blobs.close()
        await self.ids.close()
        await self.tables.close()


def _tell_of_failure(task: asyncio.Task[Any]) -> None:
    """Nobody waits for background work before the end, so its death would go unnoticed."""
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("background work ended: %s", task.get_name(), exc_info=error)
