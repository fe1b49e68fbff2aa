"""Sign-in endpoints: OAuth 2 authorization code with PKCE, refresh rotation, revocation; problem+json elsewhere."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Mapping
from html import escape
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

from clipmesh.social.v1 import identity_service_pb2 as pb
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from gateway.admission import Admission
from gateway.clients import Clients
from gateway.devices import device_words
from gateway.errors import AWAY, code_of
from gateway.pages import page_headers
from gateway.problems import problem
from gateway.rates import RateLimited
from gateway.settings import GatewaySettings
from gateway.viewers import Viewers
from mesh import deadline
from mesh.errors import MeshError, ResourceExhausted

_log = logging.getLogger("clipmesh.gateway")

CARRIED = ("response_type", "client_id", "redirect_uri", "code_challenge", "code_challenge_method", "state")
MOST_FORM_BYTES = 16_384
FORM_S = 10.0
"""How long a form may take to arrive."""
CALL_S = 5.0

_SENTENCES = {
    "WRONG_CREDENTIALS": "That handle or e-mail and that password do not belong together.",
    "TOO_MANY_ATTEMPTS": "Too many attempts. Wait a while, then try again.",
    "ACCOUNT_BANNED": "This account was shut out by those who run this place.",
}
_NOT_OURS = frozenset({"UNKNOWN_CLIENT", "REDIRECT_NOT_ALLOWED", "PKCE_REQUIRED"})
"""Reasons against an authorization request as it was sent by the application, whatever the person types."""
_GRANT_REFUSALS = {
    "INVALID_GRANT": ("invalid_grant", 400),
    "UNKNOWN_CLIENT": ("invalid_client", 401),
    "INVALID_REQUEST": ("invalid_request", 400),
}
"""Reasons against a grant -> (word of RFC 6749 5.2, status). Nothing else may answer so: clients throw a refused grant away."""
_ALREADY_OVER = frozenset({"INVALID_GRANT", "INVALID_REQUEST"})
"""Reasons by which a token that is to be revoked is none, or no longer one (RFC 7009 2.2)."""


class OAuth:
    """Routes of RFC 6749, 7009, 7636, 8414 and 9207, as far as a first-party public client needs them."""

    def __init__(self, *, clients: Clients, viewers: Viewers, admission: Admission, settings: GatewaySettings, page: str) -> None:
        self._clients = clients
        self._viewers = viewers
        self._admission = admission
        self._origin = settings.origin
        self._page = page

    def routes(self) -> list[Route]:
        """The endpoints."""
        return [
            Route("/oauth/authorize", self.form, methods=["GET"]),
            Route("/oauth/authorize", self.authorize, methods=["POST"]),
            Route("/oauth/token", self.token, methods=["POST"]),
            Route("/oauth/revoke", self.revoke, methods=["POST"]),
            Route("/.well-known/oauth-authorization-server", self.metadata, methods=["GET"]),
        ]

    async def form(self, request: Request) -> Response:
        """The page where a person types handle and password."""
        return self._form(request, request.query_params, status=200)

    def _form(self, request: Request, values: Mapping[str, Any], *, status: int, sentence: str = "", login: str = "") -> HTMLResponse:
        hidden = "".join(f'<input type="hidden" name="{name}" value="{escape(str(values.get(name, "")), quote=True)}">' for name in CARRIED)
        html = (
            self._page.replace("<!--hidden-->", hidden)
            .replace("<!--error-->", escape(sentence))
            .replace("<!--login-->", escape(login, quote=True))
        )
        return HTMLResponse(html, status_code=status, headers={**page_headers(request.headers.get("host", "")), **_NO_STORE})

    async def authorize(self, request: Request) -> Response:
        """Check the password; send the browser back with a code, or show the form again."""
        if not self._same_origin(request):
            return problem(403, "CROSS_SITE", "this form takes no posts from other sites")
        try:
            await self._admission.charge_sign_in(self._viewers.address(request))
        except RateLimited as limited:
            return problem(429, limited.code, limited.message, headers=limited.headers)
        form = await _form_of(request)
        if form is None:
            return problem(413, "BODY_TOO_LARGE", "the form is too large")
        if form.get("response_type") != "code":
            return problem(400, "UNSUPPORTED_RESPONSE_TYPE", "response_type has to be code")
        call = pb.AuthorizeRequest(
            login=form.get("login", ""),
            password=form.get("password", ""),
            client_id=form.get("client_id", ""),
            redirect_uri=form.get("redirect_uri", ""),
            code_challenge=form.get("code_challenge", ""),
            code_challenge_method=form.get("code_challenge_method", ""),
            client_address=self._viewers.address(request)[:64],
        )
        try:
            with deadline.scope(CALL_S):
                answer = await self._clients.identity.Authorize(call)
        except MeshError as error:
            if error.reason in _SENTENCES or error.reason == "INVALID_REQUEST":
                status = 429 if error.reason == "TOO_MANY_ATTEMPTS" else 401
                sentence = _SENTENCES.get(error.reason, _SENTENCES["WRONG_CREDENTIALS"])
                return self._form(request, form, status=status, sentence=sentence, login=form.get("login", ""))
            if error.reason in _NOT_OURS:
                # A client or redirect that is not ours is never redirected to (RFC 9700 4.11).
                return problem(400, error.reason, error.message)
            status, headers = _unanswered(error)
            code = "RATE_LIMITED" if status == 429 else "UNAVAILABLE"
            return problem(status, code, "sign-in is not available at this moment; try again", headers=headers)
        return RedirectResponse(
            _with(form["redirect_uri"], {"code": answer.code, "state": form.get("state", ""), "iss": self._origin}), status_code=303
        )

    def _same_origin(self, request: Request) -> bool:
        origin = request.headers.get("origin")
        site = request.headers.get("sec-fetch-site", "same-origin")
        own = {self._origin, f"{request.url.scheme}://{request.headers.get('host', '')}"}
        return (origin is None or origin in own) and site in {"same-origin", "none"}

    async def token(self, request: Request) -> Response:
        """Codes and refresh tokens for token pairs."""
        try:
            await self._admission.charge_sign_in(self._viewers.address(request))
        except RateLimited as limited:
            return _refused("temporarily_unavailable", limited.message, 429, headers=limited.headers)
        form = await _form_of(request)
        if form is None:
            return _refused("invalid_request", "the form is too large", 413)
        try:
            with deadline.scope(CALL_S):
                match form.get("grant_type"):
                    case "authorization_code":
                        exchange = pb.ExchangeCodeRequest(
                            code=form.get("code", ""),
                            code_verifier=form.get("code_verifier", ""),
                            client_id=form.get("client_id", ""),
                            redirect_uri=form.get("redirect_uri", ""),
                            device=device_words(request.headers.get("user-agent", "")),
                        )
                        tokens = (await self._clients.identity.ExchangeCode(exchange)).tokens
                    case "refresh_token":
                        refresh = pb.RefreshTokensRequest(refresh_token=form.get("refresh_token", ""), client_id=form.get("client_id", ""))
                        tokens = (await self._clients.identity.RefreshTokens(refresh)).tokens
                    case _:
                        return _refused("unsupported_grant_type", "authorization_code or refresh_token")
        except MeshError as error:
            if error.reason in _GRANT_REFUSALS:
                word, status = _GRANT_REFUSALS[error.reason]
                return _refused(word, error.message, status)
            return _try_again(error)
        body = {
            "access_token": tokens.access_token,
            "token_type": "Bearer",
            "expires_in": tokens.expires_in_ms // 1000,
            "refresh_token": tokens.refresh_token,
            "user_id": str(tokens.user_id),
        }
        return JSONResponse(body, headers=_NO_STORE)

    async def revoke(self, request: Request) -> Response:
        """End a session; unknown tokens are no error, but only a session that is over is told as ended."""
        try:
            await self._admission.charge_sign_in(self._viewers.address(request))
        except RateLimited as limited:
            return _refused("temporarily_unavailable", limited.message, 429, headers=limited.headers)
        form = await _form_of(request)
        if form is None or not form.get("token"):
            return _refused("invalid_request", "token is required")
        try:
            with deadline.scope(CALL_S):
                await self._clients.identity.RevokeSession(pb.RevokeSessionRequest(refresh_token=form["token"]))
        except MeshError as error:
            if error.reason not in _ALREADY_OVER:
                return _try_again(error)
        return Response(status_code=200, headers=_NO_STORE)

    async def metadata(self, request: Request) -> Response:
        """What the endpoints are and can do (RFC 8414)."""
        return JSONResponse(
            {
                "issuer": self._origin,
                "authorization_endpoint": f"{self._origin}/oauth/authorize",
                "token_endpoint": f"{self._origin}/oauth/token",
                "revocation_endpoint": f"{self._origin}/oauth/revoke",
                "jwks_uri": f"{self._origin}/.well-known/jwks.json",
                "response_types_supported": ["code"],
                "grant_types_supported": ["authorization_code", "refresh_token"],
                "code_challenge_methods_supported": ["S256"],
                "authorization_response_iss_parameter_supported": True,
                "token_endpoint_auth_methods_supported": ["none"],
            }
        )


_NO_STORE = {"cache-control": "no-store", "pragma": "no-cache"}


def _refused(word: str, sentence: str, status: int = 400, *, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """An error of the token endpoint (RFC 6749 5.2)."""
    body = {"error": word, "error_description": sentence}
    return JSONResponse(body, status_code=status, headers={**_NO_STORE, **(headers or {})})


def _unanswered(error: MeshError) -> tuple[int, dict[str, str]]:
    """(status, headers) when social gave no verdict: whoever asks again later may well succeed."""
    if isinstance(error, ResourceExhausted):
        return 429, {"retry-after": str(max(1, math.ceil(error.retry_after_ms / 1000)))}
    if code_of(error) not in AWAY:
        _log.error("sign-in failed", exc_info=error, extra={"reason": error.reason})
    return 503, {"retry-after": "1"}


def _try_again(error: MeshError) -> JSONResponse:
    status, headers = _unanswered(error)
    return _refused("temporarily_unavailable", "try again", status, headers=headers)


async def _form_of(request: Request) -> dict[str, str] | None:
    """The fields of a small form; None when it is too large. A field that comes twice counts as absent (RFC 6749 3.1)."""
    if int(request.headers.get("content-length") or 0) > MOST_FORM_BYTES:
        return None
    body = bytearray()
    try:
        async with asyncio.timeout(FORM_S):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MOST_FORM_BYTES:
                    return None
    except TimeoutError:
        raise HTTPException(408, headers={"connection": "close"}) from None
    try:
        fields = parse_qs(body.decode("utf-8"), keep_blank_values=True, max_num_fields=50)
    except ValueError:
        return {}
    return {name: values[0] for name, values in fields.items() if len(values) == 1}


def _with(address: str, parameters: dict[str, str]) -> str:
    parts = urlsplit(address)
    query = "&".join(filter(None, (parts.query, urlencode({name: value for name, value in parameters.items() if value}))))
    return urlunsplit((parts.scheme, parts.netloc, parts.path, query, ""))
