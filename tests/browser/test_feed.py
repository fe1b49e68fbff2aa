"""The feed page: what plays, what is loaded ahead, what is reported, and how one gets about."""

from __future__ import annotations

import asyncio
import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.async_api import Locator, Page, expect

from tests.browser.fake_world import World, iso
from tests.browser.visits import Visits


def fill(world: World, count: int) -> list[str]:
    """So many clips; their ids in the order of the feed."""
    return [world.video("alice" if number % 2 else "bob", f"Clip number {number}")["id"] for number in range(1, count + 1)]


SILENT_UNTIL_TOUCHED = """
const play = HTMLMediaElement.prototype.play;
HTMLMediaElement.prototype.play = function () {
  if (this.muted || navigator.userActivation.hasBeenActive) return play.call(this);
  return Promise.reject(new DOMException("play() needs a touch", "NotAllowedError"));
};
"""
"""What browsers of people do; headless Chromium lets every page make sounds."""
NOTE_KEEPALIVE = """
const send = window.fetch;
window.fetch = (to, options) => {
  if (String(options?.body).includes('"ReportWatch"')) localStorage.setItem("kept", String(options.keepalive));
  return send(to, options);
};
"""
"""A server cannot see it, and without it the last words of a page are sent only by luck."""
SETTLED = "() => { const deck = document.getElementById('deck'); return Math.abs(deck.scrollTop / deck.clientHeight - Math.round(deck.scrollTop / deck.clientHeight)) < 0.002 }"


def on_screen(page: Page) -> Locator:
    return page.locator(".clip:not([inert])")


async def until(condition: Any, *, within_s: float = 5.0) -> None:
    """Wait for something on the gateway's side of the line."""
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(0.02)


async def swipe_to(page: Page, video_id: str) -> None:
    await page.keyboard.press("ArrowDown")
    await expect(page.locator(f'.clip[data-video="{video_id}"]:not([inert])')).to_be_attached()
    await page.wait_for_function(SETTLED)
    assert await Visits.present(page) == video_id


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


async def test_swiping_goes_on_without_repeats_to_the_end(page: Page, world: World) -> None:
    ids = fill(world, 7)
    await page.goto("/")
    seen = [await Visits.present(page)]
    for expected in ids[1:]:
        await swipe_to(page, expected)
        seen.append(expected)
    assert seen == ids
    await page.keyboard.press("ArrowDown")
    await expect(page.get_by_role("heading", name="You have seen everything")).to_be_in_viewport()
    asked = [variables["after"] for name, variables in world.calls if name == "ForYou"]
    assert asked == [None, f"c-{ids[2]}", f"c-{ids[5]}"]


async def test_the_next_page_is_asked_for_before_it_is_needed(page: Page, world: World) -> None:
    ids = fill(world, 12)
    await page.goto("/")
    await Visits.present(page)
    await page.wait_for_function("() => document.querySelectorAll('.clip').length === 6")
    for expected in ids[1:4]:
        await swipe_to(page, expected)
    await page.wait_for_function("() => document.querySelectorAll('.clip').length === 9")


async def test_a_swipe_reports_what_was_watched(page: Page, world: World) -> None:
    first, second, *_ = fill(world, 3)
    await page.goto("/")
    await Visits.present(page)
    await asyncio.sleep(0.6)
    await swipe_to(page, second)
    await until(lambda: world.reports)
    report = world.reports[0]
    assert report["viewToken"] == f"token-{first}"
    assert 500 <= report["watchedMs"] <= 3000
    assert (report["loops"], report["paused"]) == (0, False)
    assert abs(datetime.fromisoformat(report["at"]).timestamp() - datetime.now(UTC).timestamp()) < 5


async def test_a_whole_loop_is_reported_as_one(page: Page, world: World) -> None:
    _, second, *_ = fill(world, 3)
    await page.goto("/")
    await Visits.present(page)
    await page.wait_for_function("() => document.querySelector('.clip:not([inert]) video').currentTime > 4")
    await page.wait_for_function("() => document.querySelector('.clip:not([inert]) video').currentTime < 2")
    await swipe_to(page, second)
    await until(lambda: world.reports)
    assert world.reports[0]["loops"] == 1
    assert world.reports[0]["watchedMs"] >= 4000


async def test_leaving_the_page_reports_the_stretch(page: Page, world: World) -> None:
    first, *_ = fill(world, 2)
    await page.add_init_script(NOTE_KEEPALIVE)
    await page.goto("/")
    await Visits.present(page)
    await asyncio.sleep(0.4)
    await page.goto("/signup")
    await until(lambda: world.reports)
    assert [report["viewToken"] for report in world.reports] == [f"token-{first}"]
    assert await page.evaluate("() => localStorage.getItem('kept')") == "true"


async def test_a_lost_report_is_sent_again_under_its_name(page: Page, world: World) -> None:
    _, second, third = fill(world, 3)
    lost: list[dict[str, Any]] = []

    async def drop_first(route: Any) -> None:
        body = route.request.post_data_json
        if body["operationName"] == "ReportWatch" and not lost:
            lost.extend(body["variables"]["input"]["reports"])
            await route.abort()
        else:
            await route.continue_()

    await page.route("**/graphql", drop_first)
    await page.goto("/")
    await Visits.present(page)
    await asyncio.sleep(0.3)
    await swipe_to(page, second)
    await asyncio.sleep(0.3)
    await swipe_to(page, third)
    await until(lambda: len(world.reports) >= 2)
    assert lost[0] in world.reports
    assert len({report["eventId"] for report in world.reports}) == 2


async def test_space_pauses_and_the_pause_is_not_watched(page: Page, world: World) -> None:
    _, second, *_ = fill(world, 3)
    await page.goto("/")
    await Visits.present(page)
    await page.keyboard.press("Space")
    assert await Visits.video(page, "video.paused") is True
    at = await Visits.video(page, "video.currentTime")
    await asyncio.sleep(2.5)
    assert await Visits.video(page, "video.currentTime") == at
    await swipe_to(page, second)
    await until(lambda: world.reports)
    assert world.reports[0]["paused"] is True
    assert world.reports[0]["watchedMs"] < 2000


async def test_a_tap_pauses_and_plays(phone_page: Page, world: World) -> None:
    fill(world, 2)
    await phone_page.goto("/")
    await Visits.present(phone_page)
    await phone_page.touchscreen.tap(190, 300)
    await phone_page.wait_for_function("() => document.querySelector('.clip:not([inert]) video').paused")
    await phone_page.touchscreen.tap(190, 300)
    await Visits.present(phone_page)


async def test_a_swipe_of_the_finger_snaps_to_the_next_clip(phone_page: Page, world: World) -> None:
    _, second, *_ = fill(world, 3)
    await phone_page.goto("/")
    await Visits.present(phone_page)
    await Visits.swipe_up(phone_page)
    await expect(phone_page.locator(f'.clip[data-video="{second}"]:not([inert])')).to_be_attached()
    await phone_page.wait_for_function(SETTLED)
    assert await Visits.present(phone_page) == second


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


@pytest.mark.parametrize("reason", ["CURSOR_EXPIRED", "BAD_CURSOR"])
async def test_an_old_session_offers_a_fresh_start(page: Page, world: World, reason: str) -> None:
    fill(world, 6)

    async def refuse(route: Any) -> None:
        body = route.request.post_data_json
        if body["operationName"] == "ForYou" and body["variables"]["after"]:
            await route.fulfill(json={"data": None, "errors": [{"message": "no", "extensions": {"code": reason}}]})
        else:
            await route.continue_()

    await page.route("**/graphql", refuse)
    await page.goto("/")
    await Visits.present(page)
    await expect(page.get_by_role("heading", name="Welcome back")).to_be_attached()


async def test_an_empty_feed_and_a_broken_one_say_so(page: Page, world: World) -> None:
    await page.goto("/")
    await expect(page.get_by_role("heading", name="No clips yet")).to_be_visible()
    await page.route("**/graphql", lambda route: route.fulfill(status=503, body="away"))
    await page.goto("/")
    await expect(page.get_by_role("heading", name="The feed did not come")).to_be_visible()
    await page.unroute("**/graphql")
    fill(world, 1)
    await page.get_by_role("button", name="Try again").click()
    await Visits.present(page)


async def test_the_lists_of_a_person_a_sound_and_a_link(page: Page, world: World) -> None:
    first, second, third = fill(world, 3)
    await page.goto("/?user=alice")
    assert await Visits.present(page) == first
    await page.wait_for_function("() => document.querySelectorAll('.clip').length === 2")
    await expect(page.locator("#place")).to_contain_text("@alice")
    await swipe_to(page, third)
    await until(lambda: world.reports)
    assert world.reports[0]["viewToken"] == f"token-profile-{first}"
    await on_screen(page).get_by_role("link", name="Original sound").click()
    assert await Visits.present(page) == third
    await expect(page.locator("#place")).to_contain_text("Original sound · @alice")
    await page.goto(f"/?video={second}")
    assert await Visits.present(page) == second


async def test_everything_can_be_done_by_keyboard(page: Page, world: World) -> None:
    first, second, _ = fill(world, 3)
    await page.goto("/")
    await Visits.present(page)
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")
    names = []
    for _step in range(8):
        await page.keyboard.press("Tab")
        names.append(
            await page.evaluate("() => document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent.trim()")
        )
    # The clips that are not on screen cannot be reached.
    assert names == [
        "Pause",
        "@alice",
        "Original sound · @alice",
        "Turn sound on",
        "Copy link",
        "Place in the clip",
        "Next clip",
        names[-1],
    ]
    await page.keyboard.press("j")
    await expect(page.locator(f'.clip[data-video="{second}"]:not([inert])')).to_be_attached()
    await page.keyboard.press("k")
    await expect(page.locator(f'.clip[data-video="{first}"]:not([inert])')).to_be_attached()
    await page.keyboard.press("m")
    await expect(page.locator(".clip:not([inert])").get_by_role("button", name="Mute")).to_be_visible()
    outline = await page.evaluate(
        "() => { document.querySelector('#next').focus(); return getComputedStyle(document.activeElement).outlineStyle }"
    )
    assert outline == "solid"
    await expect(page.locator("#said")).to_have_text("Clip by Alice: Clip number 1")


async def test_the_first_picture_after_a_swipe_comes_at_once(page: Page, world: World) -> None:
    ids = fill(world, 4)
    await page.goto("/")
    await Visits.present(page)
    for expected in ids[1:4]:
        await asyncio.sleep(0.4)
        await swipe_to(page, expected)
    frames = await Visits.first_frames(page)
    assert [frames[video_id] < 100 for video_id in ids[1:4]] == [True, True, True], frames
