"""The feed page: what comes next, how one gets about, what it says when there is nothing."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.browser.fake_world import World
from tests.browser.swipes import SETTLED, fill, on_screen, swipe_to, until
from tests.browser.visits import Visits

QUICK_WAITS = """
const wait = window.setTimeout;
window.waits = [];
window.setTimeout = (act, ms, ...more) => {
  const retry = String(act).includes("more");
  if (retry) window.waits.push(ms);
  return wait(act, retry ? 50 : ms, ...more);
};
"""
"""Retries of the feed come at once; how long they would have waited is kept."""


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


async def answer_second_page(page: Page, *refusals: dict[str, Any]) -> list[str | None]:
    """Refuse the page after the first in this way, in turn, and then give it; the cursors that were asked after."""
    asked: list[str | None] = []

    async def answer(route: Any) -> None:
        body = route.request.post_data_json
        after = body["variables"].get("after")
        if body["operationName"] == "ForYou":
            asked.append(after)
        if body["operationName"] == "ForYou" and after and len(asked) - 1 <= len(refusals):
            extensions = refusals[len(asked) - 2]
            await route.fulfill(json={"data": None, "errors": [{"message": "no", "extensions": extensions}]})
        else:
            await route.continue_()

    await page.add_init_script(QUICK_WAITS)
    await page.route("**/graphql", answer)
    await page.goto("/")
    await Visits.present(page)
    return asked


async def test_a_page_that_did_not_come_is_asked_for_ever_later_and_as_late_as_the_server_says(page: Page, world: World) -> None:
    ids = fill(world, 6)
    await answer_second_page(page, {"code": "UNAVAILABLE"}, {"code": "RATE_LIMITED", "retryAfterMs": 30_000}, {"code": "TIMEOUT"})
    await page.wait_for_function("() => document.querySelectorAll('.clip').length === 6")
    assert await page.locator(".clip").last.get_attribute("data-video") == ids[-1]
    assert await page.evaluate("() => window.waits") == [4000, 30_000, 16_000]


async def test_a_page_that_is_refused_for_good_is_not_asked_for_again(page: Page, world: World) -> None:
    fill(world, 6)
    asked = await answer_second_page(page, *[{"code": "FORBIDDEN"}] * 9)
    await expect(page.get_by_role("heading", name="The feed did not go on")).to_be_attached()
    await page.keyboard.press("j")
    await page.keyboard.press("j")
    await page.wait_for_function("() => document.querySelectorAll('.clip')[2].inert === false")
    assert len(asked) == 2
    assert await page.evaluate("() => window.waits") == []


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
    for _step in range(13):
        await page.keyboard.press("Tab")
        names.append(
            await page.evaluate("() => document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent.trim()")
        )
    # The clips that are not on screen cannot be reached.
    assert names == [
        "Pause",
        "@alice",
        "Follow @alice",
        "Original sound · @alice",
        "Like",
        "Comments, 0",
        "Save",
        "Repost",
        "Share, copy link",
        "Turn sound on",
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
