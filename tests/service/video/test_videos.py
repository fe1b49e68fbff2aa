"""Who sees what, edits, deletion, lists and permits."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from clipmesh.common.v1 import permit_pb2, viewer_pb2
from clipmesh.rights.v1 import publication_service_pb2 as rights_pb2
from clipmesh.video.v1 import events_pb2
from clipmesh.video.v1 import video_service_pb2 as pb2
from clipmesh.video.v1.video_service_pb2_grpc import VideoServiceStub

from mesh.errors import (
    Aborted,
    FailedPrecondition,
    InvalidArgument,
    InvalidPermit,
    NotFound,
    Unauthenticated,
    Unavailable,
)
from mesh.permits import Permits
from mesh.stores.tables.port import TablesUnavailable
from mesh.testing.rpc import secrets_for, viewer
from svc_video.layout import video_prefix
from svc_video.videos.tables import CreatorVideo, MediaFacts, OpenWork, Video
from tests.service.video.world import ALICE, BOB, LADDER, MODERATOR, World

ONLY_ME, PUBLIC = pb2.VISIBILITY_ONLY_ME, pb2.VISIBILITY_PUBLIC
YOUNG = (viewer_pb2.AGE_BAND_13_TO_15, viewer_pb2.AGE_BAND_UNSPECIFIED)


async def test_what_was_never_for_everyone_is_for_its_creator_alone(world: World) -> None:
    video_id = await world.public(visibility=ONLY_ME)
    [own] = await world.seen(video_id)
    assert (own.state, own.visibility, own.recommendable, own.published_at_ms) == (pb2.VIDEO_STATE_READY, ONLY_ME, False, 0)
    for user_id in (BOB, 0):
        assert await world.seen(video_id, user_id=user_id) == []
        assert [play.refusal for play in await world.plays(video_id, user_id=user_id)] == [1]
    assert await world.seen(video_id, user_id=MODERATOR, roles=(viewer_pb2.ROLE_MODERATOR,)) == []
    assert await world.event_names() == ["UploadCompleted"]


@pytest.mark.parametrize("age_band", YOUNG)
async def test_nobody_below_16_shows_a_video_to_everyone(world: World, age_band: viewer_pb2.AgeBand.ValueType) -> None:
    young = world.served.stub(VideoServiceStub, viewer=viewer(user_id=ALICE, age_band=age_band))
    video_id = await world.processing()
    before = await world.rows()
    for visibility in (PUBLIC, pb2.VISIBILITY_UNSPECIFIED):
        with pytest.raises(FailedPrecondition) as refused:
            await young.PublishVideo(pb2.PublishVideoRequest(request_id="p", video_id=video_id, visibility=visibility))
        assert refused.value.reason == "PUBLIC_NEEDS_AGE"
    assert await world.rows() == before
    await young.PublishVideo(pb2.PublishVideoRequest(request_id="p", video_id=video_id, visibility=ONLY_ME))
    before = await world.rows()
    with pytest.raises(FailedPrecondition) as refused:
        await young.UpdateVideo(pb2.UpdateVideoRequest(video_id=video_id, request_id="e", visibility=PUBLIC))
    assert refused.value.reason == "PUBLIC_NEEDS_AGE"
    assert await world.rows() == before
    updated = await young.UpdateVideo(pb2.UpdateVideoRequest(video_id=video_id, request_id="e", caption="mine"))
    assert (updated.video.caption, updated.video.visibility) == ("mine", ONLY_ME)


async def test_hiding_takes_effect_on_the_next_request(world: World) -> None:
    video_id = await world.public()
    await world.update(video_id, visibility=ONLY_ME)
    assert await world.seen(video_id, user_id=BOB) == []
    assert [play.refusal for play in await world.plays(video_id, user_id=BOB)] == [3]
    assert [(one.video_id, one.epoch) for one in (await world.revocations()).revocations] == [(video_id, 2)]
    assert (await world.event_names())[-1] == "VideoWithdrawn"
    await world.update(video_id, visibility=pb2.VISIBILITY_PUBLIC)
    assert len(await world.seen(video_id, user_id=BOB)) == 1
    assert (await world.event_names())[-1] == "VideoPublished"
    assert len(world.rights.asked) == 1, "visibility needs no verdict of its own"


async def test_drafts_are_seen_by_their_creator_alone(world: World) -> None:
    video_id = await world.processing()
    await world.probe(video_id)
    await world.playable(video_id)
    [own] = await world.seen(video_id)
    assert (own.state, own.progress_percent) == (pb2.VIDEO_STATE_DRAFT, 50)
    for roles in ((), (viewer_pb2.ROLE_MODERATOR,), (viewer_pb2.ROLE_ADMIN,)):
        assert await world.seen(video_id, user_id=MODERATOR, roles=roles) == []
    assert [play.refusal for play in await world.plays(video_id, user_id=BOB)] == [1]
    assert [play.refusal for play in await world.plays(video_id)] == [0]


async def test_batches_keep_the_order_and_leave_out_what_is_absent_or_hidden(world: World) -> None:
    first, second = await world.public(request_id="a"), await world.public(request_id="b")
    hidden = await world.public(request_id="c", visibility=pb2.VISIBILITY_ONLY_ME)
    asked = (second, 77, hidden, first, second)
    assert [video.video_id for video in await world.seen(*asked, user_id=BOB)] == [second, first]
    assert [video.video_id for video in await world.seen(*asked)] == [second, hidden, first]
    assert await world.seen() == []
    with pytest.raises(InvalidArgument):
        await world.seen(*range(1, 202))


async def test_a_changed_caption_is_judged_again_before_anybody_reads_it(world: World) -> None:
    video_id = await world.public()
    world.rights.kind = rights_pb2.VERDICT_KIND_REVIEW
    changed = await world.update(video_id, caption="new words")
    assert changed.publication_state == pb2.PUBLICATION_STATE_ASSESSING
    assert await world.seen(video_id, user_id=BOB) == []
    await world.work()
    assert await world.seen(video_id, user_id=BOB) == []
    assert [(asked.publication_version, asked.caption) for asked in world.rights.asked] == [(1, "hello"), (2, "new words")]
    world.rights.kind = rights_pb2.VERDICT_KIND_ALLOW
    await world.update(video_id, hashtags=pb2.HashtagList(hashtags=["#Fine"]))
    await world.work()
    [seen] = await world.seen(video_id, user_id=BOB)
    assert (seen.caption, list(seen.hashtags)) == ("new words", ["fine"])
    assert await world.event_names() == ["UploadCompleted", "VideoPublished", "VideoWithdrawn", "VideoPublished"]
    assert (await world.revocations()).revocations == [], "the moving pictures were judged and may play on"


async def test_a_refused_clip_gets_a_verdict_on_its_new_words(world: World) -> None:
    world.rights.kind = rights_pb2.VERDICT_KIND_BLOCK
    video_id = await world.public(caption="bad words")
    [own] = await world.seen(video_id)
    assert (own.publication_state, own.failure_code) == (pb2.PUBLICATION_STATE_REJECTED, "POLICY_VIOLATION")
    assert [play.refusal for play in await world.plays(video_id)] == [0], "it is theirs"
    assert [play.refusal for play in await world.plays(video_id, user_id=BOB)] == [1]
    world.rights.kind = rights_pb2.VERDICT_KIND_ALLOW
    changed = await world.update(video_id, caption="good words")
    assert (changed.publication_state, changed.failure_code, changed.failure_detail) == (pb2.PUBLICATION_STATE_ASSESSING, "", "")
    assert await world.seen(video_id, user_id=BOB) == []
    await world.work()
    assert [(asked.publication_version, asked.caption) for asked in world.rights.asked] == [(1, "bad words"), (2, "good words")]
    [seen] = await world.seen(video_id, user_id=BOB)
    assert (seen.state, seen.caption) == (pb2.VIDEO_STATE_READY, "good words")


async def test_other_edits_are_public_at_once(world: World) -> None:
    video_id = await world.public()
    changed = await world.update(video_id, switches=pb2.Switches(allow_download=True), category=3)
    assert (changed.state, changed.category) == (pb2.VIDEO_STATE_READY, 3)
    assert changed.switches == pb2.Switches(allow_download=True)
    assert (await world.event_names())[-1] == "VideoChanged"
    assert len(world.rights.asked) == 1


async def test_an_edit_that_changes_nothing_leaves_only_its_mark_and_tells_nobody(world: World) -> None:
    video_id = await world.public()
    before, told, (seen,) = await world.rows(), await world.event_names(), await world.seen(video_id)
    await world.update(video_id)
    await world.update(video_id, caption=" hello ", visibility=pb2.VISIBILITY_PUBLIC)
    after = await world.rows()
    (marked,) = after.pop(Video)
    assert [replace(marked, applied_edits="", version=seen.version)] == before.pop(Video)
    assert after == before
    assert await world.event_names() == told


async def test_a_repeated_edit_is_made_once_and_undoes_nobody_elses(world: World) -> None:
    video_id = await world.public()
    [video] = await world.seen(video_id)
    edit: dict[str, Any] = {"category": 3, "expected_version": video.version, "request_id": "e1"}
    first = await world.update(video_id, **edit)
    assert await world.update(video_id, **edit) == first, "an answer that was lost is not a conflict"
    await world.update(video_id, category=5)
    before = await world.rows()
    repeated = await world.update(video_id, **edit)
    assert (repeated.category, repeated.version) == (5, first.version + 1)
    assert await world.rows() == before
    assert (await world.event_names()).count("VideoChanged") == 2


async def test_racing_repeats_of_an_edit_make_it_once(world: World) -> None:
    video_id = await world.public()
    [video] = await world.seen(video_id)
    answers = await asyncio.gather(*(world.update(video_id, category=3, request_id="e1") for _ in range(8)))
    assert {answer.version for answer in answers} == {video.version + 1}
    assert (await world.event_names()).count("VideoChanged") == 1


async def test_the_request_id_of_an_edit_serves_one_body_of_one_person(world: World) -> None:
    video_id, bobs = await world.public(), await world.public(request_id="bob's", user_id=BOB)
    await world.update(video_id, category=3, request_id="e1")
    assert (await world.update(bobs, user_id=BOB, category=7, request_id="e1")).category == 7
    before = await world.rows()
    for fields in ({"category": 4}, {"category": 3, "expected_version": 1}):
        with pytest.raises(FailedPrecondition) as refused:
            await world.update(video_id, request_id="e1", **fields)
        assert refused.value.reason == "REQUEST_ID_REUSED"
    with pytest.raises(InvalidArgument) as nameless:
        await world.videos().UpdateVideo(pb2.UpdateVideoRequest(video_id=video_id, category=4))
    assert nameless.value.reason == "INVALID_REQUEST"
    assert await world.rows() == before


async def test_an_edit_whose_write_was_lost_is_made_by_its_repeat(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    video_id = await world.public()
    transition = world.tables.transition

    async def lost(*_: Any, **__: Any) -> Any:
        raise TablesUnavailable("gone")

    monkeypatch.setattr(world.tables, "transition", lost)
    with pytest.raises(Unavailable):
        await world.update(video_id, category=3, request_id="e1")
    monkeypatch.setattr(world.tables, "transition", transition)
    await world.update(video_id, category=5)
    assert (await world.update(video_id, category=3, request_id="e1")).category == 3


async def test_an_edit_of_an_old_version_is_refused(world: World) -> None:
    video_id = await world.public()
    [video] = await world.seen(video_id)
    await world.update(video_id, category=1, expected_version=video.version)
    before = await world.rows()
    with pytest.raises(Aborted) as refused:
        await world.update(video_id, category=2, expected_version=video.version)
    assert refused.value.reason == "CONFLICT"
    assert await world.rows() == before


async def test_parallel_edits_all_count(world: World) -> None:
    video_id = await world.public()
    await asyncio.gather(
        world.update(video_id, category=7),
        world.update(video_id, switches=pb2.Switches(allow_stitch=True)),
        world.update(video_id, visibility=pb2.VISIBILITY_ONLY_ME),
    )
    [video] = await world.seen(video_id)
    assert (video.category, video.switches, video.visibility) == (7, pb2.Switches(allow_stitch=True), pb2.VISIBILITY_ONLY_ME)


@pytest.mark.parametrize("fields", [{"caption": "\u2066x"}, {"hashtags": pb2.HashtagList(hashtags=["a-b"])}, {"visibility": 0}])
async def test_refused_edits_change_nothing(world: World, fields: dict[str, Any]) -> None:
    video_id = await world.public()
    before = await world.rows()
    with pytest.raises(InvalidArgument):
        await world.update(video_id, **fields)
    assert await world.rows() == before


async def test_strangers_and_moderators_edit_and_delete_nothing(world: World) -> None:
    video_id = await world.public()
    before = await world.rows()
    for user_id in (BOB, MODERATOR):
        for call in (world.update(video_id, user_id=user_id, caption="x"), world.delete(video_id, user_id=user_id)):
            with pytest.raises(NotFound) as refused:
                await call
            assert refused.value.reason == "VIDEO_NOT_FOUND"
    with pytest.raises(Unauthenticated):
        await world.served.stub(VideoServiceStub).DeleteVideo(pb2.DeleteVideoRequest(video_id=video_id))
    assert await world.rows() == before


@pytest.mark.parametrize("visibility", [pb2.VISIBILITY_PUBLIC, pb2.VISIBILITY_FOLLOWERS, pb2.VISIBILITY_ONLY_ME])
async def test_a_deletion_is_said_of_every_video_that_was_more_than_a_draft(world: World, visibility: Any) -> None:
    video_id = await world.public(visibility=visibility)
    await world.delete(video_id)
    await world.delete(video_id)
    told = [(envelope.key, message) for envelope, message in await world.events() if isinstance(message, events_pb2.VideoDeleted)]
    assert told == [(str(video_id), events_pb2.VideoDeleted(video_id=video_id, creator_id=ALICE))]
    draft = await world.processing(request_id="r2")
    await world.delete(draft)
    assert (await world.event_names()).count("VideoDeleted") == 1


async def test_a_deleted_video_is_gone_at_once_and_its_bytes_soon_after(world: World) -> None:
    video_id = await world.public()
    await world.blobs.put(f"{video_prefix(video_id)}master.m3u8", b"#EXTM3U")
    await world.delete(video_id)
    await world.delete(video_id)
    for user_id in (ALICE, BOB):
        assert await world.seen(video_id, user_id=user_id) == []
        assert [play.refusal for play in await world.plays(video_id, user_id=user_id)] == [1]
    assert [(one.video_id, one.epoch) for one in (await world.revocations()).revocations] == [(video_id, 2)]
    assert (await world.event_names())[-1] == "VideoWithdrawn"
    row = await world.tables.get(Video, video_id)
    assert row is not None
    assert (row.caption, row.publication_state.name) == ("", "DELETED")
    await world.work()
    assert await world.objects() == []
    assert world.rooms.jobs.closed == [video_id]
    await world.blobs.put(f"{video_prefix(video_id)}720p/1.m4s", b"a worker was still writing")
    world.clock.advance(120_000)
    await world.work()
    assert await world.objects() == []
    assert await world.rows(CreatorVideo, MediaFacts, OpenWork) == {CreatorVideo: [], MediaFacts: [], OpenWork: []}
    with pytest.raises(NotFound):
        await world.update(video_id, caption="x")


async def test_processing_of_a_deleted_video_is_told_to_stop(world: World) -> None:
    video_id = await world.processing()
    await world.delete(video_id)
    before = await world.rows(Video, MediaFacts)
    await world.probe(video_id)
    assert (await world.rooms.media.became_playable(video_id, renditions=LADDER, audio_key="")).is_over
    assert (await world.rooms.media.media_failed(video_id, reason="CORRUPT_MEDIA", detail="")).is_over
    assert await world.rows(Video, MediaFacts) == before


async def test_a_creators_list_shows_each_viewer_what_they_may_see_page_by_page(world: World) -> None:
    ids = [await world.public(request_id=f"r{n}", visibility=pb2.VISIBILITY_ONLY_ME if n % 2 else pb2.VISIBILITY_PUBLIC) for n in range(5)]
    await world.public(request_id="other", user_id=BOB)

    async def pages(user_id: int, page_size: int) -> list[list[int]]:
        found, token = [], ""
        while True:
            request = pb2.ListCreatorVideosRequest(creator_id=ALICE, page_size=page_size, page_token=token)
            answer = await world.videos(user_id).ListCreatorVideos(request)
            found.append([video.video_id for video in answer.videos])
            token = answer.next_page_token
            if not token:
                return found

    newest = ids[::-1]
    assert await pages(ALICE, 2) == [newest[:2], newest[2:4], newest[4:]]
    assert await pages(ALICE, 0) == [newest]
    assert [video_id for page in await pages(BOB, 2) for video_id in page] == newest[::2]
    await world.delete(ids[4])
    assert await pages(ALICE, 0) == [newest[1:]]
    foreign = await world.videos(ALICE).ListCreatorVideos(pb2.ListCreatorVideosRequest(creator_id=ALICE, page_size=1))
    with pytest.raises(InvalidArgument) as refused:
        await world.videos().ListCreatorVideos(pb2.ListCreatorVideosRequest(creator_id=BOB, page_token=foreign.next_page_token))
    assert refused.value.reason == "INVALID_PAGE_TOKEN"


async def test_lists_are_rebuilt_from_the_videos(world: World) -> None:
    kept, gone = await world.public(request_id="a"), await world.public(request_id="b")
    entries = (await world.rows(CreatorVideo))[CreatorVideo]
    await world.delete(gone)
    await world.work()
    world.clock.advance(120_000)
    await world.work()
    await world.tables.delete(CreatorVideo(creator_id=BOB, video_id=kept))
    assert await world.rooms.videos.mend_lists() == 1
    assert (await world.rows(CreatorVideo))[CreatorVideo] == [entry for entry in entries if entry.video_id == kept]


async def permits_of(world: World, *video_ids: int, user_id: int = BOB) -> dict[int, permit_pb2.Permit]:
    answer = await world.videos(user_id).BatchIssuePermits(pb2.BatchIssuePermitsRequest(video_ids=video_ids))
    permits = (permit_pb2.Permit.FromString(signed.permit) for signed in answer.permits)
    return {permit.subject_id: permit for permit in permits}


async def test_permits_say_what_the_viewer_may_do(world: World) -> None:
    view, comment, engage = permit_pb2.PERMIT_KIND_VIEW, permit_pb2.PERMIT_KIND_COMMENT, permit_pb2.PERMIT_KIND_ENGAGE
    open_to_all = await world.public(request_id="a")
    silent = await world.public(request_id="b", switches=pb2.Switches(allow_comments=False))
    hidden = await world.public(request_id="c", visibility=ONLY_ME)
    draft = await world.processing(request_id="d")
    everything = (open_to_all, silent, hidden, draft, 5)
    assert {video_id: list(permit.kinds) for video_id, permit in (await permits_of(world, *everything)).items()} == {
        open_to_all: [view, comment, engage],
        silent: [view, engage],
    }
    own = await permits_of(world, *everything, user_id=ALICE)
    assert {video_id: list(permit.kinds) for video_id, permit in own.items()} == {
        open_to_all: [view, comment, engage],
        silent: [view, engage],
        hidden: [view, comment, engage],
        draft: [view],
    }
    nameless = await permits_of(world, *everything, user_id=0)
    assert {video_id: list(permit.kinds) for video_id, permit in nameless.items()} == {open_to_all: [view], silent: [view]}
    permit = (await permits_of(world, open_to_all))[open_to_all]
    assert (permit.issuer, permit.viewer_id, permit.owner_id, permit.epoch) == ("video", BOB, ALICE, 1)
    assert permit.expires_at_ms == world.clock.now_ms() + 30_000


async def test_a_permit_is_believed_by_others_for_thirty_seconds(world: World) -> None:
    video_id = await world.public()
    answer = await world.videos(BOB).BatchIssuePermits(pb2.BatchIssuePermitsRequest(video_ids=[video_id]))
    permits = Permits(secrets=secrets_for("social"), clock=world.clock)

    def verify(viewer_id: int) -> permit_pb2.Permit:
        kind = permit_pb2.PERMIT_KIND_COMMENT
        return permits.verify(answer.permits[0], issuer="video", kind=kind, subject_id=video_id, viewer_id=viewer_id)

    assert verify(BOB).subject_id == video_id
    with pytest.raises(InvalidPermit):
        verify(ALICE)
    world.clock.advance(30_000)
    with pytest.raises(InvalidPermit):
        verify(BOB)


async def test_hiding_raises_the_epoch_of_permits(world: World) -> None:
    video_id = await world.public()
    await world.update(video_id, visibility=pb2.VISIBILITY_ONLY_ME)
    await world.update(video_id, visibility=pb2.VISIBILITY_PUBLIC)
    assert (await permits_of(world, video_id))[video_id].epoch == 3
