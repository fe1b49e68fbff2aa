"""Access tokens: EdDSA JWTs that everybody verifies locally, from keys and revocations heard on the topic `keys`."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from clipmesh.common.v1 import viewer_pb2
from clipmesh.social.v1 import events_pb2, identity_service_pb2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from joserfc import jws
from joserfc.errors import JoseError, UnsupportedAlgorithmError
from joserfc.jwa import JWSAlgModel
from joserfc.jwk import OKPKey
from joserfc.jws import JWSRegistry

from mesh.clock import Clock
from mesh.errors import Unauthenticated, Unavailable
from mesh.events.incoming import incoming_of
from mesh.events.stream.port import Delivery, Stream
from mesh.events.tailing import Tail

ISSUER = "clipmesh"
AUDIENCE = "clipmesh"
TOKEN_TYPE = "at+jwt"  # noqa: S105 - RFC 9068, 2.1
ALGORITHM = "EdDSA"
ACCESS_TOKEN_MS = 10 * 60_000
"""Life of an access token."""
MAX_TOKEN_BYTES = 8 * 1024
KEYS_TOPIC = "keys"
TAIL_SINCE_MS = 15 * 60_000
"""How far back a new verifier listens: longer than an access token lives, so that no revocation that matters is missed."""
SKEW_MS = 30_000
"""How far the clocks of two machines may differ."""
STALE_AFTER_MS = 90_000
"""Keys are repeated every minute; after this much silence revocations may have been missed."""
CLOSED_AFTER_MS = 10 * 60_000
"""After this much silence no token is believed: every revocation since the oldest living token may have been missed."""
_REFILL_MS = 5_000
_REMEMBERED = 4_096
"""Tokens whose signature is not checked again; each of them at most 8 KiB."""


class InvalidAccessToken(Unauthenticated):
    """The access token is malformed, forged, expired, revoked or meant for somebody else."""


class TokensUnverifiable(Unavailable):
    """No signing keys were heard for too long; tokens can be neither believed nor refused."""


class _Ed25519Registry(JWSRegistry):
    """One algorithm and no other. Our keys are Ed25519 only, so the ambiguity that RFC 9864 deprecates `EdDSA` for does not arise."""

    def get_alg(self, name: str) -> JWSAlgModel:
        if name != ALGORITHM:
            raise UnsupportedAlgorithmError(f"algorithm {name!r} is not allowed")
        return self.algorithms[name]


_REGISTRY = _Ed25519Registry(algorithms=[ALGORITHM])


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
    token = jws.serialize_compact(header, body, OKPKey.import_key(private_key), registry=_REGISTRY)
    if len(token) > MAX_TOKEN_BYTES:
        raise ValueError(f"an access token of {len(token)} bytes is larger than {MAX_TOKEN_BYTES}")
    return token


def _claims(payload: dict[str, Any]) -> AccessClaims:
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


@dataclass(frozen=True, slots=True)
class _VerifyingKey:
    key: OKPKey
    not_before_ms: int
    expires_at_ms: int


@dataclass(frozen=True, slots=True)
class _Consents:
    changed_at_ms: int
    consents: tuple[viewer_pb2.ConsentPurpose.ValueType, ...]


class AccessTokenVerifier:
    """Verifies access tokens without asking anybody: keys, revoked sessions and changed consents come by `deliver`."""

    def __init__(
        self,
        *,
        clock: Clock,
        source: Callable[[], Awaitable[Sequence[identity_service_pb2.SigningKey]]] | None = None,
    ) -> None:
        self._clock = clock
        self._source = source
        self._keys: dict[str, _VerifyingKey] = {}
        self._keys_at_ms = 0
        self._revoked: dict[int, int] = {}
        self._consents: dict[int, _Consents] = {}
        self._silent_since_ms = clock.now_ms()
        self._filled_at_ms: int | None = None
        self._read: dict[str, tuple[AccessClaims, str]] = {}

    @property
    def silent_ms(self) -> int:
        """How long nothing was heard of the keys, in milliseconds."""
        return max(0, self._clock.now_ms() - self._silent_since_ms)

    @property
    def stale(self) -> bool:
        """True when revocations of the last minute may have been missed."""
        return self.silent_ms > STALE_AFTER_MS

    async def run(self, stream: Stream) -> None:
        """Listen to the topic `keys` for ever, from 15 minutes back."""
        await Tail(stream=stream, topics=(KEYS_TOPIC,), since_ms=TAIL_SINCE_MS).run(self.deliver)

    async def deliver(self, delivery: Delivery) -> None:
        """Take in one record of the topic; what is of no concern or older than what is known changes nothing."""
        event = incoming_of(delivery.value, (events_pb2.SigningKeysPublished, events_pb2.SessionRevoked, events_pb2.ConsentsChanged))
        if event is None:
            return
        at_ms, message = event.envelope.occurred_at_ms, event.message
        if isinstance(message, events_pb2.SigningKeysPublished):
            if at_ms >= self._keys_at_ms:
                self._keys_at_ms = at_ms
                self._silent_since_ms = max(self._silent_since_ms, at_ms)
                self._take(message.keys)
            self._forget()
        elif isinstance(message, events_pb2.SessionRevoked):
            self._revoked[message.session_id] = message.expires_at_ms
        elif isinstance(message, events_pb2.ConsentsChanged):
            known = self._consents.get(message.user_id)
            if known is None or at_ms >= known.changed_at_ms:
                self._consents[message.user_id] = _Consents(at_ms, tuple(message.consents))

    async def fill(self) -> None:
        """Ask the source for the keys once; for the start, before the topic was heard. Errors of the source pass through."""
        if self._source is None:
            return
        self._filled_at_ms = self._clock.monotonic_ms()
        keys = await self._source()
        if not self._keys or any(key.key_id not in self._keys for key in keys):
            self._take(keys)

    async def verify(self, token: str) -> AccessClaims:
        """The claims of a good token, with the consents as they are now. Raises InvalidAccessToken and TokensUnverifiable."""
        if len(token) > MAX_TOKEN_BYTES:
            raise InvalidAccessToken("the token is too long")
        if self.silent_ms > CLOSED_AFTER_MS:
            raise TokensUnverifiable()
        known = self._read.get(token)
        key = self._keys.get(known[1]) if known is not None else None
        if known is None or key is None:
            known = await self._signed(token)
            key = self._keys[known[1]]
            if len(self._read) >= _REMEMBERED:
                self._read.clear()
            self._read[token] = known
        # Only what the signature covers is remembered: time and revocations are asked each time.
        claims = known[0]
        self._check_times(claims, key)
        if claims.session_id in self._revoked:
            raise InvalidAccessToken("the session is over")
        return self._with_newest_consents(claims)

    async def _signed(self, token: str) -> tuple[AccessClaims, str]:
        """What a well-formed token with a good signature claims, and the id of its key."""
        try:
            compact = jws.extract_compact(token.encode("ascii"), registry=_REGISTRY)
        except (JoseError, ValueError) as error:
            raise InvalidAccessToken("the token is malformed") from error
        header = compact.headers()
        if header.get("typ") != TOKEN_TYPE or header.get("alg") != ALGORITHM:
            raise InvalidAccessToken("the token is of another type or algorithm")
        key_id = await self._key_id(header.get("kid"))
        try:
            if not jws.validate_compact(compact, self._keys[key_id].key, registry=_REGISTRY):
                raise InvalidAccessToken("the signature is wrong")
            return _claims(json.loads(compact.payload)), key_id
        except (JoseError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise InvalidAccessToken("the token is malformed") from error

    def _check_times(self, claims: AccessClaims, key: _VerifyingKey) -> None:
        now_ms = self._clock.now_ms()
        if claims.expires_at_ms <= now_ms or claims.issued_at_ms > now_ms + SKEW_MS:
            raise InvalidAccessToken("the token is expired or not valid yet")
        if claims.expires_at_ms - claims.issued_at_ms > ACCESS_TOKEN_MS:
            raise InvalidAccessToken("the token lives too long")
        if key.expires_at_ms <= now_ms or claims.issued_at_ms + SKEW_MS < key.not_before_ms:
            raise InvalidAccessToken("the key of the token is not valid at its time")

    def _with_newest_consents(self, claims: AccessClaims) -> AccessClaims:
        newest = self._consents.get(claims.user_id)
        if newest is None or newest.changed_at_ms < claims.issued_at_ms:
            return claims
        return replace(claims, consents=newest.consents)

    async def _key_id(self, key_id: object) -> str:
        if not isinstance(key_id, str):
            raise InvalidAccessToken("the token names no key")
        if key_id not in self._keys and self._may_fill():
            await self.fill()
        if not self._keys:
            raise TokensUnverifiable()
        if key_id not in self._keys:
            raise InvalidAccessToken("the token names no key of ours")
        return key_id

    def _may_fill(self) -> bool:
        """Unknown key ids cost nothing to invent, so they cause one question in five seconds at most."""
        return self._source is not None and (self._filled_at_ms is None or self._clock.monotonic_ms() - self._filled_at_ms >= _REFILL_MS)

    def _take(self, keys: Iterable[identity_service_pb2.SigningKey]) -> None:
        self._keys = {
            key.key_id: _VerifyingKey(
                OKPKey.import_key(Ed25519PublicKey.from_public_bytes(key.public_key)), key.not_before_ms, key.expires_at_ms
            )
            for key in keys
        }

    def _forget(self) -> None:
        now_ms = self._clock.now_ms()
        self._revoked = {session: until_ms for session, until_ms in self._revoked.items() if until_ms > now_ms}
        oldest_ms = now_ms - ACCESS_TOKEN_MS - SKEW_MS
        self._consents = {user: known for user, known in self._consents.items() if known.changed_at_ms > oldest_ms}
