"""What RFC 8725 warns of: no other algorithm, type, audience, issuer, key or time is believed."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from clipmesh.common.v1 import viewer_pb2
from clipmesh.social.v1 import events_pb2
from clipmesh.social.v1.identity_service_pb2 import SigningKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mesh.events.event import EventMaker
from mesh.events.stream.port import Delivery
from mesh.session_checks import SessionNow
from mesh.status import RpcUnavailable
from mesh.testing.clock import FakeClock
from mesh.tokens import CLOSED_AFTER_MS, AccessClaims, AccessTokenVerifier, InvalidAccessToken, TokensUnverifiable, encode

PRIVATE = Ed25519PrivateKey.from_private_bytes(b"p" * 32)
OTHER = Ed25519PrivateKey.from_private_bytes(b"o" * 32)
PUBLIC = PRIVATE.public_key().public_bytes_raw()
NOW_MS = 1_760_000_000_000
KEY = SigningKey(key_id="k1", public_key=PUBLIC, not_before_ms=NOW_MS - 1_000, expires_at_ms=NOW_MS + 3_600_000)
CLAIMS = AccessClaims(
    user_id=7,
    session_id=70,
    client_id="clipmesh-web",
    handle="alice",
    roles=(viewer_pb2.ROLE_VIEWER, viewer_pb2.ROLE_RIGHTS_HOLDER),
    age_band=viewer_pb2.AGE_BAND_16_TO_17,
    consents=(viewer_pb2.CONSENT_PURPOSE_ANALYTICS,),
    issued_at_ms=NOW_MS,
    expires_at_ms=NOW_MS + 600_000,
    token_id="700",
)


def b64(raw: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def parts_of(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and payload."""
    header, payload, _ = (base64.urlsafe_b64decode(part + "==") for part in token.split("."))
    return json.loads(header), json.loads(payload)


def signed(header: dict[str, Any], payload: dict[str, Any], key: Ed25519PrivateKey = PRIVATE) -> str:
    """A token with any header and payload, signed well."""
    message = f"{b64(json.dumps(header).encode())}.{b64(json.dumps(payload).encode())}"
    return f"{message}.{b64(key.sign(message.encode()))}"


async def keys() -> Sequence[SigningKey]:
    """The one key."""
    return [KEY]


@pytest.fixture
def clock() -> FakeClock:
    """Stands at NOW_MS."""
    return FakeClock(NOW_MS)


@pytest.fixture
def verifier(clock: FakeClock) -> AccessTokenVerifier:
    """A verifier that can ask for the one key."""
    return AccessTokenVerifier(clock=clock, source=keys)


async def test_a_good_token_says_what_was_put_in_in_words(verifier: AccessTokenVerifier) -> None:
    token = encode(CLAIMS, key_id="k1", private_key=PRIVATE)
    assert await verifier.verify(token) == CLAIMS
    header, payload = parts_of(token)
    assert header == {"alg": "EdDSA", "typ": "at+jwt", "kid": "k1"}
    assert payload == {
        "iss": "clipmesh",
        "aud": "clipmesh",
        "sub": "7",
        "sid": "70",
        "client_id": "clipmesh-web",
        "handle": "alice",
        "roles": ["viewer", "rights_holder"],
        "age_band": "16_to_17",
        "consents": ["analytics"],
        "iat": NOW_MS // 1000,
        "exp": NOW_MS // 1000 + 600,
        "jti": "700",
    }


@pytest.mark.parametrize(
    "change",
    [
        {"alg": "none"},
        {"alg": "HS256"},
        {"alg": "ES256"},
        {"alg": "Ed25519"},
        {"alg": "EDDSA"},
        {"alg": None},
        {"typ": "JWT"},
        {"typ": "jwt"},
        {"typ": None},
        {"kid": "k2"},
        {"kid": None},
        {"kid": 1},
        {"kid": ["k1"]},
        {"crit": ["exp"]},
        {"b64": False, "crit": ["b64"]},
        {"jwk": {"kty": "OKP", "crv": "Ed25519", "x": b64(OTHER.public_key().public_bytes_raw())}, "kid": None},
    ],
)
async def test_every_other_header_is_refused(verifier: AccessTokenVerifier, change: dict[str, Any]) -> None:
    header, payload = parts_of(encode(CLAIMS, key_id="k1", private_key=PRIVATE))
    changed = {name: value for name, value in {**header, **change}.items() if value is not None}
    with pytest.raises(InvalidAccessToken):
        await verifier.verify(signed(changed, payload))


@pytest.mark.parametrize(
    "change",
    [
        {"aud": "other"},
        {"aud": ["clipmesh"]},
        {"aud": ["clipmesh", "other"]},
        {"aud": None},
        {"iss": "other"},
        {"iss": None},
        {"sub": None},
        {"sub": "alice"},
        {"sid": None},
        {"exp": None},
        {"exp": NOW_MS // 1000},
        {"exp": NOW_MS // 1000 + 86_400},
        {"exp": str(NOW_MS // 1000 + 600)},
        {"exp": NOW_MS / 1000 + 600.5},
        {"exp": True},
        {"iat": None},
        {"iat": NOW_MS // 1000 + 31, "exp": NOW_MS // 1000 + 600},
        {"iat": NOW_MS // 1000 - 60, "exp": NOW_MS // 1000 + 500},
        {"roles": ["emperor"]},
        {"roles": None},
    ],
)
async def test_every_other_payload_is_refused(verifier: AccessTokenVerifier, change: dict[str, Any]) -> None:
    header, payload = parts_of(encode(CLAIMS, key_id="k1", private_key=PRIVATE))
    changed = {name: value for name, value in {**payload, **change}.items() if value is not None}
    with pytest.raises(InvalidAccessToken):
        await verifier.verify(signed(header, changed))


async def test_signatures_of_others_and_of_public_bytes_are_refused(verifier: AccessTokenVerifier) -> None:
    good = encode(CLAIMS, key_id="k1", private_key=PRIVATE)
    message, _, signature = good.rpartition(".")
    header, payload = parts_of(good)
    hs_message = f"{b64(json.dumps({**header, 'alg': 'HS256'}).encode())}.{b64(json.dumps(payload).encode())}"
    forged = [
        encode(CLAIMS, key_id="k1", private_key=OTHER),
        f"{hs_message}.{b64(hmac.digest(PUBLIC, hs_message.encode(), hashlib.sha256))}",
        f"{message}.",
        f"{message}.{b64(bytes(64))}",
        f"{message}.{signature}.{signature}",
        f"{b64(json.dumps({**header, 'alg': 'none'}).encode())}.{b64(json.dumps(payload).encode())}.",
        message,
        "",
        "é.é.é",
        "a" * 9_000,
    ]
    for token in forged:
        with pytest.raises(InvalidAccessToken):
            await verifier.verify(token)


async def test_a_key_is_believed_for_its_own_time_only(clock: FakeClock, verifier: AccessTokenVerifier) -> None:
    early = replace(CLAIMS, issued_at_ms=NOW_MS - 60_000, expires_at_ms=NOW_MS + 540_000)
    with pytest.raises(InvalidAccessToken):
        await verifier.verify(encode(early, key_id="k1", private_key=PRIVATE))
    clock.advance(600_000)
    assert verifier.silent_ms == 600_000
    late_ms = NOW_MS + 600_000
    late = replace(CLAIMS, issued_at_ms=late_ms, expires_at_ms=late_ms + 600_000)
    await verifier.verify(encode(late, key_id="k1", private_key=PRIVATE))
    clock.advance(1)
    with pytest.raises(TokensUnverifiable):
        await verifier.verify(encode(late, key_id="k1", private_key=PRIVATE))


async def test_unknown_keys_are_asked_for_once_in_five_seconds(clock: FakeClock) -> None:
    asked = 0

    async def counted() -> Sequence[SigningKey]:
        nonlocal asked
        asked += 1
        return [KEY]

    verifier = AccessTokenVerifier(clock=clock, source=counted)
    for n in range(50):
        with pytest.raises(InvalidAccessToken):
            await verifier.verify(encode(CLAIMS, key_id=f"invented-{n}", private_key=OTHER))
    assert asked == 1
    clock.advance(5_000)
    with pytest.raises(InvalidAccessToken):
        await verifier.verify(encode(CLAIMS, key_id="invented", private_key=OTHER))
    assert asked == 2


async def test_without_any_key_a_token_is_neither_believed_nor_refused(clock: FakeClock) -> None:
    with pytest.raises(TokensUnverifiable):
        await AccessTokenVerifier(clock=clock).verify(encode(CLAIMS, key_id="k1", private_key=PRIVATE))


@dataclass
class Social:
    """What social knows of one session, and how often it was asked."""

    session: SessionNow = field(default_factory=lambda: SessionNow(active=True))
    away: bool = False
    asked: list[int] = field(default_factory=list)
    keys: list[SigningKey] = field(default_factory=lambda: [KEY])

    async def say(self, session_id: int) -> SessionNow:
        """The session, or nothing."""
        self.asked.append(session_id)
        if self.away:
            raise RpcUnavailable()
        return self.session

    async def publish(self) -> Sequence[SigningKey]:
        """The keys, or nothing."""
        if self.away:
            raise RpcUnavailable()
        return self.keys


def issued(clock: FakeClock) -> tuple[AccessClaims, str]:
    """A token of this moment."""
    claims = replace(CLAIMS, issued_at_ms=clock.now_ms(), expires_at_ms=clock.now_ms() + 600_000)
    return claims, encode(claims, key_id="k1", private_key=PRIVATE)


@pytest.fixture
def social() -> Social:
    """Answers until it is told not to."""
    return Social()


@pytest.fixture
def asking(clock: FakeClock, social: Social) -> AccessTokenVerifier:
    """A verifier that hears nothing on the topic and can ask."""
    return AccessTokenVerifier(clock=clock, source=social.publish, sessions=social.say)


async def test_while_something_is_heard_nobody_is_asked_about_sessions(
    clock: FakeClock, asking: AccessTokenVerifier, social: Social
) -> None:
    claims, token = issued(clock)
    clock.advance(90_000)
    assert await asking.verify(token) == claims
    assert social.asked == []


async def test_in_silence_tokens_are_believed_as_long_as_social_says_so(
    clock: FakeClock, asking: AccessTokenVerifier, social: Social
) -> None:
    clock.advance(CLOSED_AFTER_MS + 1_200_000)
    claims, token = issued(clock)
    social.session = SessionNow(active=True, consents=(viewer_pb2.CONSENT_PURPOSE_ADS,))
    for _ in range(3):
        assert await asking.verify(token) == replace(claims, consents=(viewer_pb2.CONSENT_PURPOSE_ADS,))
    assert social.asked == [70]
    assert not asking.closed
    social.session = SessionNow(active=False)
    clock.advance(30_000)
    with pytest.raises(InvalidAccessToken, match="the session is over"):
        await asking.verify(token)
    assert social.asked == [70, 70]


async def test_a_revocation_of_the_first_minutes_of_silence_is_found_by_asking(
    clock: FakeClock, asking: AccessTokenVerifier, social: Social
) -> None:
    _, token = issued(clock)
    social.session = SessionNow(active=False)
    await asking.verify(token)
    clock.advance(90_001)
    with pytest.raises(InvalidAccessToken, match="the session is over"):
        await asking.verify(token)


async def test_when_social_is_away_too_tokens_are_believed_for_ten_minutes_and_then_neither_believed_nor_refused(
    clock: FakeClock, asking: AccessTokenVerifier, social: Social
) -> None:
    await asking.fill()
    social.away = True
    clock.advance(CLOSED_AFTER_MS)
    claims, token = issued(clock)
    for _ in range(3):
        assert await asking.verify(token) == replace(claims, unconfirmed=True), "reads go on, and whoever needs more has to know"
    assert social.asked == [70]
    clock.advance(1)
    with pytest.raises(TokensUnverifiable):
        await asking.verify(token)
    assert asking.closed
    social.away = False
    clock.advance(5_000)
    assert (await asking.verify(token)).user_id == claims.user_id
    assert not asking.closed


async def test_in_silence_a_withdrawn_key_is_noticed_by_asking(clock: FakeClock, asking: AccessTokenVerifier, social: Social) -> None:
    await asking.fill()
    clock.advance(120_000)
    _, token = issued(clock)
    await asking.verify(token)
    social.keys = []
    clock.advance(30_000)
    with pytest.raises(TokensUnverifiable):
        await asking.verify(token)


async def test_forged_tokens_cause_no_question_about_sessions(clock: FakeClock, asking: AccessTokenVerifier, social: Social) -> None:
    clock.advance(CLOSED_AFTER_MS + 1)
    claims, _ = issued(clock)
    with pytest.raises(InvalidAccessToken):
        await asking.verify(encode(claims, key_id="k1", private_key=OTHER))
    assert social.asked == []


async def test_older_news_change_nothing(clock: FakeClock) -> None:
    verifier = AccessTokenVerifier(clock=clock)
    made = EventMaker(producer="social", next_id=lambda: 1, clock=clock)

    async def hear(message: Any) -> None:
        envelope = made.make(message, key="k", topic="keys").envelope(row_version=1)
        await verifier.deliver(Delivery("keys", 0, "0", "k", envelope.SerializeToString(), 0))

    await hear(events_pb2.SigningKeysPublished(keys=[KEY]))
    await hear(events_pb2.ConsentsChanged(user_id=7, consents=[viewer_pb2.CONSENT_PURPOSE_ADS]))
    clock.step(-1_000)
    await hear(events_pb2.SigningKeysPublished(keys=[]))
    await hear(events_pb2.ConsentsChanged(user_id=7, consents=[]))
    await hear(events_pb2.AccountCreated())
    clock.step(1_000)
    claims = await verifier.verify(encode(CLAIMS, key_id="k1", private_key=PRIVATE))
    assert claims == replace(CLAIMS, consents=(viewer_pb2.CONSENT_PURPOSE_ADS,))


async def test_a_token_larger_than_eight_kibibytes_is_never_issued() -> None:
    with pytest.raises(ValueError, match="larger than 8192"):
        encode(replace(CLAIMS, handle="x" * 8_000), key_id="k1", private_key=PRIVATE)
