"""Membership of a consumer group on Redis: heartbeats, the share of partitions that follows from them, and fenced reading."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Final

from mesh import deadline
from mesh.events.stream.doorbell import Doorbell
from mesh.events.stream.keys import Keys
from mesh.events.stream.port import Delivery, PartitionLost, StreamUnavailable
from mesh.events.stream.records import read_records, sequence_of
from mesh.events.stream.scripts import ACKNOWLEDGE, HEARTBEAT, LEAVE, RELEASE
from mesh.events.stream.settings import StreamSettings
from mesh.stores.redis import Redis, RedisUnavailable

CALL_TIMEOUT_S: Final = 5.0
"""Time limit of a call when no deadline is set, in seconds."""
RETRY_S: Final = 0.2
"""Pause after a heartbeat that did not get through, in seconds."""

_log = logging.getLogger("clipmesh.events")


class RedisPartition:
    """One partition under one fence."""

    def __init__(self, *, membership: Membership, topic: str, partition: int, fence: str, position: str, server: str) -> None:
        self.topic = topic
        self.partition = partition
        self.fence = fence
        self.server = server
        """The process that gave the fence and the position; another one may have lost what this one read."""
        self.revoked = False
        self._membership = membership
        self._read_to = position

    async def read(self, *, limit: int, wait_ms: int) -> Sequence[Delivery]:
        """See the port."""
        membership = self._membership
        loop = asyncio.get_running_loop()
        until = loop.time() + deadline.remaining_s(wait_ms / 1000)
        key = membership.keys.stream(self.topic, self.partition)
        with membership.doorbell.listen((key, membership.revocations)) as bell:
            while True:
                bell.reset()
                await membership.confirm(self)
                place = {key: (self.topic, self.partition, self._read_to)}
                server, read = await read_records(membership.redis, place, limit=limit)
                if server != self.server:
                    await membership.beat()
                    await membership.confirm(self)
                    raise StreamUnavailable("the server changes")
                if deliveries := read.get(key, []):
                    self._advance(deliveries)
                    return deliveries
                left_s = until - loop.time()
                if left_s <= 0:
                    return ()
                await bell.wait(left_s)

    async def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """See the port; a position acknowledges everything before it."""
        if not deliveries:
            return
        newest = max((delivery.position for delivery in deliveries), key=sequence_of)
        membership = self._membership
        try:
            held = await membership.redis.run(
                ACKNOWLEDGE,
                keys=(membership.keys.hold(membership.group, self.topic, self.partition),),
                arguments=(membership.member, self.fence, newest),
                repeat=True,
                timeout_s=CALL_TIMEOUT_S,
            )
        except RedisUnavailable as error:
            raise StreamUnavailable(str(error)) from error
        if not held:
            self.revoked = True
            raise PartitionLost(f"{self.topic}/{self.partition} of {membership.group} has another owner")

    def _advance(self, deliveries: Sequence[Delivery]) -> None:
        expected = sequence_of(self._read_to) + 1
        first = sequence_of(deliveries[0].position)
        if expected > 1 and first != expected:
            _log.error("records were trimmed before a group read them", extra={"count": first - expected})
        self._read_to = deliveries[-1].position


class Membership:
    """One member of a group, alive while its heartbeats get through."""

    def __init__(
        self, *, redis: Redis, keys: Keys, settings: StreamSettings, doorbell: Doorbell, topics: Sequence[str], group: str, member: str
    ) -> None:
        self.redis = redis
        self.keys = keys
        self.doorbell = doorbell
        self.group = group
        self.member = member
        self.revocations = f"revocations:{group}:{member}"
        self._settings = settings
        self._topics = sorted(set(topics))
        self._owned: dict[tuple[str, int], RedisPartition] = {}
        self._answered: tuple[RedisPartition, ...] | None = None
        self._changed = asyncio.Event()
        self._beating = asyncio.Lock()
        self._renewed_at = 0.0

    async def next_assignment(self) -> Sequence[RedisPartition]:
        """See the port."""
        while True:
            self._changed.clear()
            owned = tuple(self._owned[place] for place in sorted(self._owned))
            if owned != self._answered:
                self._answered = owned
                return owned
            await self._changed.wait()

    async def keep(self) -> None:
        """Speak up until cancelled: by the clock, and at once when another member comes or goes."""
        interval_s = self._settings.heartbeat_ms / 1000
        loop = asyncio.get_running_loop()
        with self.doorbell.listen([self.keys.members(self.group, topic) for topic in self._topics]) as bell:
            while True:
                next_at = loop.time() + interval_s
                while not bell.rung and (left_s := next_at - loop.time()) > 0:
                    await bell.wait(left_s)
                bell.reset()
                try:
                    await self.beat()
                except StreamUnavailable:
                    await asyncio.sleep(RETRY_S)

    async def beat(self) -> None:
        """Renew what is held, take what is ours by rank, find out what was lost. Raises StreamUnavailable."""
        async with self._beating:
            begun_at = asyncio.get_running_loop().time()
            for index, topic in enumerate(self._topics):
                await self._beat(topic, index * self._settings.partitions)
            self._renewed_at = begun_at

    async def _beat(self, topic: str, offset: int) -> None:
        partitions = range(self._settings.partitions)
        held = {number: self._owned[topic, number] for number in partitions if (topic, number) in self._owned}
        try:
            answer = await self.redis.run(
                HEARTBEAT,
                keys=(self.keys.members(self.group, topic), *(self.keys.hold(self.group, topic, number) for number in partitions)),
                arguments=(
                    *(self.keys.bell, self.member, self._settings.lease_ms, offset),
                    *(held[number].fence if number in held and not held[number].revoked else "0" for number in partitions),
                ),
                repeat=True,
                timeout_s=CALL_TIMEOUT_S,
            )
        except RedisUnavailable as error:
            raise StreamUnavailable(str(error)) from error
        server = answer[0].decode()
        ours = {int(number): (fence.decode(), position.decode()) for number, fence, position in answer[1]}
        for number, partition in held.items():
            if ours.get(number, ("",))[0] != partition.fence:
                partition.revoked = True
                del self._owned[topic, number]
                self._changed.set()
                self.doorbell.ring(self.revocations)
        for number, (fence, position) in ours.items():
            if (topic, number) not in self._owned:
                self._owned[topic, number] = RedisPartition(
                    membership=self, topic=topic, partition=number, fence=fence, position=position, server=server
                )
                self._changed.set()

    async def confirm(self, partition: RedisPartition) -> None:
        """Return while the partition is ours, asking again when the lease may have run out. Raises PartitionLost, after letting go of it."""
        if not partition.revoked and asyncio.get_running_loop().time() - self._renewed_at > self._settings.lease_ms / 1000:
            await self.beat()
        if partition.revoked:
            await self._release(partition)
            raise PartitionLost(f"{partition.topic}/{partition.partition} of {self.group} went to another member")

    async def leave(self) -> None:
        """Let go of everything at once, so that others need not wait for the lease. Raises StreamUnavailable."""
        try:
            for partition in self._owned.values():
                partition.revoked = True
                await self._release(partition)
            self._owned.clear()
            for topic in self._topics:
                await self.redis.run(
                    LEAVE, keys=(self.keys.members(self.group, topic),), arguments=(self.keys.bell, self.member), repeat=True
                )
        except RedisUnavailable as error:
            raise StreamUnavailable(str(error)) from error

    async def _release(self, partition: RedisPartition) -> None:
        try:
            await self.redis.run(
                RELEASE,
                keys=(
                    self.keys.members(self.group, partition.topic),
                    self.keys.hold(self.group, partition.topic, partition.partition),
                ),
                arguments=(self.keys.bell, self.member, partition.fence),
                repeat=True,
            )
        except RedisUnavailable as error:
            raise StreamUnavailable(str(error)) from error
