"""Bytes of videos to which processing failed: kept for another try, then gone; bytes that were refused go at once."""

from __future__ import annotations

import pytest
from clipmesh.video.v1 import video_service_pb2 as pb2

from svc_video.layout import raw_key, video_prefix
from svc_video.videos.actions import MediaState
from svc_video.videos.purging import KEPT_AFTER_MS
from svc_video.videos.tables import OpenWork, Video
from tests.service.video.world import World


async def fail(world: World, *, redoable: bool = True, published: bool = False) -> int:
    """A video whose processing ended badly, with a file of its making."""
    video_id = await world.processing()
    await world.probe(video_id)
    if published:
        await world.publish(video_id)
    await world.blobs.put(f"{video_prefix(video_id)}720p.mp4", b"half a clip")
    reason = "PROCESSING_FAILED" if redoable else "CORRUPT_MEDIA"
    await world.rooms.media.media_failed(video_id, reason=reason, detail="", redoable=redoable)
    return video_id


async def row(world: World, video_id: int) -> Video:
    """The video's row."""
    found = await world.tables.get(Video, video_id)
    assert found is not None
    return found


async def test_bytes_that_were_refused_go_at_once(world: World) -> None:
    await fail(world, redoable=False)
    await world.work()
    assert await world.objects() == []


async def test_bytes_that_are_not_to_blame_are_kept_for_a_week(world: World) -> None:
    video_id = await fail(world)
    for _ in range(2):
        await world.work()
        world.clock.advance(KEPT_AFTER_MS // 2 - 1)
    await world.work()
    await world.rooms.sweeper.sweep()
    await world.rooms.sweeper.reconcile()
    assert raw_key(video_id) in await world.objects()
    world.clock.advance(2)
    await world.work()
    assert await world.objects() == []
    assert not (await row(world, video_id)).redoable
    assert await world.rows(OpenWork) == {OpenWork: []}


async def test_bytes_of_a_deleted_video_go_at_once_though_they_were_kept(world: World) -> None:
    video_id = await fail(world)
    await world.work()
    await world.delete(video_id)
    await world.work()
    assert await world.objects() == []


@pytest.mark.parametrize("published", [False, True])
async def test_a_video_that_is_made_once_more_keeps_its_bytes_and_asks_the_gate_again(world: World, *, published: bool) -> None:
    video_id = await fail(world, published=published)
    await world.work()
    assert len((await world.rows(OpenWork))[OpenWork]) == 1
    again = await world.rooms.media.begin_again(video_id)
    assert (again.media_state, again.failure_code, again.redoable) == (MediaState.PROCESSING, "", False)
    world.clock.advance(KEPT_AFTER_MS)
    await world.work()
    assert raw_key(video_id) in await world.objects()
    await world.playable(video_id)
    if not published:
        await world.publish(video_id)
    await world.work()
    assert [video.state for video in await world.seen(video_id)] == [pb2.VIDEO_STATE_READY]


async def test_bytes_that_are_gone_are_not_tried_again(world: World) -> None:
    video_id = await fail(world)
    await world.work()
    world.clock.advance(KEPT_AFTER_MS)
    await world.work()
    before = await row(world, video_id)
    assert (await world.rooms.media.begin_again(video_id)).is_over
    assert await row(world, video_id) == before


@pytest.mark.parametrize("is_deleted", [False, True])
async def test_what_did_not_fail_is_not_begun_again(world: World, *, is_deleted: bool) -> None:
    video_id = await world.processing()
    if is_deleted:
        await world.rooms.media.media_failed(video_id, reason="PROCESSING_FAILED", detail="", redoable=True)
        await world.delete(video_id)
    before = await row(world, video_id)
    await world.rooms.media.begin_again(video_id)
    assert await row(world, video_id) == before
