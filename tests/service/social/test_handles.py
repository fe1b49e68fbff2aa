"""Another handle: one at a time has it, the old one is kept for who had it, and whatever is cut off can be ended by whoever comes next."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from typing import Any

import pytest
from clipmesh.social.v1 import profile_service_pb2 as pb

from mesh.client import RpcFailed
from mesh.errors import NotFound
from svc_social.identity.actions.naming import HELD_MS
from svc_social.identity.tables import Account, NameKind, Reservation
from tests.service.social.world import KEYS, World, sign_up_request


async def rename(world: World, user_id: int, handle: str, *, request_id: str = "") -> pb.Profile:
    """The profile with another handle."""
    request = pb.ChangeHandleRequest(request_id=request_id or f"to-{handle}", handle=handle)
    return (await world.profiles(user_id).ChangeHandle(request)).profile


async def owner(world: World, handle: str) -> int:
    """Who is found by a handle; 0 for nobody."""
    try:
        return (await world.profiles().GetProfileByHandle(pb.GetProfileByHandleRequest(handle=handle))).profile.user_id
    except NotFound:
        return 0


async def refused(call: Any) -> str:
    """Why a call is refused."""
    with pytest.raises(RpcFailed) as failed:
        await call
    return failed.value.reason


async def names(world: World) -> dict[str, tuple[int, bool, int]]:
    """Owner, confirmed and held of each handle that these tests use."""
    known = {KEYS.handle_name(one): one for one in ("alice", "bob", "carla", "dora", "emil")}
    rows = [row for row in await world.rows(Reservation) if row.kind is NameKind.HANDLE]
    return {known[row.name]: (row.owner_id, row.confirmed, row.held_until_ms) for row in rows}


async def test_the_new_handle_holds_everywhere_and_the_old_one_nowhere(world: World) -> None:
    alice = await world.sign_up("alice")
    changed = await rename(world, alice, "@Carla")
    assert (changed.user_id, changed.handle, changed.version) == (alice, "carla", 2)
    assert await rename(world, alice, "@Carla") == changed, "a repeat gets the same"
    assert (await owner(world, "carla"), await owner(world, "alice")) == (alice, 0)
    assert (await world.sign_in("carla")).user_id == alice
    assert await refused(world.authorize("alice")) == "WRONG_CREDENTIALS"
    assert await names(world) == {"alice": (alice, True, world.clock.now_ms() + HELD_MS), "carla": (alice, True, 0)}
    said = [event for event in await world.events() if event.type.endswith("ProfileChanged")]
    assert [(event.key, event.key_version) for event in said] == [(str(alice), 2)]
    assert b"carla" not in said[0].SerializeToString()


async def test_an_old_handle_is_its_persons_for_thirty_days_and_then_anybodys(world: World) -> None:
    alice, bob = await world.sign_up("alice"), await world.sign_up("bob")
    await rename(world, alice, "carla")
    before = await names(world)
    assert await refused(world.identity.SignUp(sign_up_request("alice", request_id="x", email="x@example.org"))) == "HANDLE_TAKEN"
    assert await refused(rename(world, bob, "alice")) == "HANDLE_TAKEN"
    assert await names(world) == before
    assert (await rename(world, alice, "alice")).handle == "alice"
    assert await names(world) == {
        "alice": (alice, True, 0),
        "bob": (bob, True, 0),
        "carla": (alice, True, world.clock.now_ms() + HELD_MS),
    }
    world.clock.advance(HELD_MS)
    assert (await rename(world, bob, "carla")).handle == "carla"
    assert await refused(rename(world, alice, "carla", request_id="again")) == "HANDLE_TAKEN"
    assert (await owner(world, "alice"), await owner(world, "carla"), await owner(world, "bob")) == (alice, bob, 0)


async def test_of_many_who_want_one_handle_at_once_one_has_it(world: World) -> None:
    people = [await world.sign_up(f"person{number}") for number in range(8)]
    asked: list[Awaitable[Any]] = [rename(world, user_id, "alice") for user_id in people]
    asked.append(world.identity.SignUp(sign_up_request("alice")))
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert {answer.reason for answer in answers if isinstance(answer, RpcFailed)} == {"HANDLE_TAKEN"}
    assert len([answer for answer in answers if not isinstance(answer, BaseException)]) == 1
    having = [row.user_id for row in await world.rows(Account) if row.handle_name == KEYS.handle_name("alice")]
    assert having == [await owner(world, "alice")]


async def test_parallel_changes_of_one_person_leave_one_handle_and_no_other_in_use(world: World) -> None:
    alice = await world.sign_up("alice")
    wanted = ["bob", "carla", "dora"]
    await asyncio.gather(*(rename(world, alice, handle) for handle in wanted))
    (row,) = await world.rows(Account)
    found = await names(world)
    last = next(handle for handle in wanted if KEYS.handle_name(handle) == row.handle_name)
    assert found.pop(last) == (alice, True, 0)
    assert {held for _, _, held in found.values()} == {world.clock.now_ms() + HELD_MS}
    assert await owner(world, last) == alice


@pytest.mark.parametrize("handle", ["admin", "cl1pmesh", "a..b", "аlice", "x", "support"])
async def test_a_handle_that_nobody_may_take_is_refused_and_changes_nothing(world: World, handle: str) -> None:
    alice = await world.sign_up("alice")
    before = await world.rows(Account), await world.rows(Reservation)
    assert await refused(rename(world, alice, handle)) == "HANDLE_NOT_ALLOWED"
    assert (await world.rows(Account), await world.rows(Reservation)) == before


async def test_nobody_collects_handles(world: World) -> None:
    alice = await world.sign_up("alice")
    for handle in ("bob", "carla", "dora"):
        await rename(world, alice, handle)
    before = await names(world)
    assert await refused(rename(world, alice, "emil")) == "TOO_MANY_ATTEMPTS"
    assert await refused(rename(world, alice, "emil")) == "TOO_MANY_ATTEMPTS", "asking again is no way around"
    assert await names(world) == before
    world.clock.advance(HELD_MS)
    assert (await rename(world, alice, "emil", request_id="later")).handle == "emil"


async def test_a_change_that_was_cut_off_after_the_account_is_ended_by_whoever_wants_the_old_handle(world: World) -> None:
    alice, bob = await world.sign_up("alice"), await world.sign_up("bob")
    await rename(world, alice, "carla")
    for row in await world.rows(Reservation):
        if row.kind is NameKind.HANDLE and row.owner_id == alice:
            # As the account's write left them: the new one only asked for, the old one not given up.
            pending = row.name == KEYS.handle_name("carla")
            was = replace(row, held_until_ms=0, confirmed=not pending, pending_until_ms=world.clock.now_ms() + 60_000)
            await world.tables.transition(was, expected_version=row.version)
    assert await owner(world, "carla") == alice
    world.clock.advance(60_000)
    assert await refused(rename(world, bob, "carla")) == "HANDLE_TAKEN", "the account says who has it"
    assert await refused(rename(world, bob, "alice")) == "HANDLE_TAKEN"
    assert (await names(world))["alice"] == (alice, True, world.clock.now_ms() + HELD_MS)
    assert (await names(world))["carla"] == (alice, True, 0)
    world.clock.advance(HELD_MS)
    assert (await rename(world, bob, "alice", request_id="later")).handle == "alice"


async def test_a_change_that_was_cut_off_before_the_account_gives_the_handle_back_after_a_minute(world: World) -> None:
    alice, bob = await world.sign_up("alice"), await world.sign_up("bob")
    name = KEYS.handle_name("carla")
    await world.tables.insert(Reservation(kind=NameKind.HANDLE, name=name, owner_id=alice, pending_until_ms=world.clock.now_ms() + 60_000))
    assert await refused(rename(world, bob, "carla")) == "HANDLE_TAKEN"
    world.clock.advance(60_000)
    assert (await rename(world, bob, "carla")).handle == "carla"
    assert await owner(world, "carla") == bob


async def test_a_handle_in_use_is_nobody_elses_whatever_its_reservation_says(world: World) -> None:
    alice, bob = await world.sign_up("alice"), await world.sign_up("bob")
    (row,) = [one for one in await world.rows(Reservation) if one.name == KEYS.handle_name("alice")]
    # What a late call of a change that was taken back leaves.
    await world.tables.transition(replace(row, held_until_ms=world.clock.now_ms() - 1), expected_version=row.version)
    assert await refused(rename(world, bob, "alice")) == "HANDLE_TAKEN"
    assert (await names(world))["alice"] == (alice, True, 0)
