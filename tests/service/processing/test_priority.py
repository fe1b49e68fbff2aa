"""What is leased first when several videos wait."""

from __future__ import annotations

from svc_video.processing.tables import Tier
from tests.service.processing.conftest import AGEING_MS, NEW_CREATOR, REGULAR_CREATOR, TIER_MS, World, probed


async def _make_playable(world: World, video_id: int) -> None:
    await world.upload(video_id)
    for _ in range(4):
        job = await world.leased()
        assert job.video_id == video_id
        await world.commit(job, probed(chunks=1, has_audio=False))


async def test_the_first_rendition_of_a_new_upload_outranks_further_renditions_of_others(world: World) -> None:
    await _make_playable(world, 1)
    world.clock.advance(1_000)
    await world.upload(2)
    order = []
    for _ in range(5):
        job = await world.leased()
        order.append((job.video_id, job.job_key))
        await world.commit(job, probed(chunks=1, has_audio=False))
    assert order == [(2, "probe"), (2, "chunk/first/0"), (2, "package/first"), (2, "pictures"), (1, "chunk/rest/0")]


async def test_what_waited_long_enough_is_before_everything_new(world: World) -> None:
    await _make_playable(world, 1)
    world.clock.advance(AGEING_MS + 2 * TIER_MS - 1)
    await world.upload(2)
    world.clock.advance(2)
    await world.upload(3)
    order = [(job.video_id, job.job_key) for job in [await world.leased(f"w{number}") for number in range(3)]]
    assert order == [(2, "probe"), (1, "chunk/rest/0"), (3, "probe")]


async def test_older_videos_are_finished_before_newer_ones_are_begun(world: World) -> None:
    for video_id in (5, 3, 4):
        await world.upload(video_id)
        world.clock.advance(10)
    first = await world.leased()
    await world.commit(first, probed(chunks=1))
    order = [(job.video_id, job.job_key) for job in [await world.leased(f"w{number}") for number in range(4)]]
    assert first.video_id == 5
    assert order == [(5, "audio"), (5, "chunk/first/0"), (3, "probe"), (4, "probe")]


async def test_a_new_creator_waits_for_regular_ones_that_came_a_little_later(world: World) -> None:
    world.creators = {7: REGULAR_CREATOR, 8: NEW_CREATOR}
    await world.upload(1, creator_id=8)
    world.clock.advance(TIER_MS - 1)
    await world.upload(2)
    world.clock.advance(2)
    await world.upload(3)
    assert [(await world.leased(f"w{number}")).video_id for number in range(3)] == [2, 1, 3]


async def test_the_tier_is_kept_on_the_plan_whatever_becomes_of_the_account(world: World) -> None:
    world.creators = {8: NEW_CREATOR}
    await world.upload(1, creator_id=8)
    world.creators = {8: REGULAR_CREATOR}
    await world.open_jobs(1, creator_id=8)
    assert (await world.row(1, "plan")).tier is Tier.NEW
    world.clock.advance(1)
    await world.upload(2, creator_id=9)
    await world.reopen()
    assert [(await world.leased(f"w{number}")).video_id for number in range(2)] == [2, 1]


async def test_an_upload_is_processed_though_nobody_can_tell_whose_it_is(world: World) -> None:
    world.creators = {8: NEW_CREATOR}
    world.social_is_away = True
    await world.upload(1, creator_id=8)
    assert (await world.row(1, "plan")).tier is Tier.REGULAR
    assert (await world.leased()).video_id == 1
