"""A clip plays for its creator while the rest of it is still made, by our own player: Chromium's takes what there is for the whole."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import Page, expect

from tests.browser.fake_world import World
from tests.browser.visits import Visits

NO_HLS = "HTMLMediaElement.prototype.canPlayType = () => ''"
TIME = "document.querySelector('.clip:not([inert]) video').currentTime"


@pytest.mark.parametrize("plays_hls", [True, False], ids=["a browser that plays HLS", "one that does not"])
async def test_a_growing_clip_plays_from_its_beginning_waits_for_more_and_ends(page: Page, world: World, plays_hls: bool) -> None:
    video = world.video("alice", "Half made", state="PROCESSING")
    video["playback"] = world.growing(1)
    world.grown_segments = 2
    if not plays_hls:
        await page.add_init_script(NO_HLS)
    await page.goto(f"/?video={video['id']}")
    await Visits.present(page)
    assert await page.evaluate(TIME) < 1.5
    assert (await Visits.video(page, "video.src")).startswith("blob:")
    await page.wait_for_function(f"() => {TIME} > 1.5")
    await asyncio.sleep(1.5)
    assert await page.evaluate(TIME) < 2.4
    assert await Visits.video(page, "video.ended") is False
    world.grown_segments = 4
    await page.wait_for_function(f"() => {TIME} > 3.2")
    world.grown_segments = 99
    # The end is the end: it plays again from the beginning.
    await page.wait_for_function(f"() => {TIME} > 4.2")
    await page.wait_for_function(f"() => {TIME} < 1")
    asked = [path for path in world.fetched if path.endswith(".m4s")]
    assert {"216p/1.m4s", "216p/5.m4s", "audio/1.m4s"} <= {path.split("/", 1)[1] for path in asked}
    await expect(page.locator(".clip .broken")).to_have_count(0)


async def test_a_clip_that_became_whole_goes_on_where_it_was_when_its_pieces_are_gone(page: Page, world: World) -> None:
    video = world.video("alice", "Whole by now", state="PROCESSING")
    video["playback"] = world.growing(1)
    world.grown_segments = 2
    await page.goto(f"/?video={video['id']}")
    await Visits.present(page)
    await page.wait_for_function(f"() => {TIME} > 1")
    video["playback"] = world.playback(1)
    world.gone_suffix = "grows.m3u8"
    await page.wait_for_function("() => document.querySelector('.clip:not([inert]) video').src.endsWith('/clip.mp4')")
    await page.wait_for_function(f"() => {TIME} > 3")
    await expect(page.locator(".clip .broken")).to_have_count(0)
