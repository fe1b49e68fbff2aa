"""Copies of revocations in other processes: they bite within a minute, close what is privileged when they are old, and survive new keys."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from clipmesh.common.v1 import viewer_pb2
from clipmesh.social.v1 import identity_service_pb2 as pb
from clipmesh.social.v1.identity_service_pb2_grpc import IdentityServiceStub

from mesh.client import RpcFailed
from mesh.clock import Clock
from mesh.events.event import EventMaker
from mesh.testing.rpc import viewer
from mesh.tokens import CLOSED_AFTER_MS, STALE_AFTER_MS, AccessClaims, AccessTokenVerifier, InvalidAccessToken, TokensUnverifiable, encode
from svc_social.identity.actions import SigningKeys
from svc_social.identity.actions.signing_keys import LEAD_MS, SIGN_MS
from svc_social.identity.store import SigningKeyStore
from svc_social.identity.tables import Account
from tests.service.social.world import KEYS, Said, World, delivered, session_of

KEYS_EVERY_MS = 60_000


async def revoke(world: World, pair: pb.TokenPair) -> None:
    """Sign out."""
    await world.identity.RevokeSession(pb.RevokeSessionRequest(refresh_token=pair.refresh_token))


async def hear(world: World, verifiers: list[AccessTokenVerifier], *, revocations: bool = True) -> None:
    """What tailing brings every copy: the outbox if the relay works, and the keys said anew."""
    said = Said()
    await world.app.signing.publish(said)  # type: ignore[arg-type]
    records = [delivered(record.topic, record.key, record.value) for record in said.records]
    if revocations:
        told = [event for event in await world.events() if event.topic == "keys"]
        records = [delivered("keys", event.key, event.SerializeToString()) for event in told] + records
    for verifier in verifiers:
        for record in records:
            await verifier.deliver(record)


async def test_a_revocation_bites_in_every_copy_as_soon_as_it_is_heard_and_stays(world: World) -> None:
    await world.sign_up("alice")
    copies = [world.verifier(asking=False) for _ in range(5)]
    gone, other = await world.sign_in(), await world.sign_in()
    await hear(world, copies)
    for copy in copies:
        assert not (await copy.verify(gone.access_token)).unconfirmed
    await revoke(world, gone)
    for _ in range(9):
        await hear(world, copies)
        for copy in copies:
            with pytest.raises(InvalidAccessToken, match="the session is over"):
                await copy.verify(gone.access_token)
            assert (await copy.verify(other.access_token)).session_id == session_of(other)
        world.clock.advance(KEYS_EVERY_MS)


async def test_a_copy_that_begins_late_hears_of_earlier_revocations(world: World) -> None:
    await world.sign_up("alice")
    gone = await world.sign_in()
    await revoke(world, gone)
    world.clock.advance(KEYS_EVERY_MS)
    late = world.verifier(asking=False)
    await hear(world, [late])
    with pytest.raises(InvalidAccessToken):
        await late.verify(gone.access_token)


async def test_repeated_and_reordered_news_change_nothing(world: World) -> None:
    await world.sign_up("alice")
    gone, other = await world.sign_in(), await world.sign_in()
    await revoke(world, gone)
    copy = world.verifier(asking=False)
    for _ in range(3):
        await hear(world, [copy])
    await hear(world, [copy], revocations=False)
    with pytest.raises(InvalidAccessToken):
        await copy.verify(gone.access_token)
    assert await copy.verify(other.access_token)


async def test_an_old_copy_that_nobody_answers_reads_unconfirmed_and_then_closes(world: World) -> None:
    await world.sign_up("alice")
    copy = world.verifier(asking=False)
    await hear(world, [copy])
    world.clock.advance(STALE_AFTER_MS)
    pair = await world.sign_in()
    assert not (await copy.verify(pair.access_token)).unconfirmed
    world.clock.advance(1)
    claims = await copy.verify(pair.access_token)
    assert claims.unconfirmed
    await hear(world, [copy])
    assert await copy.verify(pair.access_token) == replace(claims, unconfirmed=False)
    world.clock.advance(CLOSED_AFTER_MS + 1)
    pair = await world.sign_in()
    with pytest.raises(TokensUnverifiable):
        await copy.verify(pair.access_token)


@pytest.mark.parametrize("role", [viewer_pb2.ROLE_OPERATOR, viewer_pb2.ROLE_ADMIN])
async def test_methods_for_roles_are_closed_to_the_unconfirmed_whatever_role_they_have(
    world: World, role: viewer_pb2.Role.ValueType
) -> None:
    alice = await world.sign_up("alice")
    before = await world.rows(Account)
    request = pb.GrantRoleRequest(user_id=alice, role=viewer_pb2.ROLE_MODERATOR, granted=True)
    who = viewer(user_id=99, roles=[role], login_unconfirmed=True)
    with pytest.raises(RpcFailed) as failed:
        await world.served.stub(IdentityServiceStub, viewer=who).GrantRole(request)
    assert failed.value.code.name == "UNAVAILABLE"
    assert await world.rows(Account) == before
    await world.identity_as(99, role).GrantRole(request)
    assert await world.rows(Account) != before


async def test_an_old_copy_that_can_ask_is_confirmed_by_the_owner(world: World) -> None:
    await world.sign_up("alice")
    copy = world.verifier()
    await hear(world, [copy])
    world.clock.advance(STALE_AFTER_MS + 1)
    pair, gone = await world.sign_in(), await world.sign_in()
    await revoke(world, gone)
    assert not (await copy.verify(pair.access_token)).unconfirmed
    with pytest.raises(InvalidAccessToken):
        await copy.verify(gone.access_token)


async def test_no_living_token_is_refused_while_keys_rotate_under_load(world: World) -> None:
    """Two processes that sign, whose clocks differ; one copy that only hears; half a year of keys, with tokens of every age verified at once."""
    await world.sign_up("alice")
    behind = SigningKeys(
        store=SigningKeyStore(tables=world.tables, wrapping_key=KEYS.signing),
        clock=Behind(world.clock, 20_000),
        events=EventMaker(producer="social", next_id=iter(range(1, 10**9)).__next__, clock=world.clock),
    )
    copy, pair, signers = world.verifier(asking=False), await world.sign_in(), set()
    await hear(world, [copy])
    living: list[tuple[int, str]] = []
    for _ in range(6):
        # To shortly before the next key signs, and then minute by minute over the change.
        for step_ms in (LEAD_MS, SIGN_MS - 2 * LEAD_MS, LEAD_MS - 5 * KEYS_EVERY_MS, *[KEYS_EVERY_MS] * 20):
            world.clock.advance(step_ms)
            await behind.rotate()
            await hear(world, [copy], revocations=False)
            pair = await world.refresh(pair.refresh_token) if step_ms == KEYS_EVERY_MS else await world.sign_in()
            signers.add((await behind.current()).key_id)
            now_ms = world.clock.now_ms()
            living = [(until_ms, token) for until_ms, token in living if until_ms > now_ms]
            living.append((now_ms // 1000 * 1000 + 600_000, pair.access_token))
            living.append(await signed_by(behind, await copy.verify(pair.access_token)))
            claims = await asyncio.gather(*(copy.verify(token) for _, token in living for _ in range(5)))
            assert not any(one.unconfirmed for one in claims)
    assert len(signers) >= 6


async def signed_by(signing: SigningKeys, claims: AccessClaims) -> tuple[int, str]:
    """When it ends, and a token as the other process would give it now."""
    key, issued_ms = await signing.current(), signing.clock.now_ms() // 1000 * 1000
    mine = replace(claims, issued_at_ms=issued_ms, expires_at_ms=issued_ms + 600_000)
    return mine.expires_at_ms, encode(mine, key_id=key.key_id, private_key=key.private_key)


class Behind(Clock):
    """A clock that goes after another one."""

    def __init__(self, clock: Clock, by_ms: int) -> None:
        self._clock, self._by_ms = clock, by_ms

    def now_ms(self) -> int:
        """Wall time."""
        return self._clock.now_ms() - self._by_ms

    def monotonic_ms(self) -> int:
        """Monotonic time."""
        return self._clock.monotonic_ms()
