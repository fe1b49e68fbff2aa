"""What every tables engine promises of reads: keys, ranges, cursors, and calls that break the rules."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mesh import deadline
from mesh.stores.tables.port import MAX_BATCH_BYTES, BatchTooLarge, InvalidUse, Tables, TablesUnavailable
from mesh.testing.tables_rows import Everything, Lease, Mood, Score, Seat, Ticket, Undeclared, entries_after, event


def scores(game: int = 1) -> list[Score]:
    """Nine rows in the order of a scan: points fall, players rise."""
    return [Score(game=game, points=points, player=player, version=1) for points in (30, 20, 10) for player in ("a", "b", "c")]


async def pages(tables: Tables, limit: int, **asked: Any) -> list[Score]:
    """All rows of a scan of game 1, page by page; checks that no page is longer than its limit."""
    found: list[Score] = []
    after = ""
    while True:
        page = await tables.scan(Score, 1, after=after, limit=limit, **asked)
        assert len(page.rows) <= limit
        found.extend(page.rows)
        if not page.next:
            return found
        after = page.next


class ReadingContract:
    """Reads by key, by many keys, by range, and over the whole table."""

    async def test_absent_keys_are_absent(self, tables: Tables) -> None:
        row = await tables.insert(Ticket(ticket_id=1))
        assert await tables.get(Ticket, 2) is None
        assert await tables.get_many(Ticket, []) == {}
        assert await tables.get_many(Ticket, [(2,), (1,), (1,), (3,)]) == {(1,): row}
        assert (await tables.scan(Score, 1)).rows == ()
        assert (await tables.walk(Score)).next == ""

    async def test_get_many_answers_a_thousand_keys_of_several_columns(self, tables: Tables) -> None:
        rows = [Score(game=game, points=points, player="p", version=1) for game in range(10) for points in range(10)]
        await tables.put(*rows)
        asked = [(game, points, "p") for game in range(20) for points in range(50)]
        assert await tables.get_many(Score, asked) == {(row.game, row.points, row.player): row for row in rows}
        mood = Everything(group="g", order=Mood.LOUD, select=b"s", where=True, version=1)
        await tables.put(mood)
        assert await tables.get_many(Everything, [("g", Mood.LOUD, b"s", True), ("g", Mood.CALM, b"s", True)]) == {
            ("g", Mood.LOUD, b"s", True): mood
        }
        with pytest.raises(InvalidUse):
            await tables.get_many(Score, [*asked, (0, 0, "q")])

    @pytest.mark.parametrize("limit", [1, 2, 9, 10])
    @pytest.mark.parametrize("backwards", [False, True])
    async def test_scan_pages_in_clustering_order_both_ways(self, tables: Tables, limit: int, backwards: bool) -> None:
        await tables.put(*reversed(scores()), *scores(2))
        assert await pages(tables, limit, backwards=backwards) == (scores()[::-1] if backwards else scores())

    @pytest.mark.parametrize("limit", [1, 4, 100])
    @pytest.mark.parametrize(
        ("first", "last", "kept"),
        [
            ((20,), (), slice(3, 9)),
            ((), (20,), slice(0, 6)),
            ((20,), (20,), slice(3, 6)),
            ((20, "b"), (), slice(4, 9)),
            ((), (20, "b"), slice(0, 5)),
            ((25,), (10, "a"), slice(3, 7)),
            ((20, "bb"), (20, "bz"), slice(0, 0)),
            ((10,), (30,), slice(0, 0)),
        ],
    )
    async def test_bounds_are_prefixes_and_inclusive_in_the_order_of_the_scan(
        self, tables: Tables, first: tuple[Any, ...], last: tuple[Any, ...], kept: slice, limit: int
    ) -> None:
        await tables.put(*scores())
        assert await pages(tables, limit, first=first, last=last) == scores()[kept]
        backwards = await pages(tables, limit, first=last, last=first, backwards=True)
        assert backwards == scores()[kept][::-1]

    async def test_scan_of_a_table_without_clustering_gives_its_one_row(self, tables: Tables) -> None:
        row = await tables.insert(Ticket(ticket_id=1))
        await tables.insert(Ticket(ticket_id=2))
        page = await tables.scan(Ticket, 1, limit=1)
        assert (page.rows, page.next) == ((row,), "")

    async def test_a_scan_goes_on_where_it_was_while_rows_come_and_go(self, tables: Tables) -> None:
        rows = [await tables.insert(Seat(hall=1, seat=seat)) for seat in range(0, 10, 2)]
        page = await tables.scan(Seat, 1, limit=2)
        await tables.remove(rows[1], expected_version=1)
        await tables.remove(rows[2], expected_version=1)
        await tables.insert(Seat(hall=1, seat=1))
        new = await tables.insert(Seat(hall=1, seat=3))
        assert (await tables.scan(Seat, 1, after=page.next)).rows == (new, rows[3], rows[4])

    @pytest.mark.parametrize("limit", [1, 7, 500])
    async def test_walk_meets_every_row_once(self, tables: Tables, limit: int) -> None:
        rows = [row for game in (3, 1, 2) for row in scores(game)]
        await tables.put(*rows)
        found: list[Score] = []
        after = ""
        while page := await tables.walk(Score, after=after, limit=limit):
            found.extend(page.rows)
            after = page.next
            if not after:
                break
        assert len(found) == 27
        assert set(found) == set(rows)

    async def test_a_cursor_of_another_scan_or_an_altered_one_is_refused(self, tables: Tables) -> None:
        await tables.put(*scores(), *scores(2))
        cursor = (await tables.scan(Score, 1, limit=2)).next
        for other in (
            tables.scan(Score, 2, after=cursor),
            tables.scan(Score, 1, after=cursor, backwards=True),
            tables.scan(Score, 1, after=cursor, first=(30,)),
            tables.scan(Score, 1, after=cursor, last=(10,)),
            tables.walk(Score, after=cursor),
            tables.scan(Seat, 1, after=cursor),
        ):
            with pytest.raises(InvalidUse):
                await other
        for altered in (
            cursor[:-1],
            cursor + "A",
            "A" + cursor,
            cursor[:5] + ("B" if cursor[5] == "A" else "A") + cursor[6:],
            "ü",
            "!",
            "AAAA",
        ):
            with pytest.raises(InvalidUse):
                await tables.scan(Score, 1, after=altered)

    async def test_wrong_keys_values_and_limits_are_refused_by_name(self, tables: Tables) -> None:
        for refused in (
            tables.get(Ticket),
            tables.get(Ticket, 1, 2),
            tables.get(Ticket, "1"),
            tables.get(Ticket, True),
            tables.get(Ticket, 2**63),
            tables.get(Lease, ""),
            tables.get(Lease, "\ud800"),
            tables.get(Everything, "g", 7, b"s", True),
            tables.get(Undeclared, "a"),
            tables.get_many(Ticket, [(1,), ("1",)]),
            tables.scan(Score, 1, 2),
            tables.scan(Score, "1"),
            tables.scan(Score, 1, first=(1, "a", 3)),
            tables.scan(Score, 1, first=("a",)),
            tables.scan(Score, 1, limit=0),
            tables.scan(Score, 1, limit=1_001),
            tables.walk(Score, limit=0),
            tables.walk(Undeclared),
            tables.insert(Ticket(ticket_id=1, note=None)),  # type: ignore[arg-type]
            tables.insert(Ticket(ticket_id=1, note=b"a")),  # type: ignore[arg-type]
            tables.insert(Ticket(ticket_id=1, note="\ud800")),
            tables.insert(Lease(name="")),
            tables.insert(Undeclared(name="a")),
            tables.put(Undeclared(name="a", version=1)),
        ):
            with pytest.raises(InvalidUse):
                await refused
        everything = Everything(group="g", order=Mood.LOUD, select=b"s", where=True, version=1)
        for column, value in (
            ("real", float("nan")),
            ("yes", 1),
            ("mood", 7),
            ("colour", "red"),
            ("integer", 1.0),
            ("integer", -(2**63) - 1),
        ):
            with pytest.raises(InvalidUse, match=column):
                await tables.put(replace(everything, **{column: value}))  # type: ignore[arg-type]
        for row_type in (Ticket, Lease, Everything):
            assert (await tables.walk(row_type)).rows == ()

    async def test_a_write_is_limited_with_its_events(self, tables: Tables) -> None:
        most = "x" * (MAX_BATCH_BYTES - 1_000)
        with pytest.raises(BatchTooLarge):
            await tables.insert(Ticket(ticket_id=1, note="x" * MAX_BATCH_BYTES))
        with pytest.raises(BatchTooLarge):
            await tables.insert(Ticket(ticket_id=1, note=most), events=[event(1, filler="y" * 1_000)])
        with pytest.raises(BatchTooLarge):
            await tables.put(*(Score(game=1, points=at, player="a", note="z" * 1_000, version=1) for at in range(50)))
        assert await tables.get(Ticket, 1) is None
        assert (await tables.scan(Score, 1)).rows == ()
        assert await entries_after(tables, {}) == []
        assert (await tables.insert(Ticket(ticket_id=1, note=most))).note == most

    async def test_a_call_without_time_left_is_refused_and_changes_nothing(self, tables: Tables) -> None:
        with deadline.scope(0):
            for late in (tables.insert(Ticket(ticket_id=1)), tables.get(Ticket, 1), tables.put(*scores()), tables.scan(Score, 1)):
                with pytest.raises(TablesUnavailable):
                    await late
        assert await tables.get(Ticket, 1) is None
        assert (await tables.scan(Score, 1)).rows == ()

    async def test_a_closed_store_refuses_and_closes_twice(self, tables: Tables) -> None:
        await tables.close()
        await tables.close()
        for call in (tables.get(Ticket, 1), tables.insert(Ticket(ticket_id=1)), tables.put(*scores()), tables.read_outbox(0)):
            with pytest.raises(TablesUnavailable):
                await call
