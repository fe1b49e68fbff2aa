"""A ban ends every session, refuses every door, is told once, and can be lifted."""

from __future__ import annotations

from dataclasses import replace

import pytest
from clipmesh.common.v1 import viewer_pb2
from clipmesh.social.v1 import events_pb2, profile_service_pb2
from clipmesh.social.v1 import identity_service_pb2 as pb
from clipmesh.social.v1.profile_service_pb2_grpc import ProfileServiceStub

from mesh.client import RpcFailed
from mesh.errors import Unauthenticated
from svc_social.identity.session_tables import Session, SessionEnd
from svc_social.identity.tables import Account
from tests.service.social.world import World, authorize_request

OPERATOR, ADMIN, MODERATOR = viewer_pb2.ROLE_OPERATOR, viewer_pb2.ROLE_ADMIN, viewer_pb2.ROLE_MODERATOR


async def ban(world: World, user_id: int, banned: bool = True, *, by: viewer_pb2.Role.ValueType = OPERATOR) -> int:
    """What the operator does."""
    return (await world.identity_as(99, by).SetBan(pb.SetBanRequest(user_id=user_id, banned=banned))).banned_at_ms


async def refused(call: object) -> str:
    """Why a call is refused."""
    with pytest.raises(RpcFailed) as failed:
        await call  # type: ignore[misc]
    return failed.value.reason


async def test_a_banned_person_loses_every_session_and_gets_no_other(world: World) -> None:
    alice, bob = await world.sign_up("alice"), await world.sign_up("bob")
    pairs, others = [await world.sign_in() for _ in range(2)], await world.sign_in("bob")
    code, verifier = await world.authorize(), world.verifier()
    assert (await verifier.verify(pairs[0].access_token)).user_id == alice
    at_ms = await ban(world, alice)
    assert at_ms == world.clock.now_ms()
    world.clock.advance(5)
    assert await ban(world, alice) == at_ms, "a repeat changes nothing"
    assert {row.ended for row in await world.rows(Session) if row.user_id == alice} == {SessionEnd.BANNED}
    assert {row.ended for row in await world.rows(Session) if row.user_id == bob} == {SessionEnd.NONE}
    for pair in pairs:
        assert await refused(world.refresh(pair.refresh_token)) == "INVALID_GRANT"
    assert await refused(world.exchange(code)) == "INVALID_GRANT"
    assert await refused(world.identity.Authorize(authorize_request())) == "ACCOUNT_BANNED"
    assert await refused(world.identity.Authorize(authorize_request(password="wrong password"))) == "WRONG_CREDENTIALS"
    await world.tell(verifier)
    with pytest.raises(Unauthenticated):
        await verifier.verify(pairs[0].access_token)
    assert (await verifier.verify(others.access_token)).user_id == bob
    said = [event for event in await world.events() if event.type.endswith("BanChanged")]
    assert [(event.topic, event.key, list(event.subject_ids)) for event in said] == [("social", str(alice), [alice])]
    assert events_pb2.BanChanged.FromString(said[0].payload) == events_pb2.BanChanged(user_id=alice, banned_at_ms=at_ms)
    stub = world.served.stub(ProfileServiceStub, caller="video")
    request = profile_service_pb2.BatchGetStandingsRequest(user_ids=[alice, bob])
    levels = [one.level for one in (await stub.BatchGetStandings(request)).standings]
    assert levels == [profile_service_pb2.STANDING_LEVEL_SUSPENDED, profile_service_pb2.STANDING_LEVEL_NEW]
    world.clock.advance(1_000)
    assert await ban(world, alice, False) == 0
    assert (await world.sign_in()).user_id == alice
    assert await refused(world.refresh(pairs[0].refresh_token)) == "INVALID_GRANT", "what ended stays over"


async def test_a_session_that_a_cut_off_ban_left_is_over_when_it_is_used(world: World) -> None:
    alice = await world.sign_up("alice")
    pair = await world.sign_in()
    (row,) = await world.rows(Account)
    await world.tables.transition(replace(row, banned_at_ms=1), expected_version=row.version)
    (session,) = await world.rows(Session)
    assert not (await world.identity.GetSession(pb.GetSessionRequest(session_id=session.session_id))).active
    assert await refused(world.refresh(pair.refresh_token)) == "INVALID_GRANT"
    assert [one.ended for one in await world.rows(Session)] == [SessionEnd.BANNED]
    assert alice == pair.user_id


@pytest.mark.parametrize(
    "role", [viewer_pb2.ROLE_MODERATOR, viewer_pb2.ROLE_ANALYST, viewer_pb2.ROLE_RIGHTS_HOLDER, viewer_pb2.ROLE_CREATOR]
)
async def test_only_operators_and_admins_ban(world: World, role: viewer_pb2.Role.ValueType) -> None:
    alice = await world.sign_up("alice")
    before = await world.rows(Account)
    assert await refused(ban(world, alice, by=role)) == "FORBIDDEN"
    assert await world.rows(Account) == before


async def test_nobody_bans_themselves_and_only_admins_ban_those_who_run_the_place(world: World) -> None:
    boss, chief = await world.sign_up("boss"), await world.sign_up("chief")
    before = await world.rows(Account)
    for user_id in (boss, chief):
        assert await refused(ban(world, user_id)) == "FORBIDDEN"
        own = world.identity_as(user_id, ADMIN)
        assert await refused(own.SetBan(pb.SetBanRequest(user_id=user_id, banned=True))) == "FORBIDDEN"
    assert await refused(ban(world, 5)) == "ACCOUNT_NOT_FOUND"
    assert await world.rows(Account) == before
    assert await ban(world, boss, by=ADMIN) > 0
