"""Signing keys: said before they sign, believed until their last token is over, rotated without refusing a living token."""

from __future__ import annotations

import asyncio

import pytest
from clipmesh.social.v1 import identity_service_pb2 as identity_pb

from mesh.tokens import STALE_AFTER_MS, InvalidAccessToken, TokensUnverifiable
from svc_social.identity.session_tables import SigningKey
from tests.service.social.world import World

DAY_MS = 24 * 3_600_000


async def keys_of(world: World) -> list[identity_pb.SigningKey]:
    """The published keys."""
    return list((await world.identity.ListSigningKeys(identity_pb.ListSigningKeysRequest())).keys)


async def test_the_first_key_signs_at_once_and_its_private_part_is_sealed(world: World) -> None:
    (key,) = await keys_of(world)
    (row,) = await world.rows(SigningKey)
    assert (key.not_before_ms, len(key.public_key)) == (world.clock.now_ms(), 32)
    private = (await world.app.signing.current()).private_key.private_bytes_raw()
    assert private not in row.private_key_sealed
    assert private.hex() not in repr(row)


async def test_the_next_key_is_said_a_day_before_it_signs_and_no_living_token_is_refused(world: World) -> None:
    await world.sign_up("alice")
    verifier = world.verifier()
    (first,) = await keys_of(world)
    world.clock.advance(29 * DAY_MS - 1)
    await world.app.signing.rotate()
    assert await keys_of(world) == [first]
    world.clock.advance(1)
    await world.tell(verifier)
    _, second = await keys_of(world)
    assert second.not_before_ms == world.clock.now_ms() + DAY_MS
    pair = await world.sign_in()
    world.clock.advance(DAY_MS - 1)
    await world.tell(verifier)
    last_of_first = await world.refresh(pair.refresh_token)
    world.clock.advance(1)
    first_of_second = await world.refresh(last_of_first.refresh_token)
    await world.tell(verifier)
    for token in (last_of_first.access_token, first_of_second.access_token):
        await verifier.verify(token)
    world.clock.advance(9 * 60_000)
    await world.tell(verifier)
    await verifier.verify(last_of_first.access_token)
    world.clock.advance(3 * 60_000)
    await world.app.signing.rotate()
    assert await keys_of(world) == [second]


async def test_processes_that_rotate_together_agree_on_the_keys(world: World) -> None:
    await asyncio.gather(*(world.app.signing.rotate() for _ in range(10)))
    assert len(await keys_of(world)) == 1
    world.clock.advance(29 * DAY_MS)
    await asyncio.gather(*(world.app.signing.rotate() for _ in range(10)))
    assert len(await keys_of(world)) == 2


async def test_after_a_long_sleep_a_new_key_signs_at_once(world: World) -> None:
    await world.sign_up("alice")
    await world.app.signing.rotate()
    world.clock.advance(100 * DAY_MS)
    pair = await world.sign_in()
    assert (await world.verifier().verify(pair.access_token)).handle == "alice"


async def test_a_verifier_that_hears_nothing_and_cannot_ask_says_so_and_then_closes(world: World) -> None:
    await world.sign_up("alice")
    verifier = world.verifier(asking=False)
    await world.tell(verifier)
    world.clock.advance(STALE_AFTER_MS)
    assert not verifier.stale
    world.clock.advance(1)
    assert verifier.stale
    pair = await world.sign_in()
    await verifier.verify(pair.access_token)
    world.clock.advance(9 * 60_000)
    pair = await world.sign_in()
    with pytest.raises(TokensUnverifiable):
        await verifier.verify(pair.access_token)
    await world.tell(verifier)
    assert not verifier.stale
    await verifier.verify(pair.access_token)


async def test_an_access_token_lives_for_ten_minutes(world: World) -> None:
    await world.sign_up("alice")
    verifier = world.verifier()
    pair = await world.sign_in()
    assert len(pair.access_token) < 1024
    world.clock.advance(599_999)
    await world.tell(verifier)
    await verifier.verify(pair.access_token)
    world.clock.advance(1)
    with pytest.raises(InvalidAccessToken):
        await verifier.verify(pair.access_token)
