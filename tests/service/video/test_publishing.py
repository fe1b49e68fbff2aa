"""From PublishVideo to public: what the gate is asked, what its answers do, and what happens when it does not answer."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from clipmesh.common.v1 import category_pb2, viewer_pb2
from clipmesh.rights.v1 import publication_service_pb2 as rights_pb2
from clipmesh.social.v1 import profile_service_pb2 as social_pb2
from clipmesh.sound.v1 import catalogue_service_pb2 as sound_pb2
from clipmesh.video.v1 import events_pb2
from clipmesh.video.v1 import video_service_pb2 as pb2

from mesh.errors import FailedPrecondition, InvalidArgument, NotFound
from mesh.failpoints import Failpoint
from mesh.telemetry import Telemetry
from svc_video.videos.actions import Publication, Switches
from svc_video.videos.neighbours import Neighbours
from svc_video.videos.store import VideoStore
from svc_video.videos.tables import MediaFacts, OpenWork, PublicationState, Video, Visibility, WorkKind
from svc_video.videos.work import DONE_MS, WorkLoop
from svc_video.viewers import Viewer
from tests.service.video.world import ALICE, BOB, HASHES, World


async def row(world: World, video_id: int) -> Video:
    video = await world.tables.get(Video, video_id)
    assert video is not None
    return video


async def waiting(world: World, kind: WorkKind) -> list[int]:
    return [work.video_id for work in (await world.rows(OpenWork))[OpenWork] if work.kind is kind]


async def test_a_clip_becomes_public_once_it_plays_and_the_gate_allowed_it(world: World) -> None:
    world.social.standings[ALICE] = social_pb2.Standing(
        user_id=ALICE, level=social_pb2.STANDING_LEVEL_GOOD, age_band=viewer_pb2.AGE_BAND_16_TO_17
    )
    video_id = await world.processing()
    published = await world.publish(
        video_id,
        caption="  a \r\ncaption ",
        hashtags=["#Dance", "ＦＵＮ", "dance"],
        category=category_pb2.CATEGORY_DANCE,
        language="pt-BR",
    )
    assert (published.state, published.publication_state) == (pb2.VIDEO_STATE_PROCESSING, pb2.PUBLICATION_STATE_ASSESSING)
    await world.work()
    assert world.rights.asked == []
    await world.probe(video_id)
    await world.work()
    assert world.rights.asked == [
        rights_pb2.AssessPublicationRequest(
            video_id=video_id,
            creator_id=ALICE,
            publication_version=1,
            caption="a \ncaption",
            hashtags=["dance", "fun"],
            language="pt-BR",
            perceptual_hashes=HASHES,
            findings=[rights_pb2.MediaFinding(name="black_ratio", score=0.25)],
            classified=False,
            account_level=rights_pb2.ACCOUNT_LEVEL_GOOD,
            age_band=viewer_pb2.AGE_BAND_16_TO_17,
        )
    ]
    assert await world.seen(video_id, user_id=BOB) == []
    await world.playable(video_id)
    await world.work()
    [seen] = await world.seen(video_id, user_id=BOB)
    assert seen == pb2.Video(
        video_id=video_id,
        creator_id=ALICE,
        state=pb2.VIDEO_STATE_READY,
        media_state=pb2.MEDIA_STATE_PLAYABLE,
        publication_state=pb2.PUBLICATION_STATE_PUBLISHED,
        caption="a \ncaption",
        hashtags=["dance", "fun"],
        category=category_pb2.CATEGORY_DANCE,
        language="pt-BR",
        visibility=pb2.VISIBILITY_PUBLIC,
        switches=pb2.Switches(allow_comments=True, allow_duet=True, allow_stitch=True),
        duration_ms=20_000,
        width=720,
        height=1280,
        has_audio=True,
        sound_id=video_id + 1,
        created_at_ms=world.clock.now_ms(),
        published_at_ms=world.clock.now_ms(),
        version=seen.version,
        recommendable=True,
    )
    assert await world.event_names() == ["UploadCompleted", "VideoPublished", "VideoChanged"]
    assert (await world.rows(OpenWork))[OpenWork] == []


async def test_the_event_tells_the_video_exactly_as_it_is_read(world: World) -> None:
    video_id = await world.public()
    [seen] = await world.seen(video_id, user_id=BOB)
    envelope, event = (await world.events())[-1]
    assert event == events_pb2.VideoPublished(video=seen)
    assert envelope.key_version == seen.version


async def test_nothing_is_public_before_a_verdict(world: World) -> None:
    world.rights.down = True
    video_id = await world.public()
    assert (await row(world, video_id)).publication_state.name == "ASSESSING"
    assert await world.seen(video_id, user_id=BOB) == []
    assert (await world.plays(video_id, user_id=BOB))[0].refusal == 1
    assert "VideoPublished" not in await world.event_names()
    assert await waiting(world, WorkKind.ASSESS) == [video_id]


@pytest.mark.parametrize("neighbour", ["rights", "social"])
async def test_a_gate_that_cannot_be_asked_means_not_yet_and_is_asked_again(world: World, neighbour: str) -> None:
    getattr(world, neighbour).down = True
    video_id = await world.public()
    assert await world.seen(video_id, user_id=BOB) == []
    getattr(world, neighbour).down = False
    await world.work()
    assert await world.seen(video_id, user_id=BOB) == [], "the pause is not over"
    world.clock.advance(250)
    await world.work()
    assert [video.video_id for video in await world.seen(video_id, user_id=BOB)] == [video_id]
    assert await waiting(world, WorkKind.ASSESS) == []


async def test_pauses_grow_and_a_new_process_asks_at_once(world: World) -> None:
    world.rights.down = True
    video_id = await world.public()
    loop = world.rooms.loops[WorkKind.ASSESS]
    pauses = []
    for _ in range(8):
        pauses.append(wait := await loop.run_once())
        world.clock.advance(wait)
    assert pauses == [250, 500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000]
    world.rights.down = False
    await world.restarted().loops[WorkKind.ASSESS].run_once()
    assert [video.video_id for video in await world.seen(video_id, user_id=BOB)] == [video_id]


async def test_a_woken_loop_asks_without_being_told_when(world: World) -> None:
    running = asyncio.create_task(world.rooms.loops[WorkKind.ASSESS].run())
    video_id = await world.processing()
    await world.probe(video_id)
    await world.playable(video_id)
    await world.publish(video_id)
    async with asyncio.timeout(20):
        while not await world.seen(video_id, user_id=BOB):
            await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@pytest.mark.parametrize(
    ("kind", "publication", "state", "recommendable", "visible"),
    [
        (rights_pb2.VERDICT_KIND_ALLOW, pb2.PUBLICATION_STATE_PUBLISHED, pb2.VIDEO_STATE_READY, True, True),
        (rights_pb2.VERDICT_KIND_LIMIT, pb2.PUBLICATION_STATE_RESTRICTED, pb2.VIDEO_STATE_RESTRICTED, False, True),
        (rights_pb2.VERDICT_KIND_REVIEW, pb2.PUBLICATION_STATE_IN_REVIEW, pb2.VIDEO_STATE_IN_REVIEW, False, False),
        (rights_pb2.VERDICT_KIND_BLOCK, pb2.PUBLICATION_STATE_REJECTED, pb2.VIDEO_STATE_REJECTED, False, False),
    ],
)
async def test_each_verdict_has_its_state(
    world: World, kind: int, publication: int, state: int, recommendable: bool, visible: bool
) -> None:
    world.rights.kind = kind  # type: ignore[assignment]
    video_id = await world.public()
    [own] = await world.seen(video_id)
    assert (own.publication_state, own.state, own.recommendable) == (publication, state, recommendable)
    assert bool(await world.seen(video_id, user_id=BOB)) == visible
    assert ("VideoPublished" in await world.event_names()) == visible
    rejected = kind == rights_pb2.VERDICT_KIND_BLOCK
    assert own.failure_code == ("POLICY_VIOLATION" if rejected else "")
    assert own.failure_detail == ("The publication breaks the rule text.blocked_word." if rejected else "")


async def test_a_verdict_of_a_kind_from_the_future_publishes_nothing(world: World) -> None:
    world.rights.kind = 99  # type: ignore[assignment]
    video_id = await world.public()
    assert (await row(world, video_id)).publication_state.name == "ASSESSING"


async def test_words_that_change_while_the_gate_looks_get_their_own_verdict(world: World) -> None:
    world.rights.down = True
    video_id = await world.public()
    await world.update(video_id, caption="other words")
    world.rights.down = False
    verdict = world.rights.decide(video_id, rights_pb2.VERDICT_KIND_ALLOW, publication_version=1)
    assert verdict.publication_version == 1
    world.clock.advance(20_000)
    await world.work()
    assert [(asked.publication_version, asked.caption) for asked in world.rights.asked] == [(2, "other words")]
    assert (await world.seen(video_id, user_id=BOB))[0].caption == "other words"


async def test_publishing_again_with_the_same_request_answers_the_video_as_it_stands(world: World) -> None:
    video_id = await world.public()
    before = await world.rows()
    again = await world.publish(video_id, request_id="publish r1")
    assert again.state == pb2.VIDEO_STATE_READY
    assert await world.rows() == before
    for request_id, caption, reason in (("publish r1", "changed", "REQUEST_ID_REUSED"), ("new", "hello", "VIDEO_NOT_DRAFT")):
        with pytest.raises(FailedPrecondition) as refused:
            await world.publish(video_id, request_id=request_id, caption=caption)
        assert refused.value.reason == reason
    assert await world.rows() == before


async def test_publication_is_possible_before_a_byte_arrived(world: World) -> None:
    upload = await world.start()
    published = await world.publish(upload.upload_id)
    assert (published.state, published.publication_state) == (pb2.VIDEO_STATE_UPLOADING, pb2.PUBLICATION_STATE_ASSESSING)
    await world.send(upload)
    await world.complete(upload.upload_id)
    await world.probe(upload.upload_id)
    await world.playable(upload.upload_id)
    await world.work()
    assert len(await world.seen(upload.upload_id, user_id=BOB)) == 1


@pytest.mark.parametrize(
    ("fields", "error", "reason"),
    [
        ({"sound_id": 5}, FailedPrecondition, "CHOSEN_SOUND_NOT_SUPPORTED"),
        ({"caption": "evil\u202etxt.exe"}, InvalidArgument, "INVALID_TEXT"),
        ({"caption": "bell\x07"}, InvalidArgument, "INVALID_TEXT"),
        ({"hashtags": ["two words"]}, InvalidArgument, "INVALID_TEXT"),
        ({"hashtags": ["#"]}, InvalidArgument, "INVALID_TEXT"),
        ({"language": "not a language"}, InvalidArgument, "INVALID_REQUEST"),
        ({"caption": "x" * 2_201}, InvalidArgument, "INVALID_REQUEST"),
        ({"hashtags": ["a"] * 31}, InvalidArgument, "INVALID_REQUEST"),
        ({"visibility": 9}, InvalidArgument, "INVALID_REQUEST"),
        ({"category": 999}, InvalidArgument, "INVALID_REQUEST"),
    ],
)
async def test_refused_publications_change_nothing(world: World, fields: dict[str, Any], error: type[Exception], reason: str) -> None:
    video_id = await world.processing()
    before = await world.rows()
    with pytest.raises(error) as refused:
        await world.publish(video_id, **fields)
    assert refused.value.reason == reason  # type: ignore[attr-defined]
    assert await world.rows() == before


async def test_strangers_and_the_nameless_publish_nothing(world: World) -> None:
    video_id = await world.processing()
    for user_id in (BOB, ALICE + 5):
        with pytest.raises(NotFound) as refused:
            await world.publish(video_id, user_id=user_id)
        assert refused.value.reason == "VIDEO_NOT_FOUND"
    with pytest.raises(NotFound):
        await world.publish(999)


async def test_a_failed_clip_cannot_be_published(world: World) -> None:
    video_id = await world.processing()
    await world.rooms.media.media_failed(video_id, reason="NO_VIDEO", detail="")
    with pytest.raises(FailedPrecondition) as refused:
        await world.publish(video_id)
    assert refused.value.reason == "VIDEO_NOT_DRAFT"


async def test_the_largest_words_fit_into_one_write(world: World) -> None:
    hashtags = [chr(0x20000 + n) * 100 for n in range(30)]
    video_id = await world.public(caption="𝒳" * 2_200, hashtags=hashtags)
    [seen] = await world.seen(video_id, user_id=BOB)
    assert (len(seen.caption), list(seen.hashtags)) == (2_200, hashtags)
    await world.update(video_id, category=category_pb2.CATEGORY_ART)
    assert (await world.event_names())[-1] == "VideoChanged"


async def test_the_original_sound_comes_after_and_never_delays(world: World) -> None:
    world.sound.down = True
    video_id = await world.public(has_audio=True)
    [seen] = await world.seen(video_id, user_id=BOB)
    assert (seen.state, seen.sound_id) == (pb2.VIDEO_STATE_READY, 0)
    world.sound.down = False
    world.clock.advance(20_000)
    await world.work()
    [seen] = await world.seen(video_id, user_id=BOB)
    assert seen.sound_id == video_id + 1
    assert world.sound.asked == [
        sound_pb2.RegisterOriginalSoundRequest(video_id=video_id, creator_id=ALICE, duration_ms=20_000, audio_key="audio/a/audio.mp4")
    ]
    assert await world.event_names() == ["UploadCompleted", "VideoPublished", "VideoChanged"]


async def test_no_sound_is_made_of_what_is_not_public_or_silent(world: World) -> None:
    await world.public(request_id="silent", has_audio=False)
    await world.public(request_id="hidden", has_audio=True, visibility=pb2.VISIBILITY_ONLY_ME)
    world.rights.kind = rights_pb2.VERDICT_KIND_BLOCK
    await world.public(request_id="refused", has_audio=True)
    assert world.sound.asked == []


async def test_a_video_that_is_hidden_before_its_sound_was_made_gets_none(world: World) -> None:
    world.sound.down = True
    video_id = await world.public(has_audio=True)
    await world.update(video_id, visibility=pb2.VISIBILITY_ONLY_ME)
    world.sound.down = False
    world.clock.advance(20_000)
    await world.work()
    assert world.sound.asked == []
    await world.update(video_id, visibility=pb2.VISIBILITY_PUBLIC)
    await world.work()
    assert (await world.seen(video_id, user_id=BOB))[0].sound_id == video_id + 1


async def test_a_verdict_that_was_given_but_not_written_is_written_after_a_restart(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def dies(point: Failpoint) -> None:
        raise RuntimeError(point)

    monkeypatch.setattr("svc_video.videos.publishing.hit", dies)
    video_id = await world.public()
    assert await world.seen(video_id, user_id=BOB) == []
    assert len(world.rights.verdicts) == 1
    monkeypatch.undo()
    await world.restarted().loops[WorkKind.ASSESS].run_once()
    assert len(await world.seen(video_id, user_id=BOB)) == 1
    assert (await row(world, video_id)).verdict_version == 1
    assert await world.event_names() == ["UploadCompleted", "VideoPublished"]


async def test_a_note_without_its_change_is_dropped_in_time(world: World) -> None:
    video_id = await world.processing()
    version = (await row(world, video_id)).version
    await world.tables.put(OpenWork(kind=WorkKind.ASSESS, video_id=video_id, since_ms=world.clock.now_ms(), version=version + 1))
    await world.work()
    assert await waiting(world, WorkKind.ASSESS) == [video_id]
    world.clock.advance(60_000)
    await world.work()
    assert await waiting(world, WorkKind.ASSESS) == []
    assert world.rights.asked == []


async def test_media_steps_may_be_told_twice(world: World) -> None:
    video_id = await world.processing()
    for step in (world.probe, world.playable):
        await step(video_id)
        before = await world.rows()
        await step(video_id)
        assert await world.rows() == before
    facts = await world.tables.get(MediaFacts, video_id)
    assert facts is not None
    assert (facts.hashes, facts.rendition_names, facts.audio_key) == (HASHES, ("720p",), "audio/a/audio.mp4")


async def test_a_clip_that_plays_outlives_the_failure_of_further_renditions(world: World) -> None:
    video_id = await world.public()
    video = await world.rooms.media.media_failed(video_id, reason="PROCESSING_FAILED", detail="")
    assert video.media_state.name == "PLAYABLE"
    assert len(await world.seen(video_id, user_id=BOB)) == 1


async def publishable(world: World, name: str) -> int:
    video_id = await world.processing(request_id=name)
    await world.probe(video_id, has_audio=False)
    await world.playable(video_id, audio_key="")
    return video_id


async def test_a_call_that_hangs_holds_up_its_own_video_only(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = await publishable(world, "a"), await publishable(world, "b")
    hangs, goes_on, ask = asyncio.Event(), asyncio.Event(), Neighbours.verdict_on

    async def slow(neighbours: Neighbours, video: Video, facts: MediaFacts) -> Any:
        if video.video_id == first:
            hangs.set()
            await goes_on.wait()
        return await ask(neighbours, video, facts)

    monkeypatch.setattr(Neighbours, "verdict_on", slow)
    running = asyncio.create_task(world.rooms.loops[WorkKind.ASSESS].run())
    await world.publish(first, request_id="p1")
    await asyncio.wait_for(hangs.wait(), 20)
    await world.publish(second, request_id="p2")
    async with asyncio.timeout(20):
        while not await world.seen(second, user_id=BOB):
            await asyncio.sleep(0.01)
    assert await world.seen(first, user_id=BOB) == []
    goes_on.set()
    async with asyncio.timeout(20):
        while not await world.seen(first, user_id=BOB):
            await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_publication_whose_caller_left_is_assessed_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    video_id = await publishable(world, "a")
    running = asyncio.create_task(world.rooms.loops[WorkKind.ASSESS].run())
    replace = VideoStore.replace

    async def replaces_and_is_cancelled(store: VideoStore, video: Video, **fields: Any) -> Video | None:
        written = await replace(store, video, **fields)
        if video.publication_state is PublicationState.ASSESSING:
            raise asyncio.CancelledError
        return written

    monkeypatch.setattr(VideoStore, "replace", replaces_and_is_cancelled)
    publication = Publication(
        caption="", hashtags=(), category=0, language="", visibility=Visibility.PUBLIC, switches=Switches(), sound_id=0
    )
    viewer = Viewer(user_id=ALICE, is_under_16=False)
    call = asyncio.create_task(world.rooms.videos.publish(viewer, video_id, publication, request_id="p1", body=b""))
    await asyncio.wait([call])
    assert call.cancelled()
    async with asyncio.timeout(20):
        while not await world.seen(video_id, user_id=BOB):
            await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_work_that_is_noted_while_the_same_video_is_worked_on_is_done_next(world: World) -> None:
    video_id = await world.processing()
    now_ms, version = world.clock.now_ms(), (await row(world, video_id)).version
    store, wakeup, goes_on = VideoStore(tables=world.tables), asyncio.Event(), asyncio.Event()
    begun: asyncio.Queue[int] = asyncio.Queue()

    async def handle(work: OpenWork, _: Video) -> int:
        await begun.put(work.since_ms)
        await goes_on.wait()
        return DONE_MS

    telemetry = Telemetry(service="video")
    loop = WorkLoop(kind=WorkKind.SOUND, store=store, clock=world.clock, handle=handle, wakeup=wakeup, telemetry=telemetry)
    running = asyncio.create_task(loop.run())
    await store.open_work([OpenWork(kind=WorkKind.SOUND, video_id=video_id, since_ms=now_ms, version=version - 1)])
    wakeup.set()
    assert await asyncio.wait_for(begun.get(), 20) == now_ms
    await store.open_work([OpenWork(kind=WorkKind.SOUND, video_id=video_id, since_ms=now_ms + 1, version=version)])
    wakeup.set()
    while wakeup.is_set():
        await asyncio.sleep(0.01)
    goes_on.set()
    assert await asyncio.wait_for(begun.get(), 20) == now_ms + 1
    async with asyncio.timeout(20):
        while await waiting(world, WorkKind.SOUND):
            await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_long_pause_does_not_keep_a_loop_from_looking(world: World) -> None:
    video_id = await world.public()
    await world.delete(video_id)
    loop = world.rooms.loops[WorkKind.PURGE]
    assert await loop.run_once() == 30_000
    world.clock.advance(100_000)
    assert await loop.run_once() == 20_000
