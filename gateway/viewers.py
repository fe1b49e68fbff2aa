"""Who is asking, from where: builds the viewer context once a request and signs it."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from clipmesh.common.v1 import viewer_pb2
from starlette.requests import HTTPConnection

from gateway.addresses import AddressPseudonyms
from gateway.proxies import Proxies
from gateway.regions import open_regions
from gateway.settings import GatewaySettings
from mesh.clock import Clock
from mesh.tokens import AccessClaims, AccessTokenVerifier, InvalidAccessToken

EVERYBODYS_ROLES = frozenset({viewer_pb2.ROLE_VIEWER, viewer_pb2.ROLE_CREATOR})
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
    opts_out: bool = False
    """Whether the browser says Sec-GPC: no purpose is consented to then."""

    @property
    def user_id(self) -> int:
        """0 for anonymous."""
        return self.context.user_id


class Viewers:
    """Builds viewers from requests. Making it raises InvalidSetting when regions cannot be told as configured."""

    def __init__(self, *, verifier: AccessTokenVerifier, settings: GatewaySettings, cookie_key: bytes, clock: Clock) -> None:
        self._verifier = verifier
        self._settings = settings
        self._cookie_key = cookie_key
        self._proxies = Proxies(hops=settings.trusted_proxies, networks=settings.proxy_networks)
        self._regions = open_regions(settings.geo, proxies=self._proxies)
        self._pseudonyms = AddressPseudonyms(key=cookie_key, clock=clock)

    async def of(self, connection: HTTPConnection, *, authorization: str | None = None) -> Viewer:
        """The viewer of a request; `authorization` wins over the header (sockets bring it later).

        Raises mesh.tokens.InvalidAccessToken for a token that is no good, TokensUnverifiable when no keys are known.
        """
        header = connection.headers.get("authorization", "") if authorization is None else authorization
        token = _bearer(header)
        claims = await self._verifier.verify(token) if token else None
        session, fresh = self._session(connection.cookies)
        context, address = self._context(connection, claims, session), self.address(connection)
        if claims is None:
            context.address_pseudonym = self._pseudonyms.of(address)
        return Viewer(
            context=context,
            address=address,
            new_session=fresh,
            token=token,
            expires_at_ms=claims.expires_at_ms if claims is not None else 0,
            opts_out=_opts_out(connection),
        )

    async def renewed(self, viewer: Viewer) -> Viewer:
        """The viewer of a connection that stays open, as its token counts now: consents and roles may have been taken back meanwhile.

        Raises InvalidAccessToken once the token is expired or its session over, TokensUnverifiable when no keys are known.
        """
        if not viewer.token:
            return viewer
        claims = await self._verifier.verify(viewer.token)
        context = viewer_pb2.ViewerContext()
        context.CopyFrom(viewer.context)
        _believe(context, claims, opts_out=viewer.opts_out)
        return replace(viewer, context=context)

    def cookie(self, viewer: Viewer) -> str:
        """The Set-Cookie header of a new session, empty when there is none to set."""
        if not viewer.new_session:
            return ""
        secure = "; Secure" if self._settings.origin.startswith("https:") else ""
        return f"{SESSION_COOKIE}={viewer.new_session}; Max-Age={SESSION_S}; Path=/; HttpOnly; SameSite=Lax{secure}"

    def close(self) -> None:
        """Let go of what tells regions."""
        self._regions.close()

    def _context(self, connection: HTTPConnection, claims: AccessClaims | None, session: str) -> viewer_pb2.ViewerContext:
        headers = connection.headers
        region, source = self._regions.of(connection)
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
            _believe(context, claims, opts_out=_opts_out(connection))
        return context

    def address(self, connection: HTTPConnection) -> str:
        """The client's address, as far as the configured proxies vouch for it."""
        return self._proxies.address(connection)

    def _session(self, cookies: Mapping[str, str]) -> tuple[str, str]:
        """(session id, cookie value to set): a session is only ours when its tag is."""
        value, _, tag = cookies.get(SESSION_COOKIE, "").partition(".")
        if value and hmac.compare_digest(tag, self._tag(value)):
            return value, ""
        fresh = secrets.token_urlsafe(16)
        return fresh, f"{fresh}.{self._tag(fresh)}"

    def _tag(self, value: str) -> str:
        return hmac.new(self._cookie_key, value.encode(), hashlib.sha256).hexdigest()[:32]


def _believe(context: viewer_pb2.ViewerContext, claims: AccessClaims, *, opts_out: bool) -> None:
    """Let a context say what a token proves, whatever it said before."""
    context.user_id = claims.user_id
    context.handle = claims.handle
    # While nobody can say whether the session lives, it counts for reading and for no more than everybody's roles.
    context.roles[:] = [role for role in claims.roles if not claims.unconfirmed or role in EVERYBODYS_ROLES]
    context.login_session_id = claims.session_id
    context.login_unconfirmed = claims.unconfirmed
    context.age_band = claims.age_band
    context.consents[:] = () if opts_out else claims.consents


def _opts_out(connection: HTTPConnection) -> bool:
    return connection.headers.get("sec-gpc") == "1"


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
