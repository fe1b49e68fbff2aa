"""Snowflake ids: time, region, service, node and sequence in 63 bits, minted under a leased node and never twice."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from mesh.clock import Clock
from mesh.errors import Unavailable
from mesh.node_lease import LEASE_MS, MAX_AHEAD_MS, ClockSteppedBack, HeldNode, NodeLease, NodeLeaseOver, NodeLeases, NoFreeNode
from mesh.stores.tables.port import Tables, TablesError

__all__ = ["ClockSteppedBack", "IdParts", "Ids", "NextId", "NoFreeNode", "NodeLease", "NodeLeaseOver", "decode", "open_ids"]

EPOCH_MS = 1_704_067_200_000
"""2024-01-01T00:00:00Z; 41 bits of milliseconds from there last until 2093."""
SERVICES = {"video": 0, "feed": 1, "social": 2, "sound": 3, "rights": 4}
"""Number of each service inside its ids."""
REGIONS = 16

_SEQUENCES = 256
_LOOK_EVERY_S = 0.1
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class IdParts:
    """What an id is made of."""

    at_ms: int
    region: int
    service: int
    node: int
    sequence: int


def decode(an_id: int) -> IdParts:
    """The parts of an id; `at_ms` is the moment it was minted, exact within a second and what clocks of nodes differ by."""
    return IdParts((an_id >> 22) + EPOCH_MS, an_id >> 18 & 15, an_id >> 15 & 7, an_id >> 8 & 127, an_id & 255)


class NextId(Protocol):
    """Makes ids."""

    def __call__(self, after: int = 0, /) -> int:
        """See `Ids.next`."""
        ...


class Ids:
    """Mints ids of one service under one leased node."""

    def __init__(self, *, leases: NodeLeases, held: HeldNode, service: str, clock: Clock) -> None:
        self._leases = leases
        self._clock = clock
        self._service = service
        self._last_ms = 0
        self._sequence = 0
        self._known_ms = 0
        self._stopped = False
        self._renewal = asyncio.Lock()
        self._held = held
        self._hold(held)
        self._renewing = asyncio.create_task(self._keep(), name=f"{service}-node-lease")

    @property
    def node(self) -> int:
        """The node number that ids carry."""
        return self._held.lease.node

    def next(self, after: int = 0) -> int:
        """A new id, larger than every one before it, and than `after`: an id of ours that what gets the new one follows, whatever the clock of its node.

        Raises ClockSteppedBack or NodeLeaseOver, then none is used up.
        """
        now_ms = self._clock.now_ms()
        if self._stopped or self._clock.monotonic_ms() >= self._held.ends_monotonic_ms:
            raise NodeLeaseOver(retry_after_ms=int(_LOOK_EVERY_S * 1_000))
        after_ms, known_ms = (after >> 22) + EPOCH_MS, self._known_ms
        if after_ms >= max(now_ms, self._last_ms):
            # A clock that is behind goes by the latest moment that it was shown, as a hybrid logical clock does.
            known_ms = after_ms + 1
        now_ms = max(now_ms, known_ms)
        at_ms, sequence = self._last_ms, self._sequence + 1
        if now_ms > at_ms:
            at_ms, sequence = now_ms, 0
        elif sequence == _SEQUENCES:
            at_ms, sequence = at_ms + 1, 0
        if at_ms > now_ms + MAX_AHEAD_MS:
            raise ClockSteppedBack(retry_after_ms=at_ms - now_ms - MAX_AHEAD_MS)
        if at_ms > self._held.lease.last_timestamp_ms:
            raise NodeLeaseOver(retry_after_ms=int(_LOOK_EVERY_S * 1_000))
        self._last_ms, self._sequence, self._known_ms = at_ms, sequence, known_ms
        return (at_ms - EPOCH_MS) << 22 | self._fixed | sequence

    async def renew(self) -> None:
        """Lengthen the lease now, or take another node when this one is lost. Raises Unavailable or TablesError, then nothing changed."""
        async with self._renewal:
            try:
                self._held = await self._leases.renew(self._held)
            except NodeLeaseOver:
                _log.warning("node %d of %s has another holder", self.node, self._service)
                self._hold(await self._leases.take())

    async def close(self) -> None:
        """Give the node back; no id comes after it. Safe to repeat."""
        self._renewing.cancel()
        with suppress(asyncio.CancelledError):
            await self._renewing
        if self._stopped:
            return
        self._stopped = True
        try:
            await self._leases.give_back(self._held, last_timestamp_ms=self._last_ms)
        except TablesError as error:
            # The lease ends by itself; until then the next process takes another node.
            _log.warning("node %d of %s was not given back: %s", self.node, self._service, error)

    def _hold(self, held: HeldNode) -> None:
        """Go on under a node: above what it recorded and above what this process minted."""
        self._held = held
        self._fixed = held.lease.region << 18 | SERVICES[self._service] << 15 | held.lease.node << 8
        self._last_ms, self._sequence = max(self._last_ms, held.above_ms), _SEQUENCES - 1

    async def _keep(self) -> None:
        """Renew in time; looks often, because tests and sleeping machines let time jump."""
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            if not self._leases.due(self._held):
                continue
            try:
                await self.renew()
            except (TablesError, Unavailable) as error:
                _log.warning("node %d of %s was not renewed: %s", self.node, self._service, error)


async def open_ids(tables: Tables, *, service: str, clock: Clock, region: int = 0, lease_ms: int = LEASE_MS) -> Ids:
    """Lease a free node in the service's tables (NodeLease is among their row types) and mint under it; close the ids before the tables.

    Raises NoFreeNode when all 128 are held, ClockSteppedBack when the clock stands before what every free node has recorded.
    """
    if service not in SERVICES:
        raise ValueError(f"{service!r} has no number; services are {', '.join(SERVICES)}")
    if not 0 <= region < REGIONS:
        raise ValueError(f"a region is 0 to {REGIONS - 1}, not {region}")
    leases = NodeLeases(tables, region=region, clock=clock, lease_ms=lease_ms)
    return Ids(leases=leases, held=await leases.take(), service=service, clock=clock)
