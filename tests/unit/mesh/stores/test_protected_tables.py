"""Tables under faults: what is counted, what is refused, what stays true."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from mesh import deadline
from mesh.stores.protected.faults import EVERY, Fault, Faults
from mesh.stores.protected.metrics import (
    STORE_BREAKER,
    STORE_BREAKER_AWAY,
    STORE_BREAKER_OPENED,
    STORE_BUSY_MS,
    STORE_CALLS,
    STORE_FAILED,
    STORE_IN_FLIGHT,
    STORE_REFUSED,
    STORE_SHARED,
)
from mesh.stores.protected.settings import TABLES
from mesh.stores.protected.tables import ProtectedTables
from mesh.stores.tables import open_tables
from mesh.stores.tables.port import InvalidUse, OutcomeUnknown, RowExists, Tables, TablesUnavailable, VersionConflict
from mesh.telemetry import Telemetry
from mesh.testing.clock import FakeClock
from mesh.testing.tables_rows import Seat, Ticket

SETTINGS = replace(TABLES, least_calls=10, at_once=4, wait_s=0.01, most_waiting=4, slow_s=2.0, open_s=1.0, longest_open_s=1.0)


def away() -> Exception:
    return TablesUnavailable("away")


class World:
    def __init__(self, engine: Tables, clock: FakeClock) -> None:
        self.clock = clock
        self.faults = Faults()
        self.telemetry = Telemetry(service="video")
        self.tables = ProtectedTables(
            engine, telemetry=self.telemetry, settings=SETTINGS, faults=self.faults, now_s=lambda: clock.monotonic_ms() / 1000
        )

    def breaker(self, lane: str) -> int:
        return int(self.telemetry.value(STORE_BREAKER, store="tables", lane=lane))

    def away_s(self, lane: str) -> float:
        return self.telemetry.value(STORE_BREAKER_AWAY, store="tables", lane=lane)

    def refused(self, lane: str, why: str) -> int:
        return int(self.telemetry.value(STORE_REFUSED, store="tables", lane=lane, why=why))

    async def fail(self, count: int = 10) -> None:
        self.faults.put("get", Fault(error=away))
        for _ in range(count):
            with pytest.raises(TablesUnavailable, match="away"):
                await self.tables.get(Ticket, 1)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    clock = FakeClock()
    engine = await open_tables(f"sqlite:///{tmp_path}", service="contract", row_types=(Ticket, Seat), clock=clock)
    yield World(engine, clock)
    await engine.close()


async def test_a_failing_store_is_left_alone_and_met_again_by_one_call(world: World) -> None:
    await world.tables.insert(Ticket(ticket_id=1))
    await world.fail()
    reached = world.faults.calls["get"]
    for _ in range(5):
        with pytest.raises(TablesUnavailable, match="none are made for a moment"):
            await world.tables.get(Ticket, 1)
    assert (world.faults.calls["get"], world.breaker("read"), world.refused("read", "open")) == (reached, 2, 5)
    world.clock.advance(1_250)
    world.faults.put("get", Fault(hang=True))
    probe = asyncio.create_task(world.tables.get(Ticket, 1))
    await asyncio.sleep(0)
    assert world.breaker("read") == 1
    refusals = await asyncio.gather(*(world.tables.get(Ticket, number) for number in range(2, 50)), return_exceptions=True)
    assert {type(refusal) for refusal in refusals} == {TablesUnavailable}
    assert world.faults.calls["get"] == reached + 1
    world.faults.clear()
    assert await probe == Ticket(ticket_id=1, version=1)
    assert world.breaker("read") == 0
    assert await world.tables.get(Ticket, 1) == Ticket(ticket_id=1, version=1)
    assert world.telemetry.value(STORE_BREAKER_OPENED, store="tables", lane="read") == 1
    assert world.telemetry.value(STORE_FAILED, store="tables", lane="read") == 10


async def test_how_long_a_store_is_away_counts_from_the_first_opening_to_the_first_answer(world: World) -> None:
    await world.fail()
    assert world.away_s("read") == 0
    for passed_s in (1.25, 2.5):
        world.clock.advance(1_250)
        with pytest.raises(TablesUnavailable):
            await world.tables.get(Ticket, 1)
        assert (world.away_s("read"), world.away_s("write")) == (passed_s, 0)
    world.clock.advance(1_250)
    world.faults.clear()
    await world.tables.get(Ticket, 1)
    world.clock.advance(1_000)
    assert world.away_s("read") == 0


async def test_reads_go_on_while_writes_are_refused_and_nothing_is_written(world: World) -> None:
    world.faults.put("insert", Fault(error=away))
    for number in range(10):
        with pytest.raises(TablesUnavailable):
            await world.tables.insert(Ticket(ticket_id=number))
    world.faults.clear()
    with pytest.raises(TablesUnavailable):
        await world.tables.insert(Ticket(ticket_id=1))
    assert await world.tables.get(Ticket, 1) is None
    assert (world.breaker("write"), world.breaker("read")) == (2, 0)


async def test_a_store_that_answers_no_is_well(world: World) -> None:
    await world.tables.insert(Ticket(ticket_id=1))
    for _ in range(30):
        with pytest.raises(RowExists):
            await world.tables.insert(Ticket(ticket_id=1))
        with pytest.raises(VersionConflict):
            await world.tables.transition(Ticket(ticket_id=1), expected_version=7)
        with pytest.raises(InvalidUse):
            await world.tables.insert(Ticket(ticket_id="one"))  # type: ignore[arg-type]
    assert world.breaker("write") == 0
    assert await world.tables.get(Ticket, 1) == Ticket(ticket_id=1, version=1)


async def test_a_call_that_breaks_a_rule_is_no_probe(world: World) -> None:
    world.faults.put("insert", Fault(error=away))
    for _ in range(10):
        with pytest.raises(TablesUnavailable):
            await world.tables.insert(Ticket(ticket_id=1))
    world.faults.clear()
    world.clock.advance(1_250)
    with pytest.raises(InvalidUse):
        await world.tables.insert(Ticket(ticket_id="one"))  # type: ignore[arg-type]
    assert world.breaker("write") == 1
    assert await world.tables.insert(Ticket(ticket_id=1)) == Ticket(ticket_id=1, version=1)
    assert world.breaker("write") == 0


async def test_unknown_outcomes_are_failures_and_can_be_settled_while_writes_are_refused(world: World) -> None:
    world.faults.put("insert", Fault(error=lambda: OutcomeUnknown("t"), after=True))
    for number in range(10):
        with pytest.raises(OutcomeUnknown):
            await world.tables.insert(Ticket(ticket_id=number))
    assert world.breaker("write") == 2
    assert await world.tables.get(Ticket, 9) == Ticket(ticket_id=9, version=1)
    with pytest.raises(InvalidUse):
        await world.tables.settle("t")


async def test_deadlines_that_were_too_short_blame_nobody(world: World) -> None:
    world.faults.put(EVERY, Fault(error=away))
    with deadline.scope(0):
        for _ in range(30):
            with pytest.raises(TablesUnavailable, match="before the call"):
                await world.tables.get(Ticket, 1)
    assert not world.faults.calls
    assert world.breaker("read") == 0


async def test_a_call_that_ran_out_of_a_short_deadline_blames_nobody(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.faults.put("get", Fault(hang=True))
    real = ProtectedTables(world.tables.engine, telemetry=world.telemetry, settings=SETTINGS, faults=world.faults)
    for _ in range(10):
        with deadline.scope(0.008), pytest.raises(TablesUnavailable):
            await real.get(Ticket, 1)
    assert world.breaker("read") == 0


async def test_a_store_that_hangs_is_a_failure(world: World) -> None:
    short = replace(SETTINGS, default_s=0.005, impatient_s=0.0)
    tables = ProtectedTables(world.tables.engine, telemetry=world.telemetry, settings=short, faults=world.faults)
    world.faults.put("get", Fault(hang=True))
    begun_s = time.monotonic()
    for _ in range(10):
        with pytest.raises(TablesUnavailable, match="until its deadline"):
            await tables.get(Ticket, 1)
    assert world.breaker("read") == 2
    assert time.monotonic() - begun_s < 5


async def test_slow_answers_open_the_breaker_but_a_whole_walk_may_take_its_time(world: World) -> None:
    async def take_long(operation: str) -> None:
        world.faults.put(operation, Fault(hang=True))
        task = asyncio.create_task(world.tables.get(Ticket, 1) if operation == "get" else world.tables.walk(Ticket))
        await asyncio.sleep(0)
        world.clock.advance(2_000)
        world.faults.clear()
        await task

    settings = replace(SETTINGS, window_s=1_000.0)
    world.tables = ProtectedTables(
        world.tables.engine,
        telemetry=world.telemetry,
        settings=settings,
        faults=world.faults,
        now_s=lambda: world.clock.monotonic_ms() / 1000,
    )
    for _ in range(12):
        await take_long("walk")
    assert world.breaker("read") == 0
    for _ in range(48):
        await take_long("get")
    assert world.breaker("read") == 2
    assert world.telemetry.value(STORE_CALLS, store="tables", lane="read") == 60
    assert world.telemetry.value(STORE_BUSY_MS, store="tables", lane="read") == pytest.approx(120_000)


async def test_so_many_calls_are_under_way_and_no_more(world: World) -> None:
    world.faults.put("insert", Fault(hang=True))
    inside = [asyncio.create_task(world.tables.insert(Ticket(ticket_id=number))) for number in range(4)]
    await asyncio.sleep(0)
    refusals = await asyncio.gather(*(world.tables.insert(Ticket(ticket_id=number)) for number in range(10, 20)), return_exceptions=True)
    assert [str(refusal) for refusal in refusals] == ["tables: too many calls at once"] * 10
    assert {type(refusal) for refusal in refusals} == {TablesUnavailable}
    assert world.faults.calls["insert"] == 4
    assert world.telemetry.value(STORE_IN_FLIGHT, store="tables", lane="write") == 4
    assert await world.tables.get(Ticket, 10) is None, "reads have places of their own"
    world.faults.clear()
    assert [(await task).version for task in inside] == [1] * 4
    assert world.telemetry.value(STORE_IN_FLIGHT, store="tables", lane="write") == 0
    assert world.refused("write", "full") == 10
    assert world.breaker("write") == 0
    assert [row.ticket_id for row in (await world.tables.walk(Ticket)).rows] == [0, 1, 2, 3]


async def test_a_cancelled_call_gives_its_place_back(world: World) -> None:
    world.faults.put("insert", Fault(hang=True))
    for _ in range(3):
        inside = [asyncio.create_task(world.tables.insert(Ticket(ticket_id=number))) for number in range(4)]
        await asyncio.sleep(0)
        for task in inside:
            task.cancel()
        await asyncio.wait(inside)
    assert world.telemetry.value(STORE_IN_FLIGHT, store="tables", lane="write") == 0
    world.faults.clear()
    assert (await world.tables.insert(Ticket(ticket_id=1))).version == 1


async def test_readers_who_come_after_a_write_see_it_though_an_older_read_is_under_way(world: World) -> None:
    await world.tables.insert(Ticket(ticket_id=1))
    world.faults.put("get", Fault(hang=True, after=True))
    world.faults.put("get_many", Fault(hang=True, after=True))
    before = asyncio.create_task(world.tables.get(Ticket, 1))
    before_many = asyncio.create_task(world.tables.get_many(Ticket, [(1,)]))
    async with asyncio.timeout(5):
        while not (world.faults.calls["get"] and world.faults.calls["get_many"]):
            await asyncio.sleep(0.001)
    written = await world.tables.transition(Ticket(ticket_id=1, note="new"), expected_version=1)
    after = [asyncio.create_task(world.tables.get(Ticket, 1)) for _ in range(5)]
    after_many = [asyncio.create_task(world.tables.get_many(Ticket, [(1,)])) for _ in range(5)]
    await asyncio.sleep(0)
    world.faults.clear()
    assert await asyncio.gather(*after) == [written] * 5
    assert await asyncio.gather(*after_many) == [{(1,): written}] * 5
    assert (await before) in (Ticket(ticket_id=1, version=1), written)
    assert set(await before_many) == {(1,)}
    assert world.telemetry.value(STORE_SHARED, store="tables") == 10
    assert (world.faults.calls["get"], world.faults.calls["get_many"]) == (2, 2)


async def test_writes_are_never_shared(world: World) -> None:
    outcomes = await asyncio.gather(*(world.tables.insert(Ticket(ticket_id=1)) for _ in range(4)), return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["RowExists", "RowExists", "RowExists", "Ticket"]
    assert world.faults.calls["insert"] == 4
