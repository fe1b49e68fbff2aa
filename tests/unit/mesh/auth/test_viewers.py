"""Viewer contexts as they are signed, remembered and scoped; service tokens as they are minted and renewed."""

from __future__ import annotations

import base64
import json

import pytest
from clipmesh.common.v1 import viewer_pb2

from mesh.auth import (
    ServiceTokens,
    ViewerReader,
    ViewerSigner,
    current_caller,
    current_signed_viewer,
    current_viewer,
    require_role,
    require_signed_in,
    viewer_scope,
    without_viewer,
)
from mesh.errors import PermissionDenied, SignInRequired, Unauthenticated
from mesh.secrets import Secrets
from mesh.testing.clock import FakeClock
from mesh.testing.rpc import private_key_of, secrets_for, viewer


def signer(clock: FakeClock, service: str = "gateway") -> ViewerSigner:
    return ViewerSigner(secrets=secrets_for(service), clock=clock)


def test_the_signature_covers_context_and_expiry_as_the_proto_says() -> None:
    clock = FakeClock()
    signed = signer(clock).sign(viewer(user_id=7), ttl_ms=60_000)
    assert signed.expires_at_ms == clock.now_ms() + 60_000
    assert secrets_for("video").verify("gateway", signed.context + signed.expires_at_ms.to_bytes(8, "big"), signed.signature)


def test_equal_contexts_share_a_signature_for_half_its_life() -> None:
    clock = FakeClock()
    gateway = signer(clock)
    first = gateway.sign(viewer(user_id=7))
    clock.advance(30_000)
    assert gateway.sign(viewer(user_id=7)).expires_at_ms == first.expires_at_ms
    assert gateway.sign(viewer(user_id=8)).context != first.context
    clock.advance(1)
    assert gateway.sign(viewer(user_id=7)).expires_at_ms == first.expires_at_ms + 30_001
    clock.step(-3_600_000)
    assert gateway.sign(viewer(user_id=7)).expires_at_ms == clock.now_ms() + 60_000


def test_a_reader_hands_out_contexts_that_cannot_spoil_one_another() -> None:
    clock = FakeClock()
    reader = ViewerReader(secrets=secrets_for("video"), clock=clock)
    data = signer(clock).sign(viewer(user_id=7)).SerializeToString()
    reader.read(data).roles.append(viewer_pb2.ROLE_ADMIN)
    assert reader.read(data) == viewer(user_id=7)


def test_a_reader_refuses_what_is_none() -> None:
    reader = ViewerReader(secrets=secrets_for("video"), clock=FakeClock())
    for data in (b"", b"\xff", viewer(user_id=7).SerializeToString()):
        with pytest.raises(Unauthenticated):
            reader.read(data)


def test_outside_a_call_nobody_is_there() -> None:
    assert (current_caller(), current_signed_viewer(), current_viewer()) == ("", b"", viewer_pb2.ViewerContext())
    with pytest.raises(SignInRequired):
        require_signed_in()
    with pytest.raises(SignInRequired):
        require_role(viewer_pb2.ROLE_VIEWER)


def test_scopes_nest_and_end() -> None:
    clock = FakeClock()
    signed = signer(clock).sign(viewer(user_id=7, roles=[viewer_pb2.ROLE_MODERATOR]))
    with viewer_scope(signed) as seen:
        assert seen.user_id == require_signed_in().user_id == 7
        assert require_role(viewer_pb2.ROLE_ANALYST, viewer_pb2.ROLE_MODERATOR).user_id == 7
        with pytest.raises(PermissionDenied):
            require_role(viewer_pb2.ROLE_ANALYST)
        assert current_signed_viewer() == signed.SerializeToString()
        with without_viewer():
            assert (current_viewer().user_id, current_signed_viewer()) == (0, b"")
        assert current_viewer().user_id == 7
    assert (current_viewer().user_id, current_signed_viewer()) == (0, b"")


def test_administrators_have_every_role() -> None:
    with viewer_scope(signer(FakeClock()).sign(viewer(user_id=7, roles=[viewer_pb2.ROLE_ADMIN]))):
        assert require_role(viewer_pb2.ROLE_MODERATOR).user_id == 7


def test_a_token_is_minted_once_until_half_its_life_is_over() -> None:
    clock = FakeClock()
    tokens = ServiceTokens(secrets=secrets_for("feed"), clock=clock)
    first = tokens.mint("video")
    assert tokens.mint("rights") != first
    clock.advance(149_000)
    assert tokens.mint("video") == first
    clock.advance(1_000)
    assert tokens.mint("video") != first
    header, payload, _ = first.split(".")
    assert json.loads(base64.urlsafe_b64decode(header + "=="))["typ"] == "clipmesh-service+jwt"
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    assert (claims["iss"], claims["aud"], claims["exp"] - claims["iat"]) == ("feed", "video", 300)


def forged(claims: dict[str, object], *, header: dict[str, object] | None = None, service: str = "feed") -> str:
    """A token that `service` really signed, with claims and header of our choice."""
    secrets = secrets_for(service)
    shown = header or {"alg": "EdDSA", "kid": secrets.key_id, "typ": "clipmesh-service+jwt"}
    parts = [
        base64.urlsafe_b64encode(json.dumps(part, separators=(",", ":"), sort_keys=True).encode()).rstrip(b"=") for part in (shown, claims)
    ]
    signature = base64.urlsafe_b64encode(secrets.sign(b".".join(parts))).rstrip(b"=")
    return b".".join([*parts, signature]).decode()


def test_only_the_exact_kind_of_token_is_read() -> None:
    clock = FakeClock()
    video = ServiceTokens(secrets=secrets_for("video"), clock=clock)
    now_s = clock.now_ms() // 1000
    good: dict[str, object] = {"iss": "feed", "aud": "video", "iat": now_s, "exp": now_s + 300}
    assert video.caller(forged(good)) == "feed"
    kid = secrets_for("feed").key_id
    bad = [
        forged({**good, "aud": "rights"}),
        forged({**good, "iss": "gateway"}),
        forged({**good, "iss": 7}),
        forged({**good, "exp": now_s + 301}),
        forged({**good, "exp": now_s}),
        forged({**good, "exp": float(now_s + 10)}),
        forged({**good, "iat": now_s + 6, "exp": now_s + 200}),
        forged({"iss": "feed", "aud": "video", "exp": now_s + 300}),
        forged(good, header={"alg": "EdDSA", "kid": kid, "typ": "at+jwt"}),
        forged(good, header={"alg": "none", "kid": kid, "typ": "clipmesh-service+jwt"}),
        forged(good, header={"alg": "EdDSA", "kid": "feed-0", "typ": "clipmesh-service+jwt"}),
        "..",
        "",
        "é.é.é",
    ]
    for token in bad:
        with pytest.raises(Unauthenticated):
            video.caller(token)


def test_a_revoked_peer_is_not_believed_by_who_does_not_list_it() -> None:
    clock = FakeClock()
    alone = ServiceTokens(secrets=Secrets(service="video", private_key=private_key_of("video"), peers={}), clock=clock)
    with pytest.raises(Unauthenticated):
        alone.caller(ServiceTokens(secrets=secrets_for("feed"), clock=clock).mint("video"))
