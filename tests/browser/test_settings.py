"""Settings: privacy that is taken back when refused, consents, people kept away, e-mail, password, sessions; and what mailed links open."""

from __future__ import annotations

from playwright.async_api import Page, expect

from tests.browser.fake_people import MAILED
from tests.browser.fake_world import PASSWORD, World, user_error
from tests.browser.swipes import until
from tests.browser.test_acts import calls
from tests.browser.visits import Visits


async def open_settings(page: Page, world: World) -> None:
    if "alice" not in world.people:
        world.person("alice")
    await page.goto("/settings")
    await Visits.sign_in(page, "alice")
    await expect(page.locator("#room")).to_be_visible()


async def test_privacy_is_saved_as_it_is_chosen_and_taken_back_when_refused(page: Page, world: World) -> None:
    await open_settings(page, world)
    await page.get_by_label("Private account").check()
    await until(lambda: world.people["alice"]["privacy"]["isPrivate"])
    await page.get_by_label("Who may comment").select_option("FRIENDS")
    await until(lambda: world.people["alice"]["privacy"]["comments"] == "FRIENDS")
    world.fail["updatePrivacy"] = [user_error("NOT_AT_THIS_AGE")]
    await page.get_by_label("Who may duet").select_option("NOBODY")
    await expect(page.get_by_text("The rules for your age forbid this.")).to_be_visible()
    await expect(page.get_by_label("Who may duet")).to_have_value("EVERYONE")
    assert world.people["alice"]["privacy"]["duets"] == "EVERYONE"


async def test_nobody_writes_to_the_young(page: Page, world: World) -> None:
    world.person("alice")["ageBand"] = "AGE_13_TO_15"
    await open_settings(page, world)
    await expect(page.get_by_label("Who may write to you")).to_be_disabled()
    await expect(page.locator("#messages-note")).to_have_text("Below 16 nobody writes to you.")


async def test_consents_are_switched(page: Page, world: World) -> None:
    await open_settings(page, world)
    await page.get_by_label("A feed of your own").check()
    await expect(page.locator("#toasts")).to_contain_text("Saved.")
    assert world.people["alice"]["consents"] == ["PERSONALISATION"]


async def test_blocked_and_muted_people_are_listed_and_let_in_again(page: Page, world: World) -> None:
    for name in ("alice", "bob", "carol"):
        world.person(name)
    world.crowd.blocks.add(("alice", "bob"))
    world.crowd.mutes.add(("alice", "carol"))
    await open_settings(page, world)
    await page.get_by_text("Whom you block").click()
    await page.get_by_role("button", name="Unblock @bob").click()
    await expect(page.get_by_text("You block nobody.")).to_be_visible()
    await page.get_by_text("Whom you mute").click()
    await page.get_by_role("button", name="Unmute @carol").click()
    await expect(page.get_by_text("You mute nobody.")).to_be_visible()
    assert (world.crowd.blocks, world.crowd.mutes) == (set(), set())


async def test_sessions_end_one_by_one_and_all(page: Page, world: World) -> None:
    world.session("Chrome on Linux", current=True)
    phone, tablet = world.session("Firefox on Android"), world.session("")
    await open_settings(page, world)
    await expect(page.locator(".session")).to_have_count(3)
    await expect(page.locator(".session").first).to_contain_text("This one")
    await page.get_by_role("button", name="Sign out on Firefox on Android").click()
    await expect(page.locator(".session")).to_have_count(2)
    assert phone["id"] not in world.crowd.sessions
    await page.get_by_role("button", name="Sign out everywhere else").click()
    await page.get_by_role("dialog").get_by_role("button", name="Sign out there").click()
    await expect(page.locator(".session")).to_have_count(1)
    assert tablet["id"] not in world.crowd.sessions
    await page.get_by_role("button", name="Sign out everywhere", exact=True).click()
    await page.get_by_role("dialog").get_by_role("button", name="Sign out", exact=True).click()
    await expect(page.get_by_role("button", name="Sign in").first).to_be_visible()
    assert world.crowd.sessions == {}


async def test_a_password_is_changed_with_the_present_one(page: Page, world: World) -> None:
    await open_settings(page, world)
    await page.get_by_label("Present password").fill("not it")
    await page.get_by_label("New password").fill("short")
    await page.get_by_role("button", name="Change password").click()
    await expect(page.get_by_role("alert")).to_contain_text("Choose 8 characters or more")
    assert calls(world, "ChangePassword") == []
    world.fail["changePassword"] = [user_error("WRONG_CREDENTIALS")]
    await page.get_by_label("New password").fill("tides come and go")
    await page.get_by_role("button", name="Change password").click()
    await expect(page.get_by_role("alert")).to_have_text("This is not your present password.")
    await page.get_by_label("Present password").fill(PASSWORD)
    await page.get_by_role("button", name="Change password").click()
    await expect(page.get_by_text("Everywhere else you are signed out.")).to_be_visible()
    assert len({variables["input"]["requestId"] for name, variables in world.calls if name == "ChangePassword"}) == 2
    await expect(page.get_by_label("Present password")).to_have_value("")


async def test_a_link_of_confirmation_is_asked_for_and_opened(page: Page, world: World) -> None:
    await open_settings(page, world)
    await expect(page.locator("#email")).to_contain_text("alice@example.com")
    await page.get_by_role("button", name="Send me a link").click()
    await expect(page.get_by_role("button", name="The link is on its way")).to_be_disabled()
    await page.goto(f"/verify-email#{MAILED}")
    await expect(page.get_by_role("heading", name="Your address is confirmed")).to_be_visible()
    assert MAILED not in page.url
    await page.goto("/verify-email#used")
    await expect(page.get_by_text("This link was used, or is too old.")).to_be_visible()


async def test_a_forgotten_password_is_set_anew_by_a_mailed_link(page: Page, world: World) -> None:
    world.person("alice")
    await page.goto("/reset-password")
    await page.get_by_label("E-mail").fill("alice")
    await page.get_by_role("button", name="Send me a link").click()
    await expect(page.get_by_role("alert")).to_have_text("This is no e-mail address.")
    await page.get_by_label("E-mail").fill("nobody@example.com")
    await page.get_by_role("button", name="Send me a link").click()
    await expect(page.get_by_text("If this address belongs to an account")).to_be_visible()
    await page.goto(f"/reset-password?again#{MAILED}")
    await page.get_by_label("New password").fill("tides come and go")
    await page.get_by_role("button", name="Save the password").click()
    await expect(page.get_by_role("heading", name="Your new password holds")).to_be_visible()
    assert MAILED not in page.url
    await page.goto("/reset-password?more#used")
    await page.get_by_label("New password").fill("tides come and go")
    await page.get_by_role("button", name="Save the password").click()
    await expect(page.get_by_role("link", name="Ask for a new link")).to_be_visible()
