"""How clips play: from which source, how much ahead, with sound or without."""

from __future__ import annotations

import asyncio
import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

from playwright.async_api import Page, expect

from tests.browser.fake_world import World, iso
from tests.browser.swipes import fill, on_screen, swipe_to
from tests.browser.visits import Visits

SILENT_UNTIL_TOUCHED = """
const play = HTMLMediaElement.prototype.play;
HTMLMediaElement.prototype.play = function () {
  if (this.muted || navigator.userActivation.hasBeenActive) return play.call(this);
  return Promise.reject(new DOMException("play() needs a touch", "NotAllowedError"));
};
"""
"""What browsers of people do; headless Chromium lets every page make sounds."""


async def test_the_first_clip_plays_muted_from_the_mp4(page: Page, world: World) -> None:
    first, *_ = fill(world, 2)
    await page.goto("/")
    assert await Visits.present(page) == first
    assert await Visits.video(page, "video.muted") is True
    assert (await Visits.video(page, "video.src")).endswith(world.videos[first]["playback"]["mp4Url"])
    words = page.locator(".clip").first
    for text in ("@alice", "Clip number 1", "#calm", "#loop", "Original sound · @alice", "1.2K"):
        await expect(words).to_contain_text(text)


async def test_only_the_next_three_clips_are_loaded_ahead_and_left_ones_are_let_go(page: Page, world: World) -> None:
    fill(world, 9)
    await page.goto("/")
    await Visits.present(page)
    loaded = "() => [...document.querySelectorAll('.clip')].map((clip) => clip.querySelector('video')?.preload ?? '')"
    await page.wait_for_function("() => document.querySelectorAll('.clip').length === 6")
    assert await page.evaluate(loaded) == ["auto", "auto", "metadata", "metadata", "", ""]
    await page.keyboard.press("j")
    await page.keyboard.press("j")
    await page.wait_for_function("() => document.querySelectorAll('.clip')[2].inert === false")
    assert (await page.evaluate(loaded))[:6] == ["", "auto", "auto", "auto", "metadata", "metadata"]


async def test_the_choice_of_sound_is_remembered(page: Page, world: World) -> None:
    fill(world, 2)
    await page.goto("/")
    await Visits.present(page)
    await on_screen(page).get_by_role("button", name="Turn sound on").click()
    assert await Visits.video(page, "video.muted") is False
    # A page that nobody has touched yet may not make a sound: it plays muted and leaves the choice as it was.
    async with Visits.page(page.context) as untouched:
        await untouched.add_init_script(SILENT_UNTIL_TOUCHED)
        await untouched.goto("/")
        await Visits.present(untouched)
        assert await Visits.video(untouched, "video.muted") is True
        assert await untouched.evaluate("() => localStorage.getItem('clipmesh.muted')") == "no"
        await untouched.keyboard.press("m")
        assert await Visits.video(untouched, "video.muted") is False


async def test_a_refused_mp4_falls_back_to_the_playlist_of_one_rendition(page: Page, world: World) -> None:
    fill(world, 2)
    world.gone_suffix = "clip.mp4"
    await page.goto("/")
    await Visits.present(page)
    assert (await Visits.video(page, "video.src")).endswith("/start.m3u8")
    assert any(path.endswith(".m4s") for path in world.fetched)


async def test_without_native_hls_the_segments_play_by_our_own_player(page: Page, world: World) -> None:
    fill(world, 1)
    world.gone_suffix = "clip.mp4"
    await page.add_init_script("HTMLMediaElement.prototype.canPlayType = () => ''")
    await page.goto("/")
    await Visits.present(page)
    assert (await Visits.video(page, "video.src")).startswith("blob:")
    await page.wait_for_function("() => document.querySelector('.clip:not([inert]) video').currentTime > 3")
    assert await Visits.video(page, "Math.round(video.duration)") == 5
    assert {"216p/1.m4s", "audio/1.m4s"} <= {path.split("/", 1)[1] for path in world.fetched}


async def test_our_own_player_loads_only_the_beginning_of_a_clip_that_does_not_play(page: Page, world: World) -> None:
    _, second = fill(world, 2)
    world.gone_suffix = "clip.mp4"
    await page.add_init_script("HTMLMediaElement.prototype.canPlayType = () => ''")
    await page.goto("/")
    await Visits.present(page)
    await page.wait_for_function("() => document.querySelector('.clip:not([inert]) video').currentTime > 2")
    folder = world.videos[second]["playback"]["mp4Url"].split("/")[2]
    ahead = [path for path in world.fetched if path.startswith(folder) and path.endswith(".m4s")]
    assert sorted(path.split("/", 1)[1] for path in ahead) == ["216p/1.m4s", "audio/1.m4s"]
    await swipe_to(page, second)
    await page.wait_for_function("() => document.querySelector('.clip:not([inert]) video').currentTime > 3")


async def test_a_long_clip_moves_to_the_master_playlist_without_a_jump(page: Page, world: World) -> None:
    world.video("alice", "Long", durationMs=30_000)
    await page.goto("/")
    await Visits.present(page)
    await page.evaluate(
        "() => { const stage = document.querySelector('.stage'); window.places = [];"
        " const look = () => { const video = stage.querySelector('video:not(.behind)');"
        " if (video) window.places.push([video.currentTime, performance.now()]); requestAnimationFrame(look) }; look() }"
    )
    await page.wait_for_function("() => document.querySelector('.clip video:not(.behind)').src.endsWith('/master.m3u8')", timeout=20_000)
    await asyncio.sleep(0.5)
    places = await page.evaluate("() => window.places")
    jumps = [abs((b - a) - (s - r) / 1000) for (a, r), (b, s) in itertools.pairwise(places) if b > a]
    assert max(jumps) < 0.6
    assert await Visits.video(page, "video.paused") is False


async def test_addresses_that_have_ended_are_renewed_before_they_are_loaded(page: Page, world: World) -> None:
    first = world.video("alice", "Old")
    first["playback"] = {**first["playback"], "mp4Url": "/m/old/clip.mp4", "expiresAt": iso(datetime.now(UTC) - timedelta(seconds=1))}
    fresh = world.playback(1)
    asked: list[str] = []

    async def renew(route: Any) -> None:
        if route.request.post_data_json["operationName"] == "Playback":
            asked.append(first["id"])
            first["playback"] = fresh
        await route.continue_()

    await page.route("**/graphql", renew)
    await page.goto("/")
    await Visits.present(page)
    assert asked == [first["id"]]
    assert not any(path.startswith("old/") for path in world.fetched)


async def test_a_clip_that_may_not_play_says_why(page: Page, world: World) -> None:
    video = world.video("alice", "Gone")
    video["playback"] = {**video["playback"], "refusal": "TAKEN_DOWN", "mp4Url": None, "masterPlaylistUrl": None, "startPlaylistUrl": None}
    await page.goto("/")
    await expect(page.locator(".clip")).to_contain_text("This clip was taken down.")


async def test_less_motion_waits_for_a_touch(page: Page, world: World) -> None:
    fill(world, 2)
    await page.emulate_media(reduced_motion="reduce")
    await page.goto("/")
    await page.wait_for_selector(".clip:not([inert])")
    await asyncio.sleep(0.5)
    assert await page.evaluate("() => [...document.querySelectorAll('video')].every((video) => video.paused)")
    await on_screen(page).get_by_role("button", name="Play").click()
    await Visits.present(page)


async def test_the_first_picture_after_a_swipe_comes_at_once(page: Page, world: World) -> None:
    ids = fill(world, 4)
    await page.goto("/")
    await Visits.present(page)
    for expected in ids[1:4]:
        await asyncio.sleep(0.4)
        await swipe_to(page, expected)
    frames = await Visits.first_frames(page)
    assert [frames[video_id] < 100 for video_id in ids[1:4]] == [True, True, True], frames
