"""What every tables engine promises of plain rows."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import replace

import pytest

from mesh.stores.tables.port import InvalidUse, RowExists, Tables
from mesh.testing.clock import FakeClock
from mesh.testing.tables_rows import Everything, Lease, Mood, Score, Ticket, World, entries_after, event, versions_by_key


def score(version: int, note: str = "", *, points: int = 5, expires_at_ms: int = 0) -> Score:
    """A plain row of game 1."""
    return Score(game=1, points=points, player="a", note=note, expires_at_ms=expires_at_ms, version=version)


class PlainContract:
    """The larger version wins, whatever order writes arrive in."""

    async def test_put_writes_and_a_larger_version_replaces(self, tables: Tables) -> None:
        await tables.put(score(3, "a"))
        await tables.put(score(4, "b"))
        assert await tables.get(Score, 1, 5, "a") == score(4, "b")

    async def test_an_older_put_changes_nothing(self, tables: Tables) -> None:
        await tables.put(score(4, "b"))
        await tables.put(score(3, "a"))
        assert await tables.get(Score, 1, 5, "a") == score(4, "b")

    async def test_a_repeated_put_is_the_same_write(self, tables: Tables) -> None:
        for _ in range(2):
            await tables.put(score(4, "b"))
        assert (await tables.walk(Score)).rows == (score(4, "b"),)

    async def test_a_deleted_row_stays_away_from_older_and_equal_puts(self, tables: Tables) -> None:
        await tables.put(score(4, "b"))
        await tables.delete(score(5))
        for version in (3, 4, 5):
            await tables.put(score(version, "late"))
            assert await tables.get(Score, 1, 5, "a") is None
        assert await tables.get_many(Score, [(1, 5, "a")]) == {}
        assert (await tables.scan(Score, 1)).rows == (await tables.walk(Score)).rows == ()
        await tables.put(score(6, "new"))
        assert await tables.get(Score, 1, 5, "a") == score(6, "new")

    async def test_a_delete_that_comes_first_keeps_the_older_put_away(self, tables: Tables) -> None:
        await tables.delete(score(5))
        await tables.put(score(4, "late"))
        assert await tables.get(Score, 1, 5, "a") is None

    async def test_an_older_delete_changes_nothing(self, tables: Tables) -> None:
        await tables.put(score(4, "b"))
        await tables.delete(score(3))
        assert await tables.get(Score, 1, 5, "a") == score(4, "b")

    async def test_every_order_of_writes_ends_the_same(self, tables: Tables) -> None:
        writes = [("put", 1), ("delete", 2), ("put", 3), ("put", 5), ("delete", 4)]
        for points, order in enumerate(itertools.permutations(writes)):
            for name, version in order[:3] + order:
                await getattr(tables, name)(score(version, str(version), points=points))
        page = await tables.scan(Score, 1, limit=200)
        assert {(row.version, row.note) for row in page.rows} == {(5, "5")}
        assert len(page.rows) == 120

    async def test_an_expired_row_is_absent_and_its_version_still_rules(self, tables: Tables, clock: FakeClock) -> None:
        await tables.put(score(4, "b", expires_at_ms=clock.now_ms() + 1_000))
        clock.advance(1_000)
        assert await tables.get(Score, 1, 5, "a") is None
        assert (await tables.scan(Score, 1)).rows == (await tables.walk(Score)).rows == ()
        await tables.put(score(3, "late"))
        assert await tables.get(Score, 1, 5, "a") is None
        await tables.put(score(5, "new"))
        assert await tables.get(Score, 1, 5, "a") == score(5, "new")

    async def test_rows_of_several_tables_and_their_events_are_one_write(self, tables: Tables) -> None:
        other = Everything(group="g", order=Mood.LOUD, select=b"s", where=True, version=9)
        await tables.put(score(4), other, events=[event(1), event(2, key_version=30)])
        assert await tables.get(Score, 1, 5, "a") == score(4)
        assert await tables.get(Everything, "g", Mood.LOUD, b"s", True) == other
        assert versions_by_key(await entries_after(tables, {})) == {"k": [(1, 4), (2, 30)]}

    async def test_events_are_written_whatever_became_of_the_rows(self, tables: Tables) -> None:
        await tables.put(score(4), events=[event(1)])
        await tables.put(score(3), events=[event(2)])
        await tables.delete(score(5), events=[event(3)])
        await tables.put(events=[event(4, key_version=8)])
        assert versions_by_key(await entries_after(tables, {})) == {"k": [(1, 4), (2, 3), (3, 5), (4, 8)]}

    async def test_rows_behind_a_first_one_are_put_once(self, tables: Tables) -> None:
        await tables.put_once(Ticket(ticket_id=1, note="one"), score(4, "a"), events=[event(1)])
        assert await tables.get(Ticket, 1) == Ticket(ticket_id=1, note="one", version=1)
        assert await tables.get(Score, 1, 5, "a") == score(4, "a")
        with pytest.raises(RowExists) as exists:
            await tables.put_once(Ticket(ticket_id=1, note="two"), score(9, "b"), score(9, "c", points=6), events=[event(2)])
        assert exists.value.row == Ticket(ticket_id=1, note="one", version=1)
        assert (await tables.walk(Ticket)).rows == (Ticket(ticket_id=1, note="one", version=1),)
        assert (await tables.walk(Score)).rows == (score(4, "a"),)
        assert versions_by_key(await entries_after(tables, {})) == {"k": [(1, 4)]}

    async def test_of_many_who_put_once_one_puts(self, tables: Tables) -> None:
        async def put(version: int) -> bool:
            try:
                await tables.put_once(Ticket(ticket_id=1), score(version), events=[event(version)])
            except RowExists:
                return False
            return True

        done = await asyncio.gather(*(put(version) for version in range(1, 13)))
        (version,) = (at for at, did in enumerate(done, 1) if did)
        assert (await tables.walk(Score)).rows == (score(version),)
        assert versions_by_key(await entries_after(tables, {})) == {"k": [(version, version)]}

    async def test_a_first_row_that_expired_stands_in_nobodys_way(self, tables: Tables, clock: FakeClock) -> None:
        await tables.put_once(Lease(name="a", holder="one", expires_at_ms=clock.now_ms() + 1_000), score(1, "one"))
        clock.advance(1_000)
        await tables.put_once(Lease(name="a", holder="two"), score(2, "two"))
        assert await tables.get(Lease, "a") == Lease(name="a", holder="two", version=2)
        assert await tables.get(Score, 1, 5, "a") == score(2, "two")

    async def test_what_put_once_may_not_write_leaves_nothing(self, tables: Tables) -> None:
        wrong = [
            (Ticket(ticket_id=1), score(0)),
            (Ticket(ticket_id=1), Ticket(ticket_id=2)),
            (score(1), score(2)),
            (Ticket(ticket_id=1), score(1), World(name="a", version=1)),
        ]
        for first, *rows in wrong:
            with pytest.raises(InvalidUse):
                await tables.put_once(first, *rows)
        with pytest.raises(InvalidUse, match="key_version"):
            await tables.put_once(Ticket(ticket_id=1), events=[event(1)])
        assert [(await tables.walk(row_type)).rows for row_type in (Ticket, Score, World)] == [(), (), ()]

    async def test_an_event_without_a_row_needs_its_own_version(self, tables: Tables) -> None:
        with pytest.raises(InvalidUse, match="key_version"):
            await tables.put(events=[event(1)])
        for nameless in (event(1, "", key_version=1), event(1, topic="", key_version=1)):
            with pytest.raises(InvalidUse, match="empty"):
                await tables.put(score(1), events=[nameless])
        assert await entries_after(tables, {}) == []
        assert await tables.get(Score, 1, 5, "a") is None

    async def test_a_put_without_version_or_across_scopes_is_refused(self, tables: Tables) -> None:
        for rows in ((score(0),), (score(1), score(-1, points=6)), (score(1), World(name="a", version=1))):
            with pytest.raises(InvalidUse):
                await tables.put(*rows)
            with pytest.raises(InvalidUse):
                await tables.delete(*rows)
        assert [(await tables.walk(row_type)).rows for row_type in (Score, World)] == [(), ()]

    async def test_a_put_of_nothing_is_nothing(self, tables: Tables) -> None:
        await tables.put()
        await tables.delete()
        assert await entries_after(tables, {}) == []

    async def test_every_kind_of_column_comes_back_as_it_was(self, tables: Tables) -> None:
        row = Everything(
            group="naïve \U0001f600\0'\"",
            order=Mood.LOUD,
            select=bytes(range(256)),
            where=False,
            integer=-(2**63),
            real=0.1,
            text="ü'; DROP TABLE everything; --",
            blob=b"\0\xff",
            yes=True,
            mood=Mood.LOUD,
            version=1,
        )
        for version, changed in enumerate((row, replace(row, integer=2**63 - 1, real=float("inf"), text="", blob=b"", yes=False)), 1):
            await tables.put(replace(changed, version=version))
            found = await tables.get(Everything, row.group, Mood.LOUD, row.select, False)
            assert found == replace(changed, version=version)
            assert [type(getattr(found, name)) for name in ("order", "where", "yes", "mood", "colour", "real")] == [
                type(getattr(row, name)) for name in ("order", "where", "yes", "mood", "colour", "real")
            ]
