"""What tests do on pages again and again: open one, sign in, wait for the clip on screen, read measures."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from playwright.async_api import BrowserContext, Page, expect

from tests.browser.fake_world import PASSWORD

WAIT_MS = 10_000


class Visits:
    """Acts of a person, as plain functions over a page."""

    @staticmethod
    @asynccontextmanager
    async def page(context: BrowserContext) -> AsyncIterator[Page]:
        """A page whose script errors and refused content fail the test at its end; refusals of the network are the tests' own business."""
        complaints: list[str] = []
        page = await context.new_page()
        page.set_default_timeout(WAIT_MS)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: complaints.append(message.text) if _matters(message.type, message.text) else None)
        yield page
        await page.close()
        assert complaints == []

    @staticmethod
    async def sign_in(page: Page, handle: str, password: str = PASSWORD) -> None:
        """From any page of ours through the form and back."""
        await page.get_by_role("button", name="Sign in").first.click()
        await page.get_by_label("Handle or e-mail").fill(handle)
        await page.get_by_label("Password").fill(password)
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_role("button", name=f"Account of @{handle}")).to_be_visible()

    @staticmethod
    async def present(page: Page) -> str:
        """The id of the clip that is on screen, once it is playing."""
        await page.wait_for_function(
            "() => { const clip = document.querySelector('.clip:not([inert])'); const video = clip?.querySelector('video:not(.behind)');"
            " return video && !video.paused && video.currentTime > 0.05 }"
        )
        found: str = await page.evaluate("() => document.querySelector('.clip:not([inert])').dataset.video")
        return found

    @staticmethod
    async def video(page: Page, expression: str) -> Any:
        """A property of the video on screen."""
        return await page.evaluate(
            f"() => {{ const video = document.querySelector('.clip:not([inert]) video:not(.behind)'); return {expression} }}"
        )

    @staticmethod
    async def first_frames(page: Page) -> dict[str, float]:
        """Video id -> time from swipe to picture, in milliseconds."""
        found: dict[str, float] = await page.evaluate(
            "() => Object.fromEntries(performance.getEntriesByName('first-frame').map((one) => [one.detail, one.duration]))"
        )
        return found

    @staticmethod
    async def swipe_up(page: Page) -> None:
        """One stroke of a finger over the middle of a phone."""
        session = await page.context.new_cdp_session(page)
        for y in range(600, 120, -40):
            kind = "touchStart" if y == 600 else "touchMove"
            await session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": 190, "y": y}]})
            await asyncio.sleep(0.016)
        await session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        await session.detach()

    @staticmethod
    async def scrolls_sideways(page: Page) -> bool:
        """Whether anything sticks out of the window's width."""
        wide: bool = await page.evaluate("() => document.documentElement.scrollWidth > document.documentElement.clientWidth + 1")
        return wide


def _matters(kind: str, text: str) -> bool:
    return kind == "error" and not text.startswith("Failed to load resource")
