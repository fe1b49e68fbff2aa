"""What was watched is reported: once, rightly, and also when the page goes away."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.async_api import Page, expect

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

WRONG_CLOCK = """
const ms = %d;
const Right = Date;
window.Date = class extends Right {
  constructor(...parts) { parts.length ? super(...parts) : super(Right.now() + ms); }
  static now() { return Right.now() + ms; }
};
"""

TURN = """(state) => {
  Object.defineProperty(document, "visibilityState", { value: state, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


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


@pytest.mark.parametrize("off_ms", [-90_000, 90_000])
async def test_a_wrong_clock_of_the_device_is_set_right_by_the_servers(page: Page, world: World, off_ms: int) -> None:
    _, second = fill(world, 2)
    await page.add_init_script(WRONG_CLOCK % off_ms)
    await page.goto("/")
    await Visits.present(page)
    await asyncio.sleep(0.3)
    await swipe_to(page, second)
    await until(lambda: world.reports)
    ahead_s = datetime.fromisoformat(world.reports[0]["at"]).timestamp() - datetime.now(UTC).timestamp()
    assert -10 < ahead_s < 0.5


async def test_what_was_watched_until_the_sign_in_ended_is_reported_by_the_same_person(page: Page, world: World) -> None:
    first, *_ = fill(world, 2)
    world.view_tokens_of = "alice"
    await page.goto("/studio")
    await Visits.sign_in(page, "alice")
    world.token_life_s = 1
    await page.goto("/")
    await Visits.present(page)
    await asyncio.sleep(1.2)
    await page.goto("/studio")
    await expect(page.get_by_role("button", name="Account of @alice")).to_be_visible()
    assert world.reports == []
    await page.goto("/")
    await until(lambda: world.reports)
    assert (world.reporters, world.reports[0]["viewToken"]) == (["alice"], f"token-{first}")
    assert [name for name, _ in world.calls].count("ReportWatch") == 1


async def test_a_report_that_was_not_taken_while_hidden_is_kept(page: Page, world: World) -> None:
    _, second, *_ = fill(world, 2)
    world.view_tokens_of = "somebody"
    await page.goto("/")
    await Visits.present(page)
    await asyncio.sleep(0.3)
    await page.evaluate(TURN, "hidden")
    await until(lambda: "ReportWatch" in [name for name, _ in world.calls])
    world.view_tokens_of = None
    await page.evaluate(TURN, "visible")
    await Visits.present(page)
    await swipe_to(page, second)
    await until(lambda: len(world.reports) == 2)
    sent = [report["eventId"] for name, variables in world.calls if name == "ReportWatch" for report in variables["input"]["reports"]]
    assert sent[0] in {report["eventId"] for report in world.reports}


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
