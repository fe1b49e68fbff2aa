"""Tables behind their protection: the same port, for whatever engine."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from mesh.events.event import Event
from mesh.stores.protected.faults import Faults
from mesh.stores.protected.lane import Operation, PortErrors
from mesh.stores.protected.protection import Protection
from mesh.stores.protected.settings import TABLES, ProtectionSettings
from mesh.stores.tables.port import Change, OutboxPage, OutcomeUnknown, Page, RowExists, Tables, TablesUnavailable, VersionConflict
from mesh.telemetry import Telemetry

R = TypeVar("R")

ERRORS: Final = PortErrors(
    unavailable=TablesUnavailable, failures=(TablesUnavailable, OutcomeUnknown), answers=(RowExists, VersionConflict)
)

_GET = Operation("get")
_GET_MANY = Operation("get_many")
_SCAN = Operation("scan")
_WALK = Operation("walk", timed=False)
_INSERT = Operation("insert")
_TRANSITION = Operation("transition")
_REMOVE = Operation("remove")
_COMMIT = Operation("commit")
_PUT = Operation("put")
_PUT_ONCE = Operation("put_once")
_DELETE = Operation("delete")
_SETTLE = Operation("settle")
# One relay reads a shard at a time: it cannot crowd anybody out, and must not be crowded out itself.
_READ_OUTBOX = Operation("read_outbox", placed=False)
_DROP_OUTBOX = Operation("drop_outbox", timed=False, placed=False)


class ProtectedTables:
    """Satisfies `mesh.stores.tables.port.Tables` with all that the engine promises."""

    def __init__(
        self,
        engine: Tables,
        *,
        telemetry: Telemetry,
        settings: ProtectionSettings = TABLES,
        faults: Faults | None = None,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.engine = engine
        self._protection = Protection(store="tables", settings=settings, errors=ERRORS, telemetry=telemetry, faults=faults, now_s=now_s)
        self._writes = self._protection.writes

    async def get(self, row_type: type[R], *key: Any) -> R | None:
        """See the port."""
        return await self._protection.share(_GET, (row_type, key), lambda: self.engine.get(row_type, *key))

    async def get_many(self, row_type: type[R], keys: Sequence[tuple[Any, ...]]) -> dict[tuple[Any, ...], R]:
        """See the port."""
        asked = (row_type, *keys)
        return await self._protection.share(_GET_MANY, asked, lambda: self.engine.get_many(row_type, keys), copy=dict)

    async def scan(
        self,
        row_type: type[R],
        *partition: Any,
        first: tuple[Any, ...] = (),
        last: tuple[Any, ...] = (),
        after: str = "",
        limit: int = 100,
        backwards: bool = False,
    ) -> Page[R]:
        """See the port."""

        async def scan() -> Page[R]:
            return await self.engine.scan(row_type, *partition, first=first, last=last, after=after, limit=limit, backwards=backwards)

        return await self._protection.share(_SCAN, (row_type, partition, first, last, after, limit, backwards), scan)

    async def walk(self, row_type: type[R], *, after: str = "", limit: int = 500) -> Page[R]:
        """See the port."""
        return await self._protection.reads.run(_WALK, self.engine.walk, row_type, after=after, limit=limit)

    async def insert(self, row: R, *, events: Sequence[Event] = ()) -> R:
        """See the port."""
        return await self._writes.run(_INSERT, self.engine.insert, row, events=events)

    async def transition(self, row: R, *, expected_version: int, events: Sequence[Event] = ()) -> R:
        """See the port."""
        return await self._writes.run(_TRANSITION, self.engine.transition, row, expected_version=expected_version, events=events)

    async def remove(self, row: Any, *, expected_version: int, events: Sequence[Event] = ()) -> None:
        """See the port."""
        await self._writes.run(_REMOVE, self.engine.remove, row, expected_version=expected_version, events=events)

    async def commit(self, *changes: Change, events: Sequence[Event] = ()) -> tuple[Any, ...]:
        """See the port."""
        return await self._writes.run(_COMMIT, self.engine.commit, *changes, events=events)

    async def put(self, *rows: Any, events: Sequence[Event] = ()) -> None:
        """See the port."""
        await self._writes.run(_PUT, self.engine.put, *rows, events=events)

    async def put_once(self, first: Any, *rows: Any, events: Sequence[Event] = ()) -> None:
        """See the port."""
        await self._writes.run(_PUT_ONCE, self.engine.put_once, first, *rows, events=events)

    async def delete(self, *rows: Any, events: Sequence[Event] = ()) -> None:
        """See the port."""
        await self._writes.run(_DELETE, self.engine.delete, *rows, events=events)

    async def settle(self, token: str) -> bool:
        """See the port. It is never refused: that would keep unknown what the store knows by now."""
        return await self._protection.pass_by(_SETTLE, self.engine.settle, token)

    @property
    def broken(self) -> asyncio.Event:
        """See the port."""
        return self.engine.broken

    @property
    def outbox_shards(self) -> int:
        """See the port."""
        return self.engine.outbox_shards

    async def read_outbox(self, shard: int, *, after: str = "", limit: int = 500) -> OutboxPage:
        """See the port."""
        return await self._protection.reads.run(_READ_OUTBOX, self.engine.read_outbox, shard, after=after, limit=limit)

    async def wait_outbox(self, timeout_s: float) -> None:
        """See the port. It waits for others, not for the store."""
        await self.engine.wait_outbox(timeout_s)

    async def drop_outbox(self, *, before_ms: int) -> int:
        """See the port."""
        return await self._writes.run(_DROP_OUTBOX, self.engine.drop_outbox, before_ms=before_ms)

    async def close(self) -> None:
        """See the port."""
        await self.engine.close()
