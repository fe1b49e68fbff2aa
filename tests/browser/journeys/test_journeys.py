"""A person's ways through the whole system, from real bytes to real screens."""

from __future__ import annotations

import asyncio
import statistics

import pytest
from playwright.async_api import Browser, FilePayload, Page, expect

from tests.browser.chromium import visitor
from tests.browser.journeys.conftest import Town, join, password_of, until_state
from tests.browser.visits import Visits

pytestmark = pytest.mark.timeout(300)

FIRST_MP4_MS, FIRST_HLS_MS = 5000, 8000
"""From the clip's place on screen to its first picture, on a machine that may be busy with other tests."""
SWIPED_MS = 2000


async def views(town: Town, video_id: str) -> int:
    video = (await town.alice.query("query($id: ID!) { video(id: $id) { viewCount } }", id=video_id))["video"]
    return int(video["viewCount"])


async def wait_ready(page: Page) -> None:
    await expect(page.locator("#step")).to_have_text("Ready", timeout=180_000)


async def test_the_first_clip_plays_by_mp4(chromium: Browser, town: Town) -> None:
    async with visitor(chromium, town.origin) as context, Visits.page(context) as page:
        await page.goto("/")
        first = await Visits.present(page)
        assert first in town.published
        assert (await Visits.video(page, "video.src")).split("?")[0].endswith(".mp4")
        assert (await Visits.first_frames(page))[first] < FIRST_MP4_MS


async def test_the_first_clip_plays_by_hls_when_there_is_no_mp4(chromium: Browser, town: Town) -> None:
    async with visitor(chromium, town.origin) as context, Visits.page(context) as page:
        await page.route("**/m/**/*p.mp4", lambda route: route.abort())
        await page.goto("/")
        first = await Visits.present(page)
        assert (await Visits.video(page, "video.src")).endswith(".m3u8")
        assert (await Visits.first_frames(page))[first] < FIRST_HLS_MS


async def test_the_segments_play_where_the_browser_has_no_hls(chromium: Browser, town: Town) -> None:
    async with visitor(chromium, town.origin) as context, Visits.page(context) as page:
        await page.add_init_script("HTMLMediaElement.prototype.canPlayType = () => ''")
        await page.route("**/m/**/*p.mp4", lambda route: route.abort())
        await page.goto("/")
        await Visits.present(page)
        assert (await Visits.video(page, "video.src")).startswith("blob:")
        await page.wait_for_function("() => document.querySelector('.clip:not([inert]) video').currentTime > 3")


async def test_swiping_goes_on_without_repeats_and_watching_counts(chromium: Browser, town: Town) -> None:
    async with visitor(chromium, town.origin, phone=True) as context, Visits.page(context) as page:
        await page.goto("/")
        seen = [await Visits.present(page)]
        before = await views(town, seen[0])
        await asyncio.sleep(2.6)
        while await page.locator(".last").count() == 0 or await page.locator(".clip").count() > len(seen):
            await Visits.swipe_up(page)
            await page.wait_for_function("(id) => document.querySelector('.clip:not([inert])')?.dataset.video !== id", arg=seen[-1])
            seen.append(await Visits.present(page))
            await asyncio.sleep(0.5)
        assert len(set(seen)) == len(seen)
        assert set(town.published) <= set(seen)
        async with asyncio.timeout(10):
            while await views(town, seen[0]) <= before:
                await asyncio.sleep(0.1)
        frames = await Visits.first_frames(page)
        assert statistics.median(frames[video_id] for video_id in seen[1:]) < SWIPED_MS


async def test_a_clip_goes_from_a_file_to_another_persons_screen(chromium: Browser, town: Town) -> None:
    async with visitor(chromium, town.origin) as context, Visits.page(context) as page:
        await page.goto("/signup")
        await page.get_by_label("Handle").fill("dora")
        await page.get_by_label("E-mail").fill("dora@example.com")
        await page.get_by_label("Birth date").fill("1995-05-05")
        await page.get_by_label("Password").fill(password_of("dora"))
        await page.get_by_role("button", name="Create account").click()
        await expect(page.get_by_role("button", name="Account of @dora")).to_be_visible()
        await page.goto("/upload")
        await expect(page.locator("#upload")).to_be_visible()
        await page.set_input_files("#file", town.spare)
        await page.get_by_label("Caption").fill("Dora's first #journey")
        await page.get_by_role("button", name="Publish").click()
        await expect(page.locator("#state")).to_be_visible()
        await wait_ready(page)
        await expect(page.locator("#state")).to_have_text("Published", timeout=60_000)
        await page.get_by_role("link", name="To the studio").click()
        row = page.locator("#videos .item").filter(has_text="Dora's first")
        await expect(row).to_contain_text("Published")
        video_id = await row.get_attribute("data-video")
    async with visitor(chromium, town.origin, phone=True) as context, Visits.page(context) as page:
        await page.goto("/?user=dora")
        assert await Visits.present(page) == video_id
        await page.goto("/")
        seen = [await Visits.present(page)]
        while video_id not in seen and len(seen) <= len(town.published):
            await page.keyboard.press("ArrowDown")
            await page.wait_for_function("(id) => document.querySelector('.clip:not([inert])').dataset.video !== id", arg=seen[-1])
            seen.append(await Visits.present(page))
        assert video_id in seen
        assert not await Visits.scrolls_sideways(page)


async def test_a_file_that_is_no_clip_is_refused_by_a_sentence(chromium: Browser, town: Town) -> None:
    bob = await join(town.origin, "bob")
    await bob.close()
    async with visitor(chromium, town.origin) as context, Visits.page(context) as page:
        await page.goto("/upload")
        await Visits.sign_in(page, "bob", password_of("bob"))
        junk: FilePayload = {"name": "holiday.mp4", "mimeType": "video/mp4", "buffer": bytes(range(256)) * 400}
        await page.set_input_files("#file", files=[junk])
        await expect(page.locator("#refusal")).not_to_be_empty(timeout=60_000)
        await expect(page.locator("#step")).to_have_text("Not taken")
        assert await page.locator("#refusal").text_content() in {
            "The file is damaged and cannot be played.",
            "This kind of file is not taken. Use MP4, MOV, MKV, WebM or AVI.",
            "There are no moving pictures in this file.",
        }


async def test_a_moderator_decides_and_the_clip_appears(chromium: Browser, town: Town) -> None:
    video_id = town.published[0]
    links = " ".join(f"https://example{number}.org" for number in range(9))
    update = "mutation($input: UpdateVideoInput!) { updateVideo(input: $input) { video { state } userErrors { code } } }"
    await town.alice.query(update, input={"videoId": video_id, "caption": f"Look at {links}"})
    await until_state(town.alice, video_id, "IN_REVIEW")
    carla = await join(town.origin, "carla")
    await carla.close()
    async with visitor(chromium, town.origin) as context, Visits.page(context) as page:
        await page.goto("/review")
        await Visits.sign_in(page, "carla", password_of("carla"))
        case = page.locator("#case")
        await expect(case).to_contain_text("link.many")
        await page.wait_for_function("() => document.querySelector('#case video')?.readyState >= 1")
        await case.locator("fieldset").get_by_text("Allow", exact=True).click()
        await case.get_by_label("Reason").fill("A list of friends' pages")
        await case.get_by_role("button", name="Decide").click()
        await expect(page.get_by_role("heading", name="The queue is empty")).to_be_visible()
    assert await until_state(town.alice, video_id, "READY", "RESTRICTED") == "READY"


async def test_keyboard_alone_signs_in_and_watches(chromium: Browser, town: Town) -> None:
    eve = await join(town.origin, "eve")
    await eve.close()
    async with visitor(chromium, town.origin) as context, Visits.page(context) as page:
        await page.goto("/studio")
        await page.get_by_role("button", name="Sign in").first.focus()
        await page.keyboard.press("Enter")
        await expect(page.get_by_label("Handle or e-mail")).to_be_focused()
        await page.keyboard.type("eve")
        await page.keyboard.press("Tab")
        await page.keyboard.type(password_of("eve"))
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("button", name="Account of @eve")).to_be_visible()
        await page.get_by_role("link", name="Feed", exact=True).focus()
        await page.keyboard.press("Enter")
        first = await Visits.present(page)
        await page.keyboard.press("j")
        await page.wait_for_function("(id) => document.querySelector('.clip:not([inert])').dataset.video !== id", arg=first)
        assert await Visits.present(page) != first
