"""Rows and bucket compared both ways: what belongs to nobody goes after its grace, what is missing is told by name, and the wrong pair changes nothing."""

from __future__ import annotations

import pytest
from clipmesh.video.v1 import upload_service_pb2 as pb2
from clipmesh.video.v1 import video_service_pb2

from mesh.errors import NotFound
from svc_video.layout import audio_key, images_prefix, published_names, raw_key, tail_key, video_prefix, work_prefix
from svc_video.strangers import MOST_UNKNOWN
from svc_video.uploads.metrics import MISSING, ORPHANS, SWEEP_HELD, Lost
from svc_video.uploads.orphans import LEFT_OVER_AFTER_MS, ORPHAN_AFTER_MS
from svc_video.videos.actions import RenditionFacts
from tests.service.video.world import BOB, PART, RENDITION_720, World

DAY_MS = 86_400_000
RENDITION_480 = RenditionFacts(name="480p", width=480, height=854)
PICTURES = ("poster.jpg", "preview.webp", "storyboard.vtt", "storyboard.webp")


def made_of(video_id: int) -> list[str]:
    """One object of each kind that jobs make."""
    prefixes = (work_prefix(video_id), video_prefix(video_id), images_prefix(video_id))
    return sorted([*(f"{prefix}thing" for prefix in prefixes), audio_key(video_id)])


async def put(world: World, *keys: str) -> None:
    for key in keys:
        await world.blobs.put(key, b"x")


async def reconcile(world: World) -> None:
    await world.rooms.sweeper.reconcile()


def missing(world: World) -> dict[str, float]:
    return {what.value: world.served.process.telemetry.value(MISSING, what=what) for what in Lost}


def held(world: World, way: str) -> float:
    return world.served.process.telemetry.value(SWEEP_HELD, way=way)


async def playing(world: World, request_id: str, *, has_audio: bool = False) -> int:
    """A clip that plays, with everything in the store that its rows name."""
    video_id = await world.processing(request_id=request_id)
    await world.probe(video_id, has_audio=has_audio)
    await world.playable(video_id, audio_key=audio_key(video_id) if has_audio else "")
    await put(world, *(f"{video_prefix(video_id)}{name}" for name in published_names(["720p"], segments=10, has_audio=has_audio)))
    await put(world, *(f"{images_prefix(video_id)}{name}" for name in (*PICTURES, *(["waveform.json"] if has_audio else []))))
    if has_audio:
        await put(world, audio_key(video_id))
    return video_id


async def test_what_jobs_made_of_nobodys_clip_goes_after_a_day_and_not_before(world: World) -> None:
    nobody = world.ids.next()
    await put(world, *made_of(nobody), f"video/0{nobody}/thing", "video/not-a-number/thing")
    world.clock.advance(LEFT_OVER_AFTER_MS)
    await reconcile(world)
    assert len(await world.objects()) == 6
    world.clock.advance(1)
    await reconcile(world)
    assert await world.objects() == []
    telemetry = world.served.process.telemetry
    assert {prefix: telemetry.value(ORPHANS, prefix=prefix) for prefix in ("work/", "video/", "images/", "audio/")} == {
        "work/": 1,
        "video/": 3,
        "images/": 1,
        "audio/": 1,
    }


async def test_what_creators_sent_goes_after_an_hour_and_not_before(world: World) -> None:
    nobody = world.ids.next()
    await put(world, raw_key(nobody), tail_key(nobody, 1))
    await world.blobs.multipart_begin(raw_key(nobody), content_type="video/mp4")
    world.clock.advance(ORPHAN_AFTER_MS)
    await reconcile(world)
    assert (len(await world.objects()), len(await world.multiparts())) == (2, 1)
    world.clock.advance(1)
    await reconcile(world)
    assert (await world.objects(), await world.multiparts()) == ([], [])


async def test_what_a_clip_needs_stays(world: World) -> None:
    video_id = await playing(world, "plays", has_audio=True)
    await put(world, *made_of(video_id))
    under_way = await world.start(request_id="open")
    await put(world, tail_key(under_way.upload_id, 1))
    before = await world.objects()
    world.clock.advance(DAY_MS - 1)
    await reconcile(world)
    assert await world.objects() == before
    world.clock.advance(2 * DAY_MS)
    await reconcile(world)
    assert await world.objects() == before


async def test_work_of_a_complete_clip_goes_by_age_and_all_else_stays(world: World) -> None:
    video_id = await playing(world, "complete")
    await world.rooms.media.became_complete(video_id, renditions=[])
    await put(world, *made_of(video_id))
    before = await world.objects()
    world.clock.advance(DAY_MS + 1)
    await reconcile(world)
    assert await world.objects() == [key for key in before if not key.startswith("work/")]


async def test_what_was_written_after_the_end_of_a_clip_goes_and_the_audio_of_a_sound_stays(world: World) -> None:
    video_id = await world.public(has_audio=True)
    await world.delete(video_id)
    await put(world, *made_of(video_id), raw_key(video_id))
    world.clock.advance(DAY_MS + 1)
    await reconcile(world)
    assert await world.objects() == [audio_key(video_id)]


async def test_a_bucket_of_another_system_is_left_alone(world: World) -> None:
    failed = await world.processing(request_id="failed")
    await world.rooms.media.media_failed(failed, reason="CORRUPT_MEDIA", detail="")
    strangers = [world.ids.next() for _ in range(MOST_UNKNOWN + 1)]
    await put(world, *(f"{video_prefix(one)}thing" for one in (failed, *strangers)))
    for one in strangers:
        await world.blobs.multipart_begin(raw_key(one), content_type="video/mp4")
    world.clock.advance(2 * DAY_MS)
    await reconcile(world)
    assert len(await world.objects("video/")) == len(strangers)
    assert len(await world.multiparts()) == len(strangers)
    assert held(world, "bucket") == 1
    await world.blobs.delete([f"{video_prefix(strangers[0])}thing"])
    await world.blobs.multipart_abort(raw_key(strangers[0]), (await world.multiparts())[0].upload_ref)
    await reconcile(world)
    assert (await world.objects(), await world.multiparts(), held(world, "bucket")) == ([], [], 0)


async def test_a_clip_whose_source_is_gone_fails_by_name(world: World) -> None:
    lost, kept = await world.processing(request_id="lost"), await world.processing(request_id="kept")
    await world.blobs.delete([raw_key(lost)])
    await reconcile(world)
    [first, second] = await world.seen(lost, kept)
    assert (first.state, first.failure_code) == (video_service_pb2.VIDEO_STATE_FAILED, "SOURCE_LOST")
    assert second.state == video_service_pb2.VIDEO_STATE_PROCESSING
    assert (await world.get(lost)).failure_detail == "The file that was sent is not in the store any more."
    assert missing(world) == {**dict.fromkeys(Lost, 0), Lost.SOURCE: 1}
    await reconcile(world)
    assert missing(world)["SOURCE_LOST"] == 0


async def test_a_source_of_another_length_is_none(world: World) -> None:
    video_id = await world.processing()
    await put(world, raw_key(video_id))
    await reconcile(world)
    assert (await world.get(video_id)).failure_code == "SOURCE_LOST"


@pytest.mark.parametrize(
    ("gone", "what"),
    [
        ("video/{}/master.m3u8", Lost.PLAYBACK),
        ("video/{}/720p.mp4", Lost.PLAYBACK),
        ("video/{}/720p.m3u8", Lost.PLAYBACK),
        ("video/{}/720p/10.m4s", Lost.PLAYBACK),
        ("video/{}/audio/init.mp4", Lost.PLAYBACK),
        ("audio/{}/audio.mp4", Lost.AUDIO),
        ("images/{}/poster.jpg", Lost.PICTURES),
        ("images/{}/storyboard.webp", Lost.PICTURES),
        ("images/{}/waveform.json", Lost.PICTURES),
    ],
)
async def test_a_clip_that_plays_is_told_of_and_stays_as_it_is(
    world: World, gone: str, what: Lost, caplog: pytest.LogCaptureFixture
) -> None:
    video_id = await playing(world, "plays", has_audio=True)
    await world.blobs.delete([gone.format(video_id)])
    before = await world.rows()
    await reconcile(world)
    assert await world.rows() == before
    assert missing(world) == {one.value: float(one is what) for one in Lost}
    [record] = [record for record in caplog.records if record.message == "bytes of a clip are missing"]
    assert (vars(record)["video_id"], vars(record)["reason"]) == (video_id, what)


async def test_a_clip_that_plays_and_has_all_misses_nothing(world: World) -> None:
    video_id = await playing(world, "plays", has_audio=True)
    further = [
        f"{video_prefix(video_id)}{name}" for name in published_names(["480p"], segments=10, has_audio=False) if name.startswith("480p")
    ]
    await put(world, *further)
    await world.rooms.media.became_complete(video_id, renditions=[RENDITION_720, RENDITION_480])
    await reconcile(world)
    assert missing(world) == dict.fromkeys(Lost, 0)
    await world.blobs.delete([key for key in further if key.endswith("/7.m4s")])
    await reconcile(world)
    assert missing(world) == {**dict.fromkeys(Lost, 0), Lost.PLAYBACK: 1}


async def test_clips_that_are_over_miss_nothing(world: World) -> None:
    deleted, failed = await playing(world, "deleted"), await world.processing(request_id="failed")
    await world.delete(deleted)
    await world.rooms.media.media_failed(failed, reason="CORRUPT_MEDIA", detail="")
    await world.work()
    await reconcile(world)
    assert missing(world) == dict.fromkeys(Lost, 0)


async def test_a_store_of_another_system_fails_no_clip(world: World) -> None:
    ids = [await world.processing(request_id=f"r{number}") for number in range(21)]
    await world.blobs.delete([raw_key(video_id) for video_id in ids])
    before = await world.rows()
    await reconcile(world)
    assert await world.rows() == before
    assert (missing(world)["SOURCE_LOST"], held(world, "rows")) == (21, 1)


async def test_the_offset_is_what_lies_together_from_the_beginning_on(world: World) -> None:
    upload = await world.start(size=2_500)
    first, third = await world.sign(upload.upload_id, 1, 3)

    async def offset() -> tuple[int, int]:
        request = pb2.GetUploadOffsetRequest(upload_id=upload.upload_id)
        answer = await world.uploads().GetUploadOffset(request)
        assert answer.upload.upload_id == upload.upload_id
        return answer.offset_bytes, answer.tail_bytes

    assert await offset() == (0, 0)
    await world.put(third.url, b"c" * 500)
    assert await offset() == (0, 0)
    await put(world, tail_key(upload.upload_id, 1))
    assert await offset() == (1, 1)
    await world.put(first.url, b"a" * PART)
    assert await offset() == (1_000, 0)
    await world.blobs.put(tail_key(upload.upload_id, 2), b"b" * 999)
    assert await offset() == (1_999, 999)
    await world.blobs.put(tail_key(upload.upload_id, 2), b"b" * 1_000)
    assert await offset() == (1_000, 0)
    [second] = await world.sign(upload.upload_id, 2)
    await world.put(second.url, b"b" * PART)
    assert await offset() == (2_500, 0)
    await world.complete(upload.upload_id)
    assert await offset() == (2_500, 0)
    assert await world.objects("tails/") == []


async def test_an_offset_is_told_to_its_owner_alone(world: World) -> None:
    upload = await world.start()
    with pytest.raises(NotFound) as refused:
        await world.uploads(BOB).GetUploadOffset(pb2.GetUploadOffsetRequest(upload_id=upload.upload_id))
    assert refused.value.reason == "UPLOAD_NOT_FOUND"
