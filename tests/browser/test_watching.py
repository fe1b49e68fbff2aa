"""What was watched is reported: once, rightly, and also when the page goes away."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

from playwright.async_api import Page

from tests.browser.fake_world import World
from tests.browser.swipes import fill, swipe_to, until
from tests.browser.visits import Visits

NOTE_KEEPALIVE = """
const send = window.fetch;
window.fetch = (to, options) => {
  if (String(options?.body).includes('"ReportWatch"')) localStorage.setItem("kept", String(options.keepalive));
  return send(to, options);
};
"""
"""A server cannot see it, and without it the last words of a page are sent only by luck."""


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
