"""Leases of node numbers: who may mint ids under which number, and up to which moment."""

from __future__ import annotations

import os
import secrets
import socket
from dataclasses import dataclass, replace

from mesh.clock import Clock
from mesh.errors import Unavailable
from mesh.stores.tables.port import OutcomeUnknown, RowExists, Tables, VersionConflict
from mesh.stores.tables.schema import Clustering, Guard, Partition, table

NODES = 128
LEASE_MS = 60_000
"""How long a node is held without renewal; a crashed process leaves its node unused for that long."""
MAX_AHEAD_MS = 1_000
"""How far ids may run ahead of the clock: a burst of more than 256 a millisecond, or a small step back, borrows from the next moments."""

_MARGIN_MS = 1_000
"""A holder stops this long before its lease ends, a successor waits this long after: wall clocks differ."""


class ClockSteppedBack(Unavailable):
    """The clock stands too far behind the last id; minting waits until it has caught up."""

    reason = "CLOCK_STEPPED_BACK"


class NodeLeaseOver(Unavailable):
    """The lease of this process's node is over or lost; it has to be renewed before the next id."""

    reason = "NODE_LEASE_OVER"


class NoFreeNode(Unavailable):
    """All nodes of this service and region are leased."""

    reason = "NO_FREE_NODE"


@table("node_leases", guard=Guard.GUARDED)
@dataclass(frozen=True, slots=True, kw_only=True)
class NodeLease:
    """Who mints under a node number, and which timestamps may be in its ids."""

    region: Partition[int]
    node: Clustering[int]
    holder: str = ""
    last_timestamp_ms: int = 0
    """No id of this node carries a later moment than this; a successor starts above it."""
    ends_at_ms: int = 0
    """When the node is free for another holder, by the wall clock; 0 when it was given back."""
    version: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldNode:
    """A lease as its holder sees it."""

    lease: NodeLease
    above_ms: int
    """Ids start above this moment."""
    ends_monotonic_ms: int
    """When the holder stops, by its own monotonic clock."""


class NodeLeases:
    """Takes, lengthens and gives back the nodes of one region."""

    def __init__(self, tables: Tables, *, region: int, clock: Clock, lease_ms: int) -> None:
        self._tables = tables
        self._region = region
        self._clock = clock
        self._lease_ms = lease_ms
        self._holder = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"

    async def take(self) -> HeldNode:
        """The first free node. NoFreeNode when all are held, ClockSteppedBack when every free one has ids of a later moment than now."""
        now_ms, monotonic_ms = self._clock.now_ms(), self._clock.monotonic_ms()
        known = {lease.node: lease for lease in (await self._tables.scan(NodeLease, self._region, limit=NODES)).rows}
        behind = False
        for node in range(NODES):
            lease = known.get(node, NodeLease(region=self._region, node=node))
            if lease.ends_at_ms + _MARGIN_MS > now_ms:
                continue
            if lease.last_timestamp_ms >= now_ms + MAX_AHEAD_MS:
                behind = True
                continue
            wanted = self._extended(replace(lease, holder=self._holder), now_ms)
            try:
                taken = await (
                    self._tables.transition(wanted, expected_version=lease.version) if lease.version else self._tables.insert(wanted)
                )
            except (RowExists, VersionConflict):
                continue
            return HeldNode(lease=taken, above_ms=lease.last_timestamp_ms, ends_monotonic_ms=self._end(monotonic_ms))
        if behind:
            raise ClockSteppedBack("the clock stands before the ids that were given out")
        raise NoFreeNode(retry_after_ms=self._lease_ms)

    async def renew(self, held: HeldNode) -> HeldNode:
        """The lease from now on. NodeLeaseOver when another holder has the node."""
        now_ms, monotonic_ms = self._clock.now_ms(), self._clock.monotonic_ms()
        wanted = self._extended(held.lease, now_ms)
        try:
            lease = await self._tables.transition(wanted, expected_version=held.lease.version)
        except OutcomeUnknown as unknown:
            if not await self._tables.settle(unknown.token):
                raise
            lease = replace(wanted, version=held.lease.version + 1)
        except VersionConflict as conflict:
            # A renewal that nobody could settle may have been written after all; its end is older, so the next look renews again.
            if conflict.row is None or conflict.row.holder != self._holder:
                raise NodeLeaseOver("another holder has the node", node=held.lease.node) from None
            return replace(held, lease=conflict.row)
        return replace(held, lease=lease, ends_monotonic_ms=self._end(monotonic_ms))

    async def give_back(self, held: HeldNode, *, last_timestamp_ms: int) -> None:
        """Free the node at once for a successor, who starts above `last_timestamp_ms`."""
        free = replace(held.lease, holder="", last_timestamp_ms=last_timestamp_ms, ends_at_ms=0)
        await self._tables.transition(free, expected_version=held.lease.version)

    def due(self, held: HeldNode) -> bool:
        """True when a third of the lease is over, by either clock."""
        left_ms = self._lease_ms * 2 // 3
        return (
            self._clock.monotonic_ms() >= held.ends_monotonic_ms - left_ms
            or self._clock.now_ms() >= held.lease.last_timestamp_ms - MAX_AHEAD_MS - left_ms
        )

    def _end(self, began_monotonic_ms: int) -> int:
        return began_monotonic_ms + self._lease_ms - _MARGIN_MS

    def _extended(self, lease: NodeLease, now_ms: int) -> NodeLease:
        """The lease from now on; its last timestamp never goes back and leaves room for ids that run ahead."""
        ends_at_ms = now_ms + self._lease_ms
        return replace(lease, ends_at_ms=ends_at_ms, last_timestamp_ms=max(lease.last_timestamp_ms, ends_at_ms + MAX_AHEAD_MS))
