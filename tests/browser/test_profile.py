"""The page of a person: who they are, following at once and taken back, block and mute, lists, one's own page with what nobody else sees."""

from __future__ import annotations

import asyncio
from typing import Any

from playwright.async_api import Page, expect

from tests.browser.fake_world import World, user_error
from tests.browser.swipes import until
from tests.browser.test_acts import calls
from tests.browser.visits import Visits

HOSTILE = "\u202eevil\u202c" + "\u200b" * 3 + "<b>bold</b>" + "W" * 200
"""A name with tricks: turned around, zero width, markup, very long."""


async def visit(page: Page, world: World, path: str, *, viewer: str = "alice") -> None:
    """A page of somebody who is signed in."""
    if viewer not in world.people:
        world.person(viewer)
    await page.goto("/settings")
    await Visits.sign_in(page, viewer)
    await page.goto(path)


def acts(page: Page, name: str) -> Any:
    return page.locator("#person").get_by_role("button", name=name, exact=True)


async def test_a_profile_shows_who_it_is_and_their_clips(page: Page, world: World) -> None:
    world.video("bob", "First clip")
    world.video("bob", "Not out", state="DRAFT")
    world.person("carol")
    world.crowd.follow("carol", "bob")
    world.people["bob"]["user"].update(bio="Tides and boats.\nEvery day.", displayName="Bob Harbour")
    await page.goto("/@bob")
    await expect(page.get_by_role("heading", name="Bob Harbour")).to_be_visible()
    await expect(page.locator("#person")).to_contain_text("@bob")
    await expect(page.locator("#person")).to_contain_text("1 follower")
    await expect(page.locator("#person")).to_contain_text("Tides and boats.")
    await expect(page.locator(".tile")).to_have_count(1)
    await expect(page.get_by_role("link", name="First clip")).to_have_attribute("href", "/?video=501")
    await acts(page, "Follow @bob").click()
    await expect(page.get_by_text("Sign in to follow people.")).to_be_visible()
    assert calls(world, "Follow") == []


async def test_missing_and_blocking_people_look_the_same(page: Page, world: World) -> None:
    world.person("bob")
    world.crowd.blocks.add(("bob", "alice"))
    await visit(page, world, "/@bob")
    await expect(page.get_by_role("heading", name="Nobody here")).to_be_visible()
    blocked = await page.locator("main").inner_text()
    await page.goto("/@nobody.at.all")
    await expect(page.get_by_role("heading", name="Nobody here")).to_be_visible()
    assert await page.locator("main").inner_text() == blocked


async def test_a_follow_shows_before_the_server_answers_and_is_taken_back_when_refused(page: Page, world: World) -> None:
    world.person("bob")
    answered = asyncio.Event()

    async def wait(route: Any) -> None:
        if route.request.post_data_json.get("operationName") == "Follow":
            await answered.wait()
        await route.continue_()

    await visit(page, world, "/@bob")
    await page.route("**/graphql", wait)
    await acts(page, "Follow @bob").click()
    await expect(acts(page, "Following @bob")).to_be_visible()
    await expect(page.locator("#person")).to_contain_text("1 follower")
    assert world.crowd.state("alice", "bob") == "NONE"
    answered.set()
    await until(lambda: world.crowd.state("alice", "bob") == "FOLLOWING")
    await acts(page, "Following @bob").click()
    await until(lambda: world.crowd.state("alice", "bob") == "NONE")
    await expect(page.locator("#person")).to_contain_text("0 followers")
    world.fail["follow"] = [user_error("TOO_MANY_FOLLOWS")]
    await acts(page, "Follow @bob").click()
    await expect(page.get_by_text("You follow as many people as one may.")).to_be_visible()
    await expect(acts(page, "Follow @bob")).to_be_visible()
    await expect(page.locator("#person")).to_contain_text("0 followers")


async def test_a_lost_answer_is_asked_for_again_under_its_own_name(page: Page, world: World) -> None:
    world.person("bob")
    await visit(page, world, "/@bob")
    lost: list[str] = []

    async def lose_first(route: Any) -> None:
        if route.request.post_data_json.get("operationName") == "Follow" and not lost:
            lost.append(route.request.post_data_json["variables"]["input"]["requestId"])
            await route.abort()
        else:
            await route.continue_()

    await page.route("**/graphql", lose_first)
    await acts(page, "Follow @bob").click()
    await expect(page.get_by_text("You seem to be offline.")).to_be_visible()
    await acts(page, "Follow @bob").click()
    await until(lambda: world.crowd.state("alice", "bob") == "FOLLOWING")
    (again,) = [variables["input"]["requestId"] for name, variables in world.calls if name == "Follow"]
    assert lost == [again]


async def test_a_private_account_is_asked_and_opens_to_followers_alone(page: Page, world: World) -> None:
    world.video("bob", "For followers")
    world.people["bob"]["user"]["isPrivate"] = True
    await visit(page, world, "/@bob")
    await expect(page.get_by_role("heading", name="This account is private")).to_be_visible()
    await expect(page.locator(".tile")).to_have_count(0)
    await acts(page, "Follow @bob").click()
    await expect(acts(page, "Requested @bob")).to_be_visible()
    await until(lambda: world.crowd.state("alice", "bob") == "REQUESTED")
    world.crowd.follow("alice", "bob")
    await page.reload()
    await expect(page.locator(".tile")).to_have_count(1)
    await expect(acts(page, "Following @bob")).to_be_visible()


async def test_block_and_mute_from_the_menu(page: Page, world: World) -> None:
    world.video("bob", "Loud")
    world.person("alice")
    world.crowd.follow("alice", "bob")
    world.crowd.follow("bob", "alice")
    await visit(page, world, "/@bob")
    await expect(acts(page, "Friends @bob")).to_be_visible()
    await acts(page, "More").click()
    await page.get_by_role("button", name="Mute").click()
    await until(lambda: ("alice", "bob") in world.crowd.mutes)
    await acts(page, "More").click()
    await page.get_by_role("button", name="Block").click()
    await page.get_by_role("dialog").get_by_role("button", name="Block").click()
    await expect(page.get_by_role("heading", name="You block @bob")).to_be_visible()
    await expect(page.locator(".tile")).to_have_count(0)
    await until(lambda: ("alice", "bob") in world.crowd.blocks)
    assert world.crowd.follows == {}
    await acts(page, "Unblock").click()
    await expect(acts(page, "Follow @bob")).to_be_visible()
    await expect(page.locator(".tile")).to_have_count(1)


async def test_followers_are_listed_page_by_page_and_followed_from_there(page: Page, world: World) -> None:
    world.person("bob")
    for number in range(23):
        world.person(f"fan{number}")
        world.crowd.follow(f"fan{number}", "bob")
    await visit(page, world, "/@bob")
    await page.get_by_role("button", name="23 followers").click()
    rows = page.get_by_role("dialog").locator(".person")
    await expect(rows).to_have_count(20)
    await expect(rows.first).to_contain_text("@fan22")
    await page.get_by_role("button", name="Show more").click()
    await expect(rows).to_have_count(23)
    await rows.first.get_by_role("button", name="Follow @fan22").click()
    await until(lambda: world.crowd.state("alice", "fan22") == "FOLLOWING")


async def test_requests_are_approved_and_declined_on_ones_own_page(page: Page, world: World) -> None:
    for name in ("alice", "bob", "carol"):
        world.person(name)
    world.crowd.follow("bob", "alice", "REQUESTED")
    world.crowd.follow("carol", "alice", "REQUESTED")
    await visit(page, world, "/@alice")
    requests = page.locator("#requests")
    await requests.get_by_role("button", name="Approve @bob").click()
    await expect(requests.locator(".person")).to_have_count(1)
    await requests.get_by_role("button", name="Decline @carol").click()
    await expect(requests).to_be_hidden()
    assert world.crowd.follows == {("bob", "alice"): "FOLLOWING"}


async def test_ones_own_words_are_changed_and_a_refusal_is_said(page: Page, world: World) -> None:
    await visit(page, world, "/@alice")
    await acts(page, "Edit profile").click()
    dialog = page.get_by_role("dialog")
    world.fail["updateProfile"] = [user_error("INVALID_TEXT")]
    await dialog.get_by_label("Shown name").fill("Alice Tide")
    await dialog.get_by_label("About you").fill("Boats <script>alert(1)</script>")
    await dialog.get_by_role("button", name="Save").click()
    await expect(dialog.get_by_role("alert")).to_contain_text("characters in it that are not taken")
    await dialog.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("heading", name="Alice Tide")).to_be_visible()
    await expect(page.locator(".bio")).to_have_text("Boats <script>alert(1)</script>")
    assert world.people["alice"]["user"]["displayName"] == "Alice Tide"


async def test_likes_and_saves_are_for_their_owner_and_kept_in_collections(page: Page, world: World) -> None:
    first, second = (world.video("bob", caption) for caption in ("Kept one", "Kept two"))
    for video in (first, second):
        video["viewerState"] = {"liked": False, "saved": True, "reposted": False}
    first["viewerState"]["liked"] = True
    world.gone["999"] = "liked"
    await visit(page, world, "/@alice")
    await page.get_by_role("button", name="Liked").click()
    await expect(page.locator(".tile")).to_have_count(2)
    await page.locator(".tile.gone").get_by_role("button", name="Remove").click()
    await expect(page.locator(".tile")).to_have_count(1)
    await page.get_by_role("button", name="Saved").click()
    await expect(page.locator(".tile")).to_have_count(2)
    await page.get_by_role("button", name="New collection").click()
    await page.get_by_role("dialog").get_by_label("Name").fill("Harbours")
    await page.get_by_role("dialog").get_by_role("button", name="Save").click()
    await expect(page.get_by_text("Nothing is kept in here yet.")).to_be_visible()
    await page.get_by_role("button", name="All", exact=True).click()
    await page.locator(f'.tile[data-video="{first["id"]}"]').get_by_role("button", name="Move or remove").click()
    await page.get_by_role("dialog").get_by_role("button", name="Harbours").click()
    await until(lambda: world.crowd.kept_in == {first["id"]: "300"})
    await page.get_by_role("button", name="Harbours").click()
    await expect(page.locator(".tile")).to_have_count(1)
    await page.get_by_role("button", name="Delete collection").click()
    await page.get_by_role("dialog").get_by_role("button", name="Delete", exact=True).click()
    await expect(page.locator(".tile")).to_have_count(2)
    assert world.crowd.collections == {}


async def test_hostile_names_stay_in_their_place(phone_page: Page, world: World) -> None:
    world.person("bob")
    world.people["bob"]["user"].update(displayName=HOSTILE, bio=HOSTILE)
    world.person("alice")
    world.crowd.follow("bob", "alice")
    await visit(phone_page, world, "/@bob")
    await expect(phone_page.locator("#name bdi")).to_have_text(HOSTILE)
    assert await phone_page.locator("#person b").count() == 0
    assert not await Visits.scrolls_sideways(phone_page)
    await phone_page.goto("/@alice")
    await phone_page.get_by_role("button", name="1 follower").click()
    await expect(phone_page.get_by_role("dialog").locator(".shown-name")).to_have_text(HOSTILE)
    assert not await Visits.scrolls_sideways(phone_page)
