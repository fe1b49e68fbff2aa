"""The drawer of comments: threads and orders, replies in their place, one's own seen at once and taken back, what a creator may do, live."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from playwright.async_api import Browser, Locator, Page, expect

from tests.browser.chromium import visitor
from tests.browser.fake_gateway import FakeGateway
from tests.browser.fake_world import World, user_error
from tests.browser.swipes import on_screen, until
from tests.browser.test_acts import calls
from tests.browser.visits import Visits

HOSTILE = "\u202eevil\u202c <img src=x onerror=alert(1)> " + "W" * 400


async def open_drawer(page: Page, world: World, *, viewer: str = "alice", maker: str = "bob", says: dict[str, Any] | None = None) -> str:
    """The comments of the clip on screen, for somebody who is signed in."""
    for name in {viewer, maker, "bob"}:
        if name not in world.people:
            world.person(name)
    video_id: str = world.video(maker, "Talked about")["id"]
    for text, changes in (says or {}).items():
        world.talk.comment(world.people["bob"]["user"], video_id, text, **changes)
    await page.goto("/settings")
    await Visits.sign_in(page, viewer)
    await page.goto("/")
    await Visits.present(page)
    await on_screen(page).get_by_role("button", name="Comments").click()
    await expect(page.locator(".drawer .foot > *")).to_be_visible()
    return video_id


def said(page: Page, text: str) -> Locator:
    return page.locator(".drawer .comment").filter(has=page.locator("> .said .text", has_text=text))


def acts(row: Locator, name: str) -> Locator:
    return row.locator("> .said").get_by_role("button", name=name, exact=True)


async def say(page: Page, text: str) -> None:
    await page.get_by_label("Your comment").fill(text)
    await page.get_by_role("button", name="Post", exact=True).click()


async def test_threads_are_shown_in_order_with_their_replies(page: Page, world: World) -> None:
    video_id = await open_drawer(page, world, says={"Older, liked": {"likeCount": "5"}, "Newer": {}})
    for number in range(5):
        world.talk.comment(world.people["bob"]["user"], video_id, f"Reply {number}", answers="8000")
    await page.get_by_role("button", name="Newest").click()
    texts = page.locator(".drawer .roll > .comments > .comment > .said .text")
    await expect(texts).to_have_text(["Newer", "Older, liked"])
    await page.get_by_role("button", name="Top").click()
    await expect(texts).to_have_text(["Older, liked", "Newer"])
    thread = said(page, "Older, liked")
    await expect(thread.locator(".comments .text")).to_have_text(["Reply 0", "Reply 1", "Reply 2"])
    await thread.get_by_role("button", name="Show 2 more replies").click()
    await expect(thread.locator(".comments .text")).to_have_text([f"Reply {number}" for number in range(5)])
    await expect(thread.get_by_role("button", name="Show")).to_be_hidden()
    await page.keyboard.press("Escape")
    await expect(page.locator(".drawer")).to_have_count(0)
    await expect(on_screen(page).get_by_role("button", name="Comments, 7")).to_be_focused()


async def test_a_comment_shows_before_the_server_answers_and_comes_back_into_the_field_when_refused(page: Page, world: World) -> None:
    await open_drawer(page, world)
    answered = asyncio.Event()

    async def wait(route: Any) -> None:
        if route.request.post_data_json.get("operationName") == "PostComment":
            await answered.wait()
        await route.continue_()

    await page.route("**/graphql", wait)
    await say(page, "First words")
    await expect(page.locator(".drawer .sending")).to_have_text("First words")
    answered.set()
    await expect(said(page, "First words")).to_be_visible()
    await expect(page.get_by_role("heading", name="1 comment")).to_be_visible()
    world.fail["postComment"] = [user_error("TEXT_NOT_ALLOWED")]
    await say(page, "Nasty words")
    await expect(page.get_by_role("alert")).to_have_text("This cannot be said here.")
    await expect(page.get_by_label("Your comment")).to_have_value("Nasty words")
    await expect(page.locator(".drawer .comment")).to_have_count(1)


async def test_a_comment_whose_answer_was_lost_is_posted_once(page: Page, world: World) -> None:
    await open_drawer(page, world)
    lost: list[str] = []

    async def lose_first(route: Any) -> None:
        if route.request.post_data_json.get("operationName") == "PostComment" and not lost:
            lost.append(route.request.post_data_json["variables"]["input"]["requestId"])
            await route.fetch()
            await route.abort()
        else:
            await route.continue_()

    await page.route("**/graphql", lose_first)
    await say(page, "Only once")
    await expect(page.get_by_role("alert")).to_have_text("You seem to be offline.")
    await page.get_by_role("button", name="Post", exact=True).click()
    await until(lambda: len(calls(world, "PostComment")) == 2)
    await expect(page.get_by_role("alert")).to_have_count(0)
    await expect(said(page, "Only once")).to_have_count(1)
    assert len(world.talk.comments) == 1
    assert {variables["input"]["requestId"] for name, variables in world.calls if name == "PostComment"} == set(lost)


async def test_ones_own_comment_is_answered_liked_edited_and_deleted(page: Page, world: World) -> None:
    await open_drawer(page, world, says={"Somebody else": {"likeCount": "2"}})
    other = said(page, "Somebody else")
    await other.get_by_role("button", name="Like, 2").click()
    await expect(other.get_by_role("button", name="Like, 3")).to_have_attribute("aria-pressed", "true")
    await until(lambda: world.talk.comments["8000"]["liked"])
    await expect(acts(other, "Edit")).to_have_count(0)
    await acts(other, "Reply").click()
    await expect(page.get_by_label("Your comment")).to_be_focused()
    await page.keyboard.type("My answer")
    await page.keyboard.press("Enter")
    mine = other.locator('[data-comment="8001"]')
    await acts(mine, "Edit").click()
    await mine.get_by_label("Your comment").fill("My better answer")
    world.fail["editComment"] = [user_error("INVALID_TEXT")]
    await mine.get_by_role("button", name="Save").click()
    await expect(mine.get_by_role("alert")).to_contain_text("characters in it that are not taken")
    await mine.get_by_role("button", name="Save").click()
    await expect(mine).to_contain_text("edited")
    await expect(mine.locator(".text")).to_have_text("My better answer")
    world.fail["deleteComment"] = [user_error("RATE_LIMITED")]
    for _ in range(2):
        await acts(mine, "Delete").click()
        await page.get_by_role("dialog", name="Delete your comment?").get_by_role("button", name="Delete").click()
        await expect(page.get_by_role("dialog", name="Delete your comment?")).to_have_count(0)
    await until(lambda: world.talk.comments["8001"]["state"] == "REMOVED")
    await expect(mine).to_be_hidden()


async def test_a_creator_pins_hides_and_approves(page: Page, world: World) -> None:
    await open_drawer(
        page,
        world,
        viewer="alice",
        maker="alice",
        says={"Pin me": {}, "Hide me": {}, "Hold me": {"state": "HELD"}, "Refuse me": {"state": "HELD"}},
    )
    waiting = page.get_by_role("region", name="Waits for your approval")
    await expect(waiting.locator(".comment")).to_have_count(2)
    await acts(waiting.locator(".comment").filter(has_text="Hold me"), "Approve").click()
    await until(lambda: world.talk.comments["8002"]["state"] == "PUBLISHED")
    await acts(waiting.locator(".comment").filter(has_text="Refuse me"), "Hide").click()
    await until(lambda: world.talk.comments["8003"]["state"] == "HIDDEN")
    await acts(said(page, "Pin me"), "Pin").click()
    await expect(said(page, "Pin me")).to_contain_text("Pinned")
    await expect(page.locator(".drawer .roll > .comments > .comment").first).to_contain_text("Pin me")
    world.fail["hideComment"] = [user_error("RATE_LIMITED")]
    await acts(said(page, "Hide me"), "Hide").click()
    await expect(page.get_by_text("That was too fast.")).to_be_visible()
    await expect(acts(said(page, "Hide me"), "Hide")).to_be_visible()
    await acts(said(page, "Hide me"), "Hide").click()
    await expect(said(page, "Hide me")).to_contain_text("Hidden")
    assert [world.talk.comments[one]["state"] for one in ("8000", "8001")] == ["PUBLISHED", "HIDDEN"]


async def test_a_held_comment_says_that_it_waits(page: Page, world: World) -> None:
    world.talk.holds = True
    await open_drawer(page, world)
    await say(page, "Look at example.org")
    await expect(page.locator("dialog .toast")).to_have_text("Your comment appears once the creator has approved it.")
    await expect(said(page, "Look at")).to_contain_text("Waits for approval")
    await page.keyboard.press("Escape")
    await expect(page.locator("body > #toasts .toast")).to_be_visible()


async def test_words_are_text_and_names_are_links(phone_page: Page, world: World) -> None:
    page = phone_page
    world.person("evil")["user"]["displayName"] = HOSTILE
    world.person("bob")
    video_id = world.video("bob", "Talked about")["id"]
    world.talk.comment(world.people["evil"]["user"], video_id, f"{HOSTILE} @bob. @nobody", mentions=[world.people["bob"]["user"]])
    await page.goto("/")
    await Visits.present(page)
    await on_screen(page).get_by_role("button", name="Comments, 1").click()
    text = page.locator(".drawer .text")
    await expect(text).to_have_text(f"{HOSTILE} @bob. @nobody")
    assert await page.locator(".drawer img").count() == 0
    await expect(text.get_by_role("link")).to_have_text(["@bob"])
    await expect(text.get_by_role("link")).to_have_attribute("href", "/@bob")
    assert not await Visits.scrolls_sideways(page)
    assert await page.evaluate("() => { const one = document.querySelector('.drawer .scroll'); return one.scrollWidth <= one.clientWidth }")
    await expect(page.get_by_text("Sign in to say something.")).to_be_visible()


async def test_comments_that_are_off_can_be_read_and_no_more(page: Page, world: World) -> None:
    video_id = world.video(
        "bob", "Quiet please", switches={"allowComments": False, "allowDuet": True, "allowStitch": True, "allowDownload": True}
    )["id"]
    world.talk.comment(None, video_id, "From before")
    world.talk.comment(None, video_id, "", state="REMOVED")
    world.talk.comment(None, video_id, "Below it", answers="8001")
    await page.goto(f"/?video={video_id}")
    await on_screen(page).get_by_role("button", name="Comments").click()
    await expect(page.get_by_text("Comments are switched off.")).to_be_visible()
    await expect(said(page, "From before")).to_be_visible()
    await expect(page.get_by_text("This comment was removed.")).to_be_visible()


async def test_a_link_leads_to_a_comment_with_what_it_answers(page: Page, world: World) -> None:
    world.person("bob")
    video_id = world.video("bob", "Talked about")["id"]
    world.talk.comment(world.people["bob"]["user"], video_id, "The beginning")
    world.talk.comment(world.people["bob"]["user"], video_id, "The answer", answers="8000")
    await page.goto(f"/?video={video_id}&comment=8001")
    await expect(page.locator(".drawer .led .target .text")).to_have_text("The answer")
    await expect(page.locator(".drawer .comment")).to_have_count(2)


@pytest.mark.timeout(90)
async def test_two_people_talk_and_the_counts_move(chromium: Browser, fake: FakeGateway, world: World, page: Page) -> None:
    video_id = await open_drawer(page, world, viewer="alice", maker="bob")
    await page.keyboard.press("Escape")
    button = on_screen(page).get_by_role("button", name="Comments, 0")
    await expect(button).to_be_visible()
    async with visitor(chromium, fake.origin) as context, Visits.page(context) as other:
        await other.goto(f"/?video={video_id}")
        await Visits.sign_in(other, "bob")
        await on_screen(other).get_by_role("button", name="Comments").click()
        await say(other, "Hello")
        await expect(on_screen(page).get_by_role("button", name="Comments, 1")).to_be_visible(timeout=2000)
        await on_screen(page).get_by_role("button", name="Comments, 1").click()
        await expect(said(page, "Hello")).to_be_visible()
        await say(page, "And to you")
        await expect(said(other, "And to you")).to_be_visible(timeout=2000)
        await expect(said(page, "And to you")).to_have_count(1)
        await expect(other.get_by_role("heading", name="2 comments")).to_be_visible()
