"""Two people with a browser each on the whole system: what one does the other sees at once, and nothing of it after a block."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable

import pytest
from playwright.async_api import Browser, Page, expect

from tests.browser.chromium import visitor
from tests.browser.journeys.conftest import Town, join, password_of
from tests.browser.visits import Visits

pytestmark = [pytest.mark.timeout(300), pytest.mark.timed]

SEEN_S = 2.0
"""From what one person did until the other sees it."""


async def open_clip(page: Page, town: Town, handle: str) -> None:
    await page.goto(f"/?video={town.published[-1]}")
    await Visits.sign_in(page, handle, password_of(handle))
    await Visits.present(page)


async def all_seen(*sights: Awaitable[None]) -> float:
    """How long it took until all of it was seen, in seconds."""
    begun = time.monotonic()
    await asyncio.gather(*sights)
    return time.monotonic() - begun


async def test_one_acts_and_the_other_sees_it_until_a_block(chromium: Browser, town: Town) -> None:
    anna = await join(town.origin, "anna")
    await anna.close()
    async with (
        visitor(chromium, town.origin) as here,
        visitor(chromium, town.origin, phone=True) as there,
        Visits.page(here) as alice,
        Visits.page(there) as page,
    ):
        await open_clip(page, town, "anna")
        await open_clip(alice, town, "alice")
        await alice.goto("/notifications")
        await alice.get_by_role("button", name="Mark all as read").click()
        await expect(alice.locator("#unread")).to_be_hidden()
        await alice.go_back()
        await Visits.present(alice)
        rail, badge = alice.locator(".clip:not([inert]) .rail"), alice.locator("#unread")
        await rail.get_by_role("button", name="Comments").click()
        await expect(alice.get_by_label("Your comment")).to_be_visible()
        said = alice.locator(".drawer .text", has_text="Hello from Anna")
        await page.get_by_role("button", name="Like").click()
        await expect(page.get_by_role("button", name="Like, 1")).to_be_visible()
        took_s = [await all_seen(expect(rail.locator(".like")).to_have_text("1"), expect(badge).to_have_text("1 unread"))]
        await page.get_by_role("button", name="Comments").click()
        await page.get_by_label("Your comment").fill("Hello from Anna")
        await page.get_by_role("button", name="Post", exact=True).click()
        await expect(page.locator(".drawer .comment:not(.sending) .text")).to_have_text("Hello from Anna")
        took_s.append(
            await all_seen(
                expect(said).to_be_visible(), expect(badge).to_have_text("2 unread"), expect(rail.locator(".words-of")).to_have_text("1")
            )
        )
        await page.get_by_role("button", name="Close").click()
        await page.get_by_role("button", name="Follow @alice").click()
        took_s.append(await all_seen(expect(badge).to_have_text("3 unread")))
        print(f"seen after {', '.join(f'{one:.2f}' for one in took_s)} s")
        await alice.goto("/notifications")
        of_anna = alice.locator(".notice-row p").filter(has_text="Anna")
        await expect(of_anna).to_have_text(
            ["Anna follows you.", "Anna commented on your clip “Journey clip 4”.", "Anna liked your clip “Journey clip 4”."]
        )
        await page.goto("/@alice")
        await page.get_by_role("button", name="More").click()
        await page.get_by_role("button", name="Block").click()
        await page.get_by_role("dialog").get_by_role("button", name="Block").click()
        await expect(page.get_by_role("button", name="Unblock")).to_be_visible()
        await nothing_left_of_anna(alice, town)
    assert max(took_s) < SEEN_S, took_s


async def nothing_left_of_anna(page: Page, town: Town) -> None:
    """What the other sees on the next request."""
    await page.goto("/@anna")
    await expect(page.get_by_role("heading", name="Nobody here")).to_be_visible()
    await page.goto("/notifications")
    await expect(page.locator(".notice-row").first).to_be_visible()
    await expect(page.locator(".notice-row").filter(has_text="Anna")).to_have_count(0)
    await page.goto("/@alice")
    await page.get_by_role("button", name="follower").click()
    await expect(page.get_by_text("Nobody follows so far.")).to_be_visible()
    await page.goto(f"/?video={town.published[-1]}")
    await Visits.present(page)
    await page.get_by_role("button", name="Comments").click()
    await expect(page.get_by_text("Nobody has said anything so far.")).to_be_visible()
