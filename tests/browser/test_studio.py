"""The studio and the review desk."""

from __future__ import annotations

import asyncio
import re

from playwright.async_api import Locator, Page, expect

from tests.browser.fake_gateway import LISTED
from tests.browser.fake_world import World, user_error
from tests.browser.visits import Visits


async def open_studio(page: Page, world: World) -> None:
    await page.goto("/studio")
    await Visits.sign_in(page, "alice")


def row(page: Page, text: str) -> Locator:
    return page.locator("#videos .item").filter(has_text=text)


async def test_every_video_shows_its_state_and_numbers(page: Page, world: World) -> None:
    world.video("alice", "Out")
    world.video("alice", "Waiting", state="IN_REVIEW")
    world.video("alice", "Broken", state="FAILED", failureCode="NO_VIDEO", playback=None, viewCount="0")
    world.video("bob", "Not mine")
    await open_studio(page, world)
    await expect(page.locator("#videos .item")).to_have_count(3)
    await expect(row(page, "Out")).to_contain_text("Published")
    await expect(row(page, "Out")).to_contain_text("1.2K views")
    await expect(row(page, "Waiting")).to_contain_text("In review")
    await expect(row(page, "Broken")).to_contain_text("There are no moving pictures in this file.")
    await expect(row(page, "Broken").get_by_role("button", name="Edit")).to_have_count(0)


async def test_the_sound_of_a_clip_is_drawn(page: Page, world: World) -> None:
    world.video("alice", "Loud")
    world.video("alice", "Silent", playback={**world.playback(0), "waveformUrl": None})
    await open_studio(page, world)
    drawn = row(page, "Loud").locator(".waveform path")
    await expect(drawn).to_have_attribute("d", re.compile(r"^M0\.0 11\.5h38\.4v1\.0h-38\.4zM64\.0 0\.0h38\.4v24\.0h-38\.4z"))
    await expect(row(page, "Silent").locator(".waveform")).to_have_count(0)


async def test_a_video_is_edited(page: Page, world: World) -> None:
    video = world.video("alice", "Before")
    await open_studio(page, world)
    await row(page, "Before").get_by_role("button", name="Edit").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Caption").fill("After")
    await dialog.get_by_text("Only me").click()
    await dialog.get_by_role("button", name="Save").click()
    await expect(row(page, "After")).to_contain_text("Only me")
    assert (video["caption"], video["visibility"], video["version"]) == ("After", "ONLY_ME", "4")


async def test_a_change_of_somebody_else_is_not_overwritten(page: Page, world: World) -> None:
    video = world.video("alice", "Before")
    await open_studio(page, world)
    await row(page, "Before").get_by_role("button", name="Edit").click()
    video.update(version="9", caption="Elsewhere")
    await page.get_by_role("dialog").get_by_label("Caption").fill("Mine")
    await page.get_by_role("dialog").get_by_role("button", name="Save").click()
    await expect(page.get_by_role("alert").filter(has_text="The video changed meanwhile.")).to_be_visible()
    assert video["caption"] == "Elsewhere"


async def test_every_audience_is_offered(page: Page, world: World) -> None:
    video = world.video("alice", "Close", visibility="FRIENDS")
    await open_studio(page, world)
    await expect(row(page, "Close")).to_contain_text("Friends")
    await row(page, "Close").get_by_role("button", name="Edit").click()
    choices = page.get_by_role("dialog").locator("input[name=visibility]")
    offered = await choices.evaluate_all("(all) => all.map((one) => [one.value, one.checked])")
    assert offered == [["PUBLIC", False], ["FOLLOWERS", False], ["FRIENDS", True], ["ONLY_ME", False]]
    await page.get_by_role("dialog").get_by_text("Those who follow you.").click()
    world.fail["updateVideo"] = [user_error("PUBLIC_NEEDS_AGE")]
    await page.get_by_role("dialog").get_by_role("button", name="Save").click()
    await expect(page.get_by_role("alert").filter(has_text="choose followers, friends or only you")).to_be_visible()
    await page.get_by_role("dialog").get_by_role("button", name="Save").click()
    await expect(row(page, "Close")).to_contain_text("Followers")
    assert video["visibility"] == "FOLLOWERS"
    await page.goto("/upload")
    offered = await page.locator("input[name=visibility]").evaluate_all("(all) => all.map((one) => [one.value, one.checked])")
    assert offered == [["PUBLIC", True], ["FOLLOWERS", False], ["FRIENDS", False], ["ONLY_ME", False]]


async def test_the_young_are_offered_themselves_alone(page: Page, world: World) -> None:
    video = world.video("alice", "", state="DRAFT", publishedAt=None)
    world.people["alice"]["ageBand"] = "AGE_13_TO_15"
    await open_studio(page, world)
    await page.locator("#videos .item").get_by_role("button", name="Publish").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text("Below 16 no clip is for everyone.")
    await expect(dialog.locator("input[name=visibility]")).to_have_count(3)
    await dialog.get_by_role("button", name="Publish").click()
    await expect(page.locator("#videos .item")).to_contain_text("Only me")
    assert (video["visibility"], video["state"]) == ("ONLY_ME", "READY")
    await page.goto("/upload")
    await expect(page.locator("#upload")).to_be_visible()
    assert await page.locator("input[name=visibility]").evaluate_all("(all) => all.map((one) => one.value)") == [
        "FOLLOWERS",
        "FRIENDS",
        "ONLY_ME",
    ]


async def test_a_draft_is_published(page: Page, world: World) -> None:
    video = world.video("alice", "", state="DRAFT", publishedAt=None)
    await open_studio(page, world)
    await page.locator("#videos .item").get_by_role("button", name="Publish").click()
    await page.get_by_role("dialog").get_by_label("Caption").fill("Now it is out")
    await page.get_by_role("dialog").get_by_role("button", name="Publish").click()
    await expect(row(page, "Now it is out")).to_contain_text("Published")
    assert video["state"] == "READY"


async def test_nothing_is_deleted_without_a_question(page: Page, world: World) -> None:
    video = world.video("alice", "Precious")
    await open_studio(page, world)
    await row(page, "Precious").get_by_role("button", name="Delete").click()
    await expect(page.get_by_role("button", name="Keep it")).to_be_focused()
    await page.keyboard.press("Enter")
    assert video["id"] in world.videos
    await row(page, "Precious").get_by_role("button", name="Delete").click()
    await page.get_by_role("button", name="Delete for good").click()
    await expect(page.get_by_role("heading", name="Nothing here yet")).to_be_visible()
    assert world.videos == {}


async def test_processing_moves_live_and_open_uploads_can_be_ended(page: Page, world: World) -> None:
    world.person("alice")
    await page.goto("/studio")
    await Visits.sign_in(page, "alice")
    start = next(text for text in LISTED if text.startswith("mutation StartUpload("))
    for number in (1, 2):
        body = {
            "query": start,
            "operationName": "StartUpload",
            "variables": {"input": {"requestId": f"r{number}", "sizeBytes": "100", "mimeType": "video/mp4"}},
        }
        await page.request.post("/graphql", data=body, headers={"authorization": "Bearer access-alice-x"})
    moving, waiting = world.uploads
    world.uploads[moving].update(state="COMPLETED", stage="QUEUED")
    world.videos[moving].update(state="PROCESSING", caption="Moving")
    await page.reload()
    meter = row(page, "Moving").get_by_role("progressbar")
    await expect(meter).to_have_attribute("aria-valuenow", "0")
    world.progress(moving, "ENCODING_FIRST", 41)
    await expect(meter).to_have_attribute("aria-valuenow", "41")
    world.videos[moving]["playback"] = world.growing(1)
    await asyncio.sleep(1.6)
    world.progress(moving, "ENCODING_FIRST", 45)
    await expect(row(page, "Moving").get_by_role("link", name="Watch while it is made")).to_have_attribute("href", f"/?video={moving}")
    world.progress(moving, "DONE", 100)
    await expect(row(page, "Moving")).to_contain_text("Draft")
    await page.get_by_role("button", name="Cancel upload").click()
    await expect(page.locator("#open-section")).to_be_hidden()
    assert world.uploads[waiting]["state"] == "ABORTED"


async def test_more_than_a_page_of_videos(page: Page, world: World) -> None:
    for number in range(14):
        world.video("alice", f"Clip {number}")
    await open_studio(page, world)
    await expect(page.locator("#videos .item")).to_have_count(12)
    await page.get_by_role("button", name="Show more").click()
    await expect(page.locator("#videos .item")).to_have_count(14)


async def test_the_desk_is_closed_for_others(page: Page, world: World) -> None:
    world.person("alice")
    await page.goto("/review")
    await expect(page.get_by_role("heading", name="This desk is for moderators")).to_be_visible()
    await Visits.sign_in(page, "alice")
    await expect(page.get_by_text("Your account is not one of them.")).to_be_visible()
    assert [name for name, _ in world.calls if name == "ReviewQueue"] == []


async def test_the_desk_is_open_for_admins(page: Page, world: World) -> None:
    world.person("root", roles=("VIEWER", "ADMIN"))
    world.review(world.video("alice", "See example.org"))
    await page.goto("/review")
    await Visits.sign_in(page, "root")
    await expect(page.locator("#case")).to_contain_text("See example.org")
    await expect(page.get_by_role("link", name="Review")).to_be_visible()


async def test_a_moderator_reads_the_evidence_plays_the_clip_and_decides(page: Page, world: World) -> None:
    world.person("carla", roles=("VIEWER", "MODERATOR"))
    first, second = world.review(world.video("alice", "See example.org")), world.review(world.video("bob", "Other"), policy="words")
    await page.goto("/review")
    await Visits.sign_in(page, "carla")
    await expect(page.locator("#case")).to_contain_text("the caption has a link to example.org")
    await page.wait_for_function("() => document.querySelector('#case video').readyState >= 1")
    await page.get_by_role("button", name="Decide", exact=True).click()
    await expect(page.locator("#case").get_by_role("alert")).to_have_text("Choose a decision.")
    await page.get_by_text("Limit").click()
    await page.get_by_role("button", name="Decide", exact=True).click()
    await expect(page.locator("#case").get_by_role("alert")).to_have_text("Give a reason.")
    await page.get_by_label("Reason").fill("A link, but harmless")
    await page.get_by_role("button", name="Decide", exact=True).click()
    await expect(page.locator("#queue li")).to_have_count(1)
    assert (first["decision"], first["decisionReason"], second["state"]) == ("LIMIT", "A link, but harmless", "OPEN")
    await page.get_by_role("button", name="Decided").click()
    await expect(page.locator("#case")).to_contain_text("A link, but harmless")
