"""Every page on a phone and on a desktop: nothing sticks out, words can be read, every control has a name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page

from tests.browser.chromium import visitor
from tests.browser.fake_gateway import FakeGateway
from tests.browser.fake_world import World
from tests.browser.visits import Visits

LEAST_CONTRAST = 4.5
"""WCAG 2.2, 1.4.3 (AA)."""

FAINT = """(least) => {
  const channel = (value) => (value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const ground = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const style = getComputedStyle(one);
      if (style.backgroundImage !== 'none') return null;
      const color = parse(style.backgroundColor);
      if (color.length === 3 || color[3] === 1) return color;
    }
    return [11, 13, 18];
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.checkVisibility({ opacityProperty: true }) || element.closest(':disabled, .hidden-text, .stage, [aria-hidden=true]')) continue;
    const behind = ground(element);
    if (!behind) continue;
    const [one, other] = [light(parse(getComputedStyle(element).color)), light(behind)].sort((a, b) => b - a);
    const contrast = (one + 0.05) / (other + 0.05);
    if (contrast < least) found.push(`${walker.currentNode.data.trim().slice(0, 40)}: ${contrast.toFixed(2)}`);
  }
  return found;
}"""

NAMELESS = """() => [...document.querySelectorAll('a, button, input, select, textarea, [role=slider], [role=progressbar]')]
  .filter((one) => one.checkVisibility() && one.type !== 'hidden')
  .filter((one) => !(one.getAttribute('aria-label') || one.textContent.trim() || (one.labels && [...one.labels].some((label) => label.textContent.trim()))))
  .map((one) => one.outerHTML.slice(0, 120))"""

SMALL = """() => [...document.querySelectorAll('a.button, button, input:not([type=checkbox]):not([type=radio]), select, textarea')]
  .filter((one) => one.checkVisibility() && !one.closest('.hidden-text') && !one.matches('.more'))
  .map((one) => [one.outerHTML.slice(0, 90), one.getBoundingClientRect()])
  .filter(([, box]) => box.width && (box.height < 32 || box.width < 32)).map(([html]) => html)"""


def stock(world: World) -> None:
    """Something of everything."""
    world.person("carla", roles=("VIEWER", "MODERATOR"))
    for number, caption in enumerate(
        ("Velvet tide at the harbour, in one take " * 4, "Amber", "", "Averyveryverylongwordwithoutanyspace" * 3)
    ):
        world.video("carla", caption, hashtags=["calm", "averyverylonghashtag" * 2], viewCount=str(10**number))
    world.video("carla", "Draft", state="DRAFT", progressPercent=30)
    world.video("carla", "Broken", state="FAILED", failureCode="UNSUPPORTED_CODEC", playback=None)
    fan = world.person("fan")["user"]
    fan["displayName"] = "Averyveryverylongname" * 3
    world.crowd.follow("fan", "carla", "REQUESTED")
    world.session("Chromium on Linux", current=True)
    world.session("Firefox on Android")
    said = world.talk.comment(fan, "501", "Averyveryverylongwordwithoutanyspace " * 3, pinned=True)
    world.talk.comment(world.people["carla"]["user"], "501", "An answer", answers=said["id"])
    world.talk.comment(fan, "501", "Look at example.org", state="HELD")
    world.talk.notify("LIKE", actors=[fan], count=42, videoId="501", video=world.videos["501"])
    world.review(world.videos["501"])
    world.review(world.videos["504"], policy="words")


async def open_upload(page: Page, media: Path) -> None:
    await page.goto("/upload")
    await page.set_input_files("#file", media / "clip2" / "clip.mp4")
    await page.wait_for_function("() => document.getElementById('step').textContent.startsWith('Waiting')")
    await page.locator("summary").click()


async def open_page(page: Page, name: str, media: Path) -> None:
    """Bring a page to the state in which it shows most."""
    match name:
        case "/":
            await page.goto("/")
            await Visits.present(page)
        case "/upload":
            await open_upload(page, media)
        case "/studio#edit":
            await page.goto("/studio")
            await page.get_by_role("button", name="Edit").first.click()
            await page.get_by_role("dialog").locator("summary").click()
        case "menu":
            await page.goto("/studio")
            await page.get_by_role("button", name="Account of @carla").click()
        case "drawer":
            await page.goto("/?video=501&comment=8001")
            await page.locator(".drawer .target").wait_for()
            await page.locator(".held .comment").wait_for()
        case "/@carla":
            await page.goto("/@carla")
            await page.locator(".tile").first.wait_for()
            await page.locator("#requests .person").wait_for()
        case "/settings":
            await page.goto("/settings")
            await page.locator(".session").first.wait_for()
            await page.locator(".ways").wait_for()
        case "/notifications":
            await page.goto("/notifications")
            await page.locator(".notice-row").wait_for()
        case "/reset-password" | "/verify-email":
            await page.goto(name)
            await page.locator(".card :is(form, a.button):visible").first.wait_for()
        case "/signup":
            # With an account there is nothing to sign up for.
            await page.evaluate("() => localStorage.removeItem('clipmesh.signed-in')")
            await page.goto("/signup")
            await page.get_by_role("button", name="Create account").click()
        case "sign-in":
            await page.evaluate("() => localStorage.removeItem('clipmesh.signed-in')")
            await page.goto("/oauth/authorize?state=x")
        case _:
            await page.goto(name)
            await page.wait_for_function("() => document.querySelector('.item, [data-case]')")


async def problems_of(page: Page) -> dict[str, Any]:
    return {
        "sideways": await Visits.scrolls_sideways(page),
        "faint": await page.evaluate(FAINT, LEAST_CONTRAST),
        "nameless": await page.evaluate(NAMELESS),
        "small": await page.evaluate(SMALL),
    }


PAGES = (
    "/",
    "/upload",
    "/studio",
    "/studio#edit",
    "menu",
    "/review",
    "drawer",
    "/@carla",
    "/settings",
    "/notifications",
    "/reset-password",
    "/verify-email",
    "/signup",
    "sign-in",
)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("shape", ["phone", "desktop"])
async def test_pages_fit_can_be_read_and_name_their_controls(
    shape: str, chromium: Browser, fake: FakeGateway, world: World, media: Path, tmp_path: Path
) -> None:
    stock(world)
    async with visitor(chromium, fake.origin, phone=shape == "phone") as context, Visits.page(context) as page:
        await page.goto("/studio")
        await Visits.sign_in(page, "carla")
        found = {}
        for name in PAGES:
            await open_page(page, name, media)
            problems = await problems_of(page)
            if any(problems.values()):
                found[name] = problems
                await page.screenshot(path=tmp_path / f"{shape}-{len(found)}.png")
    assert found == {}
