"""What tests of the feed need: clips to fill it, the one on screen, a swipe that has come to rest."""

from __future__ import annotations

import asyncio
from typing import Any

from playwright.async_api import Locator, Page, expect

from tests.browser.fake_world import World
from tests.browser.visits import Visits

SETTLED = "() => { const deck = document.getElementById('deck'); return Math.abs(deck.scrollTop / deck.clientHeight - Math.round(deck.scrollTop / deck.clientHeight)) < 0.002 }"


def fill(world: World, count: int) -> list[str]:
    """So many clips; their ids in the order of the feed."""
    return [world.video("alice" if number % 2 else "bob", f"Clip number {number}")["id"] for number in range(1, count + 1)]


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
