"""Sign-in endpoints over a fake social: forms, codes, tokens, refusals as the RFCs name them."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from clipmesh.social.v1 import identity_service_pb2 as pb

from mesh.clock import SystemClock
from mesh.errors import (
    Aborted,
    DeadlineExceeded,
    DeadlineRequired,
    FailedPrecondition,
    InvalidArgument,
    MalformedRequest,
    MeshError,
    NotFound,
    ResourceExhausted,
    Unauthenticated,
    Unavailable,
)
from mesh.testing.clock import FakeClock
from tests.gateway.conftest import Opening
from tests.gateway.fakes import Fakes
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


class InvalidGrant(Unauthenticated):
    reason = "INVALID_GRANT"


class UnknownClient(NotFound):
    reason = "UNKNOWN_CLIENT"


class RedirectRefused(InvalidArgument):
    reason = "REDIRECT_NOT_ALLOWED"


class PkceRequired(InvalidArgument):
    reason = "PKCE_REQUIRED"


NO_VERDICT: list[tuple[Exception, int, str]] = [
    (ResourceExhausted(retry_after_ms=2_500), 429, "3"),
    (ResourceExhausted(), 429, "1"),
    (Unavailable(), 503, "1"),
    (DeadlineExceeded(), 503, "1"),
    (Aborted(), 503, "1"),
    (MeshError(), 503, "1"),
    (FailedPrecondition(), 503, "1"),
    (Unauthenticated(), 503, "1"),
    (MalformedRequest(), 503, "1"),
    (DeadlineRequired(), 503, "1"),
    (RuntimeError("a bug"), 503, "1"),
]
"""What social may answer that says nothing of the login, code or token -> (status, retry-after)."""


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
    about = (await world.http.get("/.well-known/oauth-authorization-server")).json()
    assert about["authorization_response_iss_parameter_supported"]
    assert (where.netloc, where.path) == ("127.0.0.1:8080", "/callback")
    assert parse_qs(where.query) == {"from": ["app"], "code": ["the-code"], "state": ["s&t=1"], "iss": [about["issuer"]]}
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
    for error in (UnknownClient(), RedirectRefused(), PkceRequired()):
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


@pytest.mark.parametrize(("error", "status", "retry_after"), NO_VERDICT)
@pytest.mark.parametrize("method", ["RefreshTokens", "ExchangeCode"])
async def test_without_a_verdict_a_grant_is_never_refused(
    world: World, method: str, error: Exception, status: int, retry_after: str
) -> None:
    """Clients throw away what is refused as 400 or 401: a slow or crowded service must sign nobody out."""
    answering(world, method, error)
    grant = {"RefreshTokens": "refresh_token", "ExchangeCode": "authorization_code"}[method]
    answer = await world.http.post("/oauth/token", data={"grant_type": grant, "refresh_token": "x", "code": "c", "client_id": "y"})
    assert (answer.status_code, answer.headers["retry-after"]) == (status, retry_after)
    assert answer.json() == {"error": "temporarily_unavailable", "error_description": "try again"}


@pytest.mark.parametrize(("error", "status", "retry_after"), NO_VERDICT)
async def test_without_a_verdict_a_password_is_neither_right_nor_wrong(
    world: World, error: Exception, status: int, retry_after: str
) -> None:
    answering(world, "Authorize", error)
    answer = await world.http.post("/oauth/authorize", data={**ASKING, "login": "alice", "password": "hunter2"})
    assert (answer.status_code, answer.headers["retry-after"]) == (status, retry_after)
    assert answer.json()["code"] == ("RATE_LIMITED" if status == 429 else "UNAVAILABLE")
    assert "hunter2" not in answer.text


@pytest.mark.parametrize(("error", "status", "retry_after"), NO_VERDICT)
async def test_a_session_that_may_live_on_is_never_told_as_ended(world: World, error: Exception, status: int, retry_after: str) -> None:
    answering(world, "RevokeSession", error)
    answer = await world.http.post("/oauth/revoke", data={"token": "refresh"})
    assert (answer.status_code, answer.headers["retry-after"]) == (status, retry_after)
    assert answer.json()["error"] == "temporarily_unavailable"


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
    for error in (InvalidGrant(), InvalidArgument()):
        answering(world, "RevokeSession", error)
        assert (await world.http.post("/oauth/revoke", data={"token": "unknown"})).status_code == 200
    assert (await world.http.post("/oauth/revoke", data={})).status_code == 400


async def test_revocations_count_as_sign_ins_do(opened: Opening) -> None:
    async with opened(rate_sign_in_burst=1, rate_sign_in_per_minute=1) as world:
        answering(world, "RevokeSession", pb.RevokeSessionResponse())
        assert (await world.http.post("/oauth/revoke", data={"token": "one"})).status_code == 200
        refused = await world.http.post("/oauth/revoke", data={"token": "two"})
        assert (refused.status_code, refused.json()["error"]) == (429, "temporarily_unavailable")
        assert int(refused.headers["retry-after"]) in {59, 60}
        assert len(world.fakes.requests("RevokeSession")) == 1


async def test_keys_are_asked_for_once_a_minute_however_many_want_them(opened: Opening, fakes: Fakes) -> None:
    clock = FakeClock(SystemClock().now_ms())
    async with opened(clock=clock) as world:
        before = len(fakes.requests("ListSigningKeys"))

        async def keys() -> tuple[int, int]:
            answers = await asyncio.gather(*(world.http.get("/.well-known/jwks.json") for _ in range(5)))
            (status,) = {answer.status_code for answer in answers}
            return status, len(fakes.requests("ListSigningKeys")) - before

        assert await keys() == (200, 1)
        clock.advance(59_999)
        assert await keys() == (200, 1)
        clock.advance(1)
        answering(world, "ListSigningKeys", Unavailable())
        assert await keys() == (503, 2)
        clock.advance(999)
        assert await keys() == (503, 2)
        del fakes.answers["ListSigningKeys"]
        clock.advance(1)
        assert await keys() == (200, 3)


async def test_keys_and_endpoints_are_published(world: World) -> None:
    keys = (await world.http.get("/.well-known/jwks.json")).json()["keys"]
    assert [(key["kty"], key["crv"], key["alg"], key["use"], key["kid"]) for key in keys] == [
        ("OKP", "Ed25519", "EdDSA", "sig", "test-key")
    ]
    about = (await world.http.get("/.well-known/oauth-authorization-server")).json()
    assert about["code_challenge_methods_supported"] == ["S256"]
    assert about["token_endpoint"].endswith("/oauth/token")
