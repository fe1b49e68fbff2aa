"""Who sees whose clips: followers and friends, and nobody whom a block parts from the creator, from the next request on."""

from __future__ import annotations

from typing import Any

import pytest
from clipmesh.common.v1 import viewer_pb2
from clipmesh.video.v1 import playback_service_pb2, video_service_pb2
from clipmesh.video.v1.video_service_pb2_grpc import VideoServiceStub

from mesh.errors import Unavailable
from mesh.testing.rpc import viewer
from tests.service.video.world import ALICE, BOB, MODERATOR, World

PUBLIC, FRIENDS, FOLLOWERS = (
    video_service_pb2.VISIBILITY_PUBLIC,
    video_service_pb2.VISIBILITY_FRIENDS,
    video_service_pb2.VISIBILITY_FOLLOWERS,
)
NOT_FOUND, PRIVATE = playback_service_pb2.PLAYBACK_REFUSAL_NOT_FOUND, playback_service_pb2.PLAYBACK_REFUSAL_PRIVATE


async def seen_by(world: World, video_id: int, user_id: int) -> tuple[bool, bool, bool, int]:
    """Whether a person finds a clip by id and in its creator's list, gets a permit, and why it does not play."""
    listing = video_service_pb2.ListCreatorVideosRequest(creator_id=ALICE)
    listed = (await world.videos(user_id).ListCreatorVideos(listing)).videos
    permits = (await world.videos(user_id).BatchIssuePermits(video_service_pb2.BatchIssuePermitsRequest(video_ids=[video_id]))).permits
    [play] = await world.plays(video_id, user_id=user_id)
    found = bool(await world.seen(video_id, user_id=user_id))
    return found, [one.video_id for one in listed] == [video_id], bool(permits), play.refusal


@pytest.mark.parametrize(
    ("visibility", "follows", "seen"),
    [
        (FOLLOWERS, [], False),
        (FOLLOWERS, [(ALICE, BOB)], False),
        (FOLLOWERS, [(BOB, ALICE)], True),
        (FRIENDS, [(BOB, ALICE)], False),
        (FRIENDS, [(ALICE, BOB)], False),
        (FRIENDS, [(BOB, ALICE), (ALICE, BOB)], True),
    ],
)
async def test_followers_and_friends_are_who_they_are_at_this_moment(
    world: World, visibility: Any, follows: list[tuple[int, int]], seen: bool
) -> None:
    video_id = await world.public(visibility=visibility)
    world.graph.follows.update(follows)
    shown, hidden = (True, True, True, 0), (False, False, False, NOT_FOUND)
    assert await seen_by(world, video_id, BOB) == (shown if seen else hidden)
    assert await seen_by(world, video_id, 0) == hidden
    assert await seen_by(world, video_id, ALICE) == shown
    world.graph.follows.clear()
    assert await seen_by(world, video_id, BOB) == hidden
    # Nobody but the creator's people ever hears of it.
    assert await world.event_names() == ["UploadCompleted"]


async def test_a_clip_that_becomes_one_for_followers_is_withdrawn_from_all_others(world: World) -> None:
    video_id = await world.public()
    await world.update(video_id, visibility=FOLLOWERS)
    assert (await seen_by(world, video_id, BOB))[3] == PRIVATE
    world.graph.follows.add((BOB, ALICE))
    assert await seen_by(world, video_id, BOB) == (True, True, True, 0)
    assert (await world.event_names())[-1] == "VideoWithdrawn"


@pytest.mark.parametrize("block", [(ALICE, BOB), (BOB, ALICE)])
@pytest.mark.parametrize("visibility", [PUBLIC, FOLLOWERS])
async def test_a_block_hides_every_clip_in_both_directions(world: World, block: tuple[int, int], visibility: Any) -> None:
    video_id = await world.public(visibility=visibility)
    world.graph.follows.add((BOB, ALICE))
    assert await seen_by(world, video_id, BOB) == (True, True, True, 0)
    world.graph.blocks.add(block)
    assert await seen_by(world, video_id, BOB) == (False, False, False, NOT_FOUND)
    # What was public once, or is gone, sounds alike to whoever is parted.
    assert [play.refusal for play in await world.plays(99, user_id=BOB)] == [NOT_FOUND]
    world.graph.blocks.clear()
    assert await seen_by(world, video_id, BOB) == (True, True, True, 0)


async def test_moderators_see_whoever_blocks_them(world: World) -> None:
    video_id = await world.public()
    world.graph.blocks.add((ALICE, MODERATOR))
    assert await world.seen(video_id, user_id=MODERATOR) == []
    assert await world.seen(video_id, user_id=MODERATOR, roles=(viewer_pb2.ROLE_MODERATOR,))
    [play] = await world.plays(video_id, user_id=MODERATOR, roles=[viewer_pb2.ROLE_MODERATOR])
    assert play.refusal == 0


async def test_one_request_asks_once_and_nobody_asks_about_themselves(world: World) -> None:
    first, second = await world.public(request_id="a"), await world.public(request_id="b", user_id=BOB)
    world.graph.asked.clear()
    assert len(await world.seen(first, second, first, user_id=MODERATOR)) == 2
    assert [sorted(asked) for asked in world.graph.asked] == [[ALICE, BOB]]
    for user_id in (ALICE, 0):
        world.graph.asked.clear()
        assert len(await world.seen(first, user_id=user_id)) == 1
        assert [play.refusal for play in await world.plays(first, user_id=user_id)] == [0]
        assert world.graph.asked == []


async def test_without_an_answer_of_social_nothing_of_others_is_shown(world: World) -> None:
    video_id = await world.public()
    world.graph.down = True
    for call in (world.seen(video_id, user_id=BOB), world.plays(video_id, user_id=BOB)):
        with pytest.raises(Unavailable):
            await call
    listing = video_service_pb2.ListCreatorVideosRequest(creator_id=ALICE)
    with pytest.raises(Unavailable):
        await world.videos(BOB).ListCreatorVideos(listing)
    assert len(await world.seen(video_id)) == 1
    assert len(await world.seen(video_id, user_id=0)) == 1


async def test_below_16_a_clip_may_be_for_followers(world: World) -> None:
    young = world.served.stub(VideoServiceStub, viewer=viewer(user_id=ALICE, age_band=viewer_pb2.AGE_BAND_13_TO_15))
    video_id = await world.processing()
    request = video_service_pb2.PublishVideoRequest(request_id="p", video_id=video_id, caption="x", visibility=FOLLOWERS)
    assert (await young.PublishVideo(request)).video.visibility == FOLLOWERS
