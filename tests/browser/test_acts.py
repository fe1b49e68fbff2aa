"""Likes and saves on the feed: seen at once, taken back when refused, by mouse and keyboard, and told to a screen reader."""

from __future__ import annotations

import asyncio
from typing import Any

from playwright.async_api import Page, expect

from tests.browser.fake_world import World, user_error
from tests.browser.swipes import fill, on_screen, until
from tests.browser.visits import Visits


def calls(world: World, *names: str) -> list[str]:
    """Which of these operations were called, in order."""
    return [name for name, _ in world.calls if name in names]


async def open_feed(page: Page, world: World, *, count: str = "7") -> str:
    """The feed of somebody who is signed in."""
    world.person("alice")
    video_id, *_ = fill(world, 2)
    world.videos[video_id].update(likeCount=count, saveCount="0", viewerState={"liked": False, "saved": False, "reposted": False})
    await page.goto("/")
    await Visits.sign_in(page, "alice")
    await page.goto("/")
    await Visits.present(page)
    return video_id


async def test_a_like_shows_before_the_server_answers_and_stays(page: Page, world: World) -> None:
    video_id = await open_feed(page, world)
    answered = asyncio.Event()

    async def wait(route: Any) -> None:
        if route.request.post_data_json.get("operationName") == "Like":
            await answered.wait()
        await route.continue_()

    await page.route("**/graphql", wait)
    like = on_screen(page).get_by_role("button", name="Like")
    await expect(like).to_have_attribute("aria-pressed", "false")
    await expect(like).to_contain_text("7")
    await like.click()
    await expect(like).to_have_attribute("aria-pressed", "true")
    await expect(like).to_contain_text("8")
    await expect(like).to_have_accessible_name("Like, 8")
    answered.set()
    await until(lambda: world.videos[video_id]["viewerState"]["liked"])
    await like.click()
    await expect(like).to_contain_text("7")
    await until(lambda: not world.videos[video_id]["viewerState"]["liked"])
    assert calls(world, "Like", "Unlike") == ["Like", "Unlike"]
    assert world.videos[video_id]["likeCount"] == "7"


async def test_a_refused_like_is_taken_back_and_said(page: Page, world: World) -> None:
    await open_feed(page, world)
    world.fail["like"] = [user_error("VIDEO_NOT_FOUND")]
    like = on_screen(page).get_by_role("button", name="Like")
    await like.click()
    await expect(page.get_by_text("This video is no longer there.")).to_be_visible()
    await expect(like).to_have_attribute("aria-pressed", "false")
    await expect(like).to_contain_text("7")


async def test_a_save_works_by_keyboard_and_a_page_opened_later_knows_it(page: Page, world: World) -> None:
    video_id = await open_feed(page, world)
    save = on_screen(page).get_by_role("button", name="Save")
    await save.focus()
    await page.keyboard.press("Space")
    await expect(save).to_have_attribute("aria-pressed", "true")
    await until(lambda: world.videos[video_id]["viewerState"]["saved"])
    await page.reload()
    await Visits.present(page)
    await expect(on_screen(page).get_by_role("button", name="Save")).to_have_attribute("aria-pressed", "true")


async def test_a_repost_is_done_and_undone(page: Page, world: World) -> None:
    video_id = await open_feed(page, world)
    repost = on_screen(page).get_by_role("button", name="Repost")
    await repost.click()
    await expect(repost).to_have_attribute("aria-pressed", "true")
    await until(lambda: world.videos[video_id]["viewerState"]["reposted"])
    world.fail["undoRepost"] = [user_error("RATE_LIMITED")]
    await repost.click()
    await expect(page.get_by_text("That was too fast.")).to_be_visible()
    await expect(repost).to_have_attribute("aria-pressed", "true")


async def test_a_maker_is_followed_on_every_clip_at_once(page: Page, world: World) -> None:
    first, _, third = fill(world, 3)
    world.person("carol")
    await page.goto("/")
    await Visits.sign_in(page, "carol")
    await page.goto("/")
    await Visits.present(page)
    maker = world.videos[first]["creator"]["handle"]
    assert world.videos[third]["creator"]["handle"] == maker
    await on_screen(page).get_by_role("button", name=f"Follow @{maker}").click()
    await until(lambda: world.crowd.state("carol", maker) == "FOLLOWING")
    await expect(page.locator(f'.clip[data-video="{third}"] .follow')).to_have_text(f"Following @{maker}")
    world.fail["unfollow"] = [user_error("RATE_LIMITED")]
    await on_screen(page).get_by_role("button", name=f"Following @{maker}").click()
    await expect(page.get_by_text("That was too fast.")).to_be_visible()
    await expect(on_screen(page).get_by_role("button", name=f"Following @{maker}")).to_be_visible()


async def test_presses_in_a_row_end_as_the_person_left_them(page: Page, world: World) -> None:
    video_id = await open_feed(page, world)
    like = on_screen(page).get_by_role("button", name="Like")
    for _ in range(5):
        await like.click()
    await expect(like).to_have_attribute("aria-pressed", "true")
    await until(lambda: world.videos[video_id]["viewerState"]["liked"] and world.videos[video_id]["likeCount"] == "8")


async def test_a_stranger_is_asked_to_sign_in(page: Page, world: World) -> None:
    fill(world, 1)
    await page.goto("/")
    await Visits.present(page)
    await on_screen(page).get_by_role("button", name="Like").click()
    await expect(page.get_by_text("Sign in to like clips.")).to_be_visible()
    assert calls(world, "Like") == []


async def test_a_copied_link_is_told_as_a_share_and_counted_at_once(page: Page, world: World) -> None:
    video_id = await open_feed(page, world)
    world.videos[video_id]["shareCount"] = "4"
    await page.reload()
    await Visits.present(page)
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    share_button = on_screen(page).get_by_role("button", name="Copy link")
    await share_button.click()
    await expect(share_button).to_contain_text("5")
    await until(lambda: calls(world, "Share") == ["Share"])
    (share,) = [variables for name, variables in world.calls if name == "Share"]
    assert (share["input"]["videoId"], share["input"]["target"]) == (video_id, "LINK")
