"""One's picture and handle in the settings, faces wherever people are shown, and what a comment said before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from playwright.async_api import Page, expect

from tests.browser.fake_people import FACES
from tests.browser.fake_world import World, user_error
from tests.browser.test_comments import acts, open_drawer, said
from tests.browser.test_settings import open_settings
from tests.hostile.media.portraits import halves, written


def inputs(world: World, name: str) -> list[dict[str, Any]]:
    """What an operation was asked, each time."""
    return [variables["input"] for operation, variables in world.calls if operation == name]


async def choose(page: Page, name: str = "holiday.png", content: bytes | None = None) -> None:
    file = {"name": name, "mimeType": "image/png", "buffer": content or written(halves(), "PNG")}
    await page.locator("#picture input").set_input_files(file)  # type: ignore[arg-type]


async def test_a_picture_is_looked_at_sent_shown_and_taken_away(page: Page, world: World, tmp_path: Path) -> None:
    await open_settings(page, world)
    card = page.locator("#picture")
    await expect(card.locator(".face")).to_have_text("a")
    await choose(page)
    assert (await card.locator(".face img").get_attribute("src") or "").startswith("blob:")
    await card.get_by_role("button", name="Cancel").click()
    await expect(card.locator(".face img")).to_have_count(0)
    assert inputs(world, "StartAvatarUpload") == []
    await choose(page)
    await card.get_by_role("button", name="Save").click()
    await expect(page.locator("#toasts")).to_contain_text("This is you now.")
    assert world.parts[FACES][1] == written(halves(), "PNG")
    [started], [completed] = inputs(world, "StartAvatarUpload"), inputs(world, "CompleteAvatar")
    assert started["sizeBytes"] == str(len(written(halves(), "PNG")))
    assert completed == {"requestId": started["requestId"], "imageId": "9001"}
    for face in (card.locator(".face img"), page.locator("#account .face img")):
        await expect(face).to_have_attribute("src", f"/{FACES}/1")
        assert await face.evaluate("(one) => one.decode().then(() => one.naturalWidth)") == 120
    await page.screenshot(path=tmp_path / "settings.png")
    await page.goto("/@alice")
    await expect(page.locator("#person .face img")).to_be_visible()
    await page.screenshot(path=tmp_path / "profile.png")
    await page.goto("/settings")
    await card.get_by_role("button", name="Remove").click()
    await expect(card.locator(".face img")).to_have_count(0)
    assert world.people["alice"]["user"]["avatar"] is None


async def test_a_refusal_is_said_in_words_and_the_picture_of_before_stays(page: Page, world: World) -> None:
    world.person("alice")["user"]["avatar"] = {"id": "1", "url": f"/{FACES}/1"}
    world.parts[FACES] = {1: written(halves(), "PNG")}
    await open_settings(page, world)
    card = page.locator("#picture")
    for code, sentence in (
        ("ANIMATED_IMAGE", "The picture moves. Choose one that stands still."),
        ("TOO_MANY_PIXELS", "The picture has too many pixels. Choose a smaller one."),
    ):
        await choose(page)
        world.fail["completeAvatar"] = [user_error(code)]
        await card.get_by_role("button", name="Save").click()
        await expect(card.get_by_role("alert")).to_have_text(sentence)
    await card.get_by_role("button", name="Cancel").click()
    await expect(card.locator(".face img")).to_have_attribute("src", f"/{FACES}/1")
    await expect(card.locator(".problem")).to_be_empty()


async def test_a_handle_is_changed_unless_somebody_has_it(page: Page, world: World) -> None:
    world.person("bob")
    await open_settings(page, world)
    form = page.locator("#handle")
    await form.get_by_label("Handle").fill("@Bob")
    await form.get_by_role("button", name="Change handle").click()
    await expect(form.get_by_role("alert")).to_have_text("This handle belongs to somebody else.")
    await form.get_by_label("Handle").fill("alice.new")
    await form.get_by_role("button", name="Change handle").click()
    await expect(page.locator("#toasts")).to_contain_text("You are @alice.new now.")
    await expect(page.locator("#account")).to_contain_text("@alice.new")
    first, second = inputs(world, "ChangeHandle")
    assert [one["handle"] for one in (first, second)] == ["Bob", "alice.new"]
    assert first["requestId"] != second["requestId"]


async def test_what_a_comment_said_before_is_shown_to_who_wrote_it(page: Page, world: World, tmp_path: Path) -> None:
    video_id = await open_drawer(page, world, says={"Somebody else's": {}})
    mine = world.talk.comment(world.people["alice"]["user"], video_id, "Fisrt")
    other = next(one for one in world.talk.comments.values() if one["text"] == "Somebody else's")
    other["editedAt"] = mine["postedAt"]
    await page.get_by_role("button", name="Newest").click()
    for text in ("First", "First!"):
        row = said(page, mine["text"])
        await acts(row, "Edit").click()
        await page.locator(".drawer form.edit textarea").fill(text)
        await page.locator(".drawer form.edit").get_by_role("button", name="Save", exact=True).click()
        await expect(said(page, text)).to_contain_text("edited")
    await said(page, "First!").get_by_role("button", name="edited").click()
    shown = page.get_by_role("dialog", name="What the comment said")
    await expect(shown.locator(".history .text")).to_have_text(["First!", "First", "Fisrt"])
    await page.screenshot(path=tmp_path / "history.png")
    await shown.get_by_role("button", name="Close").click()
    await expect(said(page, "Somebody else's").get_by_text("edited")).to_be_visible()
    await expect(said(page, "Somebody else's").get_by_role("button", name="edited")).to_have_count(0)
