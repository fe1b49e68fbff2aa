"""The optimistic loop comes through races, leaves rows alone when told, and gives up by name."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from mesh.stores.tables import open_tables
from mesh.stores.tables.port import OutcomeUnknown, Tables, TablesUnavailable, VersionConflict
from mesh.stores.tables.retry import update
from mesh.testing.clock import FakeClock
from mesh.testing.tables_rows import Ticket, entries_after, event, versions_by_key


@pytest.fixture
async def tables(tmp_path: Path) -> AsyncIterator[Tables]:
    store = await open_tables(f"sqlite:///{tmp_path}", service="contract", row_types=(Ticket,), clock=FakeClock())
    yield store
    await store.close()


def longer(ticket: Ticket) -> Ticket:
    return replace(ticket, note=ticket.note + "x")


async def test_racing_changes_all_come_through(tables: Tables) -> None:
    await tables.insert(Ticket(ticket_id=1))
    await asyncio.gather(*(update(tables, Ticket, (1,), longer, attempts=50) for _ in range(6)))
    assert await tables.get(Ticket, 1) == Ticket(ticket_id=1, note="xxxxxx", version=7)


async def test_events_see_the_row_before_and_after(tables: Tables) -> None:
    await tables.insert(Ticket(ticket_id=1, note="a"))
    seen: list[tuple[Ticket, Ticket]] = []
    row = await update(tables, Ticket, (1,), longer, events=lambda old, new: [seen.append((old, new)) or event(5)])  # type: ignore[func-returns-value]
    assert row == Ticket(ticket_id=1, note="ax", version=2)
    assert [(old.note, new.note) for old, new in seen] == [("a", "ax")]
    assert versions_by_key(await entries_after(tables, {})) == {"k": [(5, 2)]}


async def test_an_absent_row_and_a_change_of_nothing_write_nothing(tables: Tables) -> None:
    assert await update(tables, Ticket, (1,), longer) is None
    row = await tables.insert(Ticket(ticket_id=1))
    assert await update(tables, Ticket, (1,), lambda _: None, events=lambda _old, _new: [event(1)]) == row
    assert await tables.get(Ticket, 1) == row
    assert await entries_after(tables, {}) == []


async def test_what_the_change_raises_passes_through(tables: Tables) -> None:
    row = await tables.insert(Ticket(ticket_id=1))

    def refuse(_: Ticket) -> Ticket:
        raise LookupError("not now")

    with pytest.raises(LookupError, match="not now"):
        await update(tables, Ticket, (1,), refuse)
    assert await tables.get(Ticket, 1) == row


async def test_it_gives_up_by_name_after_its_attempts(tables: Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    row = await tables.insert(Ticket(ticket_id=1))
    tried: list[int] = []

    async def conflict(_: Ticket, *, expected_version: int, events: object) -> Ticket:
        tried.append(expected_version)
        raise VersionConflict(row)

    monkeypatch.setattr(tables, "transition", conflict)
    with pytest.raises(VersionConflict):
        await update(tables, Ticket, (1,), longer, attempts=3)
    assert tried == [1, 1, 1]
    assert await tables.get(Ticket, 1) == row


@pytest.mark.parametrize("happened", [True, False])
async def test_an_unknown_outcome_is_settled_before_another_attempt(
    tables: Tables, monkeypatch: pytest.MonkeyPatch, happened: bool
) -> None:
    await tables.insert(Ticket(ticket_id=1))
    transition, tried = tables.transition, []

    async def unsure(row: Ticket, *, expected_version: int, events: object = ()) -> Ticket:
        tried.append(expected_version)
        if happened or len(tried) == 2:
            written = await transition(row, expected_version=expected_version)
            if not happened:
                return written
        raise OutcomeUnknown("t")

    async def settle(_: str) -> bool:
        return happened

    monkeypatch.setattr(tables, "transition", unsure)
    monkeypatch.setattr(tables, "settle", settle)
    assert await update(tables, Ticket, (1,), longer) == Ticket(ticket_id=1, note="x", version=2)
    assert tried == [1] if happened else [1, 1]


async def test_a_store_that_never_answers_ends_as_unavailable(tables: Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    row = await tables.insert(Ticket(ticket_id=1))

    async def unsure(_: Ticket, *, expected_version: int, events: object = ()) -> Ticket:
        raise OutcomeUnknown("t")

    async def settle(_: str) -> bool:
        return False

    monkeypatch.setattr(tables, "transition", unsure)
    monkeypatch.setattr(tables, "settle", settle)
    with pytest.raises(TablesUnavailable):
        await update(tables, Ticket, (1,), longer, attempts=2)
    assert await tables.get(Ticket, 1) == row
