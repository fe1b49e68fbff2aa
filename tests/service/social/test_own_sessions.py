"""What people see of their sessions, and ending them from another place."""

from __future__ import annotations

import pytest
from clipmesh.social.v1 import events_pb2
from clipmesh.social.v1 import identity_service_pb2 as pb

from mesh.client import RpcFailed
from mesh.errors import NotFound, Unauthenticated
from mesh.tokens import InvalidAccessToken
from svc_social.identity.session_tables import Session, SessionEnd
from tests.service.social.world import CLIENT, World, session_of


async def listed(world: World, pair: pb.TokenPair) -> list[pb.LoginSession]:
    """The first page."""
    return list((await world.identity_in(pair).ListSessions(pb.ListSessionsRequest())).sessions)


async def ended(world: World) -> dict[int, SessionEnd]:
    """Session -> how it stands."""
    return {row.session_id: row.ended for row in await world.rows(Session)}


async def test_own_living_sessions_are_listed_newest_first_with_device_and_last_use(world: World) -> None:
    await world.sign_up("alice")
    await world.sign_up("bob")
    await world.sign_in("bob")
    began_ms = world.clock.now_ms()
    first = await world.exchange(await world.authorize(), device="Firefox on Linux")
    world.clock.advance(60_000)
    second, over = await world.sign_in(), await world.sign_in()
    await world.identity.RevokeSession(pb.RevokeSessionRequest(refresh_token=over.refresh_token))
    world.clock.advance(60_000)
    await world.refresh(first.refresh_token)
    assert await listed(world, first) == [
        pb.LoginSession(
            session_id=session_of(second), client_id=CLIENT, created_at_ms=began_ms + 60_000, last_used_at_ms=began_ms + 60_000
        ),
        pb.LoginSession(
            session_id=session_of(first),
            client_id=CLIENT,
            device="Firefox on Linux",
            created_at_ms=began_ms,
            last_used_at_ms=began_ms + 120_000,
            current=True,
        ),
    ]
    assert b"Firefox" not in b"".join(row.device_sealed for row in await world.rows(Session))


async def test_pages_follow_one_another_and_belong_to_their_person(world: World) -> None:
    await world.sign_up("alice")
    bob = await world.sign_up("bob")
    pairs = [await world.sign_in() for _ in range(5)]
    found, token = [], ""
    for _ in range(3):
        page = await world.identity_in(pairs[0]).ListSessions(pb.ListSessionsRequest(page_size=2, page_token=token))
        found += [one.session_id for one in page.sessions]
        token = page.next_page_token
        if token:
            with pytest.raises(RpcFailed) as failed:
                await world.identity_as(bob).ListSessions(pb.ListSessionsRequest(page_token=token))
            assert failed.value.reason == "INVALID_PAGE_TOKEN"
    assert token == ""
    assert found == [session_of(pair) for pair in reversed(pairs)]


async def test_a_session_ended_elsewhere_is_over_in_every_verifier(world: World) -> None:
    await world.sign_up("alice")
    here, there = await world.sign_in(), await world.sign_in()
    verifier = world.verifier()
    for _ in range(2):
        await world.identity_in(here).EndSession(pb.EndSessionRequest(session_id=session_of(there)))
    said = [events_pb2.SessionRevoked.FromString(event.payload) for event in await world.events() if event.topic == "keys"]
    assert [(one.session_id, one.user_id) for one in said] == [(session_of(there), here.user_id)]
    await world.tell(verifier)
    with pytest.raises(InvalidAccessToken):
        await verifier.verify(there.access_token)
    with pytest.raises(Unauthenticated):
        await world.refresh(there.refresh_token)
    assert (await verifier.verify(here.access_token)).session_id == session_of(here)
    assert await ended(world) == {session_of(here): SessionEnd.NONE, session_of(there): SessionEnd.ENDED_ELSEWHERE}


async def test_the_session_of_somebody_else_is_as_absent_as_none(world: World) -> None:
    await world.sign_up("alice")
    await world.sign_up("bob")
    alice, bob = await world.sign_in("alice"), await world.sign_in("bob")
    said = await world.events()
    messages = set()
    for session_id in (session_of(alice), 12345):
        with pytest.raises(NotFound) as failed:
            await world.identity_in(bob).EndSession(pb.EndSessionRequest(session_id=session_id))
        assert failed.value.reason == "SESSION_NOT_FOUND"
        messages.add(failed.value.message)
    assert len(messages) == 1
    assert set((await ended(world)).values()) == {SessionEnd.NONE}
    assert await world.events() == said


@pytest.mark.parametrize("keep_current", [True, False])
async def test_all_sessions_end_but_those_of_others_and_the_one_that_is_kept(world: World, keep_current: bool) -> None:
    await world.sign_up("alice")
    await world.sign_up("bob")
    bob, here, *others = await world.sign_in("bob"), await world.sign_in(), await world.sign_in(), await world.sign_in()
    request = pb.EndAllSessionsRequest(keep_current=keep_current)
    answers = [await world.identity_in(here).EndAllSessions(request) for _ in range(2)]
    assert [answer.ended for answer in answers] == [2 if keep_current else 3, 0]
    stand = await ended(world)
    assert stand[session_of(bob)] is SessionEnd.NONE
    assert stand[session_of(here)] is (SessionEnd.NONE if keep_current else SessionEnd.ENDED_ELSEWHERE)
    assert {stand[session_of(one)] for one in others} == {SessionEnd.ENDED_ELSEWHERE}


async def test_nobody_without_signing_in_sees_or_ends_sessions(world: World) -> None:
    for call in (
        world.identity.ListSessions(pb.ListSessionsRequest()),
        world.identity.EndSession(pb.EndSessionRequest(session_id=1)),
        world.identity.EndAllSessions(pb.EndAllSessionsRequest()),
    ):
        with pytest.raises(Unauthenticated) as failed:
            await call
        assert failed.value.reason == "SIGN_IN_REQUIRED"
