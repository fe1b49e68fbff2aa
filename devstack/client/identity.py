"""Sign-in as the pages do it: authorization code with PKCE, then a refresh token that rotates."""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

import httpx

from devstack.client.errors import refused, unreachable

CLIENT_ID = "clipmesh-web"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """What a sign-in gives."""

    access: str
    refresh: str


async def sign_in(http: httpx.AsyncClient, origin: str, login: str, password: str) -> Tokens:
    """Tokens for a handle or e-mail and its password. Raises ApiError."""
    verifier = secrets.token_urlsafe(48)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    redirect = f"{origin}/callback"
    form = {
        "response_type": "code",
        "client_id": CLIENT_ID,
        "redirect_uri": redirect,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
        "state": secrets.token_urlsafe(8),
        "login": login,
        "password": password,
    }
    answer = await _post(http, "/oauth/authorize", form)
    location = parse_qs(urlsplit(answer.headers.get("location", "")).query)
    if answer.status_code not in {302, 303} or "code" not in location:
        raise refused("SIGN_IN_FAILED", answer, f"{login} could not sign in")
    return await _tokens(
        http, {"grant_type": "authorization_code", "code": location["code"][0], "code_verifier": verifier, "redirect_uri": redirect}
    )


async def renew(http: httpx.AsyncClient, refresh_token: str) -> Tokens:
    """The next pair; the token that was used is spent. Raises ApiError."""
    return await _tokens(http, {"grant_type": "refresh_token", "refresh_token": refresh_token})


async def _tokens(http: httpx.AsyncClient, form: dict[str, str]) -> Tokens:
    answer = await _post(http, "/oauth/token", {"client_id": CLIENT_ID, **form})
    if answer.status_code != httpx.codes.OK:
        raise refused("SIGN_IN_FAILED", answer, "no tokens")
    tokens = answer.json()
    return Tokens(access=tokens["access_token"], refresh=tokens["refresh_token"])


async def _post(http: httpx.AsyncClient, path: str, form: dict[str, str]) -> httpx.Response:
    try:
        return await http.post(path, data=form)
    except httpx.TransportError as error:
        raise unreachable(error) from error
