"""RFC 8725, best current practice for JSON Web Tokens: one test for each item, on tokens that social really gave.

More values of each kind, signed well with the right key, stand in tests/unit/social/test_access_tokens.py: every other header, every other
payload, signatures of others.

Not ours: 2.3 and 3.4, encrypted tokens and curves whose points have to be checked (there is Ed25519 alone); 2.4 and 3.6, compression (the
reader knows no `zip`); 2.6 and 3.7, encodings of passwords as keys (keys are random).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from clipmesh.social.v1 import identity_service_pb2 as pb
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mesh.tokens import AccessTokenVerifier, InvalidAccessToken, TokensUnverifiable
from tests.service.social.world import World, session_of

THEIRS = Ed25519PrivateKey.from_private_bytes(b"t" * 32)


def b64(raw: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


class Forge:
    """A good token of a person, and whatever can be made of it with the service's own key or without."""

    def __init__(self, world: World, pair: pb.TokenPair, key: Ed25519PrivateKey, public: bytes) -> None:
        self.world, self.pair, self.key, self.public = world, pair, key, public
        header, payload, self.signature = pair.access_token.split(".")
        self.header: dict[str, Any] = json.loads(base64.urlsafe_b64decode(header + "=="))
        self.payload: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=="))
        self.verifier: AccessTokenVerifier = world.verifier()

    def signed(self, header: dict[str, Any], payload: bytes | None = None, *, key: Ed25519PrivateKey | None = None) -> str:
        """A token signed by the service's key unless another is given."""
        message = f"{b64(json.dumps(header).encode())}.{b64(json.dumps(self.payload).encode() if payload is None else payload)}"
        return f"{message}.{b64((key or self.key).sign(message.encode()))}"

    async def refused(self, token: str) -> None:
        """Nobody believes it, and the good one is believed still."""
        with pytest.raises(InvalidAccessToken):
            await self.verifier.verify(token)
        assert (await self.verifier.verify(self.pair.access_token)).session_id == session_of(self.pair)


@pytest.fixture
async def forge(world: World) -> Forge:
    """Alice is signed in."""
    await world.sign_up("alice")
    pair = await world.sign_in()
    current = await world.app.signing.current()
    return Forge(world, pair, current.private_key, current.private_key.public_key().public_bytes_raw())


async def test_the_forge_itself_makes_tokens_that_are_believed(forge: Forge) -> None:
    assert (await forge.verifier.verify(forge.signed(forge.header))).user_id == forge.pair.user_id


@pytest.mark.parametrize(
    "algorithm", ["none", "None", "nOnE", "HS256", "HS512", "ES256", "RS256", "PS256", "Ed25519", "Ed448", "eddsa", ""]
)
async def test_2_1_and_3_1_no_other_algorithm_is_believed_even_with_a_good_signature(forge: Forge, algorithm: str) -> None:
    await forge.refused(forge.signed({**forge.header, "alg": algorithm}))


async def test_2_1_none_without_a_signature_is_refused(forge: Forge) -> None:
    message = f"{b64(json.dumps({**forge.header, 'alg': 'none'}).encode())}.{b64(json.dumps(forge.payload).encode())}"
    for token in (message, f"{message}.", f"{message}.{forge.signature}"):
        await forge.refused(token)


async def test_2_1_a_public_key_is_no_secret_of_an_hmac(forge: Forge) -> None:
    (told,) = (await forge.world.identity.ListSigningKeys(pb.ListSigningKeysRequest())).keys
    assert told.public_key == forge.public
    message = f"{b64(json.dumps({**forge.header, 'alg': 'HS256'}).encode())}.{b64(json.dumps(forge.payload).encode())}"
    for secret in (told.public_key, b64(told.public_key).encode(), told.public_key.hex().encode()):
        await forge.refused(f"{message}.{b64(hmac.digest(secret, message.encode(), hashlib.sha256))}")


async def test_2_2_and_3_5_keys_are_random_and_of_full_length(forge: Forge) -> None:
    assert len(forge.key.private_bytes_raw()) == 32
    assert len(set(forge.key.private_bytes_raw())) > 16


async def test_3_3_the_signature_is_checked_over_every_byte(forge: Forge) -> None:
    head, body, signature = forge.pair.access_token.split(".")
    other = b64(json.dumps({**forge.payload, "sub": "1", "roles": ["admin"]}).encode())
    raw = bytearray(base64.urlsafe_b64decode(signature + "=="))
    raw[0] ^= 1
    for token in (
        f"{head}.{other}.{signature}",
        f"{head}.{body}.{b64(bytes(raw))}",
        f"{head}.{body}.{signature[:-4]}",
        f"{head}.{body}.AAAA",
    ):
        await forge.refused(token)


@pytest.mark.parametrize("issuer", ["", "Clipmesh", "clipmesh/", "https://clipmesh.example", "clipmesh\u0000", ["clipmesh"], None])
async def test_3_8_the_issuer_is_compared_to_the_letter(forge: Forge, issuer: object) -> None:
    await forge.refused(forge.signed(forge.header, json.dumps({**forge.payload, "iss": issuer}).encode()))


@pytest.mark.parametrize("subject", ["", "alice", "-", "1.5", None, [], {}])
async def test_3_8_a_subject_that_is_nobody_is_refused(forge: Forge, subject: object) -> None:
    await forge.refused(forge.signed(forge.header, json.dumps({**forge.payload, "sub": subject}).encode()))


@pytest.mark.parametrize("audience", ["", "other", "CLIPMESH", ["clipmesh"], ["clipmesh", "other"], {"clipmesh": 1}, None])
async def test_3_9_the_audience_is_compared_to_the_letter(forge: Forge, audience: object) -> None:
    await forge.refused(forge.signed(forge.header, json.dumps({**forge.payload, "aud": audience}).encode()))


@pytest.mark.parametrize(
    "kid",
    [
        "",
        "../../../../dev/null",
        "' OR 1=1 --",
        "0",
        "1-0000000000000000",
        "https://evil.example/key",
        "x" * 4_000,
        1,
        None,
        ["1"],
        {"a": 1},
    ],
)
async def test_3_10_a_key_id_is_looked_up_and_nothing_more(forge: Forge, kid: object) -> None:
    for key in (forge.key, THEIRS):
        await forge.refused(forge.signed({**forge.header, "kid": kid}, key=key))


@pytest.mark.parametrize("name", ["jku", "x5u", "jwk", "x5c"])
async def test_3_10_a_token_brings_no_key_of_its_own(forge: Forge, name: str) -> None:
    public = b64(THEIRS.public_key().public_bytes_raw())
    values: dict[str, Any] = {
        "jku": "https://evil.example/jwks.json",
        "x5u": "https://evil.example/cert.pem",
        "jwk": {"kty": "OKP", "crv": "Ed25519", "x": public},
        "x5c": [public],
    }
    await forge.refused(forge.signed({**forge.header, name: values[name]}, key=THEIRS))


@pytest.mark.parametrize("kind", ["JWT", "jwt", "at+JWT", "application/at+jwt", "at+jwt ", "refresh+jwt", "", None, 1])
async def test_3_11_and_3_12_only_the_type_of_access_tokens_is_believed(forge: Forge, kind: object) -> None:
    await forge.refused(forge.signed({**forge.header, "typ": kind}))


async def test_3_12_other_secrets_of_ours_are_no_access_tokens(forge: Forge) -> None:
    code = await forge.world.authorize()
    for other in (forge.pair.refresh_token, code, forge.signed({"alg": "EdDSA", "kid": forge.header["kid"]})):
        await forge.refused(other)


@pytest.mark.parametrize("critical", [["exp"], ["unknown"], [], ["b64"], "exp", [1]])
async def test_rfc_7515_4_1_11_what_is_critical_and_not_known_is_refused(forge: Forge, critical: object) -> None:
    await forge.refused(forge.signed({**forge.header, "crit": critical, "unknown": 1}))


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, value) for name in ("exp", "iat") for value in (None, "", "soon", True, 1.5, -(10**12), 10**12, 10**30, [], {})],
)
async def test_hostile_times_are_refused_and_break_nothing(forge: Forge, name: str, value: object) -> None:
    await forge.refused(forge.signed(forge.header, json.dumps({**forge.payload, name: value}).encode()))


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400", "1" + "0" * 5_000])
async def test_numbers_that_json_has_not_are_refused(forge: Forge, number: str) -> None:
    text = json.dumps(forge.payload).replace(str(forge.payload["exp"]), number)
    await forge.refused(forge.signed(forge.header, text.encode()))


async def test_not_before_which_we_never_say_lets_nothing_in_that_times_keep_out(forge: Forge) -> None:
    ended = {**forge.payload, "exp": forge.payload["iat"], "nbf": 0}
    await forge.refused(forge.signed(forge.header, json.dumps(ended).encode()))


@pytest.mark.parametrize("name", ["sub", "aud", "exp", "roles"])
async def test_rfc_7519_4_a_claim_that_comes_twice_is_refused(forge: Forge, name: str) -> None:
    text = json.dumps(forge.payload)
    doubled = text[:-1] + f", {json.dumps(name)}: {json.dumps(forge.payload[name])}}}"
    await forge.refused(forge.signed(forge.header, doubled.encode()))


@pytest.mark.parametrize("payload", [b"", b"[]", b"1", b'"text"', b"null", b"{", b"\xff\xfe", b"{}", b"[" * 3_000])
async def test_payloads_that_are_no_claims_are_refused(forge: Forge, payload: bytes) -> None:
    await forge.refused(forge.signed(forge.header, payload))


@pytest.mark.parametrize("header", [b"[" * 3_000, b'{"a":' * 1_000, b"[]", b"null", b"1", b"", b"\xff", b"{"])
async def test_headers_that_are_none_are_refused_whoever_wrote_them(forge: Forge, header: bytes) -> None:
    await forge.refused(f"{b64(header)}.{b64(b'{}')}.{forge.signature}")


async def test_tokens_that_are_too_long_cost_nothing(forge: Forge) -> None:
    await forge.refused(forge.signed(forge.header, json.dumps({**forge.payload, "x": "y" * 8_000}).encode()))
    await forge.refused("a." * 1_000_000)


async def test_without_keys_nothing_is_believed(forge: Forge) -> None:
    with pytest.raises(TokensUnverifiable):
        await AccessTokenVerifier(clock=forge.world.clock).verify(forge.pair.access_token)
