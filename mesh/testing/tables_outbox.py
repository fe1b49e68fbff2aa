"""What every tables engine promises of the outbox, of a new start, and of tables that grow."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import pytest

from mesh.stores.tables.port import IncompatibleTable, InvalidUse, Tables
from mesh.stores.tables.schema import Clustering, Guard, Partition, Scope, table
from mesh.testing.clock import FakeClock
from mesh.testing.tables_rows import Score, Seat, Ticket, entries_after, event, versions_by_key

OpenTables = Callable[[Sequence[type]], Awaitable[Tables]]
"""Opens the same store again with other row types, as a new start with newer code does."""

_DAY_MS = 24 * 3_600_000


class OutboxContract:
    """Events wait in the order of their key until a relay has read them, and go by whole buckets."""

    async def test_entries_keep_the_order_of_their_key(self, tables: Tables) -> None:
        async def write(ticket_id: int) -> None:
            row = await tables.insert(Ticket(ticket_id=ticket_id), events=[event(ticket_id * 100, str(ticket_id))])
            for step in range(1, 10):
                row = await tables.transition(row, expected_version=step, events=[event(ticket_id * 100 + step, str(ticket_id))])

        await asyncio.gather(*(write(ticket_id) for ticket_id in range(1, 21)))
        for limit in (1, 7, 500):
            found = versions_by_key(await entries_after(tables, {}, limit=limit))
            assert found == {str(key): [(key * 100 + step, step + 1) for step in range(10)] for key in range(1, 21)}

    async def test_a_key_lives_in_one_shard_and_keys_spread(self, tables: Tables) -> None:
        for round_ in range(2):
            await tables.put(*[], events=[event(round_ * 100 + at, f"key-{at}", key_version=round_ + 1) for at in range(100)])
        shards: dict[str, set[int]] = {}
        for shard in range(tables.outbox_shards):
            page = await tables.read_outbox(shard)
            assert page.entries
            for entry in page.entries:
                shards.setdefault(entry.key, set()).add(shard)
        assert len(shards) == 100
        assert {len(places) for places in shards.values()} == {1}

    async def test_reading_goes_on_behind_a_position_and_starts_again_without_one(self, tables: Tables) -> None:
        positions: dict[int, str] = {}
        await tables.put(events=[event(1, key_version=1)])
        assert [entry.event_id for entry in await entries_after(tables, positions)] == [1]
        assert await entries_after(tables, positions) == []
        await tables.put(events=[event(2, key_version=2)])
        assert [entry.event_id for entry in await entries_after(tables, positions)] == [2]
        assert [entry.event_id for entry in await entries_after(tables, {})] == [1, 2]

    async def test_an_empty_page_keeps_the_position(self, tables: Tables) -> None:
        await tables.put(events=[event(1, key_version=1)])
        for shard in range(tables.outbox_shards):
            assert (await tables.read_outbox(shard, after="")).position == "" or (await tables.read_outbox(shard)).entries
            position = (await tables.read_outbox(shard)).position
            again = await tables.read_outbox(shard, after=position)
            assert again.position == position or again.entries

    async def test_a_foreign_position_shard_or_limit_is_refused(self, tables: Tables) -> None:
        await tables.put(events=[event(at, f"key-{at}", key_version=1) for at in range(50)])
        position = (await tables.read_outbox(0)).position
        for refused in (
            tables.read_outbox(1, after=position),
            tables.read_outbox(0, after="nonsense"),
            tables.read_outbox(-1),
            tables.read_outbox(tables.outbox_shards),
            tables.read_outbox(0, limit=0),
        ):
            with pytest.raises(InvalidUse):
                await refused

    async def test_waiting_ends_soon_after_a_commit(self, tables: Tables) -> None:
        await entries_after(tables, {})
        began = time.monotonic()
        waiting = [asyncio.create_task(tables.wait_outbox(20)) for _ in range(3)]
        await asyncio.sleep(0)
        await tables.insert(Ticket(ticket_id=1), events=[event(1)])
        await asyncio.gather(*waiting)
        assert time.monotonic() - began < 5

    async def test_a_commit_between_reading_and_waiting_is_not_slept_through(self, tables: Tables) -> None:
        positions: dict[int, str] = {}
        for at in range(1, 4):
            await entries_after(tables, positions)
            await tables.put(events=[event(at, key_version=at)])
            began = time.monotonic()
            await tables.wait_outbox(20)
            assert time.monotonic() - began < 5
            assert [entry.event_id for entry in await entries_after(tables, positions)] == [at]

    async def test_waiting_without_a_commit_ends_when_the_time_is_over(self, tables: Tables) -> None:
        await entries_after(tables, {})
        await tables.insert(Ticket(ticket_id=1))
        began = time.monotonic()
        await tables.wait_outbox(0.05)
        assert 0.04 <= time.monotonic() - began < 5

    async def test_old_buckets_go_whole_and_the_others_stay(self, tables: Tables, clock: FakeClock) -> None:
        await tables.put(events=[event(1, key_version=1)])
        clock.advance(2 * _DAY_MS)
        now_ms = clock.now_ms()
        await tables.put(events=[event(2, key_version=2)])
        positions: dict[int, str] = {}
        await entries_after(tables, positions)
        assert await tables.drop_outbox(before_ms=now_ms - 3 * _DAY_MS) == 0
        assert [entry.event_id for entry in await entries_after(tables, {})] == [1, 2]
        assert await tables.drop_outbox(before_ms=now_ms - _DAY_MS) >= 1
        assert [entry.event_id for entry in await entries_after(tables, {})] == [2]
        assert await tables.drop_outbox(before_ms=now_ms + 2 * _DAY_MS) >= 1
        assert await entries_after(tables, {}) == []
        await tables.put(events=[event(3, key_version=3)])
        assert [entry.event_id for entry in await entries_after(tables, positions)] == [3]

    async def test_a_clock_that_steps_back_keeps_the_order(self, tables: Tables, clock: FakeClock) -> None:
        positions: dict[int, str] = {}
        for at in range(1, 4):
            await tables.put(events=[event(at, key_version=at)])
            assert [entry.event_id for entry in await entries_after(tables, positions)] == [at]
            clock.step(-2 * _DAY_MS)
        assert [entry.event_id for entry in await entries_after(tables, {})] == [1, 2, 3]


@table("tickets", guard=Guard.GUARDED)
@dataclass(frozen=True, slots=True, kw_only=True)
class GrownTicket:
    """Tickets with more columns."""

    ticket_id: Partition[int]
    note: str = ""
    price_micros: int = 5
    label: str = "it's new"
    weight: float = 0.5
    seal: bytes = b"\0'"
    paid: bool = True
    expires_at_ms: int = 0
    version: int = 0


def _changed() -> dict[str, type]:
    @table("seats", guard=Guard.GUARDED)
    @dataclass(frozen=True, slots=True, kw_only=True)
    class WithoutGuest:
        hall: Partition[int]
        seat: Clustering[int]
        version: int = 0

    @table("seats", guard=Guard.GUARDED)
    @dataclass(frozen=True, slots=True, kw_only=True)
    class GuestIsNumber:
        hall: Partition[int]
        seat: Clustering[int]
        guest: int = 0
        version: int = 0

    @table("seats", guard=Guard.GUARDED)
    @dataclass(frozen=True, slots=True, kw_only=True)
    class SeatInPartition:
        hall: Partition[int]
        seat: Partition[int]
        guest: str = ""
        version: int = 0

    @table("seats", guard=Guard.PLAIN)
    @dataclass(frozen=True, slots=True, kw_only=True)
    class PlainSeat:
        hall: Partition[int]
        seat: Clustering[int]
        guest: str = ""
        version: int = 0

    @table("seats", guard=Guard.GUARDED, scope=Scope.GLOBAL)
    @dataclass(frozen=True, slots=True, kw_only=True)
    class GlobalSeat:
        hall: Partition[int]
        seat: Clustering[int]
        guest: str = ""
        version: int = 0

    return {"guest": WithoutGuest, "guest is": GuestIsNumber, "partition": SeatInPartition, "guard": PlainSeat, "scope": GlobalSeat}


class RestartContract:
    """What is there after a new start, with the same code or newer code."""

    async def test_everything_acknowledged_is_there_after_a_new_start(self, open_store: OpenTables) -> None:
        store = await open_store((Ticket, Score))
        row = await store.insert(Ticket(ticket_id=1, note="a"), events=[event(1)])
        score = Score(game=1, points=2, player="p", version=3)
        await store.put(score)
        await store.delete(Score(game=1, points=1, player="p", version=3))
        await store.close()
        again = await open_store((Ticket, Score))
        assert await again.get(Ticket, 1) == row
        await again.put(Score(game=1, points=1, player="p", version=2))
        assert (await again.walk(Score)).rows == (score,)
        positions: dict[int, str] = {}
        assert versions_by_key(await entries_after(again, positions)) == {"k": [(1, 1)]}
        await again.transition(row, expected_version=1, events=[event(2)])
        assert versions_by_key(await entries_after(again, positions)) == {"k": [(2, 2)]}

    async def test_new_columns_take_their_default_in_old_rows_and_new_tables_appear(self, open_store: OpenTables) -> None:
        store = await open_store((Ticket,))
        await store.insert(Ticket(ticket_id=1, note="a"))
        await store.close()
        for _ in range(2):
            store = await open_store((GrownTicket, Seat))
            assert await store.get(GrownTicket, 1) == GrownTicket(ticket_id=1, note="a", version=1)
            assert (await store.walk(Seat)).rows == ()
            await store.close()

    @pytest.mark.parametrize("what", ["guest", "guest is", "partition", "guard", "scope"])
    async def test_any_other_change_is_refused_by_name_and_changes_nothing(self, open_store: OpenTables, what: str) -> None:
        store = await open_store((Seat,))
        seat = await store.insert(Seat(hall=1, seat=2, guest="a"))
        await store.close()
        with pytest.raises(IncompatibleTable, match=f"seats: .*{what}"):
            await open_store((Ticket, _changed()[what]))
        store = await open_store((Seat,))
        assert await store.get(Seat, 1, 2) == seat
