"""Sign-in endpoints over a fake social: forms, codes, tokens, refusals as the RFCs name them."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from clipmesh.social.v1 import identity_service_pb2 as pb

from mesh.errors import FailedPrecondition, InvalidArgument, PermissionDenied, ResourceExhausted, Unauthenticated
from tests.gateway.world import World

ASKING = {
    "response_type": "code",
    "client_id": "clipmesh-web",
    "redirect_uri": "http://127.0.0.1:8080/callback?from=app",
    "code_challenge": "c" * 43,
    "code_challenge_method": "S256",
    "state": "s&t=1",
}
PAIR = pb.TokenPair(access_token="access", expires_in_ms=600_000, refresh_token="refresh", user_id=7)


class WrongCredentials(Unauthenticated):
    reason = "WRONG_CREDENTIALS"


class TooManyAttempts(ResourceExhausted):
    reason = "TOO_MANY_ATTEMPTS"


class InvalidGrant(FailedPrecondition):
    reason = "INVALID_GRANT"


class UnknownClient(PermissionDenied):
    reason = "UNKNOWN_CLIENT"


class RedirectRefused(InvalidArgument):
    reason = "REDIRECT_NOT_ALLOWED"


def answering(world: World, method: str, answer: Any) -> None:
    async def reply(_: object) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    world.fakes.answers[method] = reply


async def test_the_form_carries_what_was_asked_and_nothing_can_break_out_of_it(world: World) -> None:
    answer = await world.http.get("/oauth/authorize", params={**ASKING, "state": '"><script>alert(1)</script>'})
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert '<input type="hidden" name="client_id" value="clipmesh-web">' in answer.text
    assert 'name="state" value="&quot;&gt;&lt;script&gt;' in answer.text
    assert "<script>alert" not in answer.text


async def test_a_right_password_sends_the_browser_back_with_a_code(world: World) -> None:
    answering(world, "Authorize", pb.AuthorizeResponse(code="the-code"))
    answer = await world.http.post("/oauth/authorize", data={**ASKING, "login": "alice", "password": "secret"})
    assert answer.status_code == 303
    where = urlsplit(answer.headers["location"])
    assert (where.netloc, where.path) == ("127.0.0.1:8080", "/callback")
    assert parse_qs(where.query) == {"from": ["app"], "code": ["the-code"], "state": ["s&t=1"]}
    (request,) = world.fakes.requests("Authorize")
    assert (request.login, request.password, request.code_challenge_method) == ("alice", "secret", "S256")
    assert request.client_address == "127.0.0.1"


@pytest.mark.parametrize(("error", "status"), [(WrongCredentials(), 401), (TooManyAttempts(), 429)])
async def test_a_wrong_password_shows_the_form_again_without_it(world: World, error: Exception, status: int) -> None:
    answering(world, "Authorize", error)
    answer = await world.http.post("/oauth/authorize", data={**ASKING, "login": "<alice>", "password": "hunter2"})
    assert answer.status_code == status
    assert "&lt;alice&gt;" in answer.text
    assert "hunter2" not in answer.text
    assert "location" not in answer.headers


async def test_a_client_or_redirect_that_is_not_ours_is_never_redirected_to(world: World) -> None:
    for error in (UnknownClient(), RedirectRefused()):
        answering(world, "Authorize", error)
        answer = await world.http.post("/oauth/authorize", data={**ASKING, "login": "a", "password": "b"})
        assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
        assert answer.json()["code"] == error.reason
        assert "location" not in answer.headers


@pytest.mark.parametrize("headers", [{"origin": "https://evil.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"}])
async def test_a_form_of_another_site_signs_nobody_in(world: World, headers: dict[str, str]) -> None:
    answer = await world.http.post("/oauth/authorize", data={**ASKING, "login": "a", "password": "b"}, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "CROSS_SITE")
    assert not world.fakes.counted


async def test_other_forms_are_refused_before_anybody_is_asked(world: World) -> None:
    wrong_type = await world.http.post("/oauth/authorize", data={**ASKING, "response_type": "token"})
    assert (wrong_type.status_code, wrong_type.json()["code"]) == (400, "UNSUPPORTED_RESPONSE_TYPE")
    large = await world.http.post("/oauth/authorize", data={**ASKING, "login": "x" * 20_000})
    assert (large.status_code, large.json()["code"]) == (413, "BODY_TOO_LARGE")
    assert not world.fakes.counted


async def test_a_code_becomes_tokens_that_nobody_keeps(world: World) -> None:
    answering(world, "ExchangeCode", pb.ExchangeCodeResponse(tokens=PAIR))
    form = {"grant_type": "authorization_code", "code": "c", "code_verifier": "v" * 43, "client_id": "clipmesh-web", "redirect_uri": "r"}
    answer = await world.http.post("/oauth/token", data=form)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json() == {
        "access_token": "access",
        "token_type": "Bearer",
        "expires_in": 600,
        "refresh_token": "refresh",
        "user_id": "7",
    }
    (request,) = world.fakes.requests("ExchangeCode")
    assert (request.code, request.code_verifier, request.redirect_uri) == ("c", "v" * 43, "r")


async def test_a_refresh_token_becomes_a_new_pair(world: World) -> None:
    answering(world, "RefreshTokens", pb.RefreshTokensResponse(tokens=PAIR))
    answer = await world.http.post(
        "/oauth/token", data={"grant_type": "refresh_token", "refresh_token": "old", "client_id": "clipmesh-web"}
    )
    assert answer.json()["refresh_token"] == "refresh"
    assert world.fakes.requests("RefreshTokens")[0].refresh_token == "old"


@pytest.mark.parametrize(
    ("error", "status", "word"),
    [
        (InvalidGrant(), 400, "invalid_grant"),
        (UnknownClient(), 401, "invalid_client"),
        (InvalidArgument(), 400, "invalid_request"),
    ],
)
async def test_a_refusal_has_the_word_of_rfc_6749(world: World, error: Exception, status: int, word: str) -> None:
    answering(world, "RefreshTokens", error)
    answer = await world.http.post("/oauth/token", data={"grant_type": "refresh_token", "refresh_token": "x", "client_id": "y"})
    assert (answer.status_code, answer.json()["error"]) == (status, word)
    assert "access_token" not in answer.text


async def test_unknown_grants_and_doubled_fields_are_refused(world: World) -> None:
    answer = await world.http.post("/oauth/token", data={"grant_type": "password", "username": "a", "password": "b"})
    assert (answer.status_code, answer.json()["error"]) == (400, "unsupported_grant_type")
    doubled = b"grant_type=refresh_token&grant_type=refresh_token&refresh_token=x&client_id=y"
    answer = await world.http.post("/oauth/token", content=doubled, headers={"content-type": "application/x-www-form-urlencoded"})
    assert answer.json()["error"] == "unsupported_grant_type"
    assert not world.fakes.counted


async def test_without_social_nobody_signs_in_and_everybody_hears_why(world: World) -> None:
    await world.fakes.servers["social"].server.stop(drain_wait_ms=0, grace_ms=0)
    form = {"grant_type": "refresh_token", "refresh_token": "x", "client_id": "y"}
    answer = await world.http.post("/oauth/token", data=form)
    assert (answer.status_code, answer.json()["error"]) == (503, "temporarily_unavailable")
    answer = await world.http.post("/oauth/authorize", data={**ASKING, "login": "a", "password": "b"})
    assert (answer.status_code, answer.json()["code"]) == (503, "UNAVAILABLE")
    assert (await world.http.get("/.well-known/jwks.json")).status_code == 503


async def test_a_session_is_ended_and_an_unknown_one_is_no_error(world: World) -> None:
    answering(world, "RevokeSession", pb.RevokeSessionResponse())
    assert (await world.http.post("/oauth/revoke", data={"token": "refresh"})).status_code == 200
    assert world.fakes.requests("RevokeSession")[0].refresh_token == "refresh"
    answering(world, "RevokeSession", InvalidGrant())
    assert (await world.http.post("/oauth/revoke", data={"token": "unknown"})).status_code == 200
    assert (await world.http.post("/oauth/revoke", data={})).status_code == 400


async def test_keys_and_endpoints_are_published(world: World) -> None:
    keys = (await world.http.get("/.well-known/jwks.json")).json()["keys"]
    assert [(key["kty"], key["crv"], key["alg"], key["use"], key["kid"]) for key in keys] == [
        ("OKP", "Ed25519", "EdDSA", "sig", "test-key")
    ]
    about = (await world.http.get("/.well-known/oauth-authorization-server")).json()
    assert about["code_challenge_methods_supported"] == ["S256"]
    assert about["token_endpoint"].endswith("/oauth/token")
