"""Tails go on for ever, and watchers of hints never miss the last word."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest
from clipmesh.video.v1.events_pb2 import UploadCompleted, VideoWithdrawn

from mesh.events.hints import Hints
from mesh.events.stream.port import Delivery, Record
from mesh.events.tailing import Tail, hint_of
from mesh.stores.redis import Redis
from mesh.testing.redis_server import RedisServer
from tests.unit.mesh.events.world import World, completed, running, unknown, until, withdrawn


async def test_a_tail_gives_the_past_and_what_comes_parsed(world: World) -> None:
    await world.publish(completed(1, 1, size_bytes=5), unknown(1, 2))
    await world.stream.publish([Record(topic="video", key="1", value=b"\xff\xff")])
    await world.publish(withdrawn(1, 3))
    tail = Tail(stream=world.stream, topics=("video",), since_ms=60_000)
    async with asyncio.timeout(15), aclosing(tail.events(UploadCompleted, VideoWithdrawn)) as events:
        first, second = await anext(events), await anext(events)
    assert (first.message, first.envelope.key_version) == (UploadCompleted(video_id=1, creator_id=7, size_bytes=5), 1)
    assert (second.message, second.envelope.key_version) == (VideoWithdrawn(video_id=1), 3)


async def test_a_tail_goes_on_after_the_server_was_killed_without_missing_or_repeating(
    world: World, redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[int] = []

    async def on(delivery: Delivery) -> None:
        seen.append(int(delivery.value))

    async def publish(numbers: range) -> None:
        await world.stream.publish([Record(topic="keys", key=str(n % 5), value=str(n).encode()) for n in numbers])

    await publish(range(10))
    async with running(Tail(stream=world.stream, topics=("keys",), since_ms=60_000).run(on)):
        await until(lambda: len(seen) == 10)
        await redis_server.kill()
        await until(lambda: any("lost its stream" in record.message for record in caplog.records))
        await redis_server.start()
        await publish(range(10, 20))
        await until(lambda: len(seen) >= 20)
        await asyncio.sleep(0.05)
    assert sorted(seen) == list(range(20))


async def test_a_record_that_cannot_be_taken_is_logged_and_left_out(world: World, caplog: pytest.LogCaptureFixture) -> None:
    seen: list[bytes] = []

    async def on(delivery: Delivery) -> None:
        if delivery.value == b"poison":
            raise KeyError(delivery.value)
        seen.append(delivery.value)

    await world.stream.publish([Record(topic="keys", key="k", value=value) for value in (b"a", b"poison", b"b")])
    async with running(Tail(stream=world.stream, topics=("keys",), since_ms=60_000).run(on)):
        await until(lambda: len(seen) == 2)
    assert seen == [b"a", b"b"]
    assert [record.getMessage() for record in caplog.records] == ["a tail left out a record"]


async def test_a_slow_reader_misses_nothing_that_is_kept(world: World) -> None:
    async with aclosing(aiter(Tail(stream=world.stream, topics=("keys",), since_ms=60_000))) as tail:
        await world.stream.publish([Record(topic="keys", key="k", value=b"0")])
        assert (await anext(tail)).value == b"0"
        for begin in range(1, 3_001, 1_000):
            await world.stream.publish([Record(topic="keys", key="k", value=str(n).encode()) for n in range(begin, begin + 1_000)])
        read = [int((await anext(tail)).value) for _ in range(3_000)]
    assert read == list(range(1, 3_001))


async def test_hints_are_kept_short(world: World, redis: Redis) -> None:
    for version in range(2_500):
        await world.stream.publish_hint("video.progress", "1", version)
    lengths = await redis.many([("XLEN", f"clipmesh:stream:video.progress:{n}") for n in range(8)])
    assert 1_000 <= sum(lengths) <= 1_200


async def test_watchers_get_the_newest_version_of_their_key_only(world: World) -> None:
    hints = Hints(stream=world.stream, topics=("video.progress",))
    with hints.watch("video.progress", "1") as mine, hints.watch("video.progress", "2") as other:
        mine_versions, other_versions = aiter(mine), aiter(other)
        async with asyncio.timeout(15):
            assert await anext(mine_versions) == await anext(other_versions) == 0
            async with running(hints.run()):
                assert await anext(mine_versions) == 0
                for version in (1, 2, 3):
                    await world.stream.publish_hint("video.progress", "1", version)
                newest = 0
                while newest < 3:
                    newest = await anext(mine_versions)
                waiting = asyncio.ensure_future(anext(mine_versions))
                await asyncio.sleep(0.05)
                assert not waiting.done()
                waiting.cancel()
                await asyncio.gather(waiting, return_exceptions=True)


async def test_what_is_no_hint_does_not_stop_the_hints(world: World, caplog: pytest.LogCaptureFixture) -> None:
    hints = Hints(stream=world.stream, topics=("video.progress",))
    with hints.watch("video.progress", "1") as watch:
        async with asyncio.timeout(15), running(hints.run()):
            versions = aiter(watch)
            await world.stream.publish([Record(topic="video.progress", key="1", value=b"\xff\xff")])
            await world.stream.publish_hint("video.progress", "1", 4)
            while await anext(versions) != 4:
                pass
    assert [record.getMessage() for record in caplog.records] == ["a tail left out a record"]


async def test_a_watcher_that_sleeps_finds_one_version_waiting(world: World) -> None:
    hints = Hints(stream=world.stream, topics=("video.progress",))
    with hints.watch("video.progress", "1") as watch:
        versions = aiter(watch)
        assert await anext(versions) == 0
        for version in (4, 5, 6):
            watch.tell(version)
        assert await anext(versions) == 6
        waiting = asyncio.ensure_future(anext(versions))
        await asyncio.sleep(0.01)
        assert not waiting.done()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)


async def test_watchers_are_told_to_read_again_when_hints_may_have_been_lost(world: World, redis_server: RedisServer) -> None:
    hints = Hints(stream=world.stream, topics=("video.progress",))
    told: list[int] = []

    async def watch() -> None:
        with hints.watch("video.progress", "1") as changes:
            async for version in changes:
                told.append(version)

    async with running(hints.run(), watch()):
        await world.stream.publish_hint("video.progress", "1", 9)
        await until(lambda: told[-1:] == [9])
        await redis_server.kill()
        await world.stream.publish_hint("video.progress", "1", 10)
        await until(lambda: told[-1] == 0)
        await redis_server.start()
        await world.stream.publish_hint("video.progress", "1", 11)
        await until(lambda: 11 in told)


def test_a_topic_that_is_not_tailed_cannot_be_watched(world: World) -> None:
    with pytest.raises(ValueError, match="'video'"), Hints(stream=world.stream, topics=("video.progress",)).watch("video", "1"):
        pass


async def test_a_hint_is_read_as_it_was_sent(world: World) -> None:
    await world.stream.publish_hint("video.progress", "1", 3)
    async with aclosing(world.stream.tail(["video.progress"], since_ms=60_000)) as tail:
        hint = hint_of(await anext(tail))
    assert (hint.topic, hint.key, hint.version) == ("video.progress", "1", 3)
