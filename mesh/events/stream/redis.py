"""The stream on Redis Streams: partitions as streams, groups as fenced positions, a bell instead of blocked connections."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Final

from clipmesh.common.v1.envelope_pb2 import ChangeHint

from mesh.events.stream.doorbell import Doorbell
from mesh.events.stream.keys import Keys
from mesh.events.stream.partitions import partition_of
from mesh.events.stream.port import Delivery, Lag, Mark, Record, StreamMoved, StreamUnavailable
from mesh.events.stream.records import START, moment_of, read_records, sequence_of
from mesh.events.stream.redis_group import Membership
from mesh.events.stream.scripts import PUBLISH, REWIND
from mesh.events.stream.settings import StreamSettings
from mesh.stores.redis import Redis, RedisUnavailable
from mesh.stores.redis_checks import check_keeps_events

CALL_TIMEOUT_S: Final = 5.0
"""Time limit of a call when no deadline is set, in seconds."""
HINT_TIMEOUT_S: Final = 0.25
"""How long a hint may take before it is let go, in seconds."""
PUBLISH_BATCH: Final = 200
"""Records appended in one step, unless a mark holds more together: Redis answers nobody else meanwhile."""
TAIL_BATCH: Final = 500
"""Records of one partition that a tail takes at once."""
LEAVE_TIMEOUT_S: Final = 1.0
"""How long a leaving member tries to say so, in seconds; else its leases run out."""
_IDLE_S: Final = 5.0

_log = logging.getLogger("clipmesh.events")


class RedisStream:
    """Satisfies `mesh.events.stream.port.Stream` on one Redis, which the caller opens and closes.

    Records survive what the server's append-only file survives. The server's clock decides ages, leases and positions.
    """

    def __init__(self, *, redis: Redis, settings: StreamSettings) -> None:
        self._redis = redis
        self._settings = settings
        self._keys = Keys(settings.prefix)
        self._doorbell = Doorbell(redis=redis, channel=self._keys.bell)

    async def check(self) -> None:
        """See the port: a server that throws keys away when memory is short is no place for events."""
        await check_keeps_events(self._redis)

    async def publish(self, records: Sequence[Record], *, mark: Mark | None = None) -> None:
        """See the port."""
        size = PUBLISH_BATCH if mark is None else max(1, len(records))
        for begin in range(0, len(records), size):
            await self._append(
                records[begin : begin + size],
                max_records=self._settings.max_records,
                retention_ms=self._settings.retention_ms,
                timeout_s=CALL_TIMEOUT_S,
                mark=mark,
            )

    async def marked(self, name: str) -> str | None:
        """See the port."""
        with _unavailable():
            mark = await self._redis.call("GET", self._keys.mark(name), timeout_s=CALL_TIMEOUT_S)
        return mark.decode() if mark else ""

    async def publish_hint(self, topic: str, key: str, version: int) -> None:
        """See the port; a hint that does not get through at once is let go."""
        hint = Record(topic=topic, key=key, value=ChangeHint(topic=topic, key=key, version=version).SerializeToString())
        with suppress(StreamUnavailable):
            await self._append(
                [hint], max_records=self._settings.hint_records, retention_ms=self._settings.hint_retention_ms, timeout_s=HINT_TIMEOUT_S
            )

    async def _append(
        self, records: Sequence[Record], *, max_records: int, retention_ms: int, timeout_s: float, mark: Mark | None = None
    ) -> None:
        places: dict[tuple[str, int], int] = {}
        arguments: list[str | bytes | int] = [self._keys.bell, max_records, retention_ms]
        arguments += (mark.after, mark.until) if mark else ("", "")
        for record in records:
            place = (record.topic, partition_of(record.key, self._settings.partitions))
            arguments += (places.setdefault(place, len(places) + 1), record.key, record.value)
        keys = [key for place in places for key in (self._keys.stream(*place), self._keys.head(*place))]
        if mark:
            keys.append(self._keys.mark(mark.name))
        with _unavailable():
            answer = await self._redis.run(PUBLISH, keys=keys, arguments=arguments, repeat=True, timeout_s=timeout_s)
        if answer != b"ok":
            raise StreamMoved(answer[2:].decode())

    @asynccontextmanager
    async def consume(self, topics: Sequence[str], *, group: str, member: str) -> AsyncIterator[Membership]:
        """See the port. A member that comes back under its name takes its partitions over at once, fencing off its former self."""
        membership = Membership(
            redis=self._redis, keys=self._keys, settings=self._settings, doorbell=self._doorbell, topics=topics, group=group, member=member
        )
        await membership.beat()
        heartbeats = asyncio.create_task(membership.keep(), context=contextvars.Context())
        try:
            yield membership
        finally:
            heartbeats.cancel()
            await asyncio.gather(heartbeats, return_exceptions=True)
            with suppress(StreamUnavailable, TimeoutError):
                async with asyncio.timeout(LEAVE_TIMEOUT_S):
                    await membership.leave()

    async def tail(self, topics: Sequence[str], *, since_ms: int = 0) -> AsyncGenerator[Delivery, None]:
        """See the port; a slow reader skips only what was trimmed meanwhile, and the log says how much."""
        places = {
            self._keys.stream(topic, number): (topic, number, position)
            for (topic, number), position in (await self._tail_positions(topics, since_ms)).items()
        }
        first_server = ""
        with self._doorbell.listen(tuple(places)) as bell:
            while True:
                bell.reset()
                server, read = await read_records(self._redis, places, limit=TAIL_BATCH)
                if server != (first_server := first_server or server):
                    raise StreamUnavailable("another server answers; what it lost comes again behind the positions of the first")
                for name, deliveries in read.items():
                    topic, number, position = places[name]
                    expected = sequence_of(position) + 1
                    first = sequence_of(deliveries[0].position)
                    if expected > 1 and first > expected:
                        _log.warning("records were trimmed before a tail read them", extra={"count": first - expected})
                    places[name] = (topic, number, deliveries[-1].position)
                    for delivery in deliveries:
                        yield delivery
                if not read:
                    await bell.wait(_IDLE_S)

    async def _tail_positions(self, topics: Sequence[str], since_ms: int) -> dict[tuple[str, int], str]:
        places = [(topic, number) for topic in dict.fromkeys(topics) for number in range(self._settings.partitions)]
        with _unavailable():
            if since_ms > 0:
                seconds, micros = await self._redis.call("TIME", timeout_s=CALL_TIMEOUT_S)
                begin_ms = max(0, int(seconds) * 1000 + int(micros) // 1000 - since_ms)
                return dict.fromkeys(places, f"{begin_ms}-0")
            heads = await self._redis.call("MGET", *(self._keys.head(*place) for place in places), timeout_s=CALL_TIMEOUT_S)
        return {place: head.decode() if head else START for place, head in zip(places, heads, strict=True)}

    async def rewind(self, topics: Sequence[str], *, group: str, to_ms: int) -> None:
        """See the port; who reads the group now loses its partitions and takes them anew at the earlier position."""
        for topic in topics:
            keys = [self._keys.members(group, topic)]
            for number in range(self._settings.partitions):
                keys += (self._keys.stream(topic, number), self._keys.hold(group, topic, number))
            with _unavailable():
                await self._redis.run(REWIND, keys=keys, arguments=(self._keys.bell, to_ms), repeat=True, timeout_s=CALL_TIMEOUT_S)

    async def lag(self, topics: Sequence[str], *, group: str) -> Sequence[Lag]:
        """See the port."""
        places = [(topic, number) for topic in topics for number in range(self._settings.partitions)]
        with _unavailable():
            seconds, micros = await self._redis.call("TIME", timeout_s=CALL_TIMEOUT_S)
            positions = await self._redis.many(
                [("HGET", self._keys.hold(group, *place), "position") for place in places], timeout_s=CALL_TIMEOUT_S
            )
            heads = await self._redis.many([("GET", self._keys.head(*place)) for place in places], timeout_s=CALL_TIMEOUT_S)
            oldest = await self._redis.many(
                [
                    ("XRANGE", self._keys.stream(*place), f"({position.decode() if position else START}", "+", "COUNT", 1)
                    for place, position in zip(places, positions, strict=True)
                ],
                timeout_s=CALL_TIMEOUT_S,
            )
        now_ms = int(seconds) * 1000 + int(micros) // 1000
        lags = []
        for (topic, number), head, waiting in zip(places, heads, oldest, strict=True):
            first = waiting[0][0].decode() if waiting else ""
            records = max(0, sequence_of(head.decode()) - sequence_of(first) + 1) if first and head else 0
            lags.append(Lag(topic=topic, partition=number, records=records, oldest_ms=max(0, now_ms - moment_of(first)) if first else 0))
        return lags

    async def groups(self) -> Mapping[str, Sequence[str]]:
        """See the port; walks all keys of the Redis."""
        found: dict[str, set[str]] = {}
        cursor = b"0"
        with _unavailable():
            while True:
                cursor, keys = await self._redis.call(
                    "SCAN", cursor, "MATCH", self._keys.any_hold, "COUNT", 1_000, timeout_s=CALL_TIMEOUT_S
                )
                for key in keys:
                    group, topic = self._keys.held(key.decode())
                    found.setdefault(group, set()).add(topic)
                if cursor == b"0":
                    return {group: sorted(topics) for group, topics in sorted(found.items())}

    async def generation(self) -> str:
        """See the port."""
        with _unavailable():
            await self._redis.call("SET", self._keys.generation, secrets.token_hex(8), "NX", repeat=True, timeout_s=CALL_TIMEOUT_S)
            marker = await self._redis.call("GET", self._keys.generation, timeout_s=CALL_TIMEOUT_S)
        if marker is None:
            raise StreamUnavailable("the stream lost its contents just now")
        return str(marker.decode())

    async def close(self) -> None:
        """See the port."""
        await self._doorbell.close()


@contextmanager
def _unavailable() -> Iterator[None]:
    try:
        yield
    except RedisUnavailable as error:
        raise StreamUnavailable(str(error)) from error
