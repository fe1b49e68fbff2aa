"""A password that changed while the tables failed: no session of the old one lives on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest
from clipmesh.social.v1 import identity_service_pb2 as pb
from clipmesh.social.v1 import profile_service_pb2

from mesh.client import RpcFailed
from mesh.errors import Unauthenticated
from mesh.sealing import KEPT_MS
from mesh.stores.tables.port import Tables, TablesUnavailable
from svc_social.identity.session_tables import Session, SessionEnd, SessionOfPerson
from svc_social.identity.tables import Credential, PersonKey
from tests.service.social.world import PASSWORD, World, open_world, session_of

NEW = "another battery staple"


@dataclass
class Watched:
    """Tables that can lose all that ends or moves sessions, and that count how often keys of people are read."""

    tables: Tables
    fails: set[str] = field(default_factory=set)
    keys_read: int = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.tables, name)

    async def get_many(self, row_type: Any, keys: Any) -> Any:
        self.keys_read += row_type is PersonKey
        return await self.tables.get_many(row_type, keys)

    async def scan(self, row_type: Any, *key: Any, **how: Any) -> Any:
        if row_type is SessionOfPerson and "ending" in self.fails:
            raise TablesUnavailable("told to")
        return await self.tables.scan(row_type, *key, **how)

    async def transition(self, row: Any, **how: Any) -> Any:
        if isinstance(row, Session) and "keeping" in self.fails:
            raise TablesUnavailable("told to")
        return await self.tables.transition(row, **how)


@pytest.fixture
async def watched(tmp_path: Path) -> AsyncIterator[tuple[World, Watched]]:
    """A service over such tables."""
    made: list[Watched] = []

    def over(tables: Tables) -> Tables:
        made.append(Watched(tables))
        return cast(Tables, made[0])

    async with open_world(tmp_path, over=over) as world:
        yield world, made[0]


def change(new: str = NEW, *, current: str = PASSWORD, request_id: str = "c1", address: str = "203.0.113.7") -> pb.ChangePasswordRequest:
    """A change of the password."""
    return pb.ChangePasswordRequest(request_id=request_id, current_password=current, new_password=new, client_address=address)


async def how_ended(world: World) -> dict[int, SessionEnd]:
    """Session -> how it stands."""
    return {row.session_id: row.ended for row in await world.rows(Session)}


async def refused_refresh(world: World, pair: pb.TokenPair) -> None:
    """The session refreshes no more."""
    with pytest.raises(Unauthenticated) as failed:
        await world.refresh(pair.refresh_token)
    assert failed.value.reason == "INVALID_GRANT"


async def test_no_session_of_the_old_password_refreshes_though_the_change_could_not_end_it(watched: tuple[World, Watched]) -> None:
    world, tables = watched
    await world.sign_up("alice")
    here, there = await world.sign_in(), await world.sign_in()
    tables.fails = {"ending"}
    with pytest.raises(RpcFailed):
        await world.identity_in(here).ChangePassword(change())
    tables.fails = set()
    assert await world.authorize(password=NEW)
    assert await how_ended(world) == {session_of(here): SessionEnd.NONE, session_of(there): SessionEnd.NONE}
    await refused_refresh(world, there)
    assert await how_ended(world) == {session_of(here): SessionEnd.NONE, session_of(there): SessionEnd.PASSWORD_CHANGED}
    assert [event.key for event in await world.events() if event.topic == "keys"] == [str(session_of(there))]
    assert await world.refresh(here.refresh_token)


async def test_no_session_refreshes_though_the_reset_could_not_end_it(watched: tuple[World, Watched]) -> None:
    world, tables = watched
    await world.sign_up("alice")
    old = await world.sign_in()
    await world.identity.RequestPasswordReset(pb.RequestPasswordResetRequest(email="alice@example.org", client_address="203.0.113.7"))
    await world.app.posting.drain()
    secret = world.mailbox.mails[0].link.partition("#")[2]
    tables.fails = {"ending"}
    with pytest.raises(RpcFailed):
        await world.identity.ResetPassword(pb.ResetPasswordRequest(request_id="r1", token=secret, new_password=NEW))
    tables.fails = set()
    await refused_refresh(world, old)
    assert await how_ended(world) == {session_of(old): SessionEnd.PASSWORD_CHANGED}
    assert await world.refresh((await world.exchange(await world.authorize(password=NEW))).refresh_token)


async def test_a_repeat_keeps_the_session_that_the_first_try_could_not_keep(watched: tuple[World, Watched]) -> None:
    world, tables = watched
    await world.sign_up("alice")
    here, there = await world.sign_in(), await world.sign_in()
    tables.fails = {"keeping"}
    with pytest.raises(RpcFailed):
        await world.identity_in(here).ChangePassword(change())
    tables.fails = set()
    await world.identity_in(here).ChangePassword(change(address="198.51.100.9"))
    assert await world.refresh(here.refresh_token)
    await refused_refresh(world, there)
    assert len({row.version for row in await world.rows(Credential)}) == 1


async def test_a_late_repeat_does_not_lift_its_session_over_a_newer_password(watched: tuple[World, Watched]) -> None:
    world, tables = watched
    await world.sign_up("alice")
    here, there = await world.sign_in(), await world.sign_in()
    tables.fails = {"ending"}
    for pair, request in ((here, change()), (there, change("yet another staple", current=NEW, request_id="c2"))):
        with pytest.raises(RpcFailed):
            await world.identity_in(pair).ChangePassword(request)
    with pytest.raises(RpcFailed):
        await world.identity_in(here).ChangePassword(change(address="198.51.100.9"))
    tables.fails = set()
    await refused_refresh(world, here)
    assert await world.refresh(there.refresh_token)


async def test_a_session_that_does_not_say_which_password_it_rests_on_goes_on(world: World) -> None:
    await world.sign_up("alice")
    old = await world.sign_in()
    (row,) = await world.rows(Session)
    assert row.credential_version == (await world.rows(Credential))[0].version
    await world.tables.transition(replace(row, credential_version=0), expected_version=row.version)
    again = await world.refresh(old.refresh_token)
    await world.identity_in(again).ChangePassword(change())
    assert await world.refresh(again.refresh_token)
    assert [one.credential_version for one in await world.rows(Session)] == [2]


async def test_a_page_of_sessions_reads_its_persons_key_once(watched: tuple[World, Watched]) -> None:
    world, tables = watched
    await world.sign_up("alice")
    pairs = [await world.exchange(await world.authorize(), device=f"Browser {number}") for number in range(5)]
    pairs.append(await world.sign_in())
    world.clock.advance(KEPT_MS)
    tables.keys_read = 0
    page = await world.identity_in(pairs[0]).ListSessions(pb.ListSessionsRequest())
    assert [one.device for one in page.sessions] == ["", *(f"Browser {number}" for number in reversed(range(5)))]
    assert tables.keys_read == 1


async def test_a_page_of_twenty_profiles_reads_their_keys_once(watched: tuple[World, Watched]) -> None:
    world, tables = watched
    people = [await world.sign_up(f"person{number}") for number in range(20)]
    world.clock.advance(KEPT_MS)
    tables.keys_read = 0
    request = profile_service_pb2.BatchGetProfilesRequest(user_ids=people)
    for _ in range(2):
        page = (await world.profiles().BatchGetProfiles(request)).profiles
        assert [one.handle for one in page] == [f"person{number}" for number in range(20)]
    assert tables.keys_read == 1, "and the same page again none"
