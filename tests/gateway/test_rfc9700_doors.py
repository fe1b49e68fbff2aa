"""RFC 9700 at the endpoints themselves; what social decides stands in tests/service/social/test_rfc9700.py, errors in test_oauth.py."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from clipmesh.social.v1 import identity_service_pb2 as pb

from tests.gateway.world import World

ASKING = {
    "response_type": "code",
    "client_id": "clipmesh-web",
    "redirect_uri": "http://127.0.0.1:8080/callback",
    "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
    "code_challenge_method": "S256",
    "state": "s",
}
TOKENS = pb.TokenPair(access_token="the-access", refresh_token="the-refresh", expires_in_ms=600_000, user_id=7)


def answering(world: World, method: str, answer: Any) -> None:
    """Let social answer this."""

    async def reply(_: object) -> Any:
        return answer

    world.fakes.answers[method] = reply


@pytest.mark.parametrize("kind", ["token", "id_token", "code token", "code id_token", "none", "Code", ""])
async def test_2_1_2_nothing_but_a_code_can_be_asked_for(world: World, kind: str) -> None:
    answer = await world.http.post("/oauth/authorize", data={**ASKING, "response_type": kind, "login": "a", "password": "b"})
    assert (answer.status_code, answer.json()["code"]) == (400, "UNSUPPORTED_RESPONSE_TYPE")
    assert "location" not in answer.headers
    assert not world.fakes.counted


@pytest.mark.parametrize(
    "grant",
    [
        "password",
        "client_credentials",
        "implicit",
        "urn:ietf:params:oauth:grant-type:device_code",
        "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "",
    ],
)
async def test_2_4_no_other_grant_is_taken(world: World, grant: str) -> None:
    form = {"grant_type": grant, "username": "alice", "password": "secret", "assertion": "x", "client_id": "clipmesh-web"}
    answer = await world.http.post("/oauth/token", data=form)
    assert (answer.status_code, answer.json()["error"]) == (400, "unsupported_grant_type")
    assert not world.fakes.counted


async def test_2_6_the_metadata_promises_what_there_is_and_no_more(world: World) -> None:
    about = (await world.http.get("/.well-known/oauth-authorization-server")).json()
    assert about["response_types_supported"] == ["code"]
    assert about["grant_types_supported"] == ["authorization_code", "refresh_token"]
    assert about["token_endpoint_auth_methods_supported"] == ["none"]
    assert about["code_challenge_methods_supported"] == ["S256"]


async def test_4_2_and_4_3_tokens_are_in_no_address_and_kept_by_no_cache(world: World) -> None:
    answering(world, "Authorize", pb.AuthorizeResponse(code="the-code"))
    answering(world, "ExchangeCode", pb.ExchangeCodeResponse(tokens=TOKENS))
    back = await world.http.post("/oauth/authorize", data={**ASKING, "login": "alice", "password": "secret"})
    assert set(parse_qs(urlsplit(back.headers["location"]).query)) == {"code", "state", "iss"}
    assert urlsplit(back.headers["location"]).fragment == ""
    form = {"grant_type": "authorization_code", "code": "the-code", "code_verifier": "v" * 43, "client_id": "clipmesh-web"}
    answer = await world.http.post("/oauth/token", data=form)
    assert (answer.headers["cache-control"], answer.json()["access_token"]) == ("no-store", "the-access")
    assert (await world.http.get("/oauth/token", params=form)).status_code == 405


async def test_4_2_4_the_form_tells_nobody_where_it_was(world: World) -> None:
    answer = await world.http.get("/oauth/authorize", params=ASKING)
    assert answer.headers["referrer-policy"] in {"no-referrer", "same-origin"}
    assert answer.headers["cache-control"] == "no-store"


async def test_4_4_2_the_answer_names_its_issuer(world: World) -> None:
    answering(world, "Authorize", pb.AuthorizeResponse(code="the-code"))
    back = await world.http.post("/oauth/authorize", data={**ASKING, "login": "alice", "password": "secret"})
    about = (await world.http.get("/.well-known/oauth-authorization-server")).json()
    assert parse_qs(urlsplit(back.headers["location"]).query)["iss"] == [about["issuer"]]


async def test_4_7_1_the_state_comes_back_as_it_was(world: World) -> None:
    answering(world, "Authorize", pb.AuthorizeResponse(code="the-code"))
    state = "a b&code=other#x%00é"
    back = await world.http.post("/oauth/authorize", data={**ASKING, "state": state, "login": "alice", "password": "secret"})
    assert parse_qs(urlsplit(back.headers["location"]).query) | {"iss": []} == {"code": ["the-code"], "state": [state], "iss": []}


async def test_4_12_the_password_does_not_travel_on_with_the_redirect(world: World) -> None:
    answering(world, "Authorize", pb.AuthorizeResponse(code="the-code"))
    back = await world.http.post("/oauth/authorize", data={**ASKING, "login": "alice", "password": "secret"})
    assert back.status_code == 303
    assert "secret" not in back.headers["location"]


async def test_4_16_the_form_stands_in_no_frame(world: World) -> None:
    answer = await world.http.get("/oauth/authorize", params=ASKING)
    assert answer.headers["x-frame-options"] == "DENY"
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
