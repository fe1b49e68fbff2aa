"""Whose key was destroyed reads as erased everywhere: by name, at once here, within half a minute elsewhere, and nothing crashes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from clipmesh.social.v1 import identity_service_pb2 as identity_pb
from clipmesh.social.v1 import profile_service_pb2 as pb

from mesh.client import RpcFailed
from mesh.sealing import KEPT_MS, KeyGone
from svc_social.identity.store import PersonKeyStore
from svc_social.identity.tables import Account, PersonKey
from tests.service.social.world import KEYS, World


async def destroyed(world: World, user_id: int) -> None:
    """Another process forgets the key of a person, and every copy of it is over."""
    keys = PersonKeyStore(tables=world.tables, clock=world.clock, wrapping_key=KEYS.people)
    await keys.destroy(user_id)
    await keys.destroy(user_id)
    world.clock.advance(KEPT_MS)


async def reason(call: object) -> str:
    """Why a call is refused."""
    with pytest.raises(RpcFailed) as failed:
        await call  # type: ignore[misc]
    return failed.value.reason


async def test_an_erased_person_is_left_out_and_refused_by_name(world: World) -> None:
    alice, bob = await world.sign_up("alice"), await world.sign_up("bob")
    pair = await world.sign_in()
    both = pb.BatchGetProfilesRequest(user_ids=[alice, bob])
    assert [one.user_id for one in (await world.profiles().BatchGetProfiles(both)).profiles] == [alice, bob]
    await destroyed(world, alice)
    assert [one.user_id for one in (await world.profiles().BatchGetProfiles(both)).profiles] == [bob]
    by_handle = pb.GetProfileByHandleRequest(handle="alice")
    assert await reason(world.profiles(bob).GetProfileByHandle(by_handle)) == "PROFILE_NOT_FOUND"
    mine = world.profiles(alice)
    assert await reason(mine.GetMyAccount(pb.GetMyAccountRequest())) == "SIGN_IN_REQUIRED"
    assert await reason(mine.UpdateProfile(pb.UpdateProfileRequest(request_id="u", bio="again"))) == "SIGN_IN_REQUIRED"
    assert await reason(mine.ChangeHandle(pb.ChangeHandleRequest(request_id="h", handle="alice2"))) == "SIGN_IN_REQUIRED"
    assert await reason(mine.UpdateConsents(pb.UpdateConsentsRequest())) == "SIGN_IN_REQUIRED"
    assert await reason(world.refresh(pair.refresh_token)) == "INVALID_GRANT"
    assert await reason(world.exchange(await world.authorize())) == "INVALID_GRANT"
    change = identity_pb.ChangePasswordRequest(request_id="c", current_password="x", new_password="y y y y y y")
    assert await reason(world.identity_in(pair).ChangePassword(change)) == "SIGN_IN_REQUIRED"
    (listed,) = (await world.identity_in(pair).ListSessions(identity_pb.ListSessionsRequest())).sessions
    assert listed.device == ""
    await world.identity.RequestPasswordReset(identity_pb.RequestPasswordResetRequest(email="alice@example.org"))
    await world.app.posting.drain()
    assert world.mailbox.mails == []


async def test_no_other_key_takes_the_place_of_a_destroyed_one(world: World) -> None:
    alice = await world.sign_up("alice")
    keys = PersonKeyStore(tables=world.tables, clock=world.clock, wrapping_key=KEYS.people)
    await keys.destroy(alice)
    with pytest.raises(KeyGone):
        await keys.create(alice)
    await keys.destroy(alice)
    (row,) = await world.rows(PersonKey)
    assert (row.user_id, row.wrapped) == (alice, b"")
    # Also of somebody whose key never was.
    await keys.destroy(5)
    with pytest.raises(KeyGone):
        await keys.create(5)


async def test_sealed_columns_of_one_person_do_not_open_in_the_row_of_another(world: World) -> None:
    alice, bob = await world.sign_up("alice"), await world.sign_up("bob")
    rows = {row.user_id: row for row in await world.rows(Account)}
    assert rows[alice].display_name_sealed
    assert rows[alice].display_name_sealed != rows[bob].display_name_sealed
    moved = replace(rows[bob], display_name_sealed=rows[alice].display_name_sealed)
    await world.tables.transition(moved, expected_version=moved.version)
    with pytest.raises(RpcFailed) as failed:
        await world.profiles().BatchGetProfiles(pb.BatchGetProfilesRequest(user_ids=[bob]))
    assert failed.value.reason == "INTERNAL"
