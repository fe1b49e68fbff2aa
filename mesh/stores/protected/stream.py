"""The event stream behind its protection: the same port, for whatever engine."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from mesh.events.stream.port import (
    Consumption,
    Delivery,
    Lag,
    Mark,
    OwnedPartition,
    PartitionLost,
    Record,
    Stream,
    StreamMoved,
    StreamUnavailable,
)
from mesh.stores.protected.faults import Faults
from mesh.stores.protected.lane import Operation, PortErrors
from mesh.stores.protected.protection import Protection
from mesh.stores.protected.settings import STREAM, ProtectionSettings
from mesh.telemetry import Telemetry

ERRORS: Final = PortErrors(unavailable=StreamUnavailable, failures=(StreamUnavailable,), answers=(PartitionLost, StreamMoved))

_PUBLISH = Operation("publish")
_MARKED = Operation("marked")
_PUBLISH_HINT = Operation("publish_hint")
_CONSUME = Operation("consume")
_READ = Operation("read")
_ACKNOWLEDGE = Operation("acknowledge")
_REWIND = Operation("rewind")
_LAG = Operation("lag")
_GROUPS = Operation("groups")
_GENERATION = Operation("generation")


class ProtectedPartition:
    """Satisfies `OwnedPartition`."""

    def __init__(self, engine: OwnedPartition, protection: Protection) -> None:
        self.topic = engine.topic
        self.partition = engine.partition
        self.engine = engine
        self._protection = protection

    async def read(self, *, limit: int, wait_ms: int) -> Sequence[Delivery]:
        """See the port. It waits for records as long as its caller likes, which tells nothing about the stream."""
        return await self._protection.pass_by(_READ, self.engine.read, limit=limit, wait_ms=wait_ms)

    async def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """See the port."""
        if deliveries:
            await self._protection.writes.run(_ACKNOWLEDGE, self.engine.acknowledge, deliveries)


class ProtectedConsumption:
    """Satisfies `Consumption`."""

    def __init__(self, engine: Consumption, protection: Protection) -> None:
        self._engine = engine
        self._protection = protection
        self._owned: list[ProtectedPartition] = []

    async def next_assignment(self) -> Sequence[ProtectedPartition]:
        """See the port; a partition that stays is the same object as before."""
        known = {id(partition.engine): partition for partition in self._owned}
        assigned = await self._engine.next_assignment()
        self._owned = [known.get(id(each)) or ProtectedPartition(each, self._protection) for each in assigned]
        return tuple(self._owned)


class ProtectedStream:
    """Satisfies `mesh.events.stream.port.Stream` with all that the engine promises."""

    def __init__(
        self,
        engine: Stream,
        *,
        telemetry: Telemetry,
        settings: ProtectionSettings = STREAM,
        faults: Faults | None = None,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.engine = engine
        self._protection = Protection(store="stream", settings=settings, errors=ERRORS, telemetry=telemetry, faults=faults, now_s=now_s)
        self._writes = self._protection.writes

    async def check(self) -> None:
        """See the port. Before a start there is nothing to protect."""
        await self.engine.check()

    async def publish(self, records: Sequence[Record], *, mark: Mark | None = None) -> None:
        """See the port."""
        if records:
            await self._writes.run(_PUBLISH, self.engine.publish, records, mark=mark)

    async def marked(self, name: str) -> str | None:
        """See the port."""
        return await self._writes.run(_MARKED, self.engine.marked, name)

    @asynccontextmanager
    async def consume(self, topics: Sequence[str], *, group: str, member: str) -> AsyncIterator[ProtectedConsumption]:
        """See the port."""
        async with AsyncExitStack() as stack:
            joining = self.engine.consume(topics, group=group, member=member)
            yield ProtectedConsumption(await self._writes.run(_CONSUME, stack.enter_async_context, joining), self._protection)

    def tail(self, topics: Sequence[str], *, since_ms: int = 0) -> AsyncGenerator[Delivery, None]:
        """See the port. It is no call but goes on for ever, and its readers pause by themselves when it ends."""
        return self.engine.tail(topics, since_ms=since_ms)

    async def publish_hint(self, topic: str, key: str, version: int) -> None:
        """See the port. It never says that it was lost, so it cannot tell anything about the stream either."""
        if not self._writes.refuses:
            await self._protection.pass_by(_PUBLISH_HINT, self.engine.publish_hint, topic, key, version)

    async def rewind(self, topics: Sequence[str], *, group: str, to_ms: int) -> None:
        """See the port."""
        await self._writes.run(_REWIND, self.engine.rewind, topics, group=group, to_ms=to_ms)

    async def lag(self, topics: Sequence[str], *, group: str) -> Sequence[Lag]:
        """See the port."""
        return await self._protection.share(_LAG, (*topics, group), lambda: self.engine.lag(topics, group=group), copy=tuple)

    async def groups(self) -> Mapping[str, Sequence[str]]:
        """See the port."""
        return await self._writes.run(_GROUPS, self.engine.groups)

    async def generation(self) -> str:
        """See the port."""
        return await self._writes.run(_GENERATION, self.engine.generation)

    async def close(self) -> None:
        """See the port."""
        await self.engine.close()
