"""Short-lived tokens by which one service proves to another who it is."""

from __future__ import annotations

import base64
import binascii
import json

from mesh.clock import Clock
from mesh.errors import Unauthenticated
from mesh.secrets import Secrets

METADATA_KEY = "clipmesh-service-token"
TOKEN_TYPE = "clipmesh-service+jwt"  # noqa: S105 a media type, no secret
LIFETIME_S = 300
"""How long a token is believed; a stolen one is worth no more than that."""

SKEW_S = 5
"""How far the clocks of two machines may differ."""

_REMEMBERED = 1024


def _encode(document: dict[str, object]) -> str:
    data = json.dumps(document, separators=(",", ":"), sort_keys=True).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(segment: str) -> bytes:
    return base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))


class ServiceTokens:
    """Mints the tokens of this service and reads those of its peers; both are remembered, since Ed25519 costs more than a call."""

    def __init__(self, *, secrets: Secrets, clock: Clock) -> None:
        self._secrets = secrets
        self._clock = clock
        self._header = self._header_of(secrets.service)
        self._minted: dict[str, tuple[str, int]] = {}
        self._read: dict[str, tuple[str, int]] = {}

    def _header_of(self, service: str) -> str:
        return _encode({"alg": "EdDSA", "kid": self._secrets.key_id_of(service), "typ": TOKEN_TYPE})

    def mint(self, audience: str) -> str:
        """A token for calls to `audience`: EdDSA JWT, renewed when half of its life is over."""
        now_s = self._clock.now_ms() // 1000
        known = self._minted.get(audience)
        if known is not None and now_s < known[1] <= now_s + LIFETIME_S:
            return known[0]
        claims: dict[str, object] = {"iss": self._secrets.service, "aud": audience, "iat": now_s, "exp": now_s + LIFETIME_S}
        signed = f"{self._header}.{_encode(claims)}"
        signature = base64.urlsafe_b64encode(self._secrets.sign(signed.encode())).rstrip(b"=").decode()
        token = f"{signed}.{signature}"
        self._minted[audience] = (token, now_s + LIFETIME_S // 2)
        return token

    def caller(self, token: str) -> str:
        """The service that minted `token` for us; Unauthenticated when it is forged, expired, of another type or for another audience."""
        now_s = self._clock.now_ms() // 1000
        known = self._read.get(token)
        if known is None:
            known = self._verified(token, now_s)
            if len(self._read) >= _REMEMBERED:
                self._read.clear()
            self._read[token] = known
        if known[1] + SKEW_S <= now_s:
            raise Unauthenticated("the service token has expired")
        return known[0]

    def _verified(self, token: str, now_s: int) -> tuple[str, int]:
        header, _, rest = token.partition(".")
        payload, _, signature = rest.partition(".")
        try:
            claims = json.loads(_decode(payload))
            issuer, audience, issued_at_s, expires_at_s = (claims[name] for name in ("iss", "aud", "iat", "exp"))
            signed_by_issuer = self._secrets.verify(str(issuer), f"{header}.{payload}".encode(), _decode(signature))
        except (ValueError, KeyError, TypeError, binascii.Error):
            raise Unauthenticated("the service token cannot be read") from None
        # The whole header has to be the one we would write: no other type, algorithm or key is ever considered.
        if not signed_by_issuer or header != self._header_of(issuer):
            raise Unauthenticated("the service token is not signed by a known service")
        if audience != self._secrets.service:
            raise Unauthenticated("the service token is for another service")
        if type(issued_at_s) is not int or type(expires_at_s) is not int or not 0 < expires_at_s - issued_at_s <= LIFETIME_S:
            raise Unauthenticated("the service token lives too long")
        if issued_at_s > now_s + SKEW_S:
            raise Unauthenticated("the service token comes from the future")
        return issuer, expires_at_s
