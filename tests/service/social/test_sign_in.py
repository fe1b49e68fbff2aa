"""Sign-in: the code flow with PKCE, exact redirects, attempt limits, and codes that work once."""

from __future__ import annotations

import asyncio

import pytest
from clipmesh.social.v1 import profile_service_pb2 as profile_pb

from mesh.client import RpcFailed
from mesh.errors import InvalidArgument, ResourceExhausted, Unauthenticated
from svc_social.identity import rules
from svc_social.identity.session_tables import AuthorizationCode, Session, SessionEnd, SignInAttempts
from tests.service.social.world import CLIENT, REDIRECT, VERIFIER, World, challenge_of


async def test_a_person_signs_in_by_handle_and_by_address_in_any_spelling(world: World) -> None:
    user_id = await world.sign_up("alice")
    for login in ("alice", "@Alice", " ALICE ", "alice@example.org", "Alice@EXAMPLE.org"):
        pair = await world.sign_in(login)
        assert (pair.user_id, pair.expires_in_ms) == (user_id, 600_000)
        claims = await world.verifier().verify(pair.access_token)
        assert (claims.user_id, claims.handle, claims.client_id) == (user_id, "alice", CLIENT)


@pytest.mark.parametrize(
    ("fields", "reason", "kind"),
    [
        ({"client_id": "other"}, "UNKNOWN_CLIENT", RpcFailed),
        ({"redirect_uri": REDIRECT + "/"}, "REDIRECT_NOT_ALLOWED", InvalidArgument),
        ({"redirect_uri": REDIRECT + "?x=1"}, "REDIRECT_NOT_ALLOWED", InvalidArgument),
        ({"redirect_uri": REDIRECT.replace("https", "http")}, "REDIRECT_NOT_ALLOWED", InvalidArgument),
        ({"redirect_uri": REDIRECT.replace("clipmesh", "CLIPMESH")}, "REDIRECT_NOT_ALLOWED", InvalidArgument),
        ({"redirect_uri": "https://clipmesh.example.evil.test/callback"}, "REDIRECT_NOT_ALLOWED", InvalidArgument),
        ({"code_challenge": ""}, "PKCE_REQUIRED", InvalidArgument),
        ({"code_challenge_method": "plain"}, "PKCE_REQUIRED", InvalidArgument),
        ({"code_challenge_method": ""}, "PKCE_REQUIRED", InvalidArgument),
        ({"code_challenge_method": "s256"}, "PKCE_REQUIRED", InvalidArgument),
        ({"code_challenge": "short"}, "PKCE_REQUIRED", InvalidArgument),
        ({"code_challenge": challenge_of(VERIFIER) + "="}, "PKCE_REQUIRED", InvalidArgument),
    ],
)
async def test_a_wrong_application_redirect_or_challenge_gives_no_code_and_counts_no_attempt(
    world: World, fields: dict[str, object], reason: str, kind: type[Exception]
) -> None:
    await world.sign_up("alice")
    with pytest.raises(kind) as failed:
        await world.authorize(**fields)  # type: ignore[arg-type]
    assert failed.value.reason == reason  # type: ignore[attr-defined]
    assert await world.rows(AuthorizationCode) == []
    assert await world.rows(SignInAttempts) == []


@pytest.mark.parametrize("login", ["alice", "nobody", "nobody@example.org", "!", "a@b@c"])
async def test_a_wrong_password_and_an_unknown_login_are_answered_alike(world: World, login: str) -> None:
    await world.sign_up("alice")
    with pytest.raises(Unauthenticated) as failed:
        await world.authorize(login, password="wrong password")
    assert failed.value.reason == "WRONG_CREDENTIALS"
    assert str(failed.value) == "Login and password do not match an account."
    assert await world.rows(AuthorizationCode) == []


@pytest.mark.parametrize("login", ["alice", "nobody"])
async def test_ten_failures_close_an_account_for_a_quarter_of_an_hour_even_for_the_right_password(world: World, login: str) -> None:
    await world.sign_up("alice")
    for _ in range(10):
        with pytest.raises(Unauthenticated):
            await world.authorize(login, password="wrong password")
    with pytest.raises(ResourceExhausted) as failed:
        await world.authorize(login)
    assert failed.value.reason == "TOO_MANY_ATTEMPTS"
    assert failed.value.retry_after_ms == 15 * 60_000
    await world.sign_up("bob")
    await world.authorize("bob")
    world.clock.advance(15 * 60_000)
    if login == "alice":
        await world.sign_in()


@pytest.mark.parametrize("login", ["alice", "nobody"])
async def test_failures_by_handle_and_by_address_count_apart_and_forms_of_one_login_together(world: World, login: str) -> None:
    await world.sign_up("alice")
    for number in range(10):
        with pytest.raises(Unauthenticated):
            await world.authorize((login, f"@{login}", login.upper())[number % 3], password="wrong password")
    for form in (login, f"@{login}", f" {login} "):
        with pytest.raises(ResourceExhausted):
            await world.authorize(form, password="wrong password")
    # Who knows a handle keeps nobody out who signs in by their address, and does not learn whose address it is.
    if login == "alice":
        assert await world.authorize("alice@example.org")
    else:
        with pytest.raises(Unauthenticated):
            await world.authorize("nobody@example.org")
    with pytest.raises(ResourceExhausted):
        await world.authorize(login)


async def test_parallel_guesses_do_not_slip_through_the_limit(world: World) -> None:
    await world.sign_up("alice")
    guesses = [world.authorize(password=f"wrong password {n}") for n in range(30)]
    reasons = [failed.reason for failed in await asyncio.gather(*guesses, return_exceptions=True) if isinstance(failed, RpcFailed)]
    assert (reasons.count("WRONG_CREDENTIALS"), reasons.count("TOO_MANY_ATTEMPTS")) == (10, 20)


async def test_a_right_password_forgets_the_failures_before_it(world: World) -> None:
    await world.sign_up("alice")
    for _ in range(3):
        for _ in range(9):
            with pytest.raises(Unauthenticated):
                await world.authorize(password="wrong password")
        await world.authorize()


async def test_failures_from_all_addresses_of_one_ipv6_customer_count_together(world: World) -> None:
    for address in ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", "2001:db8:1:3::1", "::ffff:192.0.2.7", "192.0.2.7"):
        with pytest.raises(Unauthenticated):
            await world.authorize("nobody", client_address=address)
    rows = [row for row in await world.rows(SignInAttempts) if row.subject.startswith("address:")]
    assert sorted(row.failures for row in rows) == [1, 2, 2]


async def test_a_handle_that_is_reserved_since_is_still_found_and_given_to_nobody_else(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as before:
        before.setattr(rules, "poses_as_staff", lambda _handle: False)
        person = await world.sign_up("adm1n")
    assert (await world.sign_in("@Adm1n")).user_id == person
    found = await world.profiles().GetProfileByHandle(profile_pb.GetProfileByHandleRequest(handle="adm1n"))
    assert found.profile.user_id == person
    with pytest.raises(InvalidArgument) as failed:
        await world.sign_up("c1ipmesh")
    assert failed.value.reason == "HANDLE_NOT_ALLOWED"


async def test_one_address_may_fail_a_hundred_times_over_all_accounts(world: World) -> None:
    await world.sign_up("alice")
    (subject,) = [row.subject for row in await failed_rows(world) if row.subject.startswith("address:")]
    row = await world.tables.get(SignInAttempts, subject)
    assert row is not None
    assert "203.0.113.7" not in subject
    for n in range(99):
        with pytest.raises(Unauthenticated):
            await world.authorize(f"somebody{n}", password="wrong password")
    with pytest.raises(ResourceExhausted) as failed:
        await world.authorize()
    assert failed.value.reason == "TOO_MANY_ATTEMPTS"
    await world.authorize(client_address="203.0.113.8")


async def failed_rows(world: World) -> list[SignInAttempts]:
    """The rows after one failure."""
    with pytest.raises(Unauthenticated):
        await world.authorize(password="wrong password")
    return await world.rows(SignInAttempts)


async def test_a_code_is_stored_as_a_hash(world: World) -> None:
    await world.sign_up("alice")
    code = await world.authorize()
    (row,) = await world.rows(AuthorizationCode)
    assert code not in repr(row)
    assert len(row.code_hash) == 32


@pytest.mark.parametrize(
    "fields",
    [
        {"code_verifier": VERIFIER[:-1] + "A"},
        {"code_verifier": ""},
        {"code_verifier": challenge_of(VERIFIER)},
        {"redirect_uri": REDIRECT + "/"},
        {"redirect_uri": ""},
        {"code": "unknown"},
    ],
)
async def test_a_code_without_its_proof_or_redirect_gives_nothing_and_stays_usable_by_its_owner(
    world: World, fields: dict[str, str]
) -> None:
    await world.sign_up("alice")
    code = await world.authorize()
    with pytest.raises(Unauthenticated) as failed:
        await world.exchange(**{"code": code, **fields})
    assert failed.value.reason == "INVALID_GRANT"
    assert await world.rows(Session) == []
    assert (await world.exchange(code)).refresh_token


async def test_a_code_is_usable_for_sixty_seconds(world: World) -> None:
    await world.sign_up("alice")
    early, late = await world.authorize(), await world.authorize()
    world.clock.advance(59_999)
    await world.exchange(early)
    world.clock.advance(1)
    with pytest.raises(Unauthenticated) as failed:
        await world.exchange(late)
    assert failed.value.reason == "INVALID_GRANT"


@pytest.mark.parametrize("verifier", [VERIFIER, "x" * 43])
@pytest.mark.parametrize("later_ms", [0, 3_600_000])
async def test_the_repeat_of_a_code_ends_the_session_it_gave(world: World, verifier: str, later_ms: int) -> None:
    await world.sign_up("alice")
    code = await world.authorize()
    pair = await world.exchange(code)
    world.clock.advance(later_ms)
    with pytest.raises(Unauthenticated) as failed:
        await world.exchange(code, code_verifier=verifier)
    assert failed.value.reason == "INVALID_GRANT"
    assert [row.ended for row in await world.rows(Session)] == [SessionEnd.CODE_REUSED]
    with pytest.raises(Unauthenticated):
        await world.refresh(pair.refresh_token)


async def test_of_parallel_exchanges_of_one_code_at_most_one_answers_and_no_session_lives(world: World) -> None:
    await world.sign_up("alice")
    code = await world.authorize()
    answers = await asyncio.gather(*(world.exchange(code) for _ in range(10)), return_exceptions=True)
    pairs = [answer for answer in answers if not isinstance(answer, BaseException)]
    assert len(pairs) <= 1
    assert {answer.reason for answer in answers if isinstance(answer, RpcFailed)} == {"INVALID_GRANT"}
    assert {row.ended for row in await world.rows(Session)} == {SessionEnd.CODE_REUSED}


async def test_a_code_of_another_application_is_refused(world: World) -> None:
    await world.sign_up("alice")
    with pytest.raises(RpcFailed) as failed:
        await world.exchange(await world.authorize(), client_id="other")
    assert failed.value.reason == "UNKNOWN_CLIENT"
    assert await world.rows(Session) == []
