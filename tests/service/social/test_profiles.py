"""Profiles, consents and standings: what people show and allow, with history, and who may ask."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import pytest
from clipmesh.common.v1 import viewer_pb2
from clipmesh.social.v1 import events_pb2
from clipmesh.social.v1 import profile_service_pb2 as pb
from clipmesh.social.v1.profile_service_pb2_grpc import ProfileServiceStub

from mesh.client import RpcFailed
from mesh.errors import NotFound, Unauthenticated
from svc_social.identity.store import AccountStore
from svc_social.identity.tables import Account
from tests.service.social.world import World

PERSONAL, ANALYTICS, ADS = (
    viewer_pb2.CONSENT_PURPOSE_PERSONALISATION,
    viewer_pb2.CONSENT_PURPOSE_ANALYTICS,
    viewer_pb2.CONSENT_PURPOSE_ADS,
)
WEEK_MS = 7 * 24 * 3_600_000


def edit(*, request_id: str = "", **fields: Any) -> pb.UpdateProfileRequest:
    """A change of the profile; one of its own unless `request_id` says which."""
    return pb.UpdateProfileRequest(request_id=request_id or uuid.uuid4().hex, **fields)


async def test_profiles_come_in_the_order_asked_without_the_absent(world: World) -> None:
    alice, bob = await world.sign_up("alice"), await world.sign_up("bob")
    answer = await world.profiles().BatchGetProfiles(pb.BatchGetProfilesRequest(user_ids=[bob, 5, alice, bob]))
    assert [(profile.user_id, profile.handle) for profile in answer.profiles] == [(bob, "bob"), (alice, "alice")]


@pytest.mark.parametrize("handle", ["alice", "@Alice", " ALICE "])
async def test_a_profile_is_found_by_handle_in_any_case(world: World, handle: str) -> None:
    alice = await world.sign_up("alice")
    answer = await world.profiles().GetProfileByHandle(pb.GetProfileByHandleRequest(handle=handle))
    assert answer.profile.user_id == alice


@pytest.mark.parametrize("handle", ["nobody", "not a handle!", "admin"])
async def test_an_unknown_handle_is_named(world: World, handle: str) -> None:
    with pytest.raises(NotFound) as failed:
        await world.profiles().GetProfileByHandle(pb.GetProfileByHandleRequest(handle=handle))
    assert failed.value.reason == "PROFILE_NOT_FOUND"


async def test_a_change_replaces_what_is_present_and_is_said_once(world: World) -> None:
    alice = await world.sign_up("alice")
    request = edit(bio="  Line one\nline two  ", languages=pb.LanguageList(languages=["de"]))
    profile = (await world.profiles(alice).UpdateProfile(request)).profile
    assert (profile.display_name, profile.bio, profile.version) == ("alice", "Line one\nline two", 2)
    assert (await world.profiles(alice).UpdateProfile(request)).profile == profile
    changed = [event for event in await world.events() if event.type.endswith("ProfileChanged")]
    assert [(event.key, event.key_version) for event in changed] == [(str(alice), 2)]
    facts = events_pb2.ProfileFacts(user_id=alice, created_at_ms=profile.created_at_ms, version=2)
    assert events_pb2.ProfileChanged.FromString(changed[0].payload).facts == facts
    account = (await world.profiles(alice).GetMyAccount(pb.GetMyAccountRequest())).account
    assert list(account.languages) == ["de"]


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (edit(display_name="   "), "INVALID_TEXT"),
        (edit(display_name="\u200b\u200d"), "INVALID_TEXT"),
        (edit(display_name="a\nb"), "INVALID_TEXT"),
        (edit(bio="a\x00b"), "INVALID_TEXT"),
        (edit(bio="a" + "\u0301\u0302\u0303\u0304\u0305\u0306"), "INVALID_TEXT"),
        (edit(languages=pb.LanguageList(languages=["de", "x y"])), "INVALID_TEXT"),
        (edit(display_name="x" * 51), "INVALID_REQUEST"),
        (edit(bio="x" * 161), "INVALID_REQUEST"),
        (pb.UpdateProfileRequest(bio="x"), "INVALID_REQUEST"),
    ],
)
async def test_bad_text_changes_nothing(world: World, request_: pb.UpdateProfileRequest, reason: str) -> None:
    alice = await world.sign_up("alice")
    before, said = await world.rows(Account), await world.events()
    with pytest.raises(RpcFailed) as failed:
        await world.profiles(alice).UpdateProfile(request_)
    assert failed.value.reason == reason
    assert await world.rows(Account) == before
    assert await world.events() == said


async def test_a_repeated_change_is_made_once_and_undoes_no_later_one(world: World) -> None:
    alice, bob = await world.sign_up("alice"), await world.sign_up("bob")
    request = edit(bio="one", request_id="e1")
    first = await world.profiles(alice).UpdateProfile(request)
    await world.profiles(alice).UpdateProfile(edit(bio="two"))
    before, said = await world.rows(Account), await world.events()
    repeated = (await world.profiles(alice).UpdateProfile(request)).profile
    assert (repeated.bio, repeated.version) == ("two", first.profile.version + 1)
    for changed in (edit(bio="three", request_id="e1"), edit(bio="one", display_name="A", request_id="e1")):
        with pytest.raises(RpcFailed) as failed:
            await world.profiles(alice).UpdateProfile(changed)
        assert failed.value.reason == "REQUEST_ID_REUSED"
    assert await world.rows(Account) == before
    assert await world.events() == said
    assert (await world.profiles(bob).UpdateProfile(edit(bio="three", request_id="e1"))).profile.bio == "three"


async def test_languages_are_told_to_nobody(world: World) -> None:
    alice = await world.sign_up("alice")
    said = await world.events()
    await world.profiles(alice).UpdateProfile(edit(languages=pb.LanguageList(languages=["de"])))
    assert await world.events() == said


async def test_consents_are_replaced_and_what_they_were_is_kept(world: World) -> None:
    alice = await world.sign_up("alice", consents=[PERSONAL])
    born_ms = world.clock.now_ms()
    world.clock.advance(1_000)
    stub = world.profiles(alice)
    account = (await stub.UpdateConsents(pb.UpdateConsentsRequest(consents=[ANALYTICS, ANALYTICS, ADS]))).account
    assert list(account.consents) == [ANALYTICS, ADS]
    world.clock.advance(1_000)
    await stub.UpdateConsents(pb.UpdateConsentsRequest(consents=[ADS, ANALYTICS]))
    assert list((await stub.UpdateConsents(pb.UpdateConsentsRequest())).account.consents) == []
    periods = await AccountStore(tables=world.tables).periods(alice)
    assert [(period.since_ms, period.consents_mask) for period in periods] == [
        (born_ms, 1 << PERSONAL),
        (born_ms + 1_000, 1 << ANALYTICS | 1 << ADS),
    ]
    said = [event for event in await world.events() if event.type.endswith("ConsentsChanged")]
    assert [(event.topic, event.key, event.key_version) for event in said] == [
        ("social", str(alice), 2),
        ("keys", f"consents:{alice}", 2),
        ("social", str(alice), 3),
        ("keys", f"consents:{alice}", 3),
    ]
    assert [list(events_pb2.ConsentsChanged.FromString(event.payload).consents) for event in said] == [[ANALYTICS, ADS]] * 2 + [[]] * 2


async def test_a_withdrawn_consent_counts_in_tokens_that_were_given_before(world: World) -> None:
    alice = await world.sign_up("alice", consents=[PERSONAL, ANALYTICS])
    verifier = world.verifier()
    before = (await world.sign_in()).access_token
    assert (await verifier.verify(before)).consents == (PERSONAL, ANALYTICS)
    world.clock.advance(2_000)
    await world.profiles(alice).UpdateConsents(pb.UpdateConsentsRequest(consents=[ANALYTICS]))
    await world.tell(verifier)
    assert (await verifier.verify(before)).consents == (ANALYTICS,)
    world.clock.advance(2_000)
    assert (await verifier.verify((await world.sign_in()).access_token)).consents == (ANALYTICS,)


async def test_parallel_changes_of_profile_and_consents_are_all_kept(world: World) -> None:
    alice = await world.sign_up("alice")
    stub = world.profiles(alice)
    await asyncio.gather(
        stub.UpdateProfile(edit(bio="bio")),
        stub.UpdateProfile(edit(display_name="Alice")),
        stub.UpdateConsents(pb.UpdateConsentsRequest(consents=[PERSONAL])),
    )
    account = (await stub.GetMyAccount(pb.GetMyAccountRequest())).account
    assert (account.profile.bio, account.profile.display_name, list(account.consents)) == ("bio", "Alice", [PERSONAL])
    assert sorted(event.key_version for event in await world.events() if event.topic == "social") == [1, 2, 3, 4]


async def test_what_is_mine_needs_a_signed_in_person_with_an_account(world: World) -> None:
    requests = (
        ("GetMyAccount", pb.GetMyAccountRequest()),
        ("UpdateProfile", edit(bio="x")),
        ("UpdateConsents", pb.UpdateConsentsRequest(consents=[ADS])),
    )
    for method, request in requests:
        for user_id in (0, 12345):
            with pytest.raises(Unauthenticated) as failed:
                await getattr(world.profiles(user_id), method)(request)
            assert failed.value.reason == "SIGN_IN_REQUIRED"


async def test_standings_are_for_services_and_an_account_is_new_for_a_week(world: World) -> None:
    alice = await world.sign_up("alice")
    request = pb.BatchGetStandingsRequest(user_ids=[5, alice])
    stub = world.served.stub(ProfileServiceStub, caller="video")
    (standing,) = (await stub.BatchGetStandings(request)).standings
    assert standing == pb.Standing(user_id=alice, level=pb.STANDING_LEVEL_NEW, age_band=viewer_pb2.AGE_BAND_ADULT)
    world.clock.advance(WEEK_MS)
    (standing,) = (await stub.BatchGetStandings(request)).standings
    assert (standing.level, standing.account_age_ms) == (pb.STANDING_LEVEL_GOOD, WEEK_MS)
    with pytest.raises(RpcFailed) as failed:
        await world.profiles(alice).BatchGetStandings(request)
    assert failed.value.reason == "FORBIDDEN"
