"""Events of video, in any order and as often as they like, leave the same copies in the tables and in memory."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest
from clipmesh.feed.v1 import feed_service_pb2
from clipmesh.feed.v1.feed_service_pb2_grpc import FeedServiceStub
from clipmesh.video.v1 import events_pb2, video_service_pb2
from google.protobuf.message import Message

from mesh.clock import SystemClock
from mesh.events.event import EventMaker
from mesh.events.stream import open_stream
from mesh.events.stream.port import Record
from mesh.settings import InvalidSetting, read
from mesh.stores.redis import Redis
from mesh.stores.tables import open_tables
from mesh.testing.redis_server import RedisServer
from mesh.testing.rpc import process_for, serve_app
from svc_feed.app import FeedApp
from svc_feed.foryou.tables import FeedVideo
from svc_feed.settings import FeedSettings
from tests.service.feed.world import NAMED, World, guest, ids_of, video

INTERLEAVINGS = 200


def history(video_id: int, rng: random.Random) -> list[tuple[int, Message]]:
    """What happens to one video, in the order of its versions; some versions are told of nobody."""
    changes: list[tuple[int, Message]] = []
    for version in sorted(rng.sample(range(1, 40), k=rng.randint(2, 7))):
        kind = rng.choice((events_pb2.VideoPublished, events_pb2.VideoChanged, events_pb2.VideoWithdrawn))
        if kind is events_pb2.VideoWithdrawn:
            changes.append((version, kind(video_id=video_id, creator_id=900 + video_id)))
        else:
            told = video(video_id, category=rng.randrange(23), hashtags=[f"tag{version}"], recommendable=rng.random() < 0.8)
            changes.append((version, kind(video=told)))
    return changes


def interleaved(changes: list[tuple[int, Message]], rng: random.Random) -> list[tuple[int, Message]]:
    """Out of order, some twice, and now and then everything again from the start."""
    shuffled = changes + rng.choices(changes, k=rng.randint(0, 4))
    rng.shuffle(shuffled)
    return shuffled + (changes if rng.random() < 0.3 else [])


def expected(video_id: int, changes: list[tuple[int, Message]]) -> FeedVideo:
    version, message = max(changes, key=lambda change: change[0])
    if isinstance(message, events_pb2.VideoWithdrawn):
        return FeedVideo(video_id=video_id, creator_id=message.creator_id, version=version)
    told: video_service_pb2.Video = message.video  # type: ignore[attr-defined]
    return FeedVideo(
        video_id=video_id,
        creator_id=told.creator_id,
        duration_ms=told.duration_ms,
        category=told.category,
        hashtags=" ".join(told.hashtags),
        language=told.language,
        sound_id=told.sound_id,
        published_at_ms=told.published_at_ms,
        recommendable=told.recommendable,
        version=version,
    )


async def test_events_in_any_order_leave_the_last_state(world: World) -> None:
    rng = random.Random(20_240_601)
    histories = {video_id: history(video_id, rng) for video_id in range(1, INTERLEAVINGS + 1)}
    await asyncio.gather(*(world.fold(*interleaved(changes, rng)) for changes in histories.values()))
    wanted = {video_id: expected(video_id, changes) for video_id, changes in histories.items()}
    assert {row.video_id: row for row in await world.rows(FeedVideo)} == wanted
    assert {video_id: world.feed.corpus.video(video_id) for video_id in wanted} == wanted
    recommendable = sorted(video_id for video_id, row in wanted.items() if row.recommendable)
    columns = world.feed.corpus.columns
    assert sorted(int(one) for one in columns.ids[world.feed.corpus.newest(1_000)]) == recommendable
    # A rewind to the very beginning changes nothing.
    await asyncio.gather(*(world.fold(*changes) for changes in histories.values()))
    assert {row.video_id: row for row in await world.rows(FeedVideo)} == wanted
    assert {video_id: world.feed.corpus.video(video_id) for video_id in wanted} == wanted


async def test_a_refresh_takes_over_what_another_process_wrote(world: World) -> None:
    await world.publish(video(1), video(2))
    await world.tables.put(FeedVideo(video_id=1, version=5), FeedVideo(video_id=3, recommendable=True, published_at_ms=1, version=1))
    assert sorted(ids_of(await world.page(guest("s1")))) == [1, 2]
    await world.feed.refresh()
    assert sorted(ids_of(await world.page(guest("s1")))) == [2, 3]


async def test_the_whole_app_hears_of_videos_by_the_stream(tmp_path: Path, redis_server: RedisServer, redis: Redis) -> None:
    settings = FeedSettings(
        secrets="", testing=True, tables=f"sqlite:///{tmp_path}", blobs=f"file://{tmp_path}/blobs", redis=redis_server.url
    )
    process = process_for(
        "feed",
        named=NAMED,
        settings=settings,
        addresses={"video": f"unix:{tmp_path}/nobody.sock", "social": f"unix:{tmp_path}/nobody.sock"},
    )
    stream = open_stream("", redis=redis)
    make = EventMaker(producer="video", next_id=iter(range(1, 9)).__next__, clock=SystemClock())
    event = make.make(events_pb2.VideoPublished(video=video(5)), key="5")
    async with serve_app(FeedApp(process=process, settings=settings)) as served:
        value = event.envelope(row_version=1).SerializeToString()
        await stream.publish([Record(topic="video", key="5", value=value, event_id=event.event_id)])
        stub = served.stub(FeedServiceStub, viewer=guest("s1"))
        async with asyncio.timeout(15):
            while True:
                if ids_of(await stub.GetForYou(feed_service_pb2.GetForYouRequest())) == [5]:
                    break
                await asyncio.sleep(0.02)
    await stream.close()
    tables = await open_tables(settings.tables, service="feed", row_types=(FeedVideo,), clock=SystemClock())
    try:
        assert [row.video_id for row in (await tables.walk(FeedVideo)).rows] == [5]
    finally:
        await tables.close()


def test_settings_out_of_range_are_refused() -> None:
    given = {"CLIPMESH_SECRETS": "s", "CLIPMESH_TABLES": "sqlite:///t", "CLIPMESH_BLOBS": "file:///b", "CLIPMESH_REDIS": "redis://r"}
    assert read(FeedSettings, given).feed_budget_ms == 500
    for name, value in (("FEED_STAGE_MS", "9"), ("FEED_STAGE_MS", "501"), ("FEED_REFRESH_S", "0")):
        with pytest.raises(InvalidSetting):
            read(FeedSettings, {**given, f"CLIPMESH_{name}": value})
