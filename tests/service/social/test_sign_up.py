"""Sign-up: one account for one name, nothing kept of what was refused, and an end for what was cut off."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from clipmesh.common.v1 import viewer_pb2
from clipmesh.social.v1 import events_pb2, profile_service_pb2

from mesh.client import RpcFailed
from mesh.stores.tables.requests import RequestRecord
from svc_social.identity.actions import SignUpSettler
from svc_social.identity.session_tables import SignInAttempts
from svc_social.identity.tables import (
    Account,
    AccountState,
    Credential,
    NameKind,
    PersonKey,
    Reservation,
    SignUpIntent,
)
from tests.service.social.world import KEYS, PASSWORD, World, sign_up_request

EVERYTHING = (Account, Credential, PersonKey, Reservation, SignUpIntent, RequestRecord, SignInAttempts)


async def counts(world: World) -> dict[str, int]:
    """How many rows each table of a sign-up has."""
    return {row_type.__name__: len(await world.rows(row_type)) for row_type in EVERYTHING}


async def test_a_new_person_has_an_account_its_names_and_one_event(world: World) -> None:
    answer = await world.identity.SignUp(
        sign_up_request(
            "Alice.B",
            email=" Alice.B@Example.ORG ",
            display_name="Alice B.",
            consents=[viewer_pb2.CONSENT_PURPOSE_PERSONALISATION],
            languages=["de", "en-GB"],
        )
    )
    assert answer.handle == "alice.b"
    mine = await world.profiles(answer.user_id).GetMyAccount(profile_service_pb2.GetMyAccountRequest())
    assert mine.account == profile_service_pb2.Account(
        profile=profile_service_pb2.Profile(
            user_id=answer.user_id,
            handle="alice.b",
            display_name="Alice B.",
            created_at_ms=world.clock.now_ms(),
            version=1,
        ),
        email="alice.b@example.org",
        age_band=viewer_pb2.AGE_BAND_ADULT,
        roles=[viewer_pb2.ROLE_VIEWER, viewer_pb2.ROLE_CREATOR],
        consents=[viewer_pb2.CONSENT_PURPOSE_PERSONALISATION],
        languages=["de", "en-GB"],
        privacy=profile_service_pb2.Privacy(
            comments=profile_service_pb2.AUDIENCE_EVERYONE,
            duets=profile_service_pb2.AUDIENCE_EVERYONE,
            stitches=profile_service_pb2.AUDIENCE_EVERYONE,
            messages=profile_service_pb2.AUDIENCE_FRIENDS,
        ),
    )
    (event,) = await world.events()
    assert (event.type, event.topic, event.key, event.key_version) == (
        "clipmesh.social.v1.AccountCreated",
        "social",
        str(answer.user_id),
        1,
    )
    assert list(event.subject_ids) == [answer.user_id]
    assert events_pb2.AccountCreated.FromString(event.payload).facts == events_pb2.ProfileFacts(
        user_id=answer.user_id, created_at_ms=world.clock.now_ms(), version=1
    )
    assert {(row.kind, row.confirmed, row.owner_id) for row in await world.rows(Reservation)} == {
        (NameKind.HANDLE, True, answer.user_id),
        (NameKind.EMAIL, True, answer.user_id),
    }
    assert await world.rows(SignUpIntent) == []


async def test_names_address_birth_date_and_password_stand_nowhere_in_clear(world: World, tmp_path: object) -> None:
    await world.sign_up("alice", display_name="Wonder Land")
    clear = (b"alice", b"Wonder", b"example.org", b"1990-05-17", PASSWORD.encode())
    for row_type in EVERYTHING:
        for row in await world.rows(row_type):
            stored = repr(row).encode()
            assert not [text for text in clear if text in stored], row_type.__name__
    for event in await world.events():
        assert not [text for text in clear if text in event.SerializeToString()]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"handle": "a"}, "HANDLE_NOT_ALLOWED"),
        ({"handle": "admin"}, "HANDLE_NOT_ALLOWED"),
        ({"handle": "аlice"}, "HANDLE_NOT_ALLOWED"),
        ({"email": "nobody"}, "INVALID_EMAIL"),
        ({"email": "a@b"}, "INVALID_EMAIL"),
        ({"password": "short"}, "PASSWORD_TOO_WEAK"),
        ({"password": "Password123"}, "PASSWORD_TOO_WEAK"),
        ({"password": "x" * 129}, "PASSWORD_TOO_WEAK"),
        ({"birth_date": "2012-10-10"}, "TOO_YOUNG"),
        ({"birth_date": "2026-01-01"}, "INVALID_BIRTH_DATE"),
        ({"birth_date": "1990-02-30"}, "INVALID_BIRTH_DATE"),
        ({"birth_date": "1890-01-01"}, "INVALID_BIRTH_DATE"),
        ({"birth_date": "yesterday"}, "INVALID_REQUEST"),
        ({"display_name": "a\u202eb"}, "INVALID_TEXT"),
        ({"languages": ["not a tag"]}, "INVALID_TEXT"),
        ({"request_id": ""}, "INVALID_REQUEST"),
    ],
)
async def test_what_breaks_a_rule_is_refused_by_name_and_leaves_no_row(world: World, fields: dict[str, object], reason: str) -> None:
    with pytest.raises(RpcFailed) as failed:
        await world.identity.SignUp(sign_up_request(**{"handle": "alice", **fields}))  # type: ignore[arg-type]
    assert failed.value.reason == reason
    assert set((await counts(world)).values()) == {0}
    assert await world.events() == []


async def test_thirteen_today_is_old_enough_and_a_day_less_is_not(world: World) -> None:
    # The clock stands at 2025-10-09.
    assert await world.sign_up("young", birth_date="2012-10-09") > 0
    with pytest.raises(RpcFailed) as failed:
        await world.sign_up("younger", birth_date="2012-10-10")
    assert failed.value.reason == "TOO_YOUNG"


async def test_under_sixteen_is_private_and_cannot_allow_personal_ads(world: World) -> None:
    consents = [viewer_pb2.CONSENT_PURPOSE_ADS, viewer_pb2.CONSENT_PURPOSE_ANALYTICS]
    user_id = await world.sign_up("young", birth_date="2010-01-01", consents=consents)
    account = (await world.profiles(user_id).GetMyAccount(profile_service_pb2.GetMyAccountRequest())).account
    assert account.profile.is_private
    assert account.age_band == viewer_pb2.AGE_BAND_13_TO_15
    assert list(account.consents) == [viewer_pb2.CONSENT_PURPOSE_ANALYTICS]
    elder = await world.sign_up("elder", birth_date="2009-01-01", consents=consents)
    account = (await world.profiles(elder).GetMyAccount(profile_service_pb2.GetMyAccountRequest())).account
    assert (account.profile.is_private, account.age_band) == (False, viewer_pb2.AGE_BAND_16_TO_17)
    assert sorted(account.consents) == [viewer_pb2.CONSENT_PURPOSE_ANALYTICS, viewer_pb2.CONSENT_PURPOSE_ADS]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [({"email": "other@example.org"}, "HANDLE_TAKEN"), ({"handle": "other", "email": "ALICE@example.org"}, "EMAIL_TAKEN")],
)
async def test_a_taken_name_is_refused_and_nothing_of_the_second_sign_up_stays(
    world: World, fields: dict[str, object], reason: str
) -> None:
    await world.sign_up("alice")
    before = await counts(world)
    with pytest.raises(RpcFailed) as failed:
        await world.identity.SignUp(sign_up_request(**{"handle": "Alice", "request_id": "another", **fields}))  # type: ignore[arg-type]
    assert failed.value.reason == reason
    assert await counts(world) == before


async def test_twenty_parallel_sign_ups_for_one_handle_make_one_account(world: World) -> None:
    requests = [sign_up_request("wanted", request_id=f"r{n}", email=f"person{n}@example.org") for n in range(20)]
    answers = await asyncio.gather(*(world.identity.SignUp(request) for request in requests), return_exceptions=True)
    won = [answer for answer in answers if not isinstance(answer, BaseException)]
    assert len(won) == 1
    assert {answer.reason for answer in answers if isinstance(answer, RpcFailed)} == {"HANDLE_TAKEN"}
    (account,) = [row for row in await world.rows(Account) if row.state is AccountState.ACTIVE]
    assert account.user_id == won[0].user_id
    assert [row.user_id for row in await world.rows(Credential)] == [account.user_id]
    assert [row.user_id for row in await world.rows(PersonKey)] == [account.user_id]
    assert {row.owner_id for row in await world.rows(Reservation)} == {account.user_id}
    assert await world.rows(SignUpIntent) == []
    assert len(await world.events()) == 1


async def test_twenty_parallel_repeats_of_one_sign_up_make_one_account(world: World) -> None:
    answers = await asyncio.gather(*(world.identity.SignUp(sign_up_request()) for _ in range(20)))
    assert len({answer.user_id for answer in answers}) == 1
    assert len(await world.rows(Account)) == 1
    assert len(await world.events()) == 1
    assert await world.rows(SignUpIntent) == []
    await world.sign_in()


async def test_a_repeat_gets_the_same_account_and_another_body_is_refused(world: World) -> None:
    first = await world.identity.SignUp(sign_up_request())
    assert await world.identity.SignUp(sign_up_request()) == first
    for changed in ({"handle": "bob"}, {"password": "another good one"}, {"birth_date": "1991-05-17"}):
        with pytest.raises(RpcFailed) as failed:
            await world.identity.SignUp(
                sign_up_request(**{"handle": "alice", "email": "alice@example.org", "request_id": "sign-up-alice", **changed})
            )
        assert failed.value.reason == "REQUEST_ID_REUSED"
    assert len(await world.rows(Account)) == 1


async def test_two_strangers_may_choose_the_same_request_id(world: World) -> None:
    alice, bob = await world.sign_up("alice", request_id="1"), await world.sign_up("bob", request_id="1")
    assert alice != bob
    before = await counts(world)
    for handle, email, reason in (("alice", "carla", "HANDLE_TAKEN"), ("carla", "alice", "REQUEST_ID_REUSED")):
        with pytest.raises(RpcFailed) as failed:
            await world.identity.SignUp(sign_up_request(handle, email=f"{email}@example.org", request_id="1"))
        assert failed.value.reason == reason
    assert await counts(world) == before


async def cut_off(world: World, *, after_account: bool) -> int:
    """A sign-up that ended before its account was written, or before its names were confirmed."""
    user_id = await world.sign_up("alice")
    for row in await world.rows(Reservation):
        pending = replace(row, confirmed=False, pending_until_ms=world.clock.now_ms() + 60_000)
        await world.tables.transition(pending, expected_version=row.version)
    intent = SignUpIntent(
        shard=user_id % 16,
        user_id=user_id,
        handle_name=KEYS.handle_name("alice"),
        email_hash=KEYS.email_hash("alice@example.org"),
        started_at_ms=world.clock.now_ms(),
        version=world.clock.now_ms() + 1,
    )
    await world.tables.put(intent)
    if not after_account:
        (account,) = await world.rows(Account)
        await world.tables.remove(account, expected_version=account.version)
    return user_id


async def test_a_sign_up_cut_off_after_its_reservation_keeps_the_name_for_a_minute_and_then_frees_it(world: World) -> None:
    lost = await cut_off(world, after_account=False)
    rival = sign_up_request("alice", request_id="rival")
    with pytest.raises(RpcFailed) as failed:
        await world.identity.SignUp(rival)
    assert failed.value.reason == "HANDLE_TAKEN"
    assert await world.app.settler.sweep() == 0
    world.clock.advance(60_000)
    won = await world.identity.SignUp(rival)
    assert won.user_id != lost
    assert {row.owner_id for row in await world.rows(Reservation)} == {won.user_id}
    assert [row.user_id for row in await world.rows(Credential)] == [won.user_id]
    assert await world.rows(SignUpIntent) == []


async def test_the_repeat_of_a_sign_up_that_was_cut_off_completes_it(world: World) -> None:
    lost = await cut_off(world, after_account=False)
    again = await world.identity.SignUp(sign_up_request())
    assert again.user_id == lost
    assert all(row.confirmed for row in await world.rows(Reservation))
    assert await world.rows(SignUpIntent) == []


@pytest.mark.parametrize("after_account", [False, True])
async def test_the_sweeper_frees_orphans_and_confirms_what_only_lacked_that(world: World, after_account: bool) -> None:
    user_id = await cut_off(world, after_account=after_account)
    world.clock.advance(60_000)
    settler: SignUpSettler = world.app.settler
    assert await settler.sweep() == 1
    assert await settler.sweep() == 0
    reservations = await world.rows(Reservation)
    if after_account:
        assert {(row.owner_id, row.confirmed) for row in reservations} == {(user_id, True)}
        await world.sign_in()
    else:
        assert reservations == []
        assert await world.rows(Credential) == []
        assert await world.rows(PersonKey) == []
        assert [row.state for row in await world.rows(Account)] == [AccountState.VOID]
        with pytest.raises(RpcFailed) as failed:
            await world.identity.SignUp(sign_up_request())
        assert failed.value.reason == "REQUEST_ID_REUSED"
        assert (await world.identity.SignUp(sign_up_request(request_id="anew"))).user_id != user_id


async def test_bootstrap_gives_roles_to_the_named_handle_only(world: World) -> None:
    boss, other = await world.sign_up("boss"), await world.sign_up("boss2")
    accounts = {row.user_id: row.roles_mask for row in await world.rows(Account)}
    assert accounts[boss] == 1 << viewer_pb2.ROLE_VIEWER | 1 << viewer_pb2.ROLE_CREATOR | 1 << viewer_pb2.ROLE_OPERATOR
    assert accounts[other] == 1 << viewer_pb2.ROLE_VIEWER | 1 << viewer_pb2.ROLE_CREATOR
