"""The inbox and its badge: sentences, what comes while the page is open, going on after a break, reading, what a person wants to hear of."""

from __future__ import annotations

from playwright.async_api import Page, expect

from tests.browser.fake_gateway import FakeGateway
from tests.browser.fake_world import World, user_error
from tests.browser.swipes import until
from tests.browser.visits import Visits


async def open_inbox(page: Page, world: World, path: str = "/notifications") -> None:
    if "alice" not in world.people:
        world.person("alice")
    await page.goto(path)
    await Visits.sign_in(page, "alice")


async def test_the_badge_counts_on_every_page_and_goes_on_after_a_break(page: Page, world: World, fake: FakeGateway) -> None:
    world.talk.notify("SECURITY", detail="REFRESH_TOKEN_REUSED")
    await open_inbox(page, world, "/settings")
    badge = page.locator("#unread")
    await expect(badge).to_have_text("1 unread")
    world.talk.notify("FOLLOW", actors=[world.person("bob")["user"]])
    await expect(badge).to_have_text("2 unread")
    await expect(page).to_have_title("(2) Settings · Clipmesh")
    await fake.cut()
    world.talk.notify("FOLLOW", actors=[world.person("carol")["user"]])
    await expect(badge).to_have_text("3 unread")
    world.talk.read(set(world.talk.inbox))
    await expect(badge).to_be_hidden()
    await expect(page).to_have_title("Settings · Clipmesh")
    # The first began now, the second after what the first had told.
    assert world.talk.asked_after[-2:] == [None, "2"]


async def test_sentences_group_people_and_lead_on(page: Page, world: World) -> None:
    world.person("alice")
    bob, carol = (world.person(name)["user"] for name in ("bob", "carol"))
    video = world.video("alice", "Velvet tide")
    about = {"videoId": video["id"], "video": video}
    world.talk.notify("VIDEO_FAILED", detail="NO_VIDEO", unread=False, **about)
    world.talk.notify("VERDICT", detail="BLOCK", **about)
    world.talk.notify("FOLLOW_REQUEST", actors=[bob, carol], count=2)
    world.talk.notify("COMMENT", actors=[carol], count=3, commentId="8000", **about)
    world.talk.notify("LIKE", actors=[bob, carol], count=42, **about)
    world.talk.notify("MENTION", actors=[], count=1, commentId="8000", **about)
    await open_inbox(page, world)
    rows = page.locator(".notice-row")
    await expect(rows.locator("p")).to_have_text(
        [
            "Somebody mentioned you “Velvet tide”.",
            "Bob and 41 others liked your clip “Velvet tide”.",
            "Carol commented on your clip “Velvet tide” (3 times).",
            "Bob and Carol ask to follow you.",
            "Your clip breaks a rule and is not shown “Velvet tide”.",
            "Your clip could not be used “Velvet tide”: There are no moving pictures in this file.",
        ]
    )
    hrefs = await rows.locator("a").evaluate_all("(all) => all.map((one) => one.getAttribute('href'))")
    clip = f"/?video={video['id']}"
    assert hrefs == [f"{clip}&comment=8000", clip, f"{clip}&comment=8000", "/@alice", "/studio", "/studio"]
    await expect(page.locator(".notice-row.unread")).to_have_count(5)
    await rows.nth(3).get_by_role("link").click()
    await expect(page.get_by_role("heading", name="Alice")).to_be_visible()
    await until(lambda: world.talk.unread() == 4)


async def test_what_comes_grows_and_goes_is_seen_without_gap_or_double(page: Page, world: World, fake: FakeGateway) -> None:
    world.person("alice")
    bob, carol = (world.person(name)["user"] for name in ("bob", "carol"))
    first = world.talk.notify("FOLLOW", actors=[bob], unread=False)
    second = world.talk.notify("LIKE", actors=[bob])
    await open_inbox(page, world)
    rows = page.locator(".notice-row")
    await expect(rows).to_have_count(2)
    world.talk.notify("FOLLOW", id=first["id"], actors=[carol, bob], count=2)
    await expect(rows.locator("p")).to_have_text(["Carol and Bob follow you.", "Bob liked your clip."])
    await fake.cut()
    world.talk.withdraw(second["id"])
    third = world.talk.notify("REPOST", actors=[carol])
    await expect(rows.locator("p")).to_have_text(["Carol reposted your clip.", "Carol and Bob follow you."])
    world.talk.bad_cursors.update(str(number) for number in range(9))
    await fake.cut()
    await until(lambda: len(world.talk.asked_after) > 2)
    world.talk.bad_cursors.clear()
    world.talk.notify("REPOST", id=third["id"], actors=[bob, carol], count=2)
    await expect(rows.locator("p")).to_have_text(["Bob and Carol reposted your clip.", "Carol and Bob follow you."])
    await expect(page.locator("#unread")).to_have_text("2 unread")


async def test_all_is_marked_as_read_and_taken_back_when_refused(page: Page, world: World) -> None:
    world.person("alice")
    for _ in range(2):
        world.talk.notify("LIKE", actors=[world.person("bob")["user"]])
    await open_inbox(page, world)
    world.fail["markNotificationsRead"] = [user_error("RATE_LIMITED")]
    await page.get_by_role("button", name="Mark all as read").click()
    await expect(page.get_by_text("That was too fast.")).to_be_visible()
    await expect(page.locator(".notice-row.unread")).to_have_count(2)
    await page.get_by_role("button", name="Mark all as read").click()
    await expect(page.locator(".notice-row.unread")).to_have_count(0)
    await expect(page.get_by_role("button", name="Mark all as read")).to_be_hidden()
    await expect(page.locator("#unread")).to_be_hidden()
    (asked,) = [variables["input"] for name, variables in world.calls if name == "MarkNotificationsRead"][1:]
    assert (asked["upTo"], asked.get("ids")) == ("2", None)


async def test_a_person_chooses_what_to_hear_of_and_when(page: Page, world: World) -> None:
    await open_inbox(page, world, "/settings")
    await expect(page.get_by_label("Safety of your account: Inbox")).to_be_disabled()
    await page.get_by_label("Likes: Push").uncheck()
    await until(lambda: world.talk.settings["preferences"]["LIKE"] == {"kind": "LIKE", "inApp": True, "push": False, "mail": False})
    await page.get_by_label("Quiet hours").check()
    await expect(page.get_by_label("From")).to_have_value("22:00")
    await page.get_by_label("To", exact=True).fill("06:30")
    await page.get_by_label("To", exact=True).blur()
    await until(lambda: world.talk.settings["quietHours"]["toMinute"] == 390)
    world.fail["updateNotificationSettings"] = [user_error("UNKNOWN_TIME_ZONE")]
    await page.get_by_label("Quiet hours").uncheck()
    await expect(page.get_by_text("The time zone of this device is not known.")).to_be_visible()
    await expect(page.get_by_label("Quiet hours")).to_be_checked()
    await page.get_by_label("Comments with these words").fill("spam\n\nscam")
    await page.get_by_label("Comments with links").check()
    await page.locator("#filters").get_by_role("button", name="Save").click()
    await until(lambda: world.talk.filters == {"words": ["spam", "scam"], "holdLinks": True, "holdAll": False})
