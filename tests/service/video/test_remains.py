"""What is left of a video that is over: nothing but its tombstone, and the audio of a sound that was made of it."""

from __future__ import annotations

from svc_video.layout import audio_key, images_prefix, video_prefix, work_prefix
from svc_video.videos.tables import CreatorVideo, MediaFacts, OpenWork, Rendition, Video, WorkKind
from tests.service.video.world import BOB, World


async def put_everything(world: World, video_id: int) -> None:
    """An object of each kind, as processing leaves them."""
    for key in (
        f"{work_prefix(video_id)}5a/1/720p-0000.chunk",
        f"{video_prefix(video_id)}master.m3u8",
        f"{images_prefix(video_id)}poster.jpg",
        audio_key(video_id),
    ):
        await world.blobs.put(key, b"bytes")


async def purged(world: World) -> list[str]:
    """The objects that are left when nothing can still be written, and the rows with them."""
    await world.work()
    world.clock.advance(120_000)
    await world.work()
    left = await world.rows(CreatorVideo, MediaFacts, Rendition, OpenWork)
    assert left == {CreatorVideo: [], MediaFacts: [], Rendition: [], OpenWork: []}
    return await world.objects()


async def test_a_deleted_video_without_a_sound_leaves_nothing(world: World) -> None:
    video_id = await world.processing()
    await world.probe(video_id)
    await world.playable(video_id)
    await put_everything(world, video_id)
    await world.delete(video_id)
    assert await purged(world) == []
    assert world.sound.asked == []


async def test_the_audio_of_a_sound_outlives_its_video(world: World) -> None:
    video_id = await world.public(has_audio=True)
    assert (await world.seen(video_id))[0].sound_id == video_id + 1
    await put_everything(world, video_id)
    await world.delete(video_id)
    assert await purged(world) == [audio_key(video_id)]


async def test_audio_stays_when_nobody_heard_whether_a_sound_was_made_of_it(world: World) -> None:
    world.sound.loses_answers = True
    video_id = await world.public(has_audio=True)
    await put_everything(world, video_id)
    await world.delete(video_id)
    await world.work()
    world.clock.advance(120_000)
    await world.work()
    assert await world.objects() == [audio_key(video_id)]
    assert [work.kind for work in (await world.rows(OpenWork))[OpenWork]] == [WorkKind.PURGE, WorkKind.SOUND]
    world.sound.loses_answers = False
    world.clock.advance(120_000)
    assert await purged(world) == [audio_key(video_id)]
    assert {request.video_id for request in world.sound.asked} == {video_id}
    [row] = (await world.rows(Video))[Video]
    assert row.sound_id == video_id + 1
    assert await world.seen(video_id, user_id=BOB) == []


async def test_a_video_that_was_hidden_and_deleted_before_its_sound_was_heard_of_keeps_audio_and_sound_together(world: World) -> None:
    world.sound.loses_answers = True
    video_id = await world.public(has_audio=True)
    await put_everything(world, video_id)
    await world.update(video_id, visibility=4)
    world.clock.advance(20_000)
    await world.work()
    assert (await world.rows(OpenWork))[OpenWork] == []
    world.sound.loses_answers = False
    await world.delete(video_id)
    assert await purged(world) == [audio_key(video_id)]
    [row] = (await world.rows(Video))[Video]
    assert row.sound_id == video_id + 1
