"""Access tokens as they travel: EdDSA JWTs after RFC 9068, written by social, read by every verifier."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from clipmesh.common.v1 import viewer_pb2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc import jws
from joserfc.errors import UnsupportedAlgorithmError
from joserfc.jwa import JWSAlgModel
from joserfc.jwk import OKPKey
from joserfc.jws import JWSRegistry

from mesh.errors import Unauthenticated

ISSUER = "clipmesh"
AUDIENCE = "clipmesh"
TOKEN_TYPE = "at+jwt"  # noqa: S105 - RFC 9068, 2.1
ALGORITHM = "EdDSA"
ACCESS_TOKEN_MS = 10 * 60_000
"""Life of an access token."""
MAX_TOKEN_BYTES = 8 * 1024


class InvalidAccessToken(Unauthenticated):
    """The access token is malformed, forged, expired, revoked or meant for somebody else."""


class _Ed25519Registry(JWSRegistry):
    """One algorithm and no other. Our keys are Ed25519 only, so the ambiguity that RFC 9864 deprecates `EdDSA` for does not arise."""

    def get_alg(self, name: str) -> JWSAlgModel:
        if name != ALGORITHM:
            raise UnsupportedAlgorithmError(f"algorithm {name!r} is not allowed")
        return self.algorithms[name]


REGISTRY = _Ed25519Registry(algorithms=[ALGORITHM])


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessClaims:
    """What an access token says of its bearer."""

    user_id: int
    session_id: int
    client_id: str
    handle: str
    roles: tuple[viewer_pb2.Role.ValueType, ...]
    age_band: viewer_pb2.AgeBand.ValueType
    consents: tuple[viewer_pb2.ConsentPurpose.ValueType, ...]
    issued_at_ms: int
    """Whole seconds."""
    expires_at_ms: int
    """Whole seconds."""
    token_id: str
    unconfirmed: bool = False
    """No claim of the token: its verifier says so while it can neither hear nor ask whether the session is over."""


def encode(claims: AccessClaims, *, key_id: str, private_key: Ed25519PrivateKey) -> str:
    """The signed token, at most 8 KiB."""
    payload = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": str(claims.user_id),
        "sid": str(claims.session_id),
        "client_id": claims.client_id,
        "handle": claims.handle,
        "roles": [viewer_pb2.Role.Name(role).removeprefix("ROLE_").lower() for role in claims.roles],
        "age_band": viewer_pb2.AgeBand.Name(claims.age_band).removeprefix("AGE_BAND_").lower(),
        "consents": [viewer_pb2.ConsentPurpose.Name(purpose).removeprefix("CONSENT_PURPOSE_").lower() for purpose in claims.consents],
        "iat": claims.issued_at_ms // 1000,
        "exp": claims.expires_at_ms // 1000,
        "jti": claims.token_id,
    }
    header = {"alg": ALGORITHM, "typ": TOKEN_TYPE, "kid": key_id}
    body = json.dumps(payload, separators=(",", ":")).encode()
    token = jws.serialize_compact(header, body, OKPKey.import_key(private_key), registry=REGISTRY)
    if len(token) > MAX_TOKEN_BYTES:
        raise ValueError(f"an access token of {len(token)} bytes is larger than {MAX_TOKEN_BYTES}")
    return token


def claims_of(payload: dict[str, Any]) -> AccessClaims:
    """What the payload of a token claims. Raises InvalidAccessToken, ValueError, KeyError, TypeError or AttributeError for any other."""
    if payload["iss"] != ISSUER or payload["aud"] != AUDIENCE:
        raise InvalidAccessToken("the token was issued by or for somebody else")
    if type(payload["iat"]) is not int or type(payload["exp"]) is not int:
        raise InvalidAccessToken("the times of the token are no whole numbers")
    return AccessClaims(
        user_id=int(payload["sub"]),
        session_id=int(payload["sid"]),
        client_id=str(payload["client_id"]),
        handle=str(payload["handle"]),
        roles=tuple(viewer_pb2.Role.Value(f"ROLE_{word.upper()}") for word in payload["roles"]),
        age_band=viewer_pb2.AgeBand.Value(f"AGE_BAND_{payload['age_band'].upper()}"),
        consents=tuple(viewer_pb2.ConsentPurpose.Value(f"CONSENT_PURPOSE_{word.upper()}") for word in payload["consents"]),
        issued_at_ms=payload["iat"] * 1000,
        expires_at_ms=payload["exp"] * 1000,
        token_id=str(payload["jti"]),
    )
