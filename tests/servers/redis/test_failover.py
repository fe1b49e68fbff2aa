"""A Redis that fails over loses what its replica did not have yet; the tables still have it, and the relay sends it again."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from clipmesh.common.v1.envelope_pb2 import EventEnvelope

from mesh.clock import SystemClock
from mesh.events.relay import Relay, RelaySettings
from mesh.events.rows import EVENT_TABLES
from mesh.events.stream import StreamSettings, open_stream
from mesh.events.stream.keys import Keys
from mesh.events.stream.port import Stream
from mesh.stores.redis import Redis, RedisUnavailable, open_redis
from mesh.stores.tables import open_tables
from mesh.stores.tables.port import Tables
from mesh.testing.stream_readers import drain, owned_by
from tests.fixtures.redis_tcp import TcpRedis, Watched, watched
from tests.unit.mesh.events.world import Owned, Size, Sizes, UploadOf, World, running, until

# Without an overlap only the mark in the stream can tell a relay what is missing: an outage may last longer than any overlap.
SETTINGS = RelaySettings(idle_ms=50, backoff_ms=20, longest_backoff_ms=200, generation_every_ms=500, overlap_ms=0)
LEASES = StreamSettings(lease_ms=3_000, heartbeat_ms=500)


@dataclass
class Pipeline:
    """Rows, their relay, the stream on a watched Redis, and a consumer with rows of its own."""

    world: World
    servers: Watched
    redis: Redis

    def relay(self) -> Relay:
        """A relay as a process runs it."""
        return self.world.relay(settings=SETTINGS)

    async def sizes(self) -> dict[int, int]:
        """What the consumer made of the events: the last version of each video."""
        page = await self.world.tables.walk(Size, limit=1_000)
        return {row.video_id: row.version for row in page.rows}

    async def written(self) -> dict[int, int]:
        """What the tables acknowledged."""
        page = await self.world.tables.walk(Owned, limit=1_000)
        return {row.video_id: row.version for row in page.rows}

    async def complete(self) -> bool:
        """Whether the consumer has heard of every write."""
        return await self.sizes() == await self.written()


@asynccontextmanager
async def pipeline(folder: Path) -> AsyncIterator[Pipeline]:
    tables: Tables = await open_tables(
        f"sqlite:///{folder}", service="video", row_types=(Size, UploadOf, Owned, *EVENT_TABLES), clock=SystemClock()
    )
    async with watched(folder) as servers:
        redis = open_redis(servers.url)
        stream: Stream = open_stream("", redis=redis, settings=LEASES)
        try:
            yield Pipeline(World(tables, stream, SystemClock()), servers, redis)
        finally:
            await stream.close()
            await redis.close()
            await tables.close()


async def written_to_master_alone(them: Pipeline, *, videos: range, relay: Relay) -> None:
    """Writes whose events the master acknowledged and the replica never saw."""
    published = relay.status().published
    for video_id in videos:
        await them.world.write(video_id)
    await until(lambda: relay.status().published >= published + len(videos))


async def test_what_a_lagging_replica_lacks_is_sent_again_though_nothing_new_is_written(tmp_path: Path) -> None:
    async with pipeline(tmp_path) as them:
        relay, group = them.relay(), them.world.group(Sizes())
        async with running(relay.run(), group.run()):
            for video_id in range(1, 41):
                await them.world.write(video_id)
            await until(them.complete, patience_s=40)
        # The consumer is away while it happens, so that only the stream can tell it.
        relay = them.relay()
        async with running(relay.run()):
            await until(lambda: relay.status().held_shards == them.world.tables.outbox_shards)
            await them.servers.cut_replication()
            await written_to_master_alone(them, videos=range(41, 81), relay=relay)
            await them.servers.master.kill()
            await them.servers.failed_over()
            group = them.world.group(Sizes())
            async with running(group.run()):
                await until(them.complete, patience_s=40)
            assert relay.status().rewound > 0
            assert len(await them.sizes()) == 80


async def test_readers_miss_nothing_when_the_clock_of_the_new_master_is_behind(tmp_path: Path) -> None:
    async with pipeline(tmp_path) as them:
        relay, group = them.relay(), them.world.group(Sizes())
        async with running(relay.run(), group.run()):
            for video_id in range(1, 41):
                await them.world.write(video_id)
            await until(them.complete, patience_s=40)
            await until(lambda: _caught_up(them.servers))
            await them.servers.cut_replication()
            # Positions tell the time, so this is what an hour between the clocks looks like.
            keys = Keys(LEASES.prefix)
            for partition in range(LEASES.partitions):
                head = await them.redis.call("GET", keys.head("video", partition))
                ms, _, number = (head or b"0-0").decode().partition("-")
                await them.redis.call("SET", keys.head("video", partition), f"{int(ms) + 3_600_000}-{number}")
            for video_id in range(41, 81):
                await them.world.write(video_id)
            await until(them.complete, patience_s=40)
            await them.servers.master.kill()
            for video_id in range(1, 81):
                await them.world.write(video_id)
            await until(them.complete, patience_s=40)
        assert set((await them.sizes()).values()) == {2}


async def test_nothing_acknowledged_is_lost_when_the_master_dies_under_load(tmp_path: Path) -> None:
    async with pipeline(tmp_path) as them:
        relay, group = them.relay(), them.world.group(Sizes())
        numbers = itertools.count(1)

        async def write() -> None:
            while True:
                await them.world.write(next(numbers) % 200 + 1)
                await asyncio.sleep(0.002)

        async with running(relay.run(), group.run()):
            async with running(write()):
                await until(lambda: relay.status().published > 200, patience_s=40)
                await them.servers.master.kill()
                await them.servers.failed_over()
                published = relay.status().published
                await until(lambda: relay.status().published > published + 200, patience_s=40)
            await until(them.complete, patience_s=40)
        assert sum((await them.written()).values()) > 400
    assert not relay.status().away


async def test_a_master_that_comes_back_late_takes_nobody_along(tmp_path: Path) -> None:
    async with pipeline(tmp_path) as them:
        await them.redis.call("SET", "k", "before")
        await until(lambda: _has(them.servers.replica, "k", "before"))
        them.servers.master.freeze()
        with pytest.raises(RedisUnavailable):
            await them.redis.call("SET", "k", "lost", timeout_s=0.3)
        await them.servers.failed_over()
        async with asyncio.timeout(10):
            while True:
                try:
                    await them.redis.call("SET", "k", "after", timeout_s=0.5)
                    break
                except RedisUnavailable:
                    await asyncio.sleep(0.05)
        them.servers.master.thaw()
        for _ in range(20):
            assert await them.redis.call("GET", "k", timeout_s=2) == b"after"
            await asyncio.sleep(0.05)


async def test_a_relay_that_starts_after_the_failover_sends_what_is_missing_too(tmp_path: Path) -> None:
    async with pipeline(tmp_path) as them:
        relay = them.relay()
        async with running(relay.run()):
            for video_id in range(1, 21):
                await them.world.write(video_id)
            await until(lambda: relay.status().published >= 20)
            await until(lambda: _caught_up(them.servers))
            await them.servers.cut_replication()
            await written_to_master_alone(them, videos=range(21, 41), relay=relay)
        await them.servers.master.kill()
        await them.servers.failed_over()
        heir = them.relay()
        async with running(heir.run()):
            await until(lambda: heir.status().rewound > 0)
            await until(lambda: heir.status().published >= 20)
        seen = await _versions(them.world)
        assert {key for key, _ in seen} >= {str(n) for n in range(1, 41)}


@pytest.mark.timed
async def test_sentinels_that_are_silent_cost_the_deadline_and_no_more(tmp_path: Path) -> None:
    async with watched(tmp_path) as them:
        redis = open_redis(them.url)
        for sentinel in them.sentinels[:2]:
            sentinel.freeze()
        loop = asyncio.get_running_loop()
        begun_at = loop.time()
        assert await redis.call("SET", "k", 1, timeout_s=2) == b"OK"
        assert loop.time() - begun_at < 1.5
        them.sentinels[2].freeze()
        other = open_redis(them.url)
        begun_at = loop.time()
        with pytest.raises(RedisUnavailable):
            await other.call("GET", "k", timeout_s=0.25)
        assert loop.time() - begun_at < 0.35
        assert await redis.call("GET", "k") == b"1"
        await redis.close()
        await other.close()


async def _has(server: TcpRedis, key: str, value: str) -> bool:
    return value in await server.ask("GET", key)


async def _caught_up(servers: Watched) -> bool:
    facts = await servers.master.ask("INFO", "replication")
    offset = facts.partition("master_repl_offset:")[2].split("\r\n")[0]
    return f"offset={offset}," in facts or f",offset={offset}" in facts


async def _versions(world: World) -> set[tuple[str, int]]:
    async with world.stream.consume(["video"], group="inspection", member="test") as consumption:
        deliveries = await drain(await owned_by(consumption, LEASES.partitions), acknowledge=False)
    events = [EventEnvelope.FromString(delivery.value) for delivery in deliveries]
    return {(event.key, event.key_version) for event in events}
