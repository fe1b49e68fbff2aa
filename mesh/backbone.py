"""What every service with state has: tables, ids, Redis, the stream, its relay and its consumers, opened and closed in order."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import os
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from functools import partial
from typing import Any

from mesh.app import Dependency, Process
from mesh.blobs_at_start import BlobsAtStart, ask_blobs
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
from mesh.events.stream import StreamSettings, open_stream
from mesh.events.stream.port import Stream
from mesh.ids import Ids, NodeLease, open_ids
from mesh.operating import OperatorServicer, operator_service
from mesh.pages import PageTokens
from mesh.regions import region_of
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
        self._archive: Blobs | None = None
        """Where events are archived."""
        self._own = AsyncExitStack()
        """Lets go of what was opened besides, last of all but ids and tables."""
        self._tasks: list[asyncio.Task[Any]] = []
        self._finishing: list[asyncio.Task[Any]] = []
        """Those of the tasks that end by themselves once they are told to stop."""

    @classmethod
    async def open(
        cls,
        process: Process,
        *,
        tables: str,
        redis: str,
        events: str,
        row_types: Sequence[type],
        blobs: str = "",
        look: Callable[[], Awaitable[None]] | None = None,
    ) -> Backbone:
        """Open the stores of one service and begin to relay its events; `row_types` are its own, the mesh's are added.

        `blobs` is where its events are archived, unless `archive` is given a store: it may be away at first. `look` looks at what else the service
        opens. Every store is looked at before the tables are created, so a start that one of them refuses leaves no keyspace behind.
        """
        settings = process.settings
        region = region_of(settings.region, settings.regions)
        rows = (*row_types, NodeLease, RequestRecord, *EVENT_TABLES, ArchivePosition)
        # Whatever fails half-way must let go of the tables: the next start would find them in use.
        async with AsyncExitStack() as undo:
            client = open_redis(redis)
            undo.push_async_callback(client.close)
            leases = StreamSettings(lease_ms=settings.partition_lease_ms, heartbeat_ms=settings.partition_heartbeat_ms)
            stream = open_stream(events, redis=client, settings=leases)
            undo.push_async_callback(stream.close)
            own = await undo.enter_async_context(AsyncExitStack())
            archive: list[Blobs] = []

            async def first() -> None:
                await check_redis(client)
                await stream.check()
                if blobs:
                    archive.append(await _archive_in(blobs, process, own))
                if look is not None:
                    await look()

            engine = await open_tables(tables, service=process.service, row_types=rows, clock=process.clock, home=region.place, first=first)
            opened = ProtectedTables(engine, telemetry=process.telemetry)
            undo.push_async_callback(opened.close)
            ids = await open_ids(
                opened, service=process.service, clock=process.clock, region=region.number, lease_ms=settings.node_lease_ms
            )
            own = own.pop_all()
            undo.pop_all()
        # Each protects itself: a stream that is behind leaves the cache its places.
        cache = ProtectedRedis(client, telemetry=process.telemetry)
        backbone = cls(process=process, tables=opened, ids=ids, redis=cache, stream=ProtectedStream(stream, telemetry=process.telemetry))
        backbone._own = own
        backbone._archive = archive[0] if archive else None
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
        `blobs` it is where `open` was told, or opened here."""
        process = self.process
        blobs = self._archive = blobs or self._archive or await _archive_in(settings.blobs, process, self._own)
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
        """How health asks the stores: without tables nothing works, without Redis or the stream events wait, without objects they are archived
        later. Read it when `archive` was called."""

        async def tables() -> None:
            if self.tables.broken.is_set():
                raise TablesUnavailable("nothing can be written until the process starts again")
            await self.tables.get(NodeLease, 0, 0)

        async def redis() -> None:
            await self.redis.call("PING")

        asked = {"tables": Dependency(tables, required=True), "redis": Dependency(redis), "stream": Dependency(self.stream.generation)}
        return asked if self._archive is None else {**asked, "blobs": Dependency(partial(ask_blobs, self._archive))}

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
        await self._own.aclose()
        await self.ids.close()
        await self.tables.close()


async def _archive_in(url: str, process: Process, own: AsyncExitStack) -> Blobs:
    """The store of a service that only archives, which may be away at first; `own` lets go of it. Raises InvalidSetting."""
    blobs = protected_blobs(open_blobs(url, clock=process.clock, url_key=b""), telemetry=process.telemetry)
    own.push_async_callback(blobs.close)
    looking = BlobsAtStart(blobs, ending=process.ending)
    own.push_async_callback(looking.close)
    await looking.start()
    return blobs


def _tell_of_failure(task: asyncio.Task[Any]) -> None:
    """Nobody waits for background work before the end, so its death would go unnoticed."""
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("background work ended: %s", task.get_name(), exc_info=error)
