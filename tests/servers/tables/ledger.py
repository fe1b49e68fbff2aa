"""Writers that number what they write, and a check that finds every number again: rows and events, each with the other, in order."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from mesh import deadline
from mesh.stores.tables.port import OutcomeUnknown, Tables, TablesUnavailable, VersionConflict
from mesh.testing.tables_rows import Score, Ticket, entries_after, event, versions_by_key

WRITERS = 8
_EVENTS_APART = 1_000_000


async def write_for_ever(tables: Tables, writer: int, acknowledged: Callable[[str], None]) -> None:
    """Move one ticket from version to version with an event of its key each, and put scores with two events of different shards; goes on when
    the store comes back. `acknowledged` is told `ticket VERSION` and `score NUMBER` with the writer's number in front."""
    row: Ticket | None = None
    number = 0
    while True:
        number += 1
        try:
            with deadline.scope(2):
                row = await _move(tables, writer, row)
                acknowledged(f"{writer} ticket {row.version}")
                score = Score(game=writer, points=number, player="a", note="x" * (number % 300), version=1)
                tells = [event(_id(writer, number, part), f"s{part}.{writer}.{number}") for part in (1, 2)]
                await tables.put(score, replace(score, player="b"), events=tells)
            acknowledged(f"{writer} score {number}")
        except (TablesUnavailable, VersionConflict):
            row = None
            await asyncio.sleep(0.05)
        except OutcomeUnknown as unknown:
            row = None
            await _settle(tables, unknown.token)


def _id(writer: int, number: int, part: int) -> int:
    return (writer * _EVENTS_APART + number) * 10 + part


async def _move(tables: Tables, writer: int, row: Ticket | None) -> Ticket:
    row = row or await tables.get(Ticket, writer)
    if row is None:
        return await tables.insert(Ticket(ticket_id=writer), events=[event(_id(writer, 1, 0), f"t.{writer}")])
    return await tables.transition(row, expected_version=row.version, events=[event(_id(writer, row.version + 1, 0), f"t.{writer}")])


async def _settle(tables: Tables, token: str) -> None:
    while True:
        try:
            await tables.settle(token)
        except TablesUnavailable:
            await asyncio.sleep(0.05)
        else:
            return


@dataclass(slots=True)
class Ledger:
    """What was acknowledged."""

    versions: dict[int, int] = field(default_factory=dict)
    scores: set[tuple[int, int]] = field(default_factory=set)

    def note(self, words: str) -> None:
        """Take one acknowledgement."""
        writer, what, number = words.split()
        if what == "ticket":
            self.versions[int(writer)] = max(self.versions.get(int(writer), 0), int(number))
        else:
            self.scores.add((int(writer), int(number)))

    def __len__(self) -> int:
        return sum(self.versions.values()) + len(self.scores)


async def check(tables: Tables, ledger: Ledger, *, within_s: float) -> None:
    """Everything acknowledged is there, rows and events go together, and the events of a key are in order."""
    tickets = {row.ticket_id: row.version for row in await _all(tables, Ticket)}
    for writer, version in ledger.versions.items():
        assert tickets[writer] >= version
    positions: dict[int, str] = {}
    entries = await entries_after(tables, positions)
    until = time.monotonic() + within_s
    while True:
        told = versions_by_key(entries)
        scores: dict[tuple[int, int], set[str]] = {}
        for score in await _all(tables, Score):
            scores.setdefault((score.game, score.points), set()).add(score.player)
        wanted = {f"t.{writer}": list(range(1, version + 1)) for writer, version in tickets.items()}
        wanted |= {f"s{part}.{writer}.{number}": [1] for writer, number in scores for part in (1, 2)}
        found = {key: [version for _, version in versions] for key, versions in told.items()}
        if found == wanted or time.monotonic() > until:
            break
        # A writer that died may have left something behind that readers settle once its time is over.
        await tables.wait_outbox(0.5)
        entries += await entries_after(tables, positions)
    assert found == wanted
    assert all(players == {"a", "b"} for players in scores.values())
    assert ledger.scores <= set(scores)
    from_the_start = versions_by_key(await entries_after(tables, {}))
    assert {key: [version for _, version in versions] for key, versions in from_the_start.items()} == wanted


async def _all(tables: Tables, row_type: type) -> list[object]:
    rows: list[object] = []
    after = ""
    while True:
        page = await tables.walk(row_type, after=after, limit=1_000)
        rows.extend(page.rows)
        after = page.next
        if not after:
            return rows
