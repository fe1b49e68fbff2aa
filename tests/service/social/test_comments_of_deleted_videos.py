"""What people said and did about a video is taken back when the video is gone: comments, likes of both, lists, counts and pins."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from clipmesh.common.v1.envelope_pb2 import EventEnvelope
from clipmesh.social.v1 import engagement_service_pb2 as engagement_pb
from clipmesh.social.v1 import events_pb2
from clipmesh.social.v1.engagement_service_pb2_grpc import EngagementServiceStub
from clipmesh.video.v1.events_pb2 import VideoDeleted

from mesh.stores.tables.port import TablesUnavailable
from mesh.testing.rpc import viewer
from svc_social.comments.actions import DUE_AFTER_MS
from svc_social.comments.store.gone import GoneStore
from svc_social.comments.tables import Comment, CommentLike, CommentState, DeletedVideo, HeldComment, PinnedComment, VideoRoot, VideoThread
from svc_social.engagement.tables import Act, EngagedVideo
from tests.service.social.commenting import ALICE, BOB, CARLA, CREATOR, VIDEO, World, fresh_id, open_commenting

OTHER_VIDEO = VIDEO + 1


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_commenting(tmp_path) as opened:
        await opened.people()
        yield opened


async def gone(world: World, video_id: int = VIDEO, *, wait_ms: int = DUE_AFTER_MS) -> None:
    """Video says that it is gone, twice, and its time comes."""
    message = VideoDeleted(video_id=video_id, creator_id=CREATOR)
    event = EventEnvelope(
        event_id=1,
        type=message.DESCRIPTOR.full_name,
        topic="video",
        key=str(video_id),
        key_version=9,
        occurred_at_ms=world.clock.now_ms(),
        payload=message.SerializeToString(),
    )
    await world.hear([event])
    await world.hear([event])
    world.advance(wait_ms)


async def clear(world: World) -> None:
    await world.instances[0].comments.clearing.work()
    await world.settle()


async def all_rows(world: World, row_type: type) -> list[object]:
    return list((await world.tables.walk(row_type)).rows)


async def engage(world: World, act: str, user_id: int, *, video_id: int = VIDEO) -> None:
    """Like, save, share or repost."""
    stub = world.instances[0].served.stub(EngagementServiceStub, viewer=viewer(user_id=user_id))
    request = getattr(engagement_pb, f"{act}Request")(request_id=fresh_id(), video_id=video_id, permit=world.permit(user_id, video_id))
    if act == "Share":
        request.target = engagement_pb.SHARE_TARGET_LINK
    await getattr(stub, act)(request)


async def counters(world: World) -> tuple[int, int, int, int]:
    """Likes, saves, shares and reposts that are counted."""
    world.advance(1_001)
    stub = world.instances[0].served.stub(EngagementServiceStub)
    [found] = (await stub.BatchGetCounters(engagement_pb.BatchGetCountersRequest(video_ids=[VIDEO]))).counters
    return found.likes, found.saves, found.shares, found.reposts


async def full(world: World) -> list[int]:
    """A video with a thread of three levels, a held and a hidden comment, likes of all, and another video."""
    top = (await world.post(ALICE, "top")).comment_id
    reply = (await world.post(BOB, "reply", answers=top)).comment_id
    leaf = (await world.post(ALICE, "leaf", answers=reply)).comment_id
    await world.edit(ALICE, top, "top, changed")
    hidden = (await world.post(CARLA, "hidden")).comment_id
    await world.creator("Hide", hidden)
    await world.filters(everything=True)
    held = (await world.post(BOB, "held")).comment_id
    await world.filters()
    other = (await world.post(ALICE, "elsewhere", video_id=OTHER_VIDEO)).comment_id
    await world.creator("Pin", top)
    for comment_id in (top, reply, leaf):
        await world.like(CARLA, comment_id)
    await world.like(BOB, top)
    await world.like(BOB, other, video_id=OTHER_VIDEO)
    await world.settle()
    return [top, reply, leaf, hidden, held, other]


async def test_everything_goes_and_nothing_else(world: World) -> None:
    *of_video, other = await full(world)
    assert await world.comment_count() == 3
    await gone(world)
    await clear(world)
    comments = {row.comment_id: row for row in await all_rows(world, Comment) if isinstance(row, Comment) and row.video_id == VIDEO}
    assert sorted(comments) == sorted(of_video)
    assert {(row.state, row.author_id, row.text_sealed, row.revision) for row in comments.values()} == {(CommentState.REMOVED, 0, b"", 0)}
    active = [row for row in await all_rows(world, CommentLike) if isinstance(row, CommentLike) and row.active]
    assert [(row.comment_id, row.user_id) for row in active] == [(other, BOB)]
    assert [row.thread_id for row in await all_rows(world, VideoThread) if isinstance(row, VideoThread)] == [other]
    assert [row.thread_id for row in await all_rows(world, VideoRoot) if isinstance(row, VideoRoot)] == [other]
    assert await all_rows(world, HeldComment) == []
    [pin] = [row for row in await all_rows(world, PinnedComment) if isinstance(row, PinnedComment)]
    assert pin.comment_id == 0
    assert await world.comment_count() == 0
    assert await world.comment_count(OTHER_VIDEO) == 1
    assert await all_rows(world, DeletedVideo) == []
    removed = [events_pb2.CommentRemoved.FromString(event.payload).comment for event in await world.events("CommentRemoved")]
    # Whoever has a notification of it is told by whom it was.
    assert {one.comment_id: one.author_id for one in removed if one.author_id}.keys() == set(of_video)


async def test_a_second_time_changes_nothing(world: World) -> None:
    await full(world)
    await gone(world)
    await clear(world)
    before = await world.everything()
    await gone(world)
    await clear(world)
    assert await world.everything() == before


async def test_nothing_goes_before_every_permit_is_over(world: World) -> None:
    await full(world)
    await gone(world, wait_ms=DUE_AFTER_MS - 1)
    before = await world.everything()
    await clear(world)
    assert await world.everything() == before


async def test_likes_saves_and_reposts_of_the_video_are_taken_back(world: World) -> None:
    for user_id in (ALICE, BOB, CARLA):
        for act in ("Like", "Save", "Repost", "Share"):
            await engage(world, act, user_id)
    await engage(world, "Like", ALICE, video_id=OTHER_VIDEO)
    await world.settle()
    assert len(await all_rows(world, EngagedVideo)) == 10
    assert await counters(world) == (3, 3, 3, 3)
    await gone(world)
    await clear(world)
    acts = [row for row in await all_rows(world, Act) if isinstance(row, Act)]
    assert len(acts) == 13
    assert [(row.video_id, row.user_id) for row in acts if row.active] == [(OTHER_VIDEO, ALICE)]
    assert [row.video_id for row in await all_rows(world, EngagedVideo) if isinstance(row, EngagedVideo)] == [OTHER_VIDEO]
    assert await counters(world) == (0, 0, 0, 0)


async def test_what_was_cut_off_is_gone_on_with(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    *of_video, _ = await full(world)
    await gone(world)
    forget, calls = GoneStore.forget, list[int]()

    async def failing(store: GoneStore, root: VideoRoot) -> None:
        calls.append(root.thread_id)
        if len(calls) == 2:
            raise TablesUnavailable("the store died")
        await forget(store, root)

    monkeypatch.setattr(GoneStore, "forget", failing)
    await clear(world)
    assert len(await all_rows(world, DeletedVideo)) == 1
    await clear(world)
    assert await all_rows(world, DeletedVideo) == []
    left = [row for row in await all_rows(world, Comment) if isinstance(row, Comment) and row.video_id == VIDEO]
    assert {row.state for row in left} == {CommentState.REMOVED}
    assert len(left) == len(of_video)
