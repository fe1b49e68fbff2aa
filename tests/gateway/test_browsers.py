"""Browsers: foreign origins, cookies, headers that close doors."""

from __future__ import annotations

import pytest

from tests.gateway.conftest import Opening
from tests.gateway.world import World, token

EVIL = "https://evil.example"
FRIEND = "https://friend.example"


@pytest.mark.parametrize("origin", [EVIL, "null", "http://127.0.0.1:1"])
async def test_a_page_of_another_origin_asks_in_vain(world: World, origin: str) -> None:
    preflight = await world.http.options("/graphql", headers={"origin": origin, "access-control-request-method": "POST"})
    assert preflight.status_code == 403
    answer = await world.post("{ me { email } }", bearer=token(), headers={"origin": origin})
    assert answer.status_code == 403
    assert answer.json()["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    for one in (preflight, answer):
        assert "access-control-allow-origin" not in one.headers
        assert one.headers["vary"] == "Origin"
        assert "set-cookie" not in one.headers
    assert not world.fakes.counted


async def test_a_form_of_another_site_cannot_send_what_graphql_takes(world: World) -> None:
    for kind in ("application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain"):
        answer = await world.http.post("/graphql", content=b'{"query":"{ __typename }"}', headers={"content-type": kind})
        assert answer.status_code == 415


async def test_our_own_pages_may_ask(world: World) -> None:
    for origin in (world.origin, "http://127.0.0.1:8080"):
        answer = await world.post("{ __typename }", headers={"origin": origin})
        assert answer.status_code == 200
        assert "access-control-allow-origin" not in answer.headers


async def test_a_configured_origin_may_ask_without_cookies(opened: Opening) -> None:
    async with opened(cors_origins=(FRIEND,)) as world:
        preflight = await world.http.options("/graphql", headers={"origin": FRIEND, "access-control-request-method": "POST"})
        assert preflight.status_code == 204
        assert preflight.headers["access-control-allow-origin"] == FRIEND
        assert preflight.headers["access-control-allow-headers"] == "authorization, content-type, x-request-id"
        assert preflight.headers["access-control-allow-methods"] == "GET, POST"
        answer = await world.post("{ __typename }", headers={"origin": FRIEND})
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, FRIEND)
        assert "access-control-allow-credentials" not in {**preflight.headers, **answer.headers}
        assert (await world.post("{ __typename }", headers={"origin": EVIL})).status_code == 403


async def test_a_browser_gets_one_session_that_scripts_and_other_sites_cannot_use(world: World) -> None:
    first = await world.post("{ forYou { servedBy } }")
    cookie = first.headers["set-cookie"]
    name, value = cookie.split(";")[0].split("=", 1)
    assert (name, cookie.split("; ")[1:]) == ("clipmesh_session", ["Max-Age=15552000", "Path=/", "HttpOnly", "SameSite=Lax"])
    second = await world.post("{ forYou { servedBy } }", headers={"cookie": f"{name}={value}"})
    assert "set-cookie" not in second.headers
    sessions = [call.viewer.session_id for call in world.fakes.calls if call.method == "GetForYou"]
    assert sessions[0] == sessions[1] == value.split(".")[0]


async def test_a_session_that_somebody_made_up_is_replaced(world: World) -> None:
    world.http.cookies.clear()
    answer = await world.post("{ forYou { servedBy } }", headers={"cookie": "clipmesh_session=mine.0123456789abcdef0123456789abcdef"})
    assert "set-cookie" in answer.headers
    (viewer,) = (call.viewer for call in world.fakes.calls if call.method == "GetForYou")
    assert viewer.session_id != "mine"


async def test_over_https_cookies_and_transport_are_strict(opened: Opening) -> None:
    async with opened(origin="https://clipmesh.example") as world:
        answer = await world.post("{ __typename }")
    assert answer.headers["set-cookie"].endswith("; Secure")
    assert answer.headers["strict-transport-security"] == "max-age=31536000; includeSubDomains"


@pytest.mark.parametrize("path", ["/", "/graphql?query={__typename}", "/oauth/authorize", "/healthz", "/nowhere", "/m/x/y.mp4"])
async def test_every_answer_closes_the_usual_doors(world: World, path: str) -> None:
    answer = await world.http.get(path)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["referrer-policy"] == "same-origin"
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"
    assert "server" not in answer.headers
    if answer.headers["content-type"].startswith("text/html"):
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]


async def test_graphql_answers_are_kept_by_nobody(world: World) -> None:
    assert (await world.http.get("/graphql", params={"query": "{ __typename }"})).headers["cache-control"] == "no-store"
