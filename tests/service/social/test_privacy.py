"""Privacy settings: what people choose, what holds, and what their age forbids."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from clipmesh.common.v1 import viewer_pb2
from clipmesh.social.v1 import events_pb2
from clipmesh.social.v1 import profile_service_pb2 as pb

from mesh.client import RpcFailed
from svc_social.identity import rules
from svc_social.identity.tables import Account, Audience
from tests.service.social.world import World, sign_up_request

EVERYONE, FOLLOWERS, FRIENDS, NOBODY = pb.AUDIENCE_EVERYONE, pb.AUDIENCE_FOLLOWERS, pb.AUDIENCE_FRIENDS, pb.AUDIENCE_NOBODY
YOUNG = "2011-05-17"
"""13 to 15 years by the clock of the tests."""


async def privacy(world: World, user_id: int) -> pb.Privacy:
    """What holds."""
    return (await world.profiles(user_id).GetMyAccount(pb.GetMyAccountRequest())).account.privacy


async def update(world: World, user_id: int, request_id: str = "p1", **fields: Any) -> pb.Privacy:
    """What holds after a change."""
    return (await world.profiles(user_id).UpdatePrivacy(pb.UpdatePrivacyRequest(request_id=request_id, **fields))).account.privacy


async def test_adults_begin_in_public_and_hear_from_friends(world: World) -> None:
    alice = await world.sign_up("alice")
    assert await privacy(world, alice) == pb.Privacy(comments=EVERYONE, duets=EVERYONE, stitches=EVERYONE, messages=FRIENDS)


async def test_what_is_present_changes_and_the_rest_stays(world: World) -> None:
    alice = await world.sign_up("alice")
    assert await update(world, alice, comments=FRIENDS, messages=EVERYONE) == pb.Privacy(
        comments=FRIENDS, duets=EVERYONE, stitches=EVERYONE, messages=EVERYONE
    )
    after = pb.Privacy(is_private=True, comments=FRIENDS, duets=NOBODY, stitches=FOLLOWERS, messages=EVERYONE)
    assert await update(world, alice, "p2", is_private=True, duets=NOBODY, stitches=FOLLOWERS) == after
    assert await privacy(world, alice) == after


async def test_only_a_change_that_everybody_sees_is_said_to_everybody(world: World) -> None:
    alice = await world.sign_up("alice")
    await update(world, alice, "p1", comments=NOBODY)
    for _ in range(2):
        await update(world, alice, "p2", is_private=True)
    changed = [event for event in await world.events() if event.type.endswith("ProfileChanged")]
    assert [(event.key, event.key_version) for event in changed] == [(str(alice), 3)]
    profile = events_pb2.ProfileChanged.FromString(changed[0].payload).facts
    assert (profile.is_private, profile.version) == (True, 3)


async def test_a_late_repeat_does_not_undo_a_newer_change(world: World) -> None:
    alice = await world.sign_up("alice")
    await update(world, alice, "p1", is_private=True)
    await update(world, alice, "p2", is_private=False)
    await update(world, alice, "p1", is_private=True)
    assert not (await privacy(world, alice)).is_private
    with pytest.raises(RpcFailed) as failed:
        await update(world, alice, "p1", is_private=False)
    assert failed.value.reason == "REQUEST_ID_REUSED"


async def test_who_is_under_16_is_private_at_first_and_gets_no_messages(world: World) -> None:
    young = await world.sign_up("young", birth_date=YOUNG)
    assert await privacy(world, young) == pb.Privacy(is_private=True, comments=EVERYONE, duets=EVERYONE, stitches=EVERYONE, messages=NOBODY)
    before, said = await world.rows(Account), await world.events()
    for messages in (EVERYONE, FOLLOWERS, FRIENDS):
        with pytest.raises(RpcFailed) as failed:
            await update(world, young, f"p{messages}", messages=messages, comments=NOBODY)
        assert failed.value.reason == "NOT_AT_THIS_AGE"
    assert await world.rows(Account) == before
    assert await world.events() == said
    assert (await update(world, young, messages=NOBODY)).messages == NOBODY


async def test_another_date_does_not_lift_what_the_first_one_set(world: World) -> None:
    """There is no way to change a date; signing up again with another one is another request for names that are taken."""
    young = await world.sign_up("young", birth_date=YOUNG)
    for request in (
        sign_up_request("young", birth_date="1990-05-17"),
        sign_up_request("young", birth_date="1990-05-17", request_id="other"),
    ):
        with pytest.raises(RpcFailed) as failed:
            await world.identity.SignUp(request)
        assert failed.value.reason in {"REQUEST_ID_REUSED", "HANDLE_TAKEN"}
    assert "birth_date" not in {
        field.name for message in (pb.UpdateProfileRequest, pb.UpdatePrivacyRequest) for field in message.DESCRIPTOR.fields
    }
    with pytest.raises(RpcFailed) as failed:
        await update(world, young, messages=FRIENDS)
    assert failed.value.reason == "NOT_AT_THIS_AGE"


@pytest.mark.parametrize(
    ("band", "messages"),
    [
        (viewer_pb2.AGE_BAND_UNSPECIFIED, Audience.NOBODY),
        (viewer_pb2.AGE_BAND_13_TO_15, Audience.NOBODY),
        (viewer_pb2.AGE_BAND_16_TO_17, Audience.EVERYONE),
        (viewer_pb2.AGE_BAND_ADULT, Audience.EVERYONE),
    ],
)
def test_what_holds_follows_the_age_whatever_was_chosen_before(band: int, messages: Audience) -> None:
    account = replace(Account(user_id=1), messages_from=Audience.EVERYONE, age_band=band)
    assert rules.privacy_of(account).messages is messages


@pytest.mark.parametrize("fields", [{"comments": 0}, {"messages": 9}, {"request_id": ""}])
async def test_values_that_are_none_change_nothing(world: World, fields: dict[str, Any]) -> None:
    alice = await world.sign_up("alice")
    before = await world.rows(Account)
    with pytest.raises(RpcFailed) as failed:
        await world.profiles(alice).UpdatePrivacy(pb.UpdatePrivacyRequest(**{"request_id": "p1", **fields}))
    assert failed.value.reason == "INVALID_REQUEST"
    assert await world.rows(Account) == before
