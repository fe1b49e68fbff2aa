"""Archives the outbox of one service: read in batches, written as Parquet, read back, and only then passed."""

from __future__ import annotations

import asyncio
import json
import logging
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from clipmesh.common.v1.envelope_pb2 import EventEnvelope

from mesh.clock import Clock
from mesh.events.archive.apart import ProcessApart
from mesh.events.archive.metrics import ARCHIVE_AGE, ARCHIVED
from mesh.events.archive.parquet import ArchiveFile, check, encode
from mesh.events.archive.retention import Retention, sweep
from mesh.events.archive.rows import ArchivePosition, positions_of
from mesh.events.backoff import Backoff
from mesh.stores.blobs.port import Blobs, BlobsError
from mesh.stores.tables.port import OutboxEntry, OutcomeUnknown, RowExists, Tables, TablesError, VersionConflict
from mesh.telemetry import Telemetry

_ROW = 0
_PAGE = 1_000
"""Entries of a shard that are read at once, the most that the port gives."""
_DAY_MS = 24 * 3_600_000

_log = logging.getLogger("clipmesh.archive")


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveSettings:
    """How an archiver works."""

    every_ms: int = 600_000
    """How long an event may wait for others to share its file, in milliseconds."""
    batch: int = 4_000
    """Events that are archived at once though none of them has waited that long."""
    look_ms: int = 30_000
    """How often the outbox is looked at, in milliseconds; no more rarely than events may wait."""
    lease_ms: int = 120_000
    """How long the archive of a service stays with an archiver that does not write, in milliseconds."""
    retention: Retention = field(default_factory=Retention)
    backoff_ms: int = 1_000
    longest_backoff_ms: int = 60_000


class Archiver:
    """Archives what `tables` holds in its outbox; one process of a service does, the others wait for its lease to end.

    ArchivePosition has to be among the row types of `tables`. `key` seals envelopes and makes pseudonyms; whoever reads the archive needs it.
    """

    def __init__(
        self,
        *,
        tables: Tables,
        blobs: Blobs,
        key: bytes,
        topics: Sequence[str],
        service: str,
        member: str,
        clock: Clock,
        settings: ArchiveSettings | None = None,
        telemetry: Telemetry | None = None,
        executor: Callable[[], Executor] | None = None,
    ) -> None:
        """`topics` are those of the service's own events, `member` names the process among its replicas. `executor` makes what encodes one batch and is shut down after it; a process of its own unless given, for Parquet takes 60 MiB that
        an idle service would keep."""
        self._tables = tables
        self._blobs = blobs
        self._key = key
        self._topics = tuple(topics)
        self._service = service
        self._owner = member
        self._clock = clock
        self._settings = settings or ArchiveSettings()
        self._telemetry = telemetry
        self._executor = executor or ProcessApart
        self._row: ArchivePosition | None = None
        self._stopping = asyncio.Event()
        self._oldest_ms = 0
        if telemetry is not None:
            telemetry.watch(ARCHIVE_AGE, lambda: self.age_ms() / 1000)

    def age_ms(self) -> int:
        """Age of the oldest event that is known to wait, in milliseconds; 0 when there is none."""
        return max(0, self._clock.now_ms() - self._oldest_ms) if self._oldest_ms else 0

    def stop(self) -> None:
        """Let `run` return after the batch in hand; what waits is archived by the next life."""
        self._stopping.set()

    async def run(self) -> None:
        """Archive until `stop` or cancellation; an outage of a store is waited out with growing pauses."""
        backoff = Backoff(first_ms=self._settings.backoff_ms, longest_ms=self._settings.longest_backoff_ms)
        try:
            while not self._stopping.is_set():
                try:
                    more = await self.step()
                    backoff.reset()
                except Exception as error:
                    self._row = None
                    expected = isinstance(error, TablesError | BlobsError)
                    _log.log(
                        logging.WARNING if expected else logging.ERROR,
                        "the archive waits",
                        exc_info=None if expected else error,
                        extra={"error_type": type(error).__name__},
                    )
                    await backoff.pause(unless=self._stopping)
                    continue
                if not more:
                    with suppress(TimeoutError):
                        async with asyncio.timeout(min(self._settings.look_ms, self._settings.every_ms) / 1000):
                            await self._stopping.wait()
        finally:
            await self._let_go()

    async def step(self) -> bool:
        """Archive one batch if one is due; True when there may be more at once. Raises what the stores raise, and ArchiveDamaged when what
        was written does not come back as it was: then nothing is passed, and the next step writes it again."""
        try:
            if not await self._hold():
                return False
            return await self._archive_next()
        except (VersionConflict, RowExists):
            self._row = None
            return False
        except OutcomeUnknown:
            self._row = None
            raise

    async def _hold(self) -> bool:
        now_ms = self._clock.now_ms()
        row = self._row
        if row is None:
            row = await self._tables.get(ArchivePosition, _ROW)
            if row is not None and row.owner != self._owner and row.held_until_ms > now_ms:
                self._oldest_ms = 0
                return False
        elif row.held_until_ms - now_ms > self._settings.lease_ms // 2:
            return True
        held_until_ms = now_ms + self._settings.lease_ms
        if row is None:
            self._row = await self._tables.insert(ArchivePosition(row=_ROW, owner=self._owner, held_until_ms=held_until_ms))
        else:
            held = replace(row, owner=self._owner, held_until_ms=held_until_ms)
            self._row = await self._tables.transition(held, expected_version=row.version)
        return True

    async def _archive_next(self) -> bool:
        row = self._row
        assert row is not None
        began_at_ms = self._clock.now_ms()
        positions = positions_of(row, self._tables.outbox_shards)
        pages = await asyncio.gather(
            *(self._tables.read_outbox(shard, after=position, limit=_PAGE) for shard, position in enumerate(positions))
        )
        entries = [entry for page in pages for entry in page.entries]
        oldest_ms = self._oldest_ms = min((EventEnvelope.FromString(entry.envelope).occurred_at_ms for entry in entries), default=0)
        full = len(entries) >= self._settings.batch or any(len(page.entries) >= _PAGE for page in pages)
        if not entries or (not full and began_at_ms - oldest_ms < self._settings.every_ms):
            return await self._sweep(row)
        await self._write(entries, batch=f"{self._service}/{row.positions}")
        passed = replace(
            row,
            positions=json.dumps([page.position for page in pages]),
            archived=row.archived + len(entries),
            held_until_ms=self._clock.now_ms() + self._settings.lease_ms,
        )
        self._row = await self._tables.transition(passed, expected_version=row.version)
        if self._telemetry is not None:
            self._telemetry.count(ARCHIVED, len(entries))
        return True

    async def _write(self, entries: Sequence[OutboxEntry], *, batch: str) -> None:
        """Write the files of a batch and read each back. What is written twice replaces itself, for its name follows from where it begins."""
        envelopes = [entry.envelope for entry in entries]
        loop = asyncio.get_running_loop()
        executor = self._executor()
        try:
            files = await loop.run_in_executor(executor, partial(encode, envelopes, batch=batch, key=self._key))
            for file in files:
                await self._blobs.put(file.place.key, file.content, content_type="application/vnd.apache.parquet")
                await loop.run_in_executor(executor, partial(check, await self._read(file), file.event_ids, key=self._key))
        finally:
            executor.shutdown(wait=False, cancel_futures=True)

    async def _read(self, file: ArchiveFile) -> bytes:
        with tempfile.TemporaryDirectory(prefix="cm-archive-") as folder:
            path = Path(folder) / "read-back"
            await self._blobs.get_file(file.place.key, path)
            return await asyncio.to_thread(path.read_bytes)

    async def _sweep(self, row: ArchivePosition) -> bool:
        """Delete once a day what is past its time; False, for nothing waits."""
        now_ms = self._clock.now_ms()
        if now_ms - row.swept_at_ms < _DAY_MS:
            return False
        await sweep(self._blobs, topics=self._topics, retention=self._settings.retention, now_ms=now_ms)
        self._row = await self._tables.transition(replace(row, swept_at_ms=now_ms), expected_version=row.version)
        return False

    async def _let_go(self) -> None:
        row, self._row = self._row, None
        if row is not None:
            with suppress(TablesError):
                await self._tables.transition(replace(row, held_until_ms=0), expected_version=row.version)
