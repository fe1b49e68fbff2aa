"""Playback grants: what is signed is read, and nothing else is."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import replace

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from mesh.grants import (
    GRANT_LIFE_MS,
    GRANT_SKEW_MS,
    Grant,
    GrantExpired,
    GrantInvalid,
    GrantKind,
    grant_expires_at_ms,
    read_grant,
    sign_grant,
)

NOW_MS = 1_760_000_000_000
KEY = Ed25519PrivateKey.from_private_bytes(b"v" * 32)
GRANT = Grant(video_id=7_234_567_890_123_456_789, epoch=3, expires_at_ms=NOW_MS + 500_000, prefix="video/7234567890123456789/")
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def verify_with(key: Ed25519PrivateKey) -> Callable[[bytes, bytes], bool]:
    def verify(message: bytes, signature: bytes) -> bool:
        try:
            key.public_key().verify(signature, message)
        except InvalidSignature:
            return False
        return True

    return verify


def read(token: str, now_ms: int = NOW_MS) -> Grant:
    return read_grant(token, verify=verify_with(KEY), now_ms=now_ms)


def signed_bytes(token: str) -> bytes:
    return base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))


def test_a_grant_is_read_as_it_was_signed_and_fits_a_path() -> None:
    token = sign_grant(GRANT, sign=KEY.sign)
    assert read(token) == GRANT
    assert set(token) <= set(ALPHABET)
    assert len(token) == 150
    images = replace(GRANT, kind=GrantKind.IMAGES, epoch=0)
    assert read(sign_grant(images, sign=KEY.sign)) == images


def test_equal_grants_have_equal_tokens() -> None:
    assert sign_grant(GRANT, sign=KEY.sign) == sign_grant(replace(GRANT), sign=KEY.sign)


@given(position=st.integers(0, 149), letter=st.sampled_from(ALPHABET + "=+/. %é\0"))
def test_a_token_that_is_changed_anywhere_is_invalid(position: int, letter: str) -> None:
    token = sign_grant(GRANT, sign=KEY.sign)
    changed = token[:position] + letter + token[position + 1 :]
    if changed == token:
        return
    with pytest.raises(GrantInvalid):
        read(changed)


@given(st.text(max_size=500))
def test_no_text_is_a_grant(text: str) -> None:
    with pytest.raises(GrantInvalid):
        read(text)


def test_a_cut_or_lengthened_token_is_invalid() -> None:
    token = sign_grant(GRANT, sign=KEY.sign)
    for cut in range(len(token)):
        with pytest.raises(GrantInvalid):
            read(token[:cut])
    for longer in (token + "A", token + "=", token + "AAAA", "A" * 4_000_000):
        with pytest.raises(GrantInvalid):
            read(longer)


def test_another_key_does_not_grant() -> None:
    with pytest.raises(GrantInvalid):
        read(sign_grant(GRANT, sign=Ed25519PrivateKey.from_private_bytes(b"w" * 32).sign))


def test_a_signature_of_the_same_key_over_something_else_does_not_grant() -> None:
    token = sign_grant(GRANT, sign=KEY.sign)
    body = signed_bytes(token)[:-64]
    with pytest.raises(GrantInvalid):
        read(base64.urlsafe_b64encode(body + KEY.sign(body)).rstrip(b"=").decode())


@pytest.mark.parametrize("head", [bytes([2, 1]), bytes([1, 3]), bytes([1, 0])], ids=["version", "kind-3", "kind-0"])
def test_a_signed_token_of_another_version_or_kind_is_invalid(head: bytes) -> None:
    body = head + signed_bytes(sign_grant(GRANT, sign=KEY.sign))[2:-64]
    signed = body + KEY.sign(b"clipmesh.grant.v1\0" + body)
    with pytest.raises(GrantInvalid):
        read(base64.urlsafe_b64encode(signed).rstrip(b"=").decode())


def test_a_grant_ends_to_the_millisecond() -> None:
    token = sign_grant(GRANT, sign=KEY.sign)
    assert read(token, GRANT.expires_at_ms - 1) == GRANT
    with pytest.raises(GrantExpired):
        read(token, GRANT.expires_at_ms)


def test_a_grant_that_lives_longer_than_grants_do_is_invalid() -> None:
    longest = NOW_MS + GRANT_LIFE_MS + GRANT_SKEW_MS
    assert read(sign_grant(replace(GRANT, expires_at_ms=longest), sign=KEY.sign)).expires_at_ms == longest
    with pytest.raises(GrantInvalid):
        read(sign_grant(replace(GRANT, expires_at_ms=longest + 1), sign=KEY.sign))


@given(st.integers(0, 2**43))
def test_ends_fall_on_whole_minutes_between_nine_and_ten_minutes_ahead(now_ms: int) -> None:
    at_ms = grant_expires_at_ms(now_ms)
    assert at_ms % 60_000 == 0
    assert 540_000 < at_ms - now_ms <= 600_000


@pytest.mark.parametrize("prefix", ["", "video/1", "/video/1/", "x" * 120 + "/"])
def test_other_prefixes_are_not_signed(prefix: str) -> None:
    with pytest.raises(ValueError, match="prefix"):
        sign_grant(replace(GRANT, prefix=prefix), sign=KEY.sign)
