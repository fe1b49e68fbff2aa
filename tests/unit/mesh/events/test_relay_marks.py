"""A relay reads from the stream's mark what the stream lost though it had acknowledged it, and sends just that again."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from mesh.events.metrics import OUTBOX_REWOUND
from mesh.events.relay import Relay, RelaySettings
from mesh.events.relay_marks import mark_text, standing_of
from mesh.events.rows import RelayPosition
from mesh.events.stream import StreamSettings
from mesh.events.stream.keys import Keys
from mesh.stores.redis import Redis
from mesh.telemetry import Telemetry
from mesh.testing.clock import FakeClock
from tests.unit.mesh.events.world import World

EXACT = RelaySettings(overlap_ms=0, generation_every_ms=5_000)
KEYS = Keys(StreamSettings().prefix)


def test_a_mark_that_is_the_row_s_or_one_ahead_lacks_nothing() -> None:
    for tick, found in ((7, 7), (7, 8), (0, 1)):
        standing = standing_of(mark_text(found, "p"), lineage="run", tick=tick)
        assert (standing.lineage, standing.tick, standing.mark, standing.back_to) == ("run", found, f"{found}:p", None)
    untouched = standing_of("", lineage="run", tick=0)
    assert (untouched.lineage, untouched.tick, untouched.mark, untouched.back_to) == ("run", 0, "", None)


def test_an_earlier_mark_says_where_to_go_on_and_numbers_never_come_twice() -> None:
    standing = standing_of("5:0.12.99", lineage="run", tick=9)
    assert (standing.lineage, standing.tick, standing.mark, standing.back_to) == ("run", 9, "5:0.12.99", "0.12.99")


@pytest.mark.parametrize("found", ["", "12:p", "nonsense", "-1:p", "٣:p"])
def test_what_cannot_be_explained_begins_anew(found: str) -> None:
    standing = standing_of(found, lineage="run", tick=9)
    assert re.fullmatch("[0-9a-f]{16}", standing.lineage)
    assert (standing.tick, standing.mark, standing.back_to) == (0, "", "")


async def stand_back(redis: Redis, world: World, *, to: dict[str, bytes], records: bool = True) -> None:
    """Let the stream stand where it stood when its marks were `to`, as after a failover to a replica that lagged."""
    for key, mark in to.items():
        await redis.call("SET", key, mark)
    if records:
        for partition in range(8):
            newest = await redis.call("XREVRANGE", KEYS.stream("video", partition), "+", "-", "COUNT", 1)
            for entry, _ in newest:
                await redis.call("XDEL", KEYS.stream("video", partition), entry)


async def marks(redis: Redis) -> dict[str, bytes]:
    _, keys = await redis.call("SCAN", 0, "MATCH", KEYS.mark("*"), "COUNT", 10_000)
    return {key.decode(): await redis.call("GET", key) for key in keys}


async def one_event_lost(world: World, redis: Redis, relay: Relay) -> None:
    await world.write(1, steps=2)
    assert await relay.relay_once() == 2
    before = await marks(redis)
    await world.write(1)
    assert await relay.relay_once() == 1
    await stand_back(redis, world, to=before)
    assert await world.published() == [("1", 1), ("1", 2)]


async def test_a_loss_is_found_though_there_is_nothing_to_publish(world: World, redis: Redis, clock: FakeClock) -> None:
    telemetry = Telemetry(service="video")
    relay = Relay(tables=world.tables, stream=world.stream, owner="video", clock=clock, settings=EXACT, telemetry=telemetry)
    await one_event_lost(world, redis, relay)
    assert await relay.relay_once() == 0
    assert await world.published() == [("1", 1), ("1", 2)]
    clock.advance(5_000)
    assert await relay.relay_once() == 0
    assert await relay.relay_once() == 1
    assert await world.published() == [("1", 1), ("1", 2), ("1", 3)]
    assert relay.status().rewound == 1
    assert telemetry.value(OUTBOX_REWOUND) == 1
    clock.advance(5_000)
    assert [await relay.relay_once() for _ in range(3)] == [0, 0, 0]


async def test_a_loss_is_found_before_anything_is_published_behind_it(world: World, redis: Redis) -> None:
    relay = world.relay(settings=EXACT)
    await one_event_lost(world, redis, relay)
    await world.write(1)
    assert await relay.relay_once() == 0
    assert await relay.relay_once() == 2
    assert await world.published() == [("1", version) for version in (1, 2, 3, 4)]


async def test_a_successor_finds_the_loss_however_long_ago_the_row_was_written(world: World, redis: Redis, clock: FakeClock) -> None:
    await one_event_lost(world, redis, world.relay(settings=EXACT))
    clock.advance(24 * 3_600_000)
    successor = world.relay(settings=RelaySettings())
    assert await successor.relay_once() == 1
    assert await world.published() == [("1", 1), ("1", 2), ("1", 3)]


async def test_a_mark_that_is_gone_lets_everything_go_out_again(world: World, redis: Redis, clock: FakeClock) -> None:
    relay = world.relay(settings=EXACT)
    await one_event_lost(world, redis, relay)
    for key in await marks(redis):
        await redis.call("DEL", key)
    clock.advance(5_000)
    await relay.relay_once()
    assert await relay.relay_once() == 3
    assert (await world.published())[-3:] == [("1", 1), ("1", 2), ("1", 3)]


async def test_tables_from_a_backup_go_on_where_they_were_and_skip_nothing(world: World, redis: Redis) -> None:
    """Positions that the row does not know are those of another history: entries behind them may be others."""
    relay = world.relay(settings=EXACT)
    await world.write(1)
    await relay.relay_once()
    backup = [await world.tables.get(RelayPosition, shard) for shard in range(world.tables.outbox_shards)]
    for _ in range(3):
        await world.write(1)
        await relay.relay_once()
    for old in backup:
        assert old is not None
        now = await world.tables.get(RelayPosition, old.shard)
        assert now is not None
        await world.tables.transition(replace(old, version=now.version), expected_version=now.version)
    restored = world.relay(settings=EXACT)
    assert await restored.relay_once() == 4
    assert await restored.relay_once() == 0
    assert (await world.published())[-4:] == [("1", version) for version in (1, 2, 3, 4)]


async def test_a_stream_without_marks_is_relayed_as_before(world: World) -> None:
    class Unmarked:
        """An engine whose acknowledged records outlive its servers."""

        def __getattr__(self, name: str) -> object:
            return getattr(world.stream, name)

        async def marked(self, name: str) -> None:
            return None

    stream = Unmarked()
    await world.write(1, steps=3)
    relay = world.relay(stream=stream, settings=EXACT)  # type: ignore[arg-type]
    assert await relay.relay_once() == 3
    assert await world.relay(stream=stream, settings=EXACT).relay_once() == 0  # type: ignore[arg-type]
    row = [await world.tables.get(RelayPosition, shard) for shard in range(world.tables.outbox_shards)]
    assert {(each.lineage, each.tick) for each in row if each} == {("", 0)}
