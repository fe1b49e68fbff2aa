"""Sessions: refresh tokens rotate, their reuse ends everything, and what ended is said to every verifier."""

from __future__ import annotations

import asyncio

import pytest
from clipmesh.common.v1 import viewer_pb2
from clipmesh.social.v1 import events_pb2
from clipmesh.social.v1 import identity_service_pb2 as identity_pb

from mesh.client import RpcFailed
from mesh.errors import NotFound, PermissionDenied, Unauthenticated
from mesh.tokens import InvalidAccessToken
from svc_social.identity.session_tables import Session, SessionEnd
from svc_social.identity.tables import Account
from tests.service.social.world import World

DAY_MS = 24 * 3_600_000


async def ended(world: World) -> list[SessionEnd]:
    """How each session stands."""
    return [row.ended for row in await world.rows(Session)]


async def test_each_refresh_gives_a_new_pair_of_the_same_session(world: World) -> None:
    user_id = await world.sign_up("alice")
    first = await world.sign_in()
    world.clock.advance(60_000)
    second = await world.refresh(first.refresh_token)
    assert second.refresh_token != first.refresh_token
    verifier = world.verifier()
    old, new = await verifier.verify(first.access_token), await verifier.verify(second.access_token)
    assert (new.session_id, new.user_id) == (old.session_id, user_id)
    assert new.token_id != old.token_id
    assert new.expires_at_ms == old.expires_at_ms + 60_000
    (row,) = await world.rows(Session)
    assert first.refresh_token.rpartition(".")[2] not in repr(row)
    assert second.refresh_token.rpartition(".")[2] not in repr(row)


async def test_the_newest_tokens_retry_within_ten_seconds_gets_the_same_successor(world: World) -> None:
    await world.sign_up("alice")
    first = await world.sign_in()
    second = await world.refresh(first.refresh_token)
    world.clock.advance(10_000)
    assert (await world.refresh(first.refresh_token)).refresh_token == second.refresh_token
    assert await ended(world) == [SessionEnd.NONE]
    await world.refresh(second.refresh_token)


@pytest.mark.parametrize("generations", [1, 2])
async def test_an_old_token_that_comes_back_ends_the_session_for_everybody(world: World, generations: int) -> None:
    await world.sign_up("alice")
    first = await world.sign_in()
    newest = first
    for _ in range(generations):
        newest = await world.refresh(newest.refresh_token)
    if generations == 1:
        world.clock.advance(10_001)
    with pytest.raises(Unauthenticated) as failed:
        await world.refresh(first.refresh_token)
    assert failed.value.reason == "INVALID_GRANT"
    assert await ended(world) == [SessionEnd.REFRESH_REUSED]
    with pytest.raises(Unauthenticated):
        await world.refresh(newest.refresh_token)


async def test_parallel_refreshes_rotate_once(world: World) -> None:
    await world.sign_up("alice")
    first = await world.sign_in()
    pairs = await asyncio.gather(*(world.refresh(first.refresh_token) for _ in range(20)))
    assert len({pair.refresh_token for pair in pairs}) == 1
    (row,) = await world.rows(Session)
    assert (row.generation, row.ended) == (2, SessionEnd.NONE)


@pytest.mark.parametrize("part", [1, 2, 3])
async def test_a_forged_refresh_token_is_refused_and_ends_nothing(world: World, part: int) -> None:
    await world.sign_up("alice")
    pair = await world.sign_in()
    parts = pair.refresh_token.split(".")
    parts[part] = str(int(parts[part]) + 1) if part < 3 else "A" * len(parts[part])
    for token in (".".join(parts), "nonsense", "r1.1", pair.refresh_token + "A", pair.refresh_token.replace("r1", "r2"), "r1.x.y.z"):
        with pytest.raises(Unauthenticated) as failed:
            await world.refresh(token)
        assert failed.value.reason == "INVALID_GRANT"
        await world.identity.RevokeSession(identity_pb.RevokeSessionRequest(refresh_token=token))
    assert await ended(world) == [SessionEnd.NONE]
    await world.refresh(pair.refresh_token)


async def test_a_session_ends_after_thirty_idle_days_and_after_180_in_all(world: World) -> None:
    await world.sign_up("alice")
    idle, busy = await world.sign_in(), await world.sign_in()
    world.clock.advance(29 * DAY_MS)
    busy = await world.refresh(busy.refresh_token)
    world.clock.advance(DAY_MS)
    with pytest.raises(Unauthenticated):
        await world.refresh(idle.refresh_token)
    for _ in range(5):
        world.clock.advance(28 * DAY_MS)
        busy = await world.refresh(busy.refresh_token)
    world.clock.advance(10 * DAY_MS - 1)
    busy = await world.refresh(busy.refresh_token)
    world.clock.advance(1)
    with pytest.raises(Unauthenticated) as failed:
        await world.refresh(busy.refresh_token)
    assert failed.value.reason == "INVALID_GRANT"


async def test_signing_out_is_said_once_and_bites_in_verifiers(world: World) -> None:
    user_id = await world.sign_up("alice")
    pair, other = await world.sign_in(), await world.sign_in()
    verifier = world.verifier()
    session_id = (await verifier.verify(pair.access_token)).session_id
    for _ in range(2):
        await world.identity.RevokeSession(identity_pb.RevokeSessionRequest(refresh_token=pair.refresh_token))
    said = [event for event in await world.events() if event.topic == "keys"]
    assert [(event.type, event.key, event.key_version) for event in said] == [("clipmesh.social.v1.SessionRevoked", str(session_id), 2)]
    revoked = events_pb2.SessionRevoked.FromString(said[0].payload)
    assert (revoked.session_id, revoked.user_id) == (session_id, user_id)
    assert revoked.expires_at_ms >= (await verifier.verify(pair.access_token)).expires_at_ms
    await world.tell(verifier)
    with pytest.raises(InvalidAccessToken):
        await verifier.verify(pair.access_token)
    assert (await verifier.verify(other.access_token)).user_id == user_id
    with pytest.raises(Unauthenticated):
        await world.refresh(pair.refresh_token)


async def test_verifiers_that_hear_nothing_find_out_by_asking(world: World) -> None:
    await world.sign_up("alice")
    pair, other = await world.sign_in(), await world.sign_in()
    verifier = world.verifier()
    claims = [await verifier.verify(one.access_token) for one in (pair, other)]
    await world.identity.RevokeSession(identity_pb.RevokeSessionRequest(refresh_token=pair.refresh_token))
    world.clock.advance(100_000)
    with pytest.raises(InvalidAccessToken):
        await verifier.verify(pair.access_token)
    assert (await verifier.verify(other.access_token)) == claims[1]
    answers = [
        await world.identity.GetSession(identity_pb.GetSessionRequest(session_id=session_id))
        for session_id in (claims[0].session_id, claims[1].session_id, 12345)
    ]
    assert [answer.active for answer in answers] == [False, True, False]
    assert list(answers[1].consents) == list(claims[1].consents)


async def test_a_birthday_changes_the_age_band_of_the_next_token_and_lifts_nothing_else(world: World) -> None:
    await world.sign_up("young", birth_date="2009-10-10")
    pair = await world.sign_in("young")
    assert (await world.verifier().verify(pair.access_token)).age_band == viewer_pb2.AGE_BAND_13_TO_15
    world.clock.advance(DAY_MS)
    pair = await world.refresh(pair.refresh_token)
    assert (await world.verifier().verify(pair.access_token)).age_band == viewer_pb2.AGE_BAND_16_TO_17
    (account,) = await world.rows(Account)
    assert account.is_private


async def grant(world: World, *, by: viewer_pb2.Role.ValueType, user_id: int, role: viewer_pb2.Role.ValueType, granted: bool) -> list[int]:
    """All roles afterwards."""
    request = identity_pb.GrantRoleRequest(user_id=user_id, role=role, granted=granted)
    return list((await world.identity_as(99, by).GrantRole(request)).roles)


async def test_operators_give_roles_and_a_taken_role_ends_the_sessions_that_name_it(world: World) -> None:
    user_id = await world.sign_up("alice")
    everybody = [viewer_pb2.ROLE_VIEWER, viewer_pb2.ROLE_CREATOR]
    moderator = viewer_pb2.ROLE_MODERATOR
    for _ in range(2):
        assert await grant(world, by=viewer_pb2.ROLE_OPERATOR, user_id=user_id, role=moderator, granted=True) == [*everybody, moderator]
    pair = await world.sign_in()
    verifier = world.verifier()
    assert moderator in (await verifier.verify(pair.access_token)).roles
    assert await grant(world, by=viewer_pb2.ROLE_ADMIN, user_id=user_id, role=moderator, granted=False) == everybody
    await world.tell(verifier)
    with pytest.raises(InvalidAccessToken):
        await verifier.verify(pair.access_token)
    assert await ended(world) == [SessionEnd.ROLE_TAKEN]


@pytest.mark.parametrize("by", [viewer_pb2.ROLE_VIEWER, viewer_pb2.ROLE_CREATOR, viewer_pb2.ROLE_MODERATOR, viewer_pb2.ROLE_ANALYST])
async def test_nobody_else_gives_roles(world: World, by: viewer_pb2.Role.ValueType) -> None:
    user_id = await world.sign_up("alice")
    before = await world.rows(Account)
    with pytest.raises(PermissionDenied) as failed:
        await grant(world, by=by, user_id=user_id, role=viewer_pb2.ROLE_MODERATOR, granted=True)
    assert failed.value.reason == "FORBIDDEN"
    assert await world.rows(Account) == before


async def test_only_admins_make_admins_and_unknown_accounts_are_named(world: World) -> None:
    user_id = await world.sign_up("alice")
    before = await world.rows(Account)
    with pytest.raises(PermissionDenied):
        await grant(world, by=viewer_pb2.ROLE_OPERATOR, user_id=user_id, role=viewer_pb2.ROLE_ADMIN, granted=True)
    assert await world.rows(Account) == before
    assert viewer_pb2.ROLE_ADMIN in await grant(world, by=viewer_pb2.ROLE_ADMIN, user_id=user_id, role=viewer_pb2.ROLE_ADMIN, granted=True)
    with pytest.raises(NotFound) as failed:
        await grant(world, by=viewer_pb2.ROLE_ADMIN, user_id=user_id + 1, role=viewer_pb2.ROLE_ANALYST, granted=True)
    assert failed.value.reason == "ACCOUNT_NOT_FOUND"


async def test_only_the_gateway_calls_identity(world: World) -> None:
    for caller in ("video", "feed", "stranger"):
        stub = world.served.stub(type(world.identity), caller=caller)
        with pytest.raises(RpcFailed) as failed:
            await stub.ListSigningKeys(identity_pb.ListSigningKeysRequest())
        assert failed.value.reason == "FORBIDDEN"
