"""Videos of a sound: folded from video's events in any order, listed newest first, counted exactly."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest
from clipmesh.sound.v1 import catalogue_service_pb2 as pb
from clipmesh.sound.v1.catalogue_service_pb2_grpc import CatalogueServiceStub
from clipmesh.sound.v1.events_pb2 import SoundCreated
from clipmesh.video.v1 import events_pb2, video_service_pb2
from google.protobuf.message import Message

from mesh.clock import SystemClock
from mesh.errors import InvalidArgument
from mesh.events.event import EventMaker
from mesh.events.incoming import incoming_of
from mesh.events.stream import open_stream
from mesh.events.stream.port import Record
from mesh.stores.redis import Redis
from mesh.testing.redis_server import RedisServer
from mesh.testing.rpc import process_for, serve_app
from svc_sound.app import SoundApp
from svc_sound.settings import SoundSettings
from svc_sound.usage.tables import SoundUse, VideoSound
from tests.service.sound.world import NAMED, World, video

INTERLEAVINGS = 200


async def test_videos_are_listed_newest_first_page_by_page(world: World) -> None:
    sound = (await world.register(1)).sound_id
    await world.publish(*(video(number, sound) for number in range(1, 46)))
    newest_first = list(range(45, 0, -1))
    assert await world.list_all(sound, size=20) == [newest_first[:20], newest_first[20:40], newest_first[40:]]
    assert await world.list_all(sound, size=45) == [newest_first]
    assert await world.list_all(sound, size=15) == [newest_first[:15], newest_first[15:30], newest_first[30:]]
    assert (await world.videos_of(sound))[0] == newest_first[:20]
    assert (await world.videos_of(sound, size=10_000))[0] == newest_first


async def test_withdrawn_videos_leave_no_holes_in_the_pages(world: World) -> None:
    sound = (await world.register(1)).sound_id
    await world.publish(*(video(number, sound) for number in range(1, 501)))
    await world.withdraw(*(number for number in range(1, 501) if number % 50))
    left = list(range(500, 0, -50))
    assert await world.list_all(sound, size=4) == [left[:4], left[4:8], left[8:]]
    assert (await world.get(sound)).video_count == 10
    await world.withdraw(*left)
    assert await world.videos_of(sound, size=4) == ([], "")
    assert (await world.get(sound)).video_count == 0


async def test_a_page_goes_on_where_it_ended_whatever_changes_meanwhile(world: World) -> None:
    sound = (await world.register(1)).sound_id
    await world.publish(*(video(number, sound) for number in range(1, 11)))
    first, token = await world.videos_of(sound, size=4)
    assert first == [10, 9, 8, 7]
    await world.publish(video(11, sound))
    await world.withdraw(7, 6)
    assert await world.videos_of(sound, size=3, token=token) == ([5, 4, 3], (await world.videos_of(sound, size=3, token=token))[1])


async def test_page_tokens_are_of_one_sound_and_unchanged(world: World) -> None:
    sound, other = (await world.register(1)).sound_id, (await world.register(2)).sound_id
    await world.publish(*(video(number, sound) for number in range(1, 6)))
    _, token = await world.videos_of(sound, size=2)
    for asked, bad in ((other, token), (sound, token[:-1]), (sound, "A" + token[1:]), (sound, "é")):
        with pytest.raises(InvalidArgument) as failed:
            await world.videos_of(asked, token=bad)
        assert failed.value.reason == "INVALID_PAGE_TOKEN"


async def test_only_what_everybody_may_see_counts(world: World) -> None:
    sound = (await world.register(1)).sound_id
    await world.publish(
        video(1, sound),
        video(2, sound, state=video_service_pb2.VIDEO_STATE_RESTRICTED),
        video(3, sound, state=video_service_pb2.VIDEO_STATE_IN_REVIEW),
        video(4, sound, visibility=video_service_pb2.VISIBILITY_FOLLOWERS),
        video(5, 0),
    )
    assert await world.videos_of(sound) == ([2, 1], "")


async def test_a_video_that_changes_its_sound_moves(world: World) -> None:
    one, two = (await world.register(1)).sound_id, (await world.register(2)).sound_id
    await world.publish(video(9, 0))
    assert (await world.videos_of(one), await world.videos_of(two)) == (([], ""), ([], ""))
    for version, sound_id, wanted in ((2, one, ([9], [])), (3, two, ([], [9])), (4, one, ([9], []))):
        await world.fold((version, events_pb2.VideoChanged(video=video(9, sound_id))))
        assert ((await world.videos_of(one))[0], (await world.videos_of(two))[0]) == wanted
        assert ((await world.get(one)).video_count, (await world.get(two)).video_count) == tuple(map(len, wanted))


def history(video_id: int, sounds: list[int], rng: random.Random) -> list[tuple[int, Message]]:
    changes: list[tuple[int, Message]] = []
    for version in sorted(rng.sample(range(1, 40), k=rng.randint(2, 7))):
        if rng.random() < 0.3:
            changes.append((version, events_pb2.VideoWithdrawn(video_id=video_id)))
        else:
            kind = rng.choice((events_pb2.VideoPublished, events_pb2.VideoChanged))
            changes.append((version, kind(video=video(video_id, rng.choice(sounds)))))
    return changes


async def test_events_in_any_order_leave_the_last_state(world: World) -> None:
    rng = random.Random(20_240_602)
    sounds = [0, *[(await world.register(number)).sound_id for number in range(1_001, 1_004)]]
    histories = {video_id: history(video_id, sounds, rng) for video_id in range(1, INTERLEAVINGS + 1)}
    wanted: dict[int, set[int]] = {sound_id: set() for sound_id in sounds}
    for video_id, changes in histories.items():
        last = changes[-1][1]
        if not isinstance(last, events_pb2.VideoWithdrawn):
            wanted[last.video.sound_id].add(video_id)  # type: ignore[attr-defined]

    async def look() -> None:
        for sound_id in sounds[1:]:
            listed = [one for page in await world.list_all(sound_id, size=17) for one in page]
            assert listed == sorted(wanted[sound_id], reverse=True)
        assert [sound.video_count for sound in await world.many(*sounds[1:])] == [len(wanted[one]) for one in sounds[1:]]

    async def shuffled(changes: list[tuple[int, Message]]) -> None:
        mixed = changes + rng.choices(changes, k=rng.randint(0, 4))
        rng.shuffle(mixed)
        await world.fold(*mixed)

    await asyncio.gather(*map(shuffled, histories.values()))
    await look()
    assert {row.version for row in await world.rows(SoundUse)} <= {version for changes in histories.values() for version, _ in changes}
    last_versions = {video_id: changes[-1][0] for video_id, changes in histories.items()}
    assert {row.video_id: row.version for row in await world.rows(VideoSound)} == last_versions
    before = await world.everything()
    await asyncio.gather(*(world.fold(*changes) for changes in histories.values()))
    await look()
    assert await world.everything() == before, "a rewind changes nothing"


async def test_the_whole_app_hears_of_videos_and_tells_of_sounds(tmp_path: Path, redis_server: RedisServer, redis: Redis) -> None:
    settings = SoundSettings(
        secrets="", testing=True, tables=f"sqlite:///{tmp_path}", blobs=f"file://{tmp_path}/blobs", redis=redis_server.url
    )
    app = SoundApp(process=process_for("sound", named=NAMED, settings=settings), settings=settings)
    stream = open_stream("", redis=redis)
    make = EventMaker(producer="video", next_id=iter(range(1, 9)).__next__, clock=SystemClock())
    async with serve_app(app) as served:
        request = pb.RegisterOriginalSoundRequest(video_id=5, creator_id=9, duration_ms=1_000, audio_key="a")
        sound = (await served.stub(CatalogueServiceStub, caller="video").RegisterOriginalSound(request)).sound
        event = make.make(events_pb2.VideoPublished(video=video(5, sound.sound_id)), key="5")
        value = event.envelope(row_version=1).SerializeToString()
        await stream.publish([Record(topic="video", key="5", value=value, event_id=event.event_id)])
        stub = served.stub(CatalogueServiceStub)
        async with asyncio.timeout(15):
            async for delivery in stream.tail(["sound"], since_ms=60_000):
                told = incoming_of(delivery.value, (SoundCreated,))
                assert told is not None
                assert told.message.sound == sound
                break
            while (await stub.GetSound(pb.GetSoundRequest(sound_id=sound.sound_id))).sound.video_count != 1:
                await asyncio.sleep(0.02)
    await stream.close()
