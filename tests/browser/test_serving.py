"""How pages and static files are served: headers, versions, what is not found."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from starlette.applications import Starlette

from gateway import pages

PATHS = (
    "/",
    "/upload",
    "/studio",
    "/review",
    "/signup",
    "/callback",
    "/settings",
    "/notifications",
    "/reset-password",
    "/verify-email",
    "/@alice",
)


@pytest_asyncio.fixture(loop_scope="session")
async def client() -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=Starlette(routes=pages.routes()))
    async with httpx.AsyncClient(transport=transport, base_url="http://clips.test:8080") as one:
        yield one


@pytest.mark.parametrize("path", PATHS)
async def test_pages_are_strict_html(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["x-content-type-options"] == "nosniff"
    policy = {directive.split()[0]: directive.split()[1:] for directive in answer.headers["content-security-policy"].split("; ")}
    assert policy["default-src"] == ["'self'"]
    assert policy["connect-src"] == ["'self'", "ws://clips.test:8080", "wss://clips.test:8080"]
    assert policy["media-src"] == policy["img-src"] == ["'self'", "blob:"]
    assert policy["frame-ancestors"] == policy["object-src"] == policy["base-uri"] == ["'none'"]
    assert "script-src" not in policy
    assert "<!--" not in answer.text
    assert not re.search(r"<script(?![^>]*src=)|\son\w+=|\sstyle=", answer.text)


@pytest.mark.parametrize("path", PATHS)
async def test_everything_that_a_page_names_is_there(client: httpx.AsyncClient, path: str) -> None:
    html = (await client.get(path)).text
    for name in set(re.findall(r'"(/static/[^"#]+)', html)):
        answer = await client.get(name)
        assert answer.status_code == 200, name
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    symbols = set(re.findall(r"icons\.svg#(\w+)", html))
    icons = (pages.WEB / "img" / "icons.svg").read_text()
    assert all(f'id="{symbol}"' in icons for symbol in symbols)


async def test_a_hostile_host_does_not_reach_the_policy(client: httpx.AsyncClient) -> None:
    answer = await client.get("/", headers={"host": "x; script-src *"})
    assert answer.headers["content-security-policy"].endswith("connect-src 'self'")


async def test_a_known_page_is_not_sent_again(client: httpx.AsyncClient) -> None:
    first = await client.get("/")
    again = await client.get("/", headers={"if-none-match": f'W/{first.headers["etag"]}, "x"'})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["content-security-policy"] == first.headers["content-security-policy"]


@pytest.mark.parametrize("name", ["js/absent.js", "..%2fpages.py", "%2e%2e/pages.py", "shell.html", "signin.html", "pages/feed.html", ""])
async def test_nothing_else_is_served(client: httpx.AsyncClient, name: str) -> None:
    version = re.findall(r"/static/(\w+)/", (await client.get("/")).text)[0]
    answer = await client.get(f"/static/{version}/{name}")
    assert answer.status_code == 404


async def test_another_version_is_not_found_rather_than_mixed(client: httpx.AsyncClient) -> None:
    answer = await client.get("/static/000000000000/js/feed.js")
    assert answer.status_code == 404
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"] == "application/problem+json"


def test_the_sign_in_page_has_its_markers_once_each() -> None:
    page = pages.signin_page()
    assert [page.count(marker) for marker in ("<!--hidden-->", "<!--error-->", "<!--login-->")] == [1, 1, 1]
    assert 'value="<!--login-->"' in page
    assert 'action="/oauth/authorize"' in page


async def test_pages_may_send_to_the_store_that_takes_uploads_and_nowhere_else() -> None:
    transport = httpx.ASGITransport(app=Starlette(routes=pages.routes(uploads="https://up.example:8443")))
    async with httpx.AsyncClient(transport=transport, base_url="http://clips.test:8080") as client:
        policy = (await client.get("/upload")).headers["content-security-policy"]
    assert policy.endswith("connect-src 'self' ws://clips.test:8080 wss://clips.test:8080 https://up.example:8443")
