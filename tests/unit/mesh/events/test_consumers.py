"""Consumers record an effect before they acknowledge, keep each key in order, and give up on an event only after five attempts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from mesh import failpoints
from mesh.errors import InvalidArgument, Unavailable
from mesh.events.consumers import ConsumerGroup, ConsumerSettings, Rejected
from mesh.events.dead_letters import DeadLetterNotFound, DeadLetters, ReplayFailed
from mesh.events.incoming import Incoming
from mesh.events.rows import EventAttempt
from mesh.events.stream import StreamSettings, open_stream
from mesh.events.stream.port import Record
from mesh.failpoints import Failpoint
from mesh.stores.redis import open_redis
from mesh.testing.clock import FakeClock
from mesh.testing.redis_server import RedisServer
from tests.unit.mesh.events.world import QUICK, Size, Sizes, UploadOf, Uploads, World, completed, running, unknown, until, withdrawn


class Refused(InvalidArgument):
    """What a handler may answer."""

    reason = "TOO_STRANGE"


def failing(what: Callable[[], Exception], *, times: int = 1_000, version: int = 2) -> Any:
    """A gate that raises at one version, the first `times` times."""
    left = times

    async def gate(event: Incoming[Any]) -> None:
        nonlocal left
        if event.envelope.key_version == version and left:
            left -= 1
            raise what()

    return gate


async def test_effects_are_recorded_and_events_acknowledged(world: World) -> None:
    await world.publish(completed(1, 1, size_bytes=10), completed(2, 1, size_bytes=20), withdrawn(1, 2), unknown(2, 2))
    sizes = world.group(Sizes())
    async with running(sizes.run()):
        await until(lambda: sizes.status().handled == 3 and sizes.status().skipped == 1)
        sizes.stop()
    assert await world.tables.get(Size, 1) == Size(video_id=1, gone=True, version=2)
    assert await world.tables.get(Size, 2) == Size(video_id=2, size_bytes=20, version=1)
    assert await world.lag() == 0
    assert sizes.status().failed == 0


async def test_a_count_is_the_size_of_a_set_however_often_its_events_come(world: World) -> None:
    events = [completed(n, 1, size_bytes=n) for n in range(1, 6)]
    await world.publish(*events, *events)
    uploads = world.group(Uploads())
    async with running(uploads.run()):
        await until(lambda: uploads.status().handled == 10)
    page = await world.tables.scan(UploadOf, 7)
    assert [row.size_bytes for row in page.rows] == [1, 2, 3, 4, 5]


async def test_an_event_whose_handler_never_ended_comes_again(world: World) -> None:
    begun = asyncio.Event()

    async def hang(_: Incoming[Any]) -> None:
        begun.set()
        await asyncio.Event().wait()

    await world.publish(completed(1, 1, size_bytes=10))
    async with running(world.group(Sizes(hang)).run()):
        await begun.wait()
        assert await world.lag() == 1
    assert await world.tables.get(Size, 1) is None
    again = world.group(Sizes())
    async with running(again.run()):
        await until(lambda: again.status().handled == 1)
    assert await world.tables.get(Size, 1) == Size(video_id=1, size_bytes=10, version=1)


@pytest.mark.parametrize("settled", [0, 20])
async def test_a_crash_after_the_effect_costs_a_repeat_only(world: World, monkeypatch: pytest.MonkeyPatch, settled: int) -> None:
    class PowerCut(BaseException):
        pass

    first = Sizes()
    group = world.group(first)
    await world.publish(*(completed(1, version) for version in range(1, settled + 1)))
    async with running(group.run()) as (task,):
        await until(lambda: group.status().handled == settled)
        await until(lambda: _nothing_waits(world))

        def cut(point: Failpoint) -> None:
            assert point is Failpoint.CONSUMER_AFTER_EFFECT
            raise PowerCut

        with monkeypatch.context() as patch:
            patch.setattr(failpoints, "hit", cut)
            await world.publish(completed(1, settled + 1, size_bytes=77))
            with pytest.raises(BaseExceptionGroup) as end:
                await task
            assert end.group_contains(PowerCut)
    assert await world.tables.get(Size, 1) == Size(video_id=1, size_bytes=77, version=settled + 1)
    assert await world.lag() == 1
    second = Sizes()
    async with running(world.group(second).run()):
        await until(lambda: len(second.seen) == 1)
        await until(lambda: _nothing_waits(world))
    assert second.seen == [("1", settled + 1)]
    assert await world.tables.get(Size, 1) == Size(video_id=1, size_bytes=77, version=settled + 1)


async def _nothing_waits(world: World) -> bool:
    return await world.lag() == 0


@pytest.mark.parametrize("settled", [0, 20])
async def test_after_five_attempts_an_event_is_a_dead_letter_and_its_partition_goes_on(
    world: World, clock: FakeClock, settled: int
) -> None:
    sizes = Sizes(failing(lambda: Refused("no such size"), version=settled + 2))
    group = world.group(sizes)
    versions = range(1, settled + 1)
    await world.publish(*(completed(1, version) for version in versions))
    bad = completed(1, settled + 2)
    async with running(group.run()):
        await until(lambda: group.status().handled == settled)
        await until(lambda: _nothing_waits(world))
        await world.publish(completed(1, settled + 1), bad, completed(1, settled + 3))
        await until(lambda: group.status().handled == settled + 2)
        await until(lambda: _nothing_waits(world))
    assert sizes.seen == [("1", version) for version in (*versions, settled + 1, *[settled + 2] * 5, settled + 3)]
    (letter,) = (await DeadLetters(tables=world.tables, clock=clock).dead_letters("feed.sizes")).rows
    assert (letter.reason, letter.detail, letter.attempts) == ("TOO_STRANGE", "no such size", 5)
    assert (letter.event_id, letter.type, letter.key, letter.key_version) == (bad.event_id, bad.type, "1", settled + 2)
    assert letter.envelope == bad.SerializeToString()
    assert group.status().failed == 5
    assert group.status().dead_lettered == 1


def _was_tried(group: ConsumerGroup) -> bool:
    return group.status().failed == 1


async def test_attempts_are_counted_across_restarts(world: World, clock: FakeClock) -> None:
    await world.publish(completed(1, 2))
    calls = 0
    for _ in range(5):
        first = Sizes(failing(RuntimeError))
        group = world.group(first, settings=ConsumerSettings(backoff_ms=60_000, longest_backoff_ms=60_000))
        async with running(group.run()) as (task,):
            await until(partial(_was_tried, group))
            group.stop()
            await task
        calls += len(first.seen)
    assert calls == 5
    (letter,) = (await DeadLetters(tables=world.tables, clock=clock).dead_letters("feed.sizes")).rows
    assert (letter.reason, letter.attempts) == ("RuntimeError", 5)
    assert await world.lag() == 0


async def test_an_event_that_ends_the_process_is_found(world: World, clock: FakeClock) -> None:
    """Cancelling the group in the middle of a handler is what a crash looks like to the tables and the stream."""
    await world.publish(completed(1, 1), completed(1, 2), completed(1, 3))

    def poison(begun: asyncio.Event) -> Any:
        async def gate(event: Incoming[Any]) -> None:
            if event.envelope.key_version == 2:
                begun.set()
                await asyncio.Event().wait()

        return gate

    for _ in range(5):
        begun = asyncio.Event()
        async with running(world.group(Sizes(poison(begun))).run()):
            await begun.wait()
    last = Sizes(poison(asyncio.Event()))
    async with running(world.group(last).run()):
        await until(lambda: ("1", 3) in last.seen)
        await until(lambda: _nothing_waits(world))
    assert ("1", 2) not in last.seen
    (letter,) = (await DeadLetters(tables=world.tables, clock=clock).dead_letters("feed.sizes")).rows
    assert (letter.reason, letter.key_version, letter.attempts) == ("CrashedBefore", 2, 5)


async def test_an_outage_does_not_use_up_attempts(world: World) -> None:
    group = world.group(Sizes(failing(Unavailable, times=40)))
    await world.publish(completed(1, 2), completed(1, 3))
    async with running(group.run()):
        await until(lambda: group.status().handled == 2)
        await until(lambda: _nothing_waits(world))
    assert group.status().failed == 40
    assert group.status().dead_lettered == 0


async def test_an_outage_that_does_not_end_uses_up_attempts_after_all(world: World, clock: FakeClock) -> None:
    group = world.group(Sizes(failing(Unavailable)))
    await world.publish(completed(1, 2))
    async with running(group.run()):
        await until(lambda: group.status().failed >= 8)
        assert group.status().dead_lettered == 0
        clock.advance(16 * 60_000)
        await until(lambda: group.status().dead_lettered == 1)
    (letter,) = (await DeadLetters(tables=world.tables, clock=clock).dead_letters("feed.sizes")).rows
    assert letter.reason == "DEPENDENCY_UNAVAILABLE"


async def test_what_can_never_work_is_a_dead_letter_at_once(world: World, clock: FakeClock) -> None:
    group = world.group(Sizes(failing(lambda: Rejected("NO_SUCH_VIDEO", "it is not ours"))))
    good = completed(1, 3)
    await world.publish(completed(1, 2))
    await world.stream.publish([Record(topic="video", key="1", value=b"\xff\xfe not an envelope")])
    await world.publish(good)
    async with running(group.run()):
        await until(lambda: group.status().handled == 1 and group.status().dead_lettered == 2)
        await until(lambda: _nothing_waits(world))
    letters = (await DeadLetters(tables=world.tables, clock=clock).dead_letters("feed.sizes")).rows
    assert sorted((letter.reason, letter.attempts) for letter in letters) == [("MALFORMED_EVENT", 1), ("NO_SUCH_VIDEO", 1)]


async def test_a_handler_that_hangs_is_ended(world: World, clock: FakeClock) -> None:
    async def hang(_: Incoming[Any]) -> None:
        await asyncio.Event().wait()

    group = world.group(Sizes(hang), settings=ConsumerSettings(handler_timeout_ms=10, backoff_ms=1, longest_backoff_ms=2))
    await world.publish(completed(1, 1))
    async with running(group.run()):
        await until(lambda: group.status().dead_lettered == 1)
    (letter,) = (await DeadLetters(tables=world.tables, clock=clock).dead_letters("feed.sizes")).rows
    assert letter.reason == "HANDLER_TIMED_OUT"


async def test_a_dead_letter_is_replayed_when_its_cause_is_mended(world: World, clock: FakeClock) -> None:
    letters = DeadLetters(tables=world.tables, clock=clock)
    broken = world.group(Sizes(failing(RuntimeError)))
    bad = completed(1, 2, size_bytes=22)
    await world.publish(bad)
    async with running(broken.run()):
        await until(lambda: broken.status().dead_lettered == 1)
    with pytest.raises(ReplayFailed):
        await letters.replay(broken, bad.event_id)
    (letter,) = (await letters.dead_letters("feed.sizes")).rows
    assert letter.attempts == 6
    mended = world.group(Sizes())
    await letters.replay(mended, bad.event_id)
    assert await world.tables.get(Size, 1) == Size(video_id=1, size_bytes=22, version=2)
    assert (await letters.dead_letters("feed.sizes")).rows == ()
    with pytest.raises(DeadLetterNotFound):
        await letters.replay(mended, bad.event_id)


async def test_a_replayed_letter_does_not_overwrite_what_is_newer(world: World, clock: FakeClock) -> None:
    group = world.group(Sizes(failing(RuntimeError, times=5)))
    bad = completed(1, 2, size_bytes=22)
    await world.publish(bad, completed(1, 3, size_bytes=33))
    async with running(group.run()):
        await until(lambda: group.status().handled == 1)
    await DeadLetters(tables=world.tables, clock=clock).replay(group, bad.event_id)
    assert await world.tables.get(Size, 1) == Size(video_id=1, size_bytes=33, version=3)


async def test_a_rewound_consumer_sees_everything_again_and_nothing_changes(world: World) -> None:
    sizes = Sizes()
    group = world.group(sizes)
    await world.publish(*(completed(1, version) for version in (1, 2, 3)))
    async with running(group.run()):
        await until(lambda: group.status().handled == 3)
        await until(lambda: _nothing_waits(world))
        row = await world.tables.get(Size, 1)
        await world.stream.rewind(["video"], group="feed.sizes", to_ms=0)
        await until(lambda: group.status().handled == 6)
        await until(lambda: _nothing_waits(world))
    assert sizes.seen == [("1", version) for version in (1, 2, 3, 1, 2, 3)]
    assert await world.tables.get(Size, 1) == row


async def test_a_rewound_event_has_all_its_attempts_again(world: World) -> None:
    group = world.group(Sizes(failing(RuntimeError, times=4)))
    await world.publish(completed(1, 2))
    async with running(group.run()):
        await until(lambda: group.status().handled == 1)
        await until(lambda: _nothing_waits(world))
    (attempt,) = (await world.tables.walk(EventAttempt)).rows
    assert (attempt.event_id, attempt.attempts) == (0, 0)


async def test_stopping_finishes_the_event_in_hand_and_hands_the_rest_over(world: World) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def gate(_: Incoming[Any]) -> None:
        begun.set()
        await go_on.wait()

    first = Sizes(gate)
    group = world.group(first)
    await world.publish(completed(1, 1), completed(1, 2))
    async with running(group.run()) as (task,):
        await begun.wait()
        group.stop()
        go_on.set()
        async with asyncio.timeout(15):
            await task
    assert first.seen == [("1", 1)]
    assert await world.tables.get(Size, 1) == Size(video_id=1, size_bytes=1, version=1)
    assert await world.lag() == 1


async def test_a_group_goes_on_after_redis_was_killed(world: World, redis_server: RedisServer) -> None:
    group = world.group(Sizes())
    async with running(group.run()):
        await world.publish(completed(1, 1))
        await until(lambda: group.status().handled == 1)
        await redis_server.kill()
        await redis_server.start()
        await world.publish(completed(1, 2))
        await until(lambda: group.status().handled >= 2)
        await until(lambda: _nothing_waits(world))
    assert await world.tables.get(Size, 1) == Size(video_id=1, size_bytes=2, version=2)


async def test_keys_stay_in_order_while_replicas_come_and_go(world: World, redis_server: RedisServer) -> None:
    log: list[tuple[str, int]] = []
    settings = StreamSettings(lease_ms=600, heartbeat_ms=150)

    async def note(event: Incoming[Any]) -> None:
        log.append((event.envelope.key, event.envelope.key_version))
        await asyncio.sleep(0.001)

    clients = [open_redis(redis_server.url) for _ in range(3)]
    streams = [open_stream("", redis=client, settings=settings) for client in clients]
    groups = [world.group(Sizes(note), member=f"m{n}", stream=stream, settings=QUICK) for n, stream in enumerate(streams)]
    async with running(groups[0].run()):
        for version in range(1, 31):
            await world.publish(*(completed(video_id, version) for video_id in range(1, 11)))
        async with running(groups[1].run()) as (second,):
            await until(lambda: len(log) > 60)
            async with running(groups[2].run()):
                await until(lambda: len(log) > 150)
            second.cancel()
        await until(lambda: _nothing_waits(world))
    for stream, client in zip(streams, clients, strict=True):
        await stream.close()
        await client.close()
    for video_id in range(1, 11):
        firsts = list(dict.fromkeys(version for key, version in log if key == str(video_id)))
        assert firsts == list(range(1, 31))
        assert await world.tables.get(Size, video_id) == Size(video_id=video_id, size_bytes=30, version=30)
