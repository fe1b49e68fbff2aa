"""The system's Chromium under Playwright: found by CLIPMESH_CHROMIUM or on PATH, with a profile of its own that goes away."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Browser, BrowserContext, ViewportSize, async_playwright

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--mute-audio",
)
PHONE: ViewportSize = {"width": 390, "height": 844}
DESKTOP: ViewportSize = {"width": 1280, "height": 800}


def chromium_path() -> str:
    """The binary; skips loudly without one, fails where CLIPMESH_REQUIRE_BROWSER=1."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = os.environ.get("CLIPMESH_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if found is None:
        sentence = "no Chromium: set CLIPMESH_CHROMIUM or install chromium"
        if os.environ.get("CLIPMESH_REQUIRE_BROWSER") == "1":
            pytest.fail(sentence)
        pytest.skip(sentence)
    return found


@asynccontextmanager
async def running_chromium() -> AsyncIterator[Browser]:
    """One browser with an empty profile of its own, closed at the end."""
    path = chromium_path()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, headless=True, args=list(FLAGS))
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def visitor(browser: Browser, origin: str, *, phone: bool = False) -> AsyncIterator[BrowserContext]:
    """Somebody with a device of their own: no cookies, nothing stored, nothing cached."""
    context = await browser.new_context(
        base_url=origin, viewport=PHONE if phone else DESKTOP, has_touch=phone, is_mobile=phone, device_scale_factor=1
    )
    try:
        yield context
    finally:
        await context.close()
