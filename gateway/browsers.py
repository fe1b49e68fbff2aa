"""What browsers may do on behalf of whom: own and foreign origins, and headers that close doors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "geolocation=(), payment=(), usb=()",
}
_POLICY = "frame-ancestors 'none'; base-uri 'none'; object-src 'none'"
"""For pages that name no policy of their own."""
_STRICT_TRANSPORT = "max-age=31536000; includeSubDomains"
PREFLIGHT_S = 600
ALLOWED_HEADERS = "authorization, content-type, x-request-id"
EXPOSED_HEADERS = "retry-after, www-authenticate, x-request-id"


class Origins:
    """Which pages may ask."""

    def __init__(self, *, own: str, allowed: Sequence[str]) -> None:
        self._own = own
        self._allowed = frozenset(allowed)

    def is_own(self, connection: HTTPConnection) -> bool:
        """True for requests of our own pages, and of programs that are no browser and name no origin."""
        origin = connection.headers.get("origin")
        if origin is None or origin == self._own:
            return True
        scheme = {"ws": "http", "wss": "https"}.get(connection.url.scheme, connection.url.scheme)
        return origin == f"{scheme}://{connection.headers.get('host', '')}"

    def may_ask(self, connection: HTTPConnection) -> bool:
        """True for own pages and those that are configured."""
        return self.is_own(connection) or connection.headers["origin"] in self._allowed

    @property
    def allowed(self) -> frozenset[str]:
        """Those that are configured."""
        return self._allowed

    def headers(self, connection: HTTPConnection) -> Mapping[str, str]:
        """CORS headers of an answer."""
        return self.headers_for("" if self.is_own(connection) else connection.headers["origin"])

    def headers_for(self, origin: str) -> Mapping[str, str]:
        """CORS headers of an answer to an origin, empty for our own: never with credentials, so that no cookie acts for a foreign page."""
        if origin not in self._allowed:
            return {"vary": "Origin"}
        return {"vary": "Origin", "access-control-allow-origin": origin, "access-control-expose-headers": EXPOSED_HEADERS}

    def preflight(self, connection: HTTPConnection) -> Mapping[str, str]:
        """CORS headers of the answer to a preflight of a page that may ask."""
        return {
            **self.headers(connection),
            "access-control-allow-methods": "GET, POST",
            "access-control-allow-headers": ALLOWED_HEADERS,
            "access-control-max-age": str(PREFLIGHT_S),
        }


class SecureHeaders:
    """Adds to every response the headers that it does not set itself."""

    def __init__(self, app: ASGIApp, *, https: bool) -> None:
        self._app = app
        headers = _HEADERS | ({"strict-transport-security": _STRICT_TRANSPORT} if https else {})
        self._headers = [(name.encode(), value.encode()) for name, value in headers.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message["headers"])
                given = dict(headers)
                headers += [one for one in self._headers if one[0] not in given]
                if given.get(b"content-type", b"").startswith(b"text/html") and b"content-security-policy" not in given:
                    headers.append((b"content-security-policy", _POLICY.encode()))
                message["headers"] = headers
            await send(message)

        await self._app(scope, receive, with_headers)
