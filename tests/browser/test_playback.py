"""How clips play: from which source, how much ahead, with sound or without."""

from __future__ import annotations

import asyncio
import itertools
import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.browser.fake_world import World, iso
from tests.browser.swipes import fill, on_screen, swipe_to
from tests.browser.visits import Visits

SILENT_UNTIL_TOUCHED = """
let touched = false;
for (const name of ["pointerdown", "keydown"]) addEventListener(name, (event) => { touched ||= event.isTrusted; }, true);
const play = HTMLMediaElement.prototype.play;
HTMLMediaElement.prototype.play = function () {
  if (this.muted || touched) return play.call(this);
  return Promise.reject(new DOMException("play() needs a touch", "NotAllowedError"));
};
"""
"""What browsers of people do; headless Chromium lets every page make sounds, and takes what a test evaluates for a touch."""


LOADED = "[...document.querySelectorAll('.clip')].map((clip) => clip.querySelector('video')?.preload ?? '-').join(' ')"

NO_RANGES_KEPT = """
const ask = window.fetch;
window.fetch = (to, options) => ask(to, options?.headers?.range ? { ...options, cache: "no-store" } : options);
"""


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
    await page.wait_for_function("() => document.querySelectorAll('.clip').length === 6")
    await page.wait_for_function(f"() => ({LOADED}) === 'auto metadata metadata metadata - -'")
    await page.keyboard.press("j")
    await page.keyboard.press("j")
    await page.wait_for_function("() => document.querySelectorAll('.clip')[2].inert === false")
    await page.wait_for_function(f"() => ({LOADED}).startsWith('- auto auto metadata metadata metadata')")


async def test_of_the_next_clips_the_first_ten_seconds_are_loaded_once_and_no_more(page: Page, world: World, media: Path) -> None:
    for number in range(1, 5):
        world.video("alice", f"Clip number {number}", durationMs=20_000)
    _, second, third, fourth = world.videos.values()
    files = [video["playback"]["mp4Url"].removeprefix("/m/") for video in (second, third, fourth)]
    await page.goto("/")
    await Visits.present(page)
    await page.wait_for_function(f"() => ({LOADED}) === 'auto metadata metadata metadata'")
    for file in files[:2]:
        size = (media / file).stat().st_size
        asked = [(head, dest) for path, head, dest in world.ranges if path == file]
        ends = [int(head.split("-")[1]) for head, dest in asked if dest == "empty"]
        assert ends[-1] + 1 == math.ceil(size / 2), asked
        # What the picture itself asks of the line begins where the first ten seconds end.
        assert [head for head, dest in asked if dest == "video" and int(head[6:].split("-")[0]) <= ends[-1]] == []


async def test_a_browser_that_keeps_no_ranges_loads_ahead_by_itself(page: Page, world: World) -> None:
    fill(world, 4)
    await page.add_init_script(NO_RANGES_KEPT)
    await page.goto("/")
    await Visits.present(page)
    await page.wait_for_function(f"() => ({LOADED}) === 'auto auto metadata metadata'")
    assert [dest for _, _, dest in world.ranges].count("empty") == 2


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


async def test_without_native_hls_a_long_clip_moves_to_our_own_player(page: Page, world: World) -> None:
    world.video("alice", "Long", durationMs=30_000)
    _, second, third = [video["id"] for video in world.videos.values()] + fill(world, 2)
    await page.add_init_script("HTMLMediaElement.prototype.canPlayType = () => ''")
    await page.add_init_script("URL.revokeObjectURL = (address) => { (window.ended ??= []).push(address) }")
    await page.goto("/")
    await Visits.present(page)
    assert (await Visits.video(page, "video.src")).endswith("/clip.mp4")
    await page.wait_for_function("() => document.querySelector('.clip video:not(.behind)').src.startsWith('blob:')", timeout=20_000)
    assert await Visits.video(page, "video.paused") is False
    address = await Visits.video(page, "video.src")
    assert await page.locator(".clip").first.locator("video").count() == 1
    await page.wait_for_function("() => document.querySelector('.clip:not([inert]) video').currentTime < 1")
    await page.wait_for_function("() => document.querySelector('.clip:not([inert]) video').currentTime > 2")
    # What our own player has open is let go with the clip.
    assert await page.evaluate("() => window.ended") is None
    await swipe_to(page, second)
    await swipe_to(page, third)
    assert await page.evaluate("() => window.ended") == [address]


@pytest.mark.parametrize(("start_level", "begun_with"), [(108, "start.m3u8"), (216, "clip.mp4"), (None, "clip.mp4")])
async def test_a_slow_line_starts_below_the_mp4(page: Page, world: World, start_level: int | None, begun_with: str) -> None:
    video = world.video("alice", "Slow line")
    video["playback"]["startLevel"] = start_level
    await page.goto("/")
    await Visits.present(page)
    assert (await Visits.video(page, "video.src")).endswith(f"/{begun_with}")
    assert ("clip.mp4" in [path.split("/")[1] for path in world.fetched]) is (begun_with == "clip.mp4")


async def test_our_own_player_starts_at_the_level_for_the_line(page: Page, world: World) -> None:
    video = world.video("alice", "Slow line")
    video["playback"]["startLevel"] = 108
    await page.add_init_script("HTMLMediaElement.prototype.canPlayType = () => ''")
    await page.goto("/")
    await Visits.present(page)
    tracks = [path.split("/")[1] for path in world.fetched if path.endswith("/init.mp4")]
    assert next(name for name in tracks if name != "audio") == "108p"


async def test_the_line_is_told_to_the_server(page: Page, world: World) -> None:
    fill(world, 1)
    told: list[str | None] = []
    page.on("request", lambda request: told.append(request.headers.get("ect")) if request.url.endswith("/graphql") else None)
    await page.add_init_script("Object.defineProperty(navigator.connection, 'effectiveType', { get: () => '3g' })")
    await page.goto("/")
    await Visits.present(page)
    assert set(told) == {"3g"}


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
