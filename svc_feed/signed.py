"""Small signed tokens of the feed: JWTs under one key, told apart by their `typ`."""

from __future__ import annotations

from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey


class Signer:
    """Signs and reads claims; the feed alone knows the key."""

    def __init__(self, key: bytes) -> None:
        self._key = OctKey.import_key(key)

    def sign(self, typ: str, claims: dict[str, Any]) -> str:
        """A compact token of a kind."""
        return jwt.encode({"alg": "HS256", "typ": typ}, claims, self._key, algorithms=["HS256"])

    def read(self, typ: str, token: str) -> dict[str, Any] | None:
        """The claims of a token of this kind; None for anything that was not signed here or is another kind. Expiry is the reader's matter."""
        try:
            decoded = jwt.decode(token, self._key, algorithms=["HS256"])
        except (JoseError, ValueError, KeyError, TypeError):
            return None
        return dict(decoded.claims) if decoded.header.get("typ") == typ else None
