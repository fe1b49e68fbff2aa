"""Sign-in by authorization code with PKCE, tokens and their rotation, sign-up, consents, sign-out."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest
from playwright.async_api import Page, expect

from tests.browser.fake_gateway import FakeGateway
from tests.browser.fake_world import PASSWORD, World, user_error
from tests.browser.visits import Visits

IN_VAULT = """([mode, act, parameters]) => new Promise((resolve) => {
  const request = indexedDB.open("clipmesh", 1);
  request.onupgradeneeded = () => request.result.createObjectStore("kept");
  request.onsuccess = () => {
    const transaction = request.result.transaction("kept", mode);
    const asked = transaction.objectStore("kept")[act](...parameters);
    transaction.oncomplete = () => { request.result.close(); resolve(asked.result ?? "") };
  };
})"""


async def refresh_token(page: Page) -> str:
    """What the browser keeps of the session; empty when nothing."""
    return str(await page.evaluate(IN_VAULT, ["readonly", "get", ["refresh"]]))


async def test_sign_in_proves_its_challenge_and_comes_back(page: Page, world: World) -> None:
    world.person("alice")
    asked: dict[str, str] = {}
    exchanged: dict[str, str] = {}

    def note(request: Any) -> None:
        if "/oauth/authorize?" in request.url:
            asked.update({name: values[0] for name, values in parse_qs(urlsplit(request.url).query).items()})
        elif request.url.endswith("/oauth/token"):
            exchanged.update(dict(parse_qsl(request.post_data)))

    page.on("request", note)
    await page.goto("/upload")
    await Visits.sign_in(page, "alice")
    assert urlsplit(page.url).path == "/upload"
    assert (asked["response_type"], asked["client_id"], asked["code_challenge_method"]) == ("code", "clipmesh-web", "S256")
    digest = hashlib.sha256(exchanged["code_verifier"].encode()).digest() if "code_verifier" in exchanged else b""
    assert base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == asked["code_challenge"]


async def test_the_access_token_is_kept_nowhere(page: Page, world: World) -> None:
    world.person("alice")
    await page.goto("/studio")
    await Visits.sign_in(page, "alice")
    kept = await page.evaluate("() => JSON.stringify({ ...localStorage }) + JSON.stringify({ ...sessionStorage }) + document.cookie")
    assert "access-alice" not in kept + await refresh_token(page)


async def test_a_wrong_password_is_told_and_the_login_stays(page: Page, world: World) -> None:
    world.person("alice")
    await page.goto("/")
    await page.get_by_role("button", name="Sign in").click()
    await page.get_by_label("Handle or e-mail").fill("alice")
    await page.get_by_label("Password").fill("wrong")
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("alert")).to_contain_text("do not belong together")
    await expect(page.get_by_label("Handle or e-mail")).to_have_value("alice")


async def test_two_tabs_share_one_session_without_spending_a_token_twice(page: Page, world: World) -> None:
    world.person("alice")
    await page.goto("/studio")
    await Visits.sign_in(page, "alice")
    async with Visits.page(page.context) as other:
        await other.goto("/studio")
        await expect(other.get_by_role("button", name="Account of @alice")).to_be_visible()
        world.token_delay_s = 0.5
        await asyncio.gather(page.reload(), other.reload())
        for tab in (page, other):
            await expect(tab.get_by_role("button", name="Account of @alice")).to_be_visible()
    assert (world.refused_grants, world.repeated_grants) == (0, 0)


async def test_a_callback_that_nobody_asked_for_signs_nobody_in(page: Page, world: World) -> None:
    world.person("alice")
    await page.goto("/callback?code=stolen&state=guessed")
    await expect(page.get_by_role("heading", name="That did not work")).to_be_visible()
    assert await page.evaluate("() => localStorage.length") == 0


async def test_a_code_of_another_journey_is_not_exchanged(page: Page, fake: FakeGateway, world: World) -> None:
    world.person("mallory")
    await page.goto("/")
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_label("Password")).to_be_visible()
    code = fake.code_for("mallory")
    await page.goto(f"/callback?code={code}&state=guessed")
    await expect(page.get_by_role("heading", name="That did not work")).to_be_visible()
    assert await page.evaluate("() => localStorage.length") == 0


async def test_a_session_that_has_ended_makes_the_page_a_stranger(page: Page, world: World) -> None:
    world.person("alice")
    await page.goto("/studio")
    await page.evaluate("() => localStorage.setItem('clipmesh.signed-in', 'yes')")
    await page.evaluate(IN_VAULT, ["readwrite", "put", ["ended", "refresh"]])
    await page.reload()
    await expect(page.get_by_role("heading", name="Sign in to see your studio")).to_be_visible()
    assert await refresh_token(page) == ""


@pytest.mark.parametrize(
    ("status", "word", "asked"),
    [(400, "invalid_request", 1), (401, "invalid_client", 1), (429, "temporarily_unavailable", 1), (503, "temporarily_unavailable", 2)],
)
async def test_only_a_refused_grant_ends_the_session(page: Page, world: World, status: int, word: str, asked: int) -> None:
    world.person("alice")
    await page.goto("/studio")
    await Visits.sign_in(page, "alice")
    token = await refresh_token(page)
    refusals: list[str] = []

    async def refuse(route: Any) -> None:
        refusals.append(route.request.post_data)
        await route.fulfill(status=status, json={"error": word}, headers={"retry-after": "3"})

    await page.route("**/oauth/token", refuse)
    await page.reload()
    await expect(page.locator("#toasts .bad")).to_be_visible()
    assert await refresh_token(page) == token
    assert len(refusals) == asked
    await page.unroute("**/oauth/token")
    await page.reload()
    await expect(page.get_by_role("button", name="Account of @alice")).to_be_visible()


async def test_a_lost_answer_is_asked_for_again_while_the_old_token_is_taken(page: Page, world: World) -> None:
    world.person("alice")
    await page.goto("/studio")
    await Visits.sign_in(page, "alice")
    held: list[Any] = []

    async def lose_first(route: Any) -> None:
        if held:
            await route.continue_()
            return
        held.append(route)
        await route.fetch()

    await page.route("**/oauth/token", lose_first)
    await page.reload()
    await expect(page.get_by_role("button", name="Account of @alice")).to_be_visible(timeout=9000)
    assert (world.repeated_grants, world.refused_grants) == (1, 0)


async def test_the_menu_leads_on_and_sign_out_revokes(page: Page, world: World) -> None:
    world.person("alice")
    await page.goto("/studio")
    await Visits.sign_in(page, "alice")
    await page.get_by_role("button", name="Account of @alice").click()
    await expect(page.get_by_role("link", name="Your page")).to_have_attribute("href", "/@alice")
    await expect(page.get_by_role("link", name="Settings")).to_have_attribute("href", "/settings")
    token = await refresh_token(page)
    assert len(token) > 8
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    assert world.revoked == [token]
    assert await refresh_token(page) == ""


async def fill_sign_up(page: Page, handle: str = "dora") -> None:
    await page.goto("/signup")
    await page.get_by_label("Handle").fill(handle)
    await page.get_by_label("E-mail").fill("dora@example.com")
    await page.get_by_label("Birth date").fill("1995-05-05")
    await page.get_by_label("Password").fill(PASSWORD)


async def test_sign_up_makes_an_account_and_signs_in(page: Page, world: World) -> None:
    await fill_sign_up(page)
    await page.get_by_label("A feed of your own").check()
    await page.get_by_role("button", name="Create account").click()
    await expect(page.get_by_role("button", name="Account of @dora")).to_be_visible()
    assert urlsplit(page.url).path == "/"
    assert world.people["dora"]["consents"] == ["PERSONALISATION"]


async def test_sign_up_gives_nothing_away_by_default(page: Page, world: World) -> None:
    await fill_sign_up(page)
    await page.get_by_role("button", name="Create account").click()
    await expect(page.get_by_role("button", name="Account of @dora")).to_be_visible()
    assert world.people["dora"]["consents"] == []


async def test_sign_up_says_beside_each_field_what_is_wrong(page: Page, world: World) -> None:
    world.person("dora")
    await page.goto("/signup")
    await page.get_by_role("button", name="Create account").click()
    assert world.calls == []
    await expect(page.get_by_label("Handle")).to_be_focused()
    await expect(page.locator("#email-problem")).to_have_text("This is no e-mail address.")
    await fill_sign_up(page)
    await page.get_by_role("button", name="Create account").click()
    await expect(page.locator("#handle-problem")).to_have_text("This handle belongs to somebody else.")
    await expect(page.get_by_label("Handle")).to_have_attribute("aria-invalid", "true")
    await expect(page.locator("#email-problem")).to_have_text("")
    world.fail["signUp"] = [user_error("TOO_YOUNG")]
    await page.get_by_label("Handle").fill("dora2")
    await page.get_by_role("button", name="Create account").click()
    await expect(page.locator("#birthDate-problem")).to_have_text("You have to be at least 13 years old.")
    ids = [variables["input"]["requestId"] for name, variables in world.calls if name == "SignUp"]
    assert len(set(ids)) == len(ids) == 2
