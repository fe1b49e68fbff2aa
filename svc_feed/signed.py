"""Small signed tokens of the feed: JWTs under one key, told apart by their `typ`."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey


class Signer:
    """Signs and reads claims; the feed alone knows the key."""

    def __init__(self, key: bytes) -> None:
        self._key = OctKey.import_key(key)
        self._pseudonym_key = hmac.digest(key, b"pseudonym", hashlib.sha256)

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

    def pseudonym(self, *parts: str) -> str:
        """A name for `parts` that nobody without the key can lead back to them; the same parts always get the same one."""
        spoken = b"".join(len(raw).to_bytes(4, "big") + raw for raw in (part.encode() for part in parts))
        return hmac.digest(self._pseudonym_key, spoken, hashlib.sha256)[:18].hex()
