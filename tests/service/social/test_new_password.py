"""Changing a password: checked like a sign-in, repeatable, and the end of whoever signed in with the old one."""

from __future__ import annotations

import asyncio

import pytest
from clipmesh.social.v1 import identity_service_pb2 as pb

from mesh.client import RpcFailed
from mesh.errors import Unauthenticated
from svc_social.identity.session_tables import Session, SessionEnd
from svc_social.identity.tables import Credential
from tests.service.social.world import PASSWORD, World, session_of

NEW = "another battery staple"


def change(new: str = NEW, *, current: str = PASSWORD, request_id: str = "c1", address: str = "203.0.113.7") -> pb.ChangePasswordRequest:
    """A change of the password."""
    return pb.ChangePasswordRequest(request_id=request_id, current_password=current, new_password=new, client_address=address)


async def living(world: World) -> set[int]:
    """Sessions that go on."""
    return {row.session_id for row in await world.rows(Session) if row.ended is SessionEnd.NONE}


async def test_a_new_password_replaces_the_old_one_and_ends_every_other_session(world: World) -> None:
    await world.sign_up("alice")
    await world.sign_up("bob")
    here, there, bob = await world.sign_in(), await world.sign_in(), await world.sign_in("bob")
    await world.identity_in(here).ChangePassword(change())
    assert await living(world) == {session_of(here), session_of(bob)}
    with pytest.raises(Unauthenticated):
        await world.refresh(there.refresh_token)
    with pytest.raises(Unauthenticated) as failed:
        await world.authorize()
    assert failed.value.reason == "WRONG_CREDENTIALS"
    assert await world.authorize(password=NEW)
    assert await world.refresh(here.refresh_token)
    revoked = [event.key for event in await world.events() if event.topic == "keys"]
    assert revoked == [str(session_of(there))]


async def test_a_repeat_whose_first_answer_was_lost_changes_nothing_more(world: World) -> None:
    await world.sign_up("alice")
    here = await world.sign_in()
    await world.identity_in(here).ChangePassword(change())
    before = await world.rows(Credential)
    # From another address the server has to ask the servicer anew: kept answers are of equal requests.
    await world.identity_in(here).ChangePassword(change(address="198.51.100.9"))
    assert await world.rows(Credential) == before
    with pytest.raises(RpcFailed) as failed:
        await world.identity_in(here).ChangePassword(change("yet another staple"))
    assert failed.value.reason == "REQUEST_ID_REUSED"
    assert await world.rows(Credential) == before


async def test_a_late_repeat_ends_no_session_of_the_new_password(world: World) -> None:
    await world.sign_up("alice")
    here, there = await world.sign_in(), await world.sign_in()
    await world.identity_in(here).ChangePassword(change())
    later = await world.exchange(await world.authorize(password=NEW))
    await world.identity_in(here).ChangePassword(change(address="198.51.100.9"))
    assert await living(world) == {session_of(here), session_of(later)}
    # Nor after yet another change, of which it knows nothing.
    last = "battery staple the third"
    await world.identity_in(later).ChangePassword(change(last, current=NEW, request_id="c2"))
    newest = await world.exchange(await world.authorize(password=last))
    with pytest.raises(Unauthenticated):
        await world.identity_in(here).ChangePassword(change(address="198.51.100.9"))
    await world.identity_in(later).ChangePassword(change(address="198.51.100.9"))
    assert await living(world) == {session_of(later), session_of(newest)}
    assert await world.refresh(newest.refresh_token)
    assert session_of(there) not in await living(world)


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (change(current="wrong password"), "WRONG_CREDENTIALS"),
        (change("short"), "PASSWORD_TOO_WEAK"),
        (change("password"), "PASSWORD_TOO_WEAK"),
        (change("alice@example.org"), "PASSWORD_TOO_WEAK"),
        (change(request_id=""), "INVALID_REQUEST"),
    ],
)
async def test_a_refused_change_leaves_password_and_sessions(world: World, request_: pb.ChangePasswordRequest, reason: str) -> None:
    await world.sign_up("alice")
    here, there = await world.sign_in(), await world.sign_in()
    before = await world.rows(Credential)
    with pytest.raises(RpcFailed) as failed:
        await world.identity_in(here).ChangePassword(request_)
    assert failed.value.reason == reason
    assert await world.rows(Credential) == before
    assert await living(world) == {session_of(here), session_of(there)}


async def test_guesses_of_the_present_password_count_as_failed_sign_ins(world: World) -> None:
    await world.sign_up("alice")
    here = await world.sign_in()
    for number in range(10):
        with pytest.raises(Unauthenticated):
            await world.identity_in(here).ChangePassword(change(current="wrong password", request_id=f"g{number}"))
    with pytest.raises(RpcFailed) as failed:
        await world.identity_in(here).ChangePassword(change(request_id="right"))
    assert failed.value.reason == "TOO_MANY_ATTEMPTS"
    with pytest.raises(RpcFailed) as failed:
        await world.authorize()
    assert failed.value.reason == "TOO_MANY_ATTEMPTS"


async def test_of_two_changes_at_once_one_is_refused(world: World) -> None:
    await world.sign_up("alice")
    here = await world.sign_in()
    words = [f"battery staple number {number}" for number in range(4)]
    answers = await asyncio.gather(
        *(world.identity_in(here).ChangePassword(change(word, request_id=word)) for word in words), return_exceptions=True
    )
    done = [word for word, answer in zip(words, answers, strict=True) if not isinstance(answer, BaseException)]
    assert len(done) == 1
    assert {answer.reason for answer in answers if isinstance(answer, RpcFailed)} == {"WRONG_CREDENTIALS"}
    assert await world.authorize(password=done[0])


async def test_a_code_of_the_old_password_gives_no_session(world: World) -> None:
    await world.sign_up("alice")
    here, code = await world.sign_in(), await world.authorize()
    await world.identity_in(here).ChangePassword(change())
    with pytest.raises(Unauthenticated) as failed:
        await world.exchange(code)
    assert failed.value.reason == "INVALID_GRANT"
    assert await living(world) == {session_of(here)}


async def test_no_exchange_outruns_a_change_of_the_password(world: World) -> None:
    await world.sign_up("alice")
    here, codes = await world.sign_in(), [await world.authorize() for _ in range(20)]
    answers = await asyncio.gather(
        *(world.exchange(code) for code in codes[:10]),
        world.identity_in(here).ChangePassword(change()),
        *(world.exchange(code) for code in codes[10:]),
        return_exceptions=True,
    )
    assert {answer.reason for answer in answers if isinstance(answer, RpcFailed)} <= {"INVALID_GRANT"}
    assert not isinstance(answers[10], BaseException)
    assert await living(world) == {session_of(here)}


async def test_a_session_that_is_over_changes_no_password_though_its_token_still_lives(world: World) -> None:
    await world.sign_up("alice")
    gone = await world.sign_in()
    await world.identity.RevokeSession(pb.RevokeSessionRequest(refresh_token=gone.refresh_token))
    before = await world.rows(Credential)
    with pytest.raises(Unauthenticated) as failed:
        await world.identity_in(gone).ChangePassword(change())
    assert failed.value.reason == "SIGN_IN_REQUIRED"
    assert await world.rows(Credential) == before


async def test_an_unconfirmed_session_changes_no_password_and_still_reads(world: World) -> None:
    await world.sign_up("alice")
    here = await world.sign_in()
    before = await world.rows(Credential)
    stub = world.identity_in(here, unconfirmed=True)
    with pytest.raises(RpcFailed) as failed:
        await stub.ChangePassword(change())
    assert (failed.value.reason, failed.value.code.name) == ("DEPENDENCY_UNAVAILABLE", "UNAVAILABLE")
    assert await world.rows(Credential) == before
    assert [one.session_id for one in (await stub.ListSessions(pb.ListSessionsRequest())).sessions] == [session_of(here)]


async def test_no_password_stands_in_a_row(world: World) -> None:
    await world.sign_up("alice")
    here = await world.sign_in()
    await world.identity_in(here).ChangePassword(change())
    assert NEW not in repr(await world.rows(Credential))
