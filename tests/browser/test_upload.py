"""The upload page: sending, resuming, refusals, progress, publishing."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.browser.fake_world import PART_BYTES, World, user_error
from tests.browser.visits import Visits


@pytest.fixture
def clip(media: Path) -> Path:
    """A file of two parts."""
    file = media / "clip2" / "clip.mp4"
    assert PART_BYTES < file.stat().st_size < 2 * PART_BYTES
    return file


async def open_as(page: Page, world: World, handle: str) -> None:
    world.person(handle)
    await page.goto("/upload")
    await Visits.sign_in(page, handle)
    await expect(page.locator("#upload")).to_be_visible()


async def choose(page: Page, file: Path) -> None:
    await page.set_input_files("#file", file)


def named(world: World, name: str) -> list[dict[str, Any]]:
    return [variables.get("input", variables) for operation, variables in world.calls if operation == name]


async def test_a_file_goes_from_the_page_to_ready_with_live_progress(page: Page, world: World, clip: Path) -> None:
    await open_as(page, world, "alice")
    await choose(page, clip)
    await expect(page.locator("#step")).to_have_text("Waiting for its turn")
    [upload] = world.uploads
    assert b"".join(world.parts[upload][part] for part in (1, 2)) == clip.read_bytes()
    [started] = named(world, "StartUpload")
    assert (started["mimeType"], started["durationMs"], started["width"], started["height"]) == ("video/mp4", 5000, 216, 384)
    for stage, percent, text in (
        ("PROBING", 4, "Looking at the file"),
        ("ENCODING_FIRST", 37, "Making it playable"),
        ("ENCODING_REST", 60, "Plays already, more sizes follow"),
        ("DONE", 100, "Ready"),
    ):
        world.progress(upload, stage, percent)
        await expect(page.locator("#step")).to_have_text(text)
        await expect(page.get_by_role("progressbar")).to_have_attribute("aria-valuenow", str(percent))
    await expect(page.get_by_role("button", name="Upload another")).to_be_visible()


async def test_a_clip_that_grows_is_offered_while_it_is_processed_and_one_that_is_refused_is_not(
    page: Page, world: World, clip: Path
) -> None:
    await open_as(page, world, "alice")
    await choose(page, clip)
    await expect(page.locator("#step")).to_have_text("Waiting for its turn")
    [upload] = world.uploads
    watch = page.get_by_role("link", name="Watch it")
    world.progress(upload, "ENCODING_FIRST", 10)
    await expect(page.locator("#step")).to_have_text("Making it playable")
    await expect(watch).to_be_hidden()
    world.videos[upload]["playback"] = world.growing(1)
    await asyncio.sleep(1.6)
    world.progress(upload, "ENCODING_FIRST", 20)
    await expect(watch).to_have_attribute("href", f"/?video={upload}")
    world.progress(upload, "FAILED", 20, failureCode="CORRUPT_MEDIA", failureDetail="x")
    await expect(watch).to_be_hidden()


async def test_words_are_published_while_the_file_is_processed(page: Page, world: World, clip: Path) -> None:
    await open_as(page, world, "alice")
    await expect(page.get_by_role("button", name="Publish")).to_be_disabled()
    await choose(page, clip)
    await page.get_by_label("Caption").fill("Evening light #Calm")
    await page.get_by_label("Hashtags").fill("sunset, #beach")
    await page.get_by_label("Category").select_option("NATURE")
    await page.get_by_text("Only me").click()
    await page.locator("summary").click()
    await page.get_by_label("Duet").uncheck()
    await page.get_by_role("button", name="Publish").click()
    await expect(page.locator("#state")).to_have_text("Being checked")
    [published] = named(world, "PublishVideo")
    assert published["caption"] == "Evening light #Calm"
    assert published["hashtags"] == ["sunset", "beach", "calm"]
    assert (published["category"], published["visibility"]) == ("NATURE", "ONLY_ME")
    assert published["switches"] == {"allowComments": True, "allowDuet": False, "allowStitch": True, "allowDownload": True}
    world.progress(published["videoId"], "DONE", 100)
    await expect(page.locator("#state")).to_have_text("Published")


async def test_the_same_file_goes_on_where_it_was(page: Page, world: World, clip: Path) -> None:
    await open_as(page, world, "alice")
    held = asyncio.Event()

    async def hold_second(route: Any) -> None:
        if "/2?" in route.request.url:
            held.set()
            return
        await route.continue_()

    await page.route("**/upload/**", hold_second)
    await choose(page, clip)
    await asyncio.wait_for(held.wait(), 5)
    [upload] = world.uploads
    async with asyncio.timeout(5):
        while 1 not in world.parts[upload]:
            await asyncio.sleep(0.02)
    page.once("dialog", lambda dialog: asyncio.ensure_future(dialog.accept()))
    await page.reload()
    await page.unroute_all(behavior="ignoreErrors")
    world.calls.clear()
    await choose(page, clip)
    await expect(page.locator("#step")).to_have_text("Waiting for its turn")
    assert list(world.uploads) == [upload]
    assert [signed["partNumbers"] for signed in named(world, "SignUploadParts")] == [[2]]
    assert b"".join(world.parts[upload][part] for part in (1, 2)) == clip.read_bytes()


async def test_a_part_whose_link_has_ended_is_signed_again(page: Page, world: World, clip: Path) -> None:
    await open_as(page, world, "alice")
    world.broken_parts = 2
    await choose(page, clip)
    await expect(page.locator("#step")).to_have_text("Waiting for its turn")
    assert len(named(world, "SignUploadParts")) >= 2
    assert len(named(world, "CompleteUpload")) == 1


async def test_parts_that_the_store_lost_are_sent_again(page: Page, world: World, clip: Path) -> None:
    await open_as(page, world, "alice")
    world.lost_uploads = 1
    await choose(page, clip)
    await expect(page.locator("#step")).to_have_text("Waiting for its turn")
    [upload] = world.uploads
    assert len(named(world, "CompleteUpload")) == 2
    assert b"".join(world.parts[upload][part] for part in (1, 2)) == clip.read_bytes()


@pytest.mark.parametrize(
    ("code", "facts", "text"),
    [
        ("DURATION_TOO_SHORT", {"minMs": "15000"}, "The clip is too short: it needs at least 0:15."),
        ("UNSUPPORTED_CONTENT_TYPE", {}, "This kind of file is not taken. Use MP4, MOV, MKV, WebM or AVI."),
        ("TOO_MANY_OPEN_UPLOADS", {"limit": "5"}, "Too many uploads are open. Finish or cancel one in the studio."),
        ("SOMETHING_NEW", {}, "Refused."),
    ],
)
async def test_a_refusal_is_a_sentence(page: Page, world: World, clip: Path, code: str, facts: dict[str, str], text: str) -> None:
    await open_as(page, world, "alice")
    world.fail["startUpload"] = [user_error(code, **facts)]
    await choose(page, clip)
    await expect(page.get_by_role("alert").filter(has_text=text)).to_be_visible()
    await expect(page.get_by_role("button", name="Publish")).to_be_disabled()
    await page.get_by_role("button", name="Upload another").click()
    await choose(page, clip)
    await expect(page.locator("#step")).to_have_text("Waiting for its turn")


async def test_a_file_that_fails_in_processing_says_why(page: Page, world: World, clip: Path) -> None:
    await open_as(page, world, "alice")
    await choose(page, clip)
    await expect(page.locator("#step")).to_have_text("Waiting for its turn")
    [upload] = world.uploads
    world.progress(upload, "FAILED", 4, failureCode="CORRUPT_MEDIA", failureDetail="x")
    await expect(page.locator("#refusal")).to_have_text("The file is damaged and cannot be played.")


async def test_progress_goes_on_after_the_socket_broke(page: Page, world: World, clip: Path) -> None:
    await open_as(page, world, "alice")
    world.rehearsed = 2
    await choose(page, clip)
    await expect(page.locator("#step")).to_have_text("Waiting for its turn")
    async with asyncio.timeout(8):
        while world.rehearsed:
            await asyncio.sleep(0.05)
    [upload] = world.uploads
    world.progress(upload, "DONE", 100)
    await expect(page.locator("#step")).to_have_text("Ready")


async def test_cancelling_ends_the_session(page: Page, world: World, clip: Path) -> None:
    await open_as(page, world, "alice")
    await page.route("**/upload/**", lambda route: None)
    await choose(page, clip)
    await expect(page.locator("#step")).to_have_text("Sending")
    await page.get_by_role("button", name="Cancel upload").click()
    await expect(page.locator("#toasts")).to_contain_text("Upload cancelled.")
    [upload] = world.uploads.values()
    assert upload["state"] == "ABORTED"
    await expect(page.locator("#drop")).to_be_visible()
    assert await page.evaluate("() => Object.keys(localStorage).filter((key) => key.startsWith('clipmesh.upload'))") == []
    await page.unroute_all(behavior="ignoreErrors")


async def test_a_dropped_file_is_taken(page: Page, world: World, clip: Path) -> None:
    await open_as(page, world, "alice")
    data = await page.evaluate_handle(
        "async () => { const data = new DataTransfer(); const bytes = await (await fetch('/m/clip2/clip.mp4')).arrayBuffer();"
        " data.items.add(new File([bytes], 'dropped.mp4', { type: 'video/mp4' })); return data }"
    )
    await page.dispatch_event("#drop", "drop", {"dataTransfer": data})
    await expect(page.locator("#step")).to_have_text("Waiting for its turn")


async def test_strangers_are_asked_to_sign_in(page: Page, world: World) -> None:
    await page.goto("/upload")
    await expect(page.get_by_role("heading", name="Sign in to upload")).to_be_visible()
    await expect(page.locator("#upload")).to_be_hidden()
