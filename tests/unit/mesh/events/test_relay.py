"""The relay carries every committed event to the stream, in order per key, whatever dies on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from mesh import failpoints
from mesh.events.relay import RelaySettings
from mesh.events.relay_shard import advanced, resume_position
from mesh.events.rows import RelayPosition
from mesh.events.stream.port import Mark, Record, Stream, StreamUnavailable
from mesh.failpoints import Failpoint
from mesh.stores.redis import Redis
from mesh.testing.clock import FakeClock
from mesh.testing.redis_server import RedisServer
from tests.unit.mesh.events.world import World, running, until


class PowerCut(BaseException):
    """The process ends here."""


class Flaky:
    """A stream that answers nothing while `away`."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self.away = False
        self.calls = 0

    async def publish(self, records: Sequence[Record], *, mark: Mark | None = None) -> None:
        self._answer()
        await self._stream.publish(records, mark=mark)

    async def generation(self) -> str:
        self._answer()
        return await self._stream.generation()

    def _answer(self) -> None:
        self.calls += 1
        if self.away:
            raise StreamUnavailable("away")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def by_key(log: list[tuple[str, int]]) -> dict[str, list[int]]:
    seen: dict[str, list[int]] = {}
    for key, version in log:
        if version not in seen.setdefault(key, []):
            seen[key].append(version)
    return seen


async def test_every_committed_event_is_published_once_and_in_order_per_key(world: World) -> None:
    for video_id in range(1, 21):
        await world.write(video_id, steps=3)
    relay = world.relay()
    assert await relay.relay_once() == 60
    assert await relay.relay_once() == 0
    log = await world.published()
    assert len(log) == 60
    assert by_key(log) == {str(video_id): [1, 2, 3] for video_id in range(1, 21)}


async def test_a_waiting_relay_publishes_soon_after_the_write(world: World) -> None:
    relay = world.relay(settings=RelaySettings(idle_ms=10_000))
    async with running(relay.run()):
        await until(lambda: relay.status().held_shards == world.tables.outbox_shards)
        await world.write(1)
        await until(lambda: relay.status().published == 1, patience_s=8)
        relay.stop()
    assert await world.published() == [("1", 1)]


async def test_a_crash_between_publish_and_position_costs_repeats_only(
    world: World, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.write(1, steps=4)
    visits: list[Failpoint] = []

    def cut(point: Failpoint) -> None:
        visits.append(point)
        raise PowerCut

    with monkeypatch.context() as patch:
        patch.setattr(failpoints, "hit", cut)
        with pytest.raises(PowerCut):
            await world.relay().relay_once()
    assert visits == [Failpoint.RELAY_AFTER_PUBLISH]
    assert await world.published() == [("1", version) for version in (1, 2, 3, 4)]
    await world.write(1)
    assert await world.relay().relay_once() == 5
    log = await world.published()
    assert log == [("1", version) for version in (1, 2, 3, 4, 1, 2, 3, 4, 5)]


async def test_a_relay_that_comes_back_sends_the_overlap_again_and_no_more(world: World, clock: FakeClock) -> None:
    for _ in range(4):
        relay = world.relay()
        await world.write(9)
        await relay.relay_once()
        clock.advance(40_000)
    assert await world.relay().relay_once() == 0
    await world.write(9)
    await world.relay().relay_once()
    clock.advance(1_000)
    assert await world.relay().relay_once() == 1
    assert by_key(await world.published()) == {"9": [1, 2, 3, 4, 5]}


def test_a_position_is_trusted_only_when_it_is_older_than_the_overlap() -> None:
    row = RelayPosition(shard=0)
    for now_ms, position in ((1_000, "a"), (20_000, "b"), (45_000, "c"), (50_000, "d")):
        row = advanced(row, position, now_ms=now_ms, overlap_ms=30_000, lease_ms=1)
    assert (row.position, row.checkpoint, row.overlap) == ("d", "b", "")
    assert resume_position(row, now_ms=51_000, overlap_ms=30_000) == ""
    assert resume_position(row, now_ms=75_000, overlap_ms=30_000) == "b"
    assert resume_position(row, now_ms=80_000, overlap_ms=30_000) == "d"


async def test_a_stream_that_lost_its_contents_gets_everything_again(world: World, redis: Redis, clock: FakeClock) -> None:
    await world.write(1, steps=3)
    relay = world.relay()
    await relay.relay_once()
    clock.advance(3_600_000)
    await redis.call("FLUSHALL")
    assert await world.published() == []
    assert await relay.relay_once() == 3
    assert await relay.relay_once() == 0
    assert by_key(await world.published()) == {"1": [1, 2, 3]}


async def test_a_relay_waits_for_redis_and_then_nothing_is_missing(world: World, redis_server: RedisServer) -> None:
    relay = world.relay()
    async with running(relay.run()):
        await world.write(1, steps=2)
        await until(lambda: relay.status().published >= 2)
        await redis_server.kill()
        await world.write(1, steps=2)
        await until(lambda: relay.status().away)
        await redis_server.start()
        await until(lambda: not relay.status().away and not relay.status().oldest_ms)
        await until(lambda: relay.status().published >= 4)
    assert by_key(await world.published()) == {"1": [1, 2, 3, 4]}


async def test_the_age_of_what_waits_grows_while_the_stream_is_away(world: World, clock: FakeClock) -> None:
    flaky = Flaky(world.stream)
    relay = world.relay(stream=flaky)
    await relay.relay_once()
    assert relay.status().oldest_ms == 0
    await world.write(1)
    flaky.away = True
    with pytest.raises(StreamUnavailable):
        await relay.relay_once()
    clock.advance(12_000)
    assert relay.status().oldest_ms == 12_000
    flaky.away = False
    assert await relay.relay_once() == 1
    await relay.relay_once()
    assert relay.status().oldest_ms == 0


async def test_the_age_of_what_was_written_during_an_outage_is_told_too(world: World, clock: FakeClock) -> None:
    """The relay looks first whether the stream is there, and no shard steps while it is not."""
    await world.write(1)
    flaky = Flaky(world.stream)
    relay = world.relay(stream=flaky, settings=RelaySettings(generation_every_ms=0))
    assert await relay.relay_once() == 1
    assert await relay.relay_once() == 0
    flaky.away = True
    for written, age_ms in ((False, 0), (True, 0), (False, 12_000)):
        clock.advance(age_ms)
        if written:
            await world.write(2)
        with pytest.raises(StreamUnavailable):
            await relay.relay_once()
        assert relay.status().oldest_ms == age_ms
    newcomer = world.relay(owner="another", stream=flaky)
    with pytest.raises(StreamUnavailable):
        await newcomer.relay_once()
    assert newcomer.status().oldest_ms == 12_000
    flaky.away = False
    clock.advance(60_000)
    assert await relay.relay_once() == 1
    assert await relay.relay_once() == 0
    assert relay.status().oldest_ms == 0


async def test_an_outage_is_met_with_growing_pauses(world: World) -> None:
    flaky = Flaky(world.stream)
    flaky.away = True
    relay = world.relay(stream=flaky, settings=RelaySettings(backoff_ms=20, longest_backoff_ms=10_000))
    begun_at = asyncio.get_running_loop().time()
    async with running(relay.run()):
        await until(lambda: flaky.calls == 5)
        assert asyncio.get_running_loop().time() - begun_at >= (20 + 40 + 80 + 160) / 2 / 1000
        assert relay.status().away
        relay.stop()


async def test_two_relays_do_not_hold_one_shard_and_the_slow_one_is_fenced(world: World, clock: FakeClock) -> None:
    first, second = world.relay(owner="one"), world.relay(owner="two")
    await first.relay_once()
    await second.relay_once()
    assert (first.status().held_shards, second.status().held_shards) == (world.tables.outbox_shards, 0)
    clock.advance(31_000)
    await world.write(1)
    assert await second.relay_once() == 1
    positions = [await world.tables.get(RelayPosition, shard) for shard in range(world.tables.outbox_shards)]
    await first.relay_once()
    assert (first.status().held_shards, second.status().held_shards) == (0, world.tables.outbox_shards)
    assert [await world.tables.get(RelayPosition, shard) for shard in range(world.tables.outbox_shards)] == positions


async def test_a_relay_that_stops_hands_over_at_once(world: World) -> None:
    first, second = world.relay(owner="one"), world.relay(owner="two")
    async with running(first.run()) as (task,):
        await until(lambda: first.status().held_shards == world.tables.outbox_shards)
        first.stop()
        await task
    await world.write(1)
    assert await second.relay_once() == 1
