"""Who is asking, from where: builds the viewer context once a request and signs it."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from clipmesh.common.v1 import viewer_pb2
from starlette.requests import HTTPConnection

from gateway.settings import GatewaySettings
from mesh.tokens import AccessClaims, AccessTokenVerifier, InvalidAccessToken

SESSION_COOKIE = "clipmesh_session"
SESSION_S = 180 * 86_400
MOST_LANGUAGES = 8

_NETWORKS = {
    "slow-2g": viewer_pb2.NETWORK_CLASS_SLOW,
    "2g": viewer_pb2.NETWORK_CLASS_SLOW,
    "3g": viewer_pb2.NETWORK_CLASS_3G,
    "4g": viewer_pb2.NETWORK_CLASS_4G,
    "5g": viewer_pb2.NETWORK_CLASS_5G,
    "wifi": viewer_pb2.NETWORK_CLASS_WIFI,
}
"""Values of the ECT client hint, and what apps say in the same header."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewer:
    """The asking person as the gateway knows them for one request or socket."""

    context: viewer_pb2.ViewerContext
    address: str
    """The client's address, for limits; never passed on in clear but to sign-in attempts."""
    new_session: str = ""
    """Cookie value to set, empty when the browser has one."""
    token: str = field(default="", repr=False)
    """The access token that proves who it is, empty for anonymous."""
    expires_at_ms: int = 0
    """When the token ends, 0 for anonymous."""

    @property
    def user_id(self) -> int:
        """0 for anonymous."""
        return self.context.user_id


class Viewers:
    """Builds viewers from requests."""

    def __init__(self, *, verifier: AccessTokenVerifier, settings: GatewaySettings, cookie_key: bytes) -> None:
        self._verifier = verifier
        self._settings = settings
        self._cookie_key = cookie_key

    async def of(self, connection: HTTPConnection, *, authorization: str | None = None) -> Viewer:
        """The viewer of a request; `authorization` wins over the header (sockets bring it later).

        Raises mesh.tokens.InvalidAccessToken for a token that is no good, TokensUnverifiable when no keys are known.
        """
        header = connection.headers.get("authorization", "") if authorization is None else authorization
        token = _bearer(header)
        claims = await self._verifier.verify(token) if token else None
        session, fresh = self._session(connection.cookies)
        return Viewer(
            context=self._context(connection.headers, claims, session),
            address=self.address(connection),
            new_session=fresh,
            token=token,
            expires_at_ms=claims.expires_at_ms if claims is not None else 0,
        )

    async def recheck(self, viewer: Viewer) -> None:
        """Look again at the token of a socket that stays open. Raises InvalidAccessToken once it is expired or its session over."""
        if viewer.token:
            await self._verifier.verify(viewer.token)

    def cookie(self, viewer: Viewer) -> str:
        """The Set-Cookie header of a new session, empty when there is none to set."""
        if not viewer.new_session:
            return ""
        secure = "; Secure" if self._settings.origin.startswith("https:") else ""
        return f"{SESSION_COOKIE}={viewer.new_session}; Max-Age={SESSION_S}; Path=/; HttpOnly; SameSite=Lax{secure}"

    def _context(self, headers: Mapping[str, str], claims: AccessClaims | None, session: str) -> viewer_pb2.ViewerContext:
        region, source = self._region(headers)
        context = viewer_pb2.ViewerContext(
            region=region,
            region_source=source,
            device_class=_device(headers),
            network_class=_NETWORKS.get(headers.get("ect", "").lower(), viewer_pb2.NETWORK_CLASS_UNSPECIFIED),
            languages=_languages(headers.get("accept-language", "")),
            save_data=headers.get("save-data", "").lower() == "on",
            session_id=session,
        )
        if claims is not None:
            context.user_id = claims.user_id
            context.handle = claims.handle
            context.roles.extend(claims.roles)
            context.age_band = claims.age_band
            withheld = headers.get("sec-gpc") == "1"
            context.consents.extend(() if withheld else claims.consents)
        return context

    def _region(self, headers: Mapping[str, str]) -> tuple[str, viewer_pb2.RegionSource.ValueType]:
        kind, _, value = self._settings.geo.partition(":")
        if kind == "fixed":
            return value, viewer_pb2.REGION_SOURCE_FIXED
        region = headers.get(value.lower(), "").upper()
        if len(region) == 2 and region.isascii() and region.isalpha():
            return region, viewer_pb2.REGION_SOURCE_PROXY
        return "", viewer_pb2.REGION_SOURCE_UNSPECIFIED

    def address(self, connection: HTTPConnection) -> str:
        """The client's address: the socket's peer, or the hop that the configured number of proxies vouches for."""
        peer = connection.client.host if connection.client else "unknown"
        hops = [hop.strip() for hop in connection.headers.get("x-forwarded-for", "").split(",") if hop.strip()]
        trusted = self._settings.trusted_proxies
        return hops[-trusted][:64] if trusted and len(hops) >= trusted else peer

    def _session(self, cookies: Mapping[str, str]) -> tuple[str, str]:
        """(session id, cookie value to set): a session is only ours when its tag is."""
        value, _, tag = cookies.get(SESSION_COOKIE, "").partition(".")
        if value and hmac.compare_digest(tag, self._tag(value)):
            return value, ""
        fresh = secrets.token_urlsafe(16)
        return fresh, f"{fresh}.{self._tag(fresh)}"

    def _tag(self, value: str) -> str:
        return hmac.new(self._cookie_key, value.encode(), hashlib.sha256).hexdigest()[:32]


def _bearer(header: str) -> str:
    """The token of an Authorization header, empty for none. Raises InvalidAccessToken for what is neither: it must not pass for anonymous."""
    if not header.strip():
        return ""
    scheme, _, token = header.strip().partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise InvalidAccessToken("authorization has to be `Bearer <access token>`")
    return token.strip()


def _device(headers: Mapping[str, str]) -> viewer_pb2.DeviceClass.ValueType:
    mobile = headers.get("sec-ch-ua-mobile")
    agent = headers.get("user-agent", "")
    if mobile == "?1" or "Mobi" in agent:
        return viewer_pb2.DEVICE_CLASS_PHONE
    if "iPad" in agent or "Tablet" in agent:
        return viewer_pb2.DEVICE_CLASS_TABLET
    if "TV" in agent:
        return viewer_pb2.DEVICE_CLASS_TV
    return viewer_pb2.DEVICE_CLASS_DESKTOP if mobile == "?0" or "Mozilla" in agent else viewer_pb2.DEVICE_CLASS_UNSPECIFIED


def _languages(header: str) -> list[str]:
    """Tags of an Accept-Language header, most wanted first (RFC 9110 12.5.4)."""
    weighted = []
    for position, item in enumerate(header[:500].split(",")):
        tag, _, parameters = item.strip().partition(";")
        quality = parameters.strip().removeprefix("q=")
        try:
            weight = float(quality) if quality else 1.0
        except ValueError:
            continue
        if 0 < len(tag) <= 35 and weight > 0 and tag.replace("-", "").isalnum():
            weighted.append((-weight, position, tag))
    return [tag for _, _, tag in sorted(weighted)[:MOST_LANGUAGES]]
