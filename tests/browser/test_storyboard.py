"""Whoever drags along the bar sees what is there before the clip is loaded there."""

from __future__ import annotations

import io

import pytest
from PIL import Image
from playwright.async_api import FloatRect, Page, expect

from tests.browser.fake_media import COLOURS, DURATION_S, TILE
from tests.browser.fake_world import World
from tests.browser.swipes import fill, on_screen, until
from tests.browser.visits import Visits


async def bar_of(page: Page) -> FloatRect:
    """Where the bar of the clip on screen is."""
    box = await on_screen(page).locator(".seek").bounding_box()
    assert box is not None
    return box


async def drag_to(page: Page, box: FloatRect, seconds: float) -> None:
    await page.mouse.move(box["x"] + box["width"] * seconds / DURATION_S, box["y"] + box["height"] / 2)


async def colour_shown(page: Page) -> tuple[int, int, int]:
    """The middle of the small picture."""
    drawn = Image.open(io.BytesIO(await on_screen(page).locator(".peek > i").screenshot())).convert("RGB")
    colour = drawn.getpixel((drawn.width // 2, drawn.height // 2))
    assert isinstance(colour, tuple)
    return colour[0], colour[1], colour[2]


@pytest.mark.parametrize("kind", ["desktop", "phone"])
async def test_dragging_shows_the_picture_of_each_second_and_letting_go_takes_it_away(
    page: Page, phone_page: Page, world: World, kind: str
) -> None:
    one = page if kind == "desktop" else phone_page
    fill(world, 2)
    await one.goto("/")
    await Visits.present(one)
    peek, box = on_screen(one).locator(".peek"), await bar_of(one)
    await expect(peek).to_be_hidden()
    await drag_to(one, box, 0.3)
    await one.mouse.down()
    await expect(peek.locator("i")).to_be_visible()
    for second, colour in enumerate(COLOURS):
        await drag_to(one, box, second + 0.5)
        await expect(peek).to_have_text(f"0:0{second}")
        await one.wait_for_function("() => document.querySelector('.clip:not([inert]) video').readyState >= 1")
        shown = await colour_shown(one)
        assert max(abs(seen - drawn) for seen, drawn in zip(shown, colour, strict=True)) <= 3, second
        place = await peek.bounding_box()
        assert place is not None
        assert box["x"] <= place["x"]
        assert place["x"] + place["width"] <= box["x"] + box["width"]
    assert await peek.locator("i").evaluate("(i) => [i.clientWidth, i.clientHeight]") == list(TILE)
    await one.mouse.up()
    await expect(peek).to_be_hidden()
    fetched = [path.partition("/")[2] for path in world.fetched if path.endswith((".vtt", ".webp"))]
    assert fetched == ["storyboard.vtt", "storyboard.webp"]


async def test_nothing_is_loaded_for_it_before_somebody_reaches_for_the_bar(page: Page, world: World) -> None:
    fill(world, 2)
    await page.goto("/")
    await Visits.present(page)
    assert [path for path in world.fetched if path.endswith((".vtt", ".webp"))] == []
    assert not await page.locator(".peek:visible").count()


async def test_without_a_storyboard_the_time_stands_alone_and_the_next_reach_tries_again(page: Page, world: World) -> None:
    fill(world, 2)
    world.gone_suffix = ".vtt"
    await page.goto("/")
    await Visits.present(page)
    peek, box = on_screen(page).locator(".peek"), await bar_of(page)
    await drag_to(page, box, 3.2)
    await page.mouse.down()
    await expect(peek).to_have_text("0:03")
    await until(lambda: any(path.endswith(".vtt") for path in world.fetched))
    await expect(peek.locator("i")).to_be_hidden()
    await page.mouse.up()
    world.gone_suffix = ""
    await drag_to(page, box, 1.5)
    await page.mouse.down()
    await expect(peek.locator("i")).to_be_visible()
