"""Verifying access tokens: locally, from keys and revocations heard on the topic `keys`; by asking only while nothing is heard."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from clipmesh.common.v1 import viewer_pb2
from clipmesh.social.v1 import events_pb2, identity_service_pb2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from mesh import deadline
from mesh.access_tokens import (
    ACCESS_TOKEN_MS,
    ALGORITHM,
    AUDIENCE,
    ISSUER,
    MAX_TOKEN_BYTES,
    REGISTRY,
    TOKEN_TYPE,
    AccessClaims,
    InvalidAccessToken,
    claims_of,
    encode,
)
from mesh.clock import Clock
from mesh.errors import MeshError, Unavailable
from mesh.events.incoming import incoming_of
from mesh.events.stream.port import Delivery, Stream
from mesh.events.tailing import Tail
from mesh.session_checks import ASK_S, SessionChecks, SessionNow

__all__ = [
    "ACCESS_TOKEN_MS",
    "ALGORITHM",
    "AUDIENCE",
    "ISSUER",
    "AccessClaims",
    "AccessTokenVerifier",
    "InvalidAccessToken",
    "TokensUnverifiable",
    "encode",
]

KEYS_TOPIC = "keys"
TAIL_SINCE_MS = 15 * 60_000
"""How far back a new verifier listens: longer than an access token lives, so that no revocation that matters is missed."""
SKEW_MS = 30_000
"""How far the clocks of two machines may differ."""
STALE_AFTER_MS = 90_000
"""Keys are repeated every minute; after this much silence revocations may have been missed."""
CLOSED_AFTER_MS = 10 * 60_000
"""After this much silence no token is believed by itself: every revocation since the oldest living token may have been missed."""
_REFILL_MS = 5_000
_REFRESH_MS = 30_000
"""How often the keys are asked for while nothing is heard of them, in milliseconds."""
_REMEMBERED = 4_096
"""Tokens whose signature is not checked again; each of them at most 8 KiB."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose names are each there once (RFC 7519, 4): of two values another reader might take the other. Raises ValueError."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a claim comes twice")
    return found


class TokensUnverifiable(Unavailable):
    """No signing keys were heard for too long; tokens can be neither believed nor refused."""


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
    """Verifies access tokens without asking anybody: keys, revoked sessions and changed consents come by `deliver`.

    Only while nothing was heard for longer than STALE_AFTER_MS the owner is asked, when `source` and `sessions` are given.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        source: Callable[[], Awaitable[Sequence[identity_service_pb2.SigningKey]]] | None = None,
        sessions: Callable[[int], Awaitable[SessionNow]] | None = None,
    ) -> None:
        self._clock = clock
        self._source = source
        self._sessions = SessionChecks(clock=clock, ask=sessions) if sessions is not None else None
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

    @property
    def closed(self) -> bool:
        """True when no token can be believed: nothing was heard for too long, and nobody answers who could be asked."""
        return self.silent_ms > CLOSED_AFTER_MS and (self._sessions is None or self._sessions.away)

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
                self._take(message.keys)
                self._keys_at_ms = at_ms
                self._silent_since_ms = max(self._silent_since_ms, at_ms)
                if self._sessions is not None and not self.stale:
                    self._sessions.forget()
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
        if self.stale or not self._keys or any(key.key_id not in self._keys for key in keys):
            self._take(keys)

    async def verify(self, token: str) -> AccessClaims:
        """The claims of a good token, with the consents as they are now; `unconfirmed` when its session may be over without our knowing.
        Raises InvalidAccessToken and TokensUnverifiable."""
        if len(token) > MAX_TOKEN_BYTES:
            raise InvalidAccessToken("the token is too long")
        if self.silent_ms > CLOSED_AFTER_MS and self._sessions is None:
            raise TokensUnverifiable()
        if self.stale and self._may_fill(_REFRESH_MS):
            with suppress(MeshError), deadline.scope(ASK_S):
                await self.fill()
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
        return await self._as_social_says(claims) if self.stale else self._with_newest_consents(claims)

    async def _as_social_says(self, claims: AccessClaims) -> AccessClaims:
        """The claims after a look at the session's owner; without an answer as they were last heard of, unless that is too long ago."""
        session = await self._sessions.of(claims.session_id) if self._sessions is not None else None
        if session is None:
            if self.silent_ms > CLOSED_AFTER_MS:
                raise TokensUnverifiable()
            return replace(self._with_newest_consents(claims), unconfirmed=True)
        if not session.active:
            raise InvalidAccessToken("the session is over")
        return replace(claims, consents=session.consents)

    async def _signed(self, token: str) -> tuple[AccessClaims, str]:
        """What a well-formed token with a good signature claims, and the id of its key."""
        try:
            compact = jws.extract_compact(token.encode("ascii"), registry=REGISTRY)
        except (JoseError, ValueError) as error:
            raise InvalidAccessToken("the token is malformed") from error
        header = compact.headers()
        if header.get("typ") != TOKEN_TYPE or header.get("alg") != ALGORITHM:
            raise InvalidAccessToken("the token is of another type or algorithm")
        key_id = await self._key_id(header.get("kid"))
        try:
            if not jws.validate_compact(compact, self._keys[key_id].key, registry=REGISTRY):
                raise InvalidAccessToken("the signature is wrong")
            return claims_of(json.loads(compact.payload, object_pairs_hook=_unique)), key_id
        except (JoseError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
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
        if key_id not in self._keys and self._may_fill(_REFILL_MS):
            await self.fill()
        if not self._keys:
            raise TokensUnverifiable()
        if key_id not in self._keys:
            raise InvalidAccessToken("the token names no key of ours")
        return key_id

    def _may_fill(self, every_ms: int) -> bool:
        """Unknown key ids cost nothing to invent, so they cause one question in five seconds at most."""
        return self._source is not None and (self._filled_at_ms is None or self._clock.monotonic_ms() - self._filled_at_ms >= every_ms)

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
