"""Applications that may ask for tokens, and where they may be sent back to."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from svc_social.identity.errors import PkceRequired, RedirectNotAllowed, UnknownClient

WEB_CLIENT_ID = "clipmesh-web"
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A public application: it has no secret, so PKCE is what proves it."""

    client_id: str
    redirect_uris: frozenset[str]


@dataclass(frozen=True, slots=True)
class Clients:
    """The applications of this installation."""

    by_id: dict[str, Client]

    @classmethod
    def web(cls, redirect_uris: Iterable[str]) -> Clients:
        """The first-party application alone."""
        return cls({WEB_CLIENT_ID: Client(client_id=WEB_CLIENT_ID, redirect_uris=frozenset(redirect_uris))})

    def get(self, client_id: str) -> Client:
        """The application. Raises UnknownClient."""
        client = self.by_id.get(client_id)
        if client is None:
            raise UnknownClient()
        return client

    def check(self, *, client_id: str, redirect_uri: str, code_challenge: str, method: str) -> Client:
        """The application, when the redirect equals a registered one to the letter (RFC 9700, 2.1) and the challenge is S256.
        Raises UnknownClient, RedirectNotAllowed and PkceRequired."""
        client = self.get(client_id)
        if redirect_uri not in client.redirect_uris:
            raise RedirectNotAllowed()
        if method != "S256" or not _CHALLENGE.fullmatch(code_challenge):
            raise PkceRequired()
        return client


def check_redirect_setting(uri: str) -> None:
    """Refuse a redirect that no application should register: relative, with a fragment, or plain http off this machine. Raises ValueError."""
    parts = urlsplit(uri)
    if not parts.netloc or parts.fragment or "*" in uri or "#" in uri:
        raise ValueError(f"redirect {uri!r} has to be an absolute URL without fragment or wildcard")
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise ValueError(f"redirect {uri!r} has to use https; http is for loopback only")
