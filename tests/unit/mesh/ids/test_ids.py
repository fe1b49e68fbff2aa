"""Ids never repeat: not in a burst, not when a clock steps back, not under two holders of a node."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh import ids as ids_module
from mesh.ids import ClockSteppedBack, IdParts, Ids, NodeLease, NodeLeaseOver, NoFreeNode, decode, open_ids
from mesh.stores.tables import open_tables
from mesh.stores.tables.port import OutcomeUnknown, Tables, TablesUnavailable
from mesh.testing.clock import FakeClock

OpenIds = Callable[..., Awaitable[Ids]]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def tables(tmp_path: Path, clock: FakeClock) -> AsyncIterator[Tables]:
    store = await open_tables(f"sqlite:///{tmp_path}", service="sound", row_types=(NodeLease,), clock=clock)
    yield store
    await store.close()


@pytest.fixture
async def start(tables: Tables, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[OpenIds]:
    """Opens ids whose renewal only runs when a test asks for it."""
    monkeypatch.setattr(ids_module, "_LOOK_EVERY_S", 3_600.0)
    opened: list[Ids] = []

    async def start(*, of_clock: FakeClock = clock, service: str = "sound", region: int = 0) -> Ids:
        opened.append(await open_ids(tables, service=service, clock=of_clock, region=region))
        return opened[-1]

    yield start
    for ids in opened:
        await ids.close()


async def crash(ids: Ids) -> None:
    """Let a holder vanish without giving its node back."""
    ids._renewing.cancel()
    ids._stopped = True


async def test_an_id_is_laid_out_as_specified(start: OpenIds, clock: FakeClock) -> None:
    sound = await start(region=5)
    other = await start(service="rights", region=5)
    assert sound.next() == (clock.now_ms() - 1_704_067_200_000) << 22 | 5 << 18 | 3 << 15 | 0 << 8 | 0
    assert decode(sound.next()) == IdParts(clock.now_ms(), 5, 3, 0, 1)
    assert decode(other.next()) == IdParts(clock.now_ms(), 5, 4, 1, 0)
    assert 0 < sound.next() < 2**63


@given(
    at_ms=st.integers(0, 2**41 - 1),
    region=st.integers(0, 15),
    service=st.integers(0, 7),
    node=st.integers(0, 127),
    sequence=st.integers(0, 255),
)
def test_decode_reads_every_part(at_ms: int, region: int, service: int, node: int, sequence: int) -> None:
    an_id = at_ms << 22 | region << 18 | service << 15 | node << 8 | sequence
    assert decode(an_id) == IdParts(at_ms + 1_704_067_200_000, region, service, node, sequence)


async def test_a_burst_borrows_from_the_next_moments_and_ends_by_name(start: OpenIds, clock: FakeClock) -> None:
    ids = await start()
    minted = [ids.next() for _ in range(256 * 1_001)]
    assert minted == sorted(set(minted))
    assert decode(minted[-1]) == IdParts(clock.now_ms() + 1_000, 0, 3, 0, 255)
    for _ in range(2):
        with pytest.raises(ClockSteppedBack) as refused:
            ids.next()
        assert refused.value.retry_after_ms == 1
    clock.advance(1)
    assert ids.next() > minted[-1]


async def test_a_clock_that_steps_back_refuses_until_it_has_caught_up(start: OpenIds, clock: FakeClock) -> None:
    ids = await start()
    first = ids.next()
    clock.step(-1_000)
    second = ids.next()
    assert second > first
    clock.step(-1)
    with pytest.raises(ClockSteppedBack):
        ids.next()
    clock.step(1)
    assert ids.next() > second


async def test_what_follows_an_id_of_a_clock_that_is_ahead_is_larger_and_never_twice(start: OpenIds, clock: FakeClock) -> None:
    ids, ahead = await start(), await start(of_clock=FakeClock(clock.now_ms() + 5_000))
    first = ahead.next()
    minted = [ids.next()]
    for _ in range(3):
        # Each at a moment of its own, of which the clock that is behind knows only the first.
        clock.advance(1)
        minted += [ids.next(first), ids.next()]
    clock.advance(6_000)
    minted += [ids.next(first), ids.next(minted[-1]), ids.next()]
    assert minted == sorted(set(minted))
    assert all(one > first for one in minted[1:])
    assert decode(minted[1]).at_ms == decode(first).at_ms + 1
    assert {decode(one).node for one in minted} == {0}
    assert decode(minted[-1]).at_ms <= clock.now_ms() + 1


async def test_an_id_too_far_ahead_to_follow_is_refused_and_costs_nothing(start: OpenIds, clock: FakeClock) -> None:
    ids = await start()
    far = (clock.now_ms() + 3_600_000 - ids_module.EPOCH_MS) << 22
    with pytest.raises(NodeLeaseOver):
        ids.next(far)
    assert decode(ids.next()) == IdParts(clock.now_ms(), 0, 3, 0, 0)


async def test_minting_stops_at_the_monotonic_end_and_goes_on_after_renewal(start: OpenIds, clock: FakeClock) -> None:
    ids = await start()
    clock.advance(58_999)
    last = ids.next()
    clock.advance(1)
    clock.step(-10)
    with pytest.raises(NodeLeaseOver):
        ids.next()
    await ids.renew()
    assert ids.next() > last


async def test_no_id_carries_a_moment_that_the_lease_does_not_record(start: OpenIds, clock: FakeClock, tables: Tables) -> None:
    ids = await start()
    clock.step(61_001)
    with pytest.raises(NodeLeaseOver):
        ids.next()
    await ids.renew()
    lease = await tables.get(NodeLease, 0, 0)
    assert lease is not None
    assert decode(ids.next()).at_ms <= lease.last_timestamp_ms


async def test_a_node_given_back_is_taken_at_once_above_its_last_id(start: OpenIds, clock: FakeClock) -> None:
    ids = await start()
    last = [ids.next() for _ in range(300)][-1]
    await ids.close()
    with pytest.raises(NodeLeaseOver):
        ids.next()
    successor = await start()
    assert successor.node == ids.node == 0
    assert decode(successor.next()).at_ms > decode(last).at_ms


async def test_a_node_given_back_without_an_id_keeps_its_mark(start: OpenIds) -> None:
    first = await start()
    last = first.next()
    await first.close()
    await (await start()).close()
    assert (await start()).next() > last


async def test_a_crashed_holder_keeps_its_node_until_the_lease_is_over(start: OpenIds, clock: FakeClock) -> None:
    crashed = await start()
    last = crashed.next()
    await crash(crashed)
    assert (await start()).node == 1
    clock.advance(61_000)
    successor = await start()
    assert successor.node == 0
    assert successor.next() > last


async def test_a_successor_starts_above_the_recorded_timestamp_though_its_clock_stands_before(
    start: OpenIds, clock: FakeClock, tables: Tables
) -> None:
    ids = await start()
    ids.next()
    await ids.close()
    clock.step(-5_000)
    assert (await start()).node == 1
    lease = await tables.get(NodeLease, 0, 0)
    assert lease is not None
    assert lease.holder == ""


async def test_two_holders_with_clocks_apart_mint_nothing_twice(start: OpenIds, clock: FakeClock) -> None:
    behind = FakeClock(clock.now_ms() - 30_000)
    first = await start(of_clock=behind)
    minted = {first.next() for _ in range(500)}
    clock.advance(40_000)
    second = await start()
    assert second.node == first.node == 0
    fresh = [second.next() for _ in range(500)]
    behind.advance(1_000)
    minted |= {first.next() for _ in range(500)}
    assert len(minted | set(fresh)) == 1_500
    behind.advance(60_000)
    with pytest.raises(NodeLeaseOver):
        first.next()
    await first.renew()
    assert first.node == 1
    assert first.next() not in minted.union(fresh)


async def test_no_free_node_and_a_clock_behind_all_of_them_are_told_apart(start: OpenIds, clock: FakeClock, tables: Tables) -> None:
    for node in range(128):
        await tables.insert(NodeLease(region=0, node=node, last_timestamp_ms=clock.now_ms() + 1_000))
    with pytest.raises(ClockSteppedBack):
        await start()
    clock.advance(1)
    opened = [await start() for _ in range(128)]
    assert [ids.node for ids in opened] == list(range(128))
    with pytest.raises(NoFreeNode):
        await start()


async def test_an_unsettled_renewal_does_not_lose_the_node(
    start: OpenIds, tables: Tables, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = await start()
    transition = tables.transition

    async def unsure(row: NodeLease, *, expected_version: int) -> NodeLease:
        await transition(row, expected_version=expected_version)
        raise OutcomeUnknown("t")

    async def settle(_: str) -> bool:
        raise TablesUnavailable("not now")

    with monkeypatch.context() as patch:
        patch.setattr(tables, "transition", unsure)
        patch.setattr(tables, "settle", settle)
        with pytest.raises(TablesUnavailable):
            await ids.renew()
    last = ids.next()
    clock.advance(59_000)
    await ids.renew()
    await ids.renew()
    assert ids.node == 0
    assert ids.next() > last


async def test_the_lease_is_renewed_by_itself(tables: Tables, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ids_module, "_LOOK_EVERY_S", 0.001)
    ids = await open_ids(tables, service="sound", clock=clock)
    for _ in range(3):
        clock.advance(200_000)
        async with asyncio.timeout(10):
            while True:
                try:
                    ids.next()
                    break
                except NodeLeaseOver:
                    await asyncio.sleep(0.002)
    await ids.close()
    await ids.close()


@pytest.mark.parametrize(("service", "region"), [("nobody", 0), ("video", 16), ("video", -1)])
async def test_an_unknown_service_or_region_is_refused(tables: Tables, clock: FakeClock, service: str, region: int) -> None:
    with pytest.raises(ValueError, match=r"nobody|region"):
        await open_ids(tables, service=service, clock=clock, region=region)
    assert (await tables.walk(NodeLease)).rows == ()
