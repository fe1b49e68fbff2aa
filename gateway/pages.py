"""The pages that a person opens: put together once from `gateway/web`, served from memory under a strict content security policy.

Static files live below a path that names their content, so browsers keep them for good and a new version is never mixed with an old one.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from gateway.problems import problem

WEB = Path(__file__).parent / "web"
FOREVER = "public, max-age=31536000, immutable"

_TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
_TITLES = {
    "/": ("feed", "Clipmesh"),
    "/upload": ("upload", "Upload · Clipmesh"),
    "/studio": ("studio", "Studio · Clipmesh"),
    "/review": ("review", "Review desk · Clipmesh"),
    "/signup": ("signup", "Create an account · Clipmesh"),
    "/callback": ("callback", "Signing in · Clipmesh"),
    "/@{handle}": ("profile", "Clipmesh"),
    "/notifications": ("notifications", "Inbox · Clipmesh"),
    "/settings": ("settings", "Settings · Clipmesh"),
    "/reset-password": ("reset", "Set a new password · Clipmesh"),
    "/verify-email": ("verify", "Confirm your address · Clipmesh"),
}
"""Pattern of a path -> name of the page below web/pages, and its title."""

_HOST = re.compile(r"[A-Za-z0-9.-]{1,253}(:\d{1,5})?|\[[0-9A-Fa-f:]{2,45}\](:\d{1,5})?", re.ASCII)

BASIC_HEADERS: Mapping[str, str] = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}


def page_headers(host: str, *, uploads: str = "") -> dict[str, str]:
    """Headers of every page, the sign-in form's too; `host` is the request's Host header, `uploads` the origin of upload links if it is not ours.

    `'self'` does not cover WebSockets in every browser, so the socket's address is named.
    """
    sockets = f" ws://{host} wss://{host}" if _HOST.fullmatch(host) else ""
    policy = (
        "default-src 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'; form-action 'self'; "
        "img-src 'self' blob:; media-src 'self' blob:; require-trusted-types-for 'script'; trusted-types 'none'; "
        f"connect-src 'self'{sockets}{uploads and f' {uploads}'}"
    )
    return {**BASIC_HEADERS, "content-security-policy": policy}


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    content: bytes
    content_type: str
    etag: str

    @classmethod
    def of(cls, content: bytes, content_type: str) -> _File:
        return cls(content=content, content_type=content_type, etag=f'"{hashlib.sha256(content).hexdigest()[:24]}"')


@dataclass(frozen=True, slots=True, kw_only=True)
class _Site:
    version: str
    static: Mapping[str, _File]
    pages: Mapping[str, _File]
    """By the pattern of their path."""
    signin: str


def routes(*, uploads: str = "") -> list[BaseRoute]:
    """The pages and their files; `uploads` is the origin that files are sent to, empty when it is our own."""
    site = _load()

    def page(file: _File) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            headers = {**page_headers(request.headers.get("host", ""), uploads=uploads), "cache-control": "no-cache"}
            return _answer(request, file, headers)

        return answer

    async def static(request: Request) -> Response:
        file = site.static.get(request.path_params["path"]) if request.path_params["version"] == site.version else None
        if file is None:
            return problem(404, "NOT_FOUND", "there is no such file; load the page again", headers={"cache-control": "no-store"})
        return _answer(request, file, {"x-content-type-options": "nosniff", "cache-control": FOREVER})

    return [
        *(Route(path, page(file), methods=["GET"]) for path, file in site.pages.items()),
        Route("/static/{version}/{path:path}", static, methods=["GET"]),
    ]


def signin_page() -> str:
    """The sign-in form, with the markers `<!--hidden-->`, `<!--error-->` and `<!--login-->` still in it."""
    return _load().signin


def _answer(request: Request, file: _File, headers: Mapping[str, str]) -> Response:
    known = {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}
    tagged = {**headers, "etag": file.etag}
    if file.etag in known:
        return Response(status_code=304, headers=tagged)
    return Response(file.content, headers={**tagged, "content-type": file.content_type})


@cache
def _load() -> _Site:
    static = {
        path.relative_to(WEB).as_posix(): _File.of(path.read_bytes(), _TYPES[path.suffix])
        for path in sorted(WEB.rglob("*"))
        if path.suffix in _TYPES
    }
    version = hashlib.sha256("".join(f"{name}{file.etag}" for name, file in static.items()).encode()).hexdigest()[:12]
    shell = (WEB / "shell.html").read_text()
    pages = {}
    for path, (name, title) in _TITLES.items():
        filled = {"title": escape(title), "name": name, "main": (WEB / "pages" / f"{name}.html").read_text()}
        html = shell.replace(f'href="{path}" data-nav', f'href="{path}" aria-current="page" data-nav')
        for marker, text in filled.items():
            html = html.replace(f"<!--{marker}-->", text)
        pages[path] = _File.of(_versioned(html, version).encode(), "text/html; charset=utf-8")
    return _Site(version=version, static=static, pages=pages, signin=_versioned((WEB / "signin.html").read_text(), version))


def _versioned(html: str, version: str) -> str:
    return html.replace('"/static/', f'"/static/{version}/')
