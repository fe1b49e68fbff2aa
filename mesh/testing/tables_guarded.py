"""What every tables engine promises of guarded rows."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from mesh.stores.tables.port import Insert, InvalidUse, Remove, RowExists, Tables, Transition, VersionConflict
from mesh.testing.clock import FakeClock
from mesh.testing.tables_rows import Lease, Score, Seat, Ticket, entries_after, event, versions_by_key


class GuardedContract:
    """Every write of a guarded row is conditional, and carries its events."""

    async def test_insert_gives_version_1_and_can_be_read(self, tables: Tables) -> None:
        assert await tables.insert(Ticket(ticket_id=1, note="a", version=99)) == Ticket(ticket_id=1, note="a", version=1)
        assert await tables.get(Ticket, 1) == Ticket(ticket_id=1, note="a", version=1)

    async def test_insert_meets_a_row_and_changes_nothing(self, tables: Tables) -> None:
        first = await tables.insert(Ticket(ticket_id=1, note="a"))
        with pytest.raises(RowExists) as refused:
            await tables.insert(Ticket(ticket_id=1, note="b"), events=[event(1)])
        assert refused.value.row == first
        assert await tables.get(Ticket, 1) == first
        assert await entries_after(tables, {}) == []

    async def test_transition_replaces_the_whole_row_in_the_expected_version(self, tables: Tables) -> None:
        row = await tables.insert(Ticket(ticket_id=1, note="a"))
        second = await tables.transition(replace(row, note="b", version=50), expected_version=1)
        assert second == Ticket(ticket_id=1, note="b", version=2)
        assert await tables.get(Ticket, 1) == second

    async def test_transition_from_another_version_is_refused_and_changes_nothing(self, tables: Tables) -> None:
        first = await tables.insert(Ticket(ticket_id=1, note="a"))
        second = await tables.transition(replace(first, note="b"), expected_version=1)
        for expected_version in (1, 3):
            with pytest.raises(VersionConflict) as refused:
                await tables.transition(replace(first, note="c"), expected_version=expected_version, events=[event(1)])
            assert refused.value.row == second
        assert await tables.get(Ticket, 1) == second
        assert await entries_after(tables, {}) == []

    async def test_transition_and_remove_of_an_absent_row_are_refused(self, tables: Tables) -> None:
        for write in (tables.transition, tables.remove):
            with pytest.raises(VersionConflict) as refused:
                await write(Ticket(ticket_id=1), expected_version=1, events=[event(1)])
            assert refused.value.row is None
        assert await tables.get(Ticket, 1) is None
        assert await entries_after(tables, {}) == []

    async def test_remove_takes_only_the_expected_version(self, tables: Tables) -> None:
        row = await tables.insert(Ticket(ticket_id=1))
        with pytest.raises(VersionConflict):
            await tables.remove(row, expected_version=2)
        assert await tables.get(Ticket, 1) == row
        await tables.remove(row, expected_version=1)
        assert await tables.get(Ticket, 1) is None
        assert (await tables.insert(Ticket(ticket_id=1))).version == 1

    async def test_one_of_many_racing_writers_wins_each_version(self, tables: Tables) -> None:
        await tables.insert(Ticket(ticket_id=1))

        async def move(guest: int) -> bool:
            try:
                await tables.transition(Ticket(ticket_id=1, note=str(guest)), expected_version=1, events=[event(guest + 1)])
            except VersionConflict:
                return False
            return True

        won = await asyncio.gather(*(move(guest) for guest in range(20)))
        assert won.count(True) == 1
        assert await tables.get(Ticket, 1) == Ticket(ticket_id=1, note=str(won.index(True)), version=2)
        assert versions_by_key(await entries_after(tables, {})) == {"k": [(won.index(True) + 1, 2)]}

    async def test_events_take_the_version_of_the_row_unless_they_bring_one(self, tables: Tables) -> None:
        row = await tables.insert(Ticket(ticket_id=1), events=[event(1)])
        row = await tables.transition(row, expected_version=1, events=[event(2), event(3, key_version=40)])
        await tables.remove(row, expected_version=2, events=[event(4)])
        assert versions_by_key(await entries_after(tables, {})) == {"k": [(1, 1), (2, 2), (3, 40), (4, 3)]}

    async def test_an_expired_row_is_absent_and_its_successor_goes_on_from_its_version(self, tables: Tables, clock: FakeClock) -> None:
        ends = clock.now_ms() + 1_000
        await tables.insert(Lease(name="a", holder="x", expires_at_ms=ends))
        row = await tables.transition(Lease(name="a", holder="x", expires_at_ms=ends), expected_version=1)
        clock.advance(999)
        assert await tables.get(Lease, "a") == row
        with pytest.raises(RowExists):
            await tables.insert(Lease(name="a", holder="y"))
        clock.advance(1)
        assert await tables.get(Lease, "a") is None
        assert await tables.get_many(Lease, [("a",)]) == {}
        assert (await tables.scan(Lease, "a")).rows == ()
        assert (await tables.walk(Lease)).rows == ()
        for write in (tables.transition, tables.remove):
            with pytest.raises(VersionConflict) as refused:
                await write(row, expected_version=2)
            assert refused.value.row is None
        successor = await tables.insert(Lease(name="a", holder="y"), events=[event(1)])
        assert successor == Lease(name="a", holder="y", version=3)
        assert await tables.get(Lease, "a") == successor
        assert versions_by_key(await entries_after(tables, {})) == {"k": [(1, 3)]}

    async def test_commit_changes_several_rows_of_a_partition(self, tables: Tables) -> None:
        one = await tables.insert(Seat(hall=1, seat=1))
        two = await tables.insert(Seat(hall=1, seat=2))
        written = await tables.commit(
            Transition(replace(one, guest="a"), 1), Remove(two, 1), Insert(Seat(hall=1, seat=3, guest="c")), events=[event(1)]
        )
        assert written == (Seat(hall=1, seat=1, guest="a", version=2), None, Seat(hall=1, seat=3, guest="c", version=1))
        assert (await tables.scan(Seat, 1)).rows == (written[0], written[2])
        assert versions_by_key(await entries_after(tables, {})) == {"k": [(1, 2)]}

    async def test_commit_is_all_or_nothing(self, tables: Tables) -> None:
        one = await tables.insert(Seat(hall=1, seat=1))
        two = await tables.insert(Seat(hall=1, seat=2))
        with pytest.raises(VersionConflict) as conflict:
            await tables.commit(Transition(replace(one, guest="a"), 1), Transition(two, 5), events=[event(1)])
        assert conflict.value.row == two
        with pytest.raises(RowExists) as exists:
            await tables.commit(Insert(Seat(hall=1, seat=3)), Remove(one, 1), Insert(Seat(hall=1, seat=2)), events=[event(2)])
        assert exists.value.row == two
        assert (await tables.scan(Seat, 1)).rows == (one, two)
        assert await entries_after(tables, {}) == []

    async def test_commit_refuses_to_span_partitions_tables_or_one_row_twice(self, tables: Tables) -> None:
        for changes in (
            (),
            (Insert(Seat(hall=1, seat=1)), Insert(Seat(hall=2, seat=1))),
            (Insert(Seat(hall=1, seat=1)), Insert(Ticket(ticket_id=1))),
            (Insert(Seat(hall=1, seat=1)), Transition(Seat(hall=1, seat=1), 1)),
        ):
            with pytest.raises(InvalidUse):
                await tables.commit(*changes)
        assert [(await tables.walk(row_type)).rows for row_type in (Seat, Ticket)] == [(), ()]

    async def test_guarded_and_plain_writes_do_not_mix(self, tables: Tables) -> None:
        ticket, score = Ticket(ticket_id=1, version=1), Score(game=1, points=1, player="a", version=1)
        for refused in (
            tables.put(ticket),
            tables.delete(ticket),
            tables.put(score, ticket),
            tables.insert(score),
            tables.transition(score, expected_version=1),
            tables.remove(score, expected_version=1),
            tables.commit(Insert(score)),
            tables.transition(ticket, expected_version=0),
        ):
            with pytest.raises(InvalidUse):
                await refused
        assert [(await tables.walk(row_type)).rows for row_type in (Ticket, Score)] == [(), ()]
