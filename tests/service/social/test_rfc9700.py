"""RFC 9700, best current practice for the security of OAuth 2.0: one test for each item that applies to social.

Items that stand elsewhere:

- 2.1 and 4.1.3, redirects that differ in one letter; 2.1.1, every challenge that is not S256: test_sign_in.py,
  test_a_wrong_application_redirect_or_challenge_gives_no_code_and_counts_no_attempt
- 2.1.1 and 4.5.3, code injection: test_sign_in.py, test_a_code_without_its_proof_or_redirect_gives_nothing_and_stays_usable_by_its_owner
- 4.2.4 and 4.3.1, a code is used once and for a minute: test_sign_in.py, test_the_repeat_of_a_code_ends_the_session_it_gave,
  test_a_code_is_usable_for_sixty_seconds
- 2.2.2 and 4.14.2, rotation and reuse: test_sessions.py; idle end: test_a_session_ends_after_thirty_idle_days_and_after_180_in_all
- 4.14.2, end by logout and by a new password: test_own_sessions.py, test_new_password.py
- 2.1.2, 2.4, 2.6, 4.2, 4.3, 4.4.2 (mix-up, RFC 9207), 4.7.1, 4.12 and 4.16, at the endpoints: tests/gateway/test_rfc9700_doors.py; 4.7.1, the form of
  another site, and 4.11.2, no open redirector: tests/gateway/test_oauth.py
- 4.13, headers of proxies that nobody vouched for: tests/gateway/test_viewers.py

Not ours: 2.2.1 and 4.10.1, sender-constrained tokens (bearer tokens of 10 minutes instead); 2.5 and 4.15, clients with secrets (there are
none); 4.6, access tokens in the front channel (there are none); 4.17, in-browser messages (the flow has none).
"""

from __future__ import annotations

import re

import pytest
from clipmesh.common.v1 import viewer_pb2
from clipmesh.social.v1 import identity_service_pb2 as pb

from mesh.client import RpcFailed
from mesh.errors import Unauthenticated
from mesh.tokens import AUDIENCE, ISSUER
from svc_social.identity.clients import check_redirect_setting
from svc_social.identity.session_tables import AuthorizationCode, Session, SessionEnd
from tests.service.social.world import OTHER_CLIENT, OTHER_REDIRECT, REDIRECT, VERIFIER, World, challenge_of
from tests.unit.social.test_access_tokens import parts_of


async def refused(world: World, code: str, **fields: str) -> None:
    """The exchange gives nothing."""
    with pytest.raises(Unauthenticated) as failed:
        await world.exchange(code, **fields)
    assert failed.value.reason == "INVALID_GRANT"


@pytest.mark.parametrize(
    "uri", ["http://clipmesh.example/callback", "https://*.clipmesh.example/", "https://clipmesh.example/cb#x", "/callback", "app:/cb"]
)
def test_2_1_redirects_of_wildcards_fragments_and_plain_http_cannot_be_registered(uri: str) -> None:
    with pytest.raises(ValueError, match="redirect"):
        check_redirect_setting(uri)


@pytest.mark.parametrize("uri", ["http://127.0.0.1:8080/callback", "http://[::1]:8080/callback", "https://clipmesh.example/callback"])
def test_2_1_https_and_loopback_can_be_registered(uri: str) -> None:
    check_redirect_setting(uri)


async def test_2_1_the_redirect_of_another_client_is_no_redirect_of_this_one(world: World) -> None:
    await world.sign_up("alice")
    with pytest.raises(RpcFailed) as failed:
        await world.authorize(redirect_uri=OTHER_REDIRECT)
    assert failed.value.reason == "REDIRECT_NOT_ALLOWED"
    assert await world.rows(AuthorizationCode) == []


async def test_2_1_1_a_code_works_once_for_its_client_its_redirect_and_its_verifier(world: World) -> None:
    await world.sign_up("alice")
    code = await world.authorize()
    await refused(world, code, client_id=OTHER_CLIENT)
    await refused(world, code, client_id=OTHER_CLIENT, redirect_uri=OTHER_REDIRECT)
    await refused(world, code, redirect_uri=OTHER_REDIRECT)
    await refused(world, code, code_verifier="x" * 43)
    assert await world.rows(Session) == []
    assert await world.exchange(code)
    await refused(world, code)
    assert [row.ended for row in await world.rows(Session)] == [SessionEnd.CODE_REUSED]


@pytest.mark.parametrize("verifier", ["", VERIFIER[:42], "x" * 128, challenge_of(VERIFIER)])
async def test_2_1_1_and_4_8_2_no_exchange_leaves_the_verifier_out_or_takes_the_challenge_for_it(world: World, verifier: str) -> None:
    """Every code has a challenge, so there is none that a missing verifier could fit."""
    await world.sign_up("alice")
    code = await world.authorize()
    assert all(len(row.code_challenge) == 43 for row in await world.rows(AuthorizationCode))
    await refused(world, code, code_verifier=verifier)


async def test_2_1_1_a_short_verifier_is_refused_though_its_challenge_fits(world: World) -> None:
    await world.sign_up("alice")
    short = "a" * 42
    await refused(world, await world.authorize(code_challenge=challenge_of(short)), code_verifier=short)


async def test_2_2_2_a_refresh_token_is_of_its_client(world: World) -> None:
    await world.sign_up("alice")
    pair = await world.sign_in()
    with pytest.raises(Unauthenticated) as failed:
        await world.refresh(pair.refresh_token, client_id=OTHER_CLIENT)
    assert failed.value.reason == "INVALID_GRANT"
    assert (await world.refresh(pair.refresh_token)).user_id == pair.user_id


async def test_2_2_2_and_4_14_2_of_a_stolen_refresh_token_thief_and_owner_both_lose_what_they_have(world: World) -> None:
    await world.sign_up("alice")
    stolen = await world.sign_in()
    thief = await world.refresh(stolen.refresh_token)
    world.clock.advance(10_001)
    with pytest.raises(Unauthenticated):
        await world.refresh(stolen.refresh_token)
    with pytest.raises(Unauthenticated):
        await world.refresh(thief.refresh_token)
    verifier = world.verifier()
    await world.tell(verifier)
    with pytest.raises(Unauthenticated):
        await verifier.verify(thief.access_token)


async def test_2_3_and_4_9_an_access_token_is_for_one_audience_and_says_no_more_than_the_account_has(world: World) -> None:
    await world.sign_up("alice")
    _, payload = parts_of((await world.sign_in()).access_token)
    assert (payload["iss"], payload["aud"], payload["roles"]) == (ISSUER, AUDIENCE, ["viewer", "creator"])
    assert set(payload) == {"iss", "aud", "sub", "sid", "client_id", "handle", "roles", "age_band", "consents", "iat", "exp", "jti"}
    assert payload["exp"] - payload["iat"] == 600


async def test_2_4_no_rpc_gives_tokens_for_a_password(world: World) -> None:
    service = pb.DESCRIPTOR.services_by_name["IdentityService"]
    giving = {method.name for method in service.methods if "tokens" in method.output_type.fields_by_name}
    assert giving == {"ExchangeCode", "RefreshTokens"}
    taking = {name for name in giving if any("password" in field.name for field in service.methods_by_name[name].input_type.fields)}
    assert taking == set()


async def test_4_5_3_a_code_that_was_injected_into_another_sign_in_gives_nothing(world: World) -> None:
    """The attacker has the victim's code and a sign-in of their own that began with another verifier."""
    await world.sign_up("victim")
    await world.sign_up("attacker")
    own = "attackers-own-verifier-of-43-characters-000"
    code = await world.authorize("victim")
    await world.authorize("attacker", code_challenge=challenge_of(own))
    await refused(world, code, code_verifier=own)
    assert await world.rows(Session) == []


async def test_4_10_stolen_tokens_and_codes_cannot_be_had_from_the_rows(world: World) -> None:
    await world.sign_up("alice")
    code = await world.authorize()
    pair = await world.sign_in()
    kept = repr(await world.rows(AuthorizationCode)) + repr(await world.rows(Session))
    assert code not in kept
    assert not any(part in kept for part in pair.access_token.split("."))
    assert pair.refresh_token.rpartition(".")[2] not in kept


async def test_4_14_2_refresh_tokens_cannot_be_guessed_from_one_another(world: World) -> None:
    await world.sign_up("alice")
    first = await world.sign_in()
    second, other = await world.refresh(first.refresh_token), await world.sign_in()
    proofs = {pair.refresh_token.rpartition(".")[2] for pair in (first, second, other)}
    assert len(proofs) == 3
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{43}", proof) for proof in proofs)
    crossed = second.refresh_token.rpartition(".")[0] + "." + other.refresh_token.rpartition(".")[2]
    with pytest.raises(Unauthenticated):
        await world.refresh(crossed)
    assert [row.ended for row in await world.rows(Session)] == [SessionEnd.NONE] * 2


async def test_4_14_2_a_role_that_was_taken_takes_the_tokens_that_name_it_along(world: World) -> None:
    boss = await world.sign_up("boss")
    pair = await world.sign_in("boss")
    assert parts_of(pair.access_token)[1]["roles"] == ["viewer", "creator", "operator"]
    request = pb.GrantRoleRequest(user_id=boss, role=viewer_pb2.ROLE_OPERATOR, granted=False)
    await world.identity_as(99, viewer_pb2.ROLE_ADMIN).GrantRole(request)
    with pytest.raises(Unauthenticated):
        await world.refresh(pair.refresh_token)
    assert parts_of((await world.sign_in("boss")).access_token)[1]["roles"] == ["viewer", "creator"]


async def test_4_1_3_the_redirect_is_compared_once_more_at_the_exchange(world: World) -> None:
    await world.sign_up("alice")
    code = await world.authorize()
    for uri in ("", REDIRECT + "/", REDIRECT.upper(), OTHER_REDIRECT):
        await refused(world, code, redirect_uri=uri)
    assert await world.exchange(code)
