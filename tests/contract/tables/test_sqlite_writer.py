"""What the embedded engine adds to the contract: one process per file, shared transactions, outcomes that are told apart."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mesh import deadline
from mesh.settings import InvalidSetting
from mesh.stores.tables import open_tables
from mesh.stores.tables.port import IncompatibleTable, InvalidUse, OutcomeUnknown, RowExists, Tables, TablesInUse, TablesUnavailable
from mesh.testing.clock import FakeClock
from mesh.testing.tables_rows import ROW_TYPES, Lease, Score, Ticket, entries_after, event
from tests.fixtures.tables import break_commits

DAY_MS = 24 * 3_600_000


class Gate(FakeClock):
    """A clock that can hold the writer's thread between its taking of writes and their execution."""

    def __init__(self) -> None:
        super().__init__()
        self._open = threading.Event()
        self._open.set()
        self._reached = threading.Event()

    def now_ms(self) -> int:
        if threading.current_thread() is not threading.main_thread():
            self._reached.set()
            self._open.wait(20)
        return super().now_ms()

    def shut(self) -> None:
        self._open.clear()
        self._reached.clear()

    def lift(self) -> None:
        self._open.set()

    async def reached(self) -> None:
        assert await asyncio.to_thread(self._reached.wait, 20)


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
async def tables(tmp_path: Path, gate: Gate) -> AsyncIterator[Tables]:
    store = await open_tables(f"sqlite:///{tmp_path}", service="contract", row_types=ROW_TYPES, clock=gate)
    yield store
    gate.lift()
    await store.close()


async def test_a_second_opener_is_refused_by_name_and_the_first_goes_on(tables: Tables, tmp_path: Path, gate: Gate) -> None:
    with pytest.raises(TablesInUse, match=r"contract\.db is open in process \d+"):
        await open_tables(f"sqlite:///{tmp_path}", service="contract", row_types=ROW_TYPES, clock=gate)
    row = await tables.insert(Ticket(ticket_id=1))
    assert await tables.get(Ticket, 1) == row


async def test_another_process_is_refused_and_another_service_is_not(tables: Tables, tmp_path: Path, gate: Gate) -> None:
    program = (
        "import asyncio, sys\nfrom mesh.clock import SystemClock\nfrom mesh.stores.tables import open_tables\n"
        "asyncio.run(open_tables(sys.argv[1], service='contract', row_types=(), clock=SystemClock()))"
    )
    refused = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", program, f"sqlite:///{tmp_path}"], capture_output=True, text=True, check=False, timeout=30
    )
    assert refused.returncode == 1
    assert "TablesInUse" in refused.stderr
    other = await open_tables(f"sqlite:///{tmp_path}", service="other", row_types=ROW_TYPES, clock=gate)
    assert await other.get(Ticket, 1) is None
    await other.close()


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("scylla://anna:secret@host/Keyspace", "the keyspace 'Keyspace'"),
        ("postgres://user:secret@host/db", "'postgres'; use sqlite:///FOLDER"),
        ("sqlite://host/x", "'sqlite'"),
        ("sqlite:///", "'sqlite'"),
        ("", "use sqlite:///FOLDER"),
    ],
)
async def test_a_url_without_an_engine_is_refused_by_name(url: str, word: str) -> None:
    with pytest.raises(InvalidSetting, match=word) as refused:
        await open_tables(url, service="video", row_types=ROW_TYPES, clock=FakeClock())
    assert "secret" not in str(refused.value)


async def test_a_cluster_without_its_driver_is_refused_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "cassandra" or name.startswith("mesh.stores.tables.cql.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "cassandra", None)
    with pytest.raises(InvalidSetting, match=r"pip install 'clipmesh\[cluster\]'"):
        await open_tables("scylla://host/keyspace", service="video", row_types=ROW_TYPES, clock=FakeClock())


async def test_a_relative_folder_is_made_where_the_process_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = await open_tables("sqlite:///run/tables", service="video", row_types=(Ticket,), clock=FakeClock())
    await store.close()
    assert (tmp_path / "run" / "tables" / "video.db").exists()
    with pytest.raises(InvalidSetting):
        await open_tables("sqlite:///run", service="../video", row_types=(Ticket,), clock=FakeClock())


async def test_a_file_of_newer_code_is_refused(tmp_path: Path) -> None:
    store = await open_tables(f"sqlite:///{tmp_path}", service="contract", row_types=(Ticket,), clock=FakeClock())
    await store.close()
    with sqlite3.connect(tmp_path / "contract.db") as file:
        file.execute("PRAGMA user_version = 99")
    file.close()
    with pytest.raises(IncompatibleTable, match="schema version 99 of the file is newer"):
        await open_tables(f"sqlite:///{tmp_path}", service="contract", row_types=(Ticket,), clock=FakeClock())


async def test_a_write_that_had_not_begun_is_withdrawn_and_one_that_had_can_be_settled(tables: Tables, gate: Gate) -> None:
    gate.shut()
    with deadline.scope(0.5):
        begun = asyncio.create_task(tables.insert(Ticket(ticket_id=1), events=[event(1)]))
        await gate.reached()
        queued = asyncio.create_task(tables.insert(Ticket(ticket_id=2), events=[event(2)]))
        with pytest.raises(OutcomeUnknown) as unknown:
            await begun
        with pytest.raises(TablesUnavailable):
            await queued
    with deadline.scope(0.05), pytest.raises(TablesUnavailable):
        await tables.settle(unknown.value.token)
    gate.lift()
    assert await tables.settle(unknown.value.token) is True
    assert await tables.settle(unknown.value.token) is True
    assert await tables.get(Ticket, 1) == Ticket(ticket_id=1, version=1)
    assert await tables.get(Ticket, 2) is None
    assert [entry.event_id for entry in await entries_after(tables, {})] == [1]
    with pytest.raises(InvalidUse):
        await tables.settle("nonsense")


async def test_a_refused_write_settles_as_not_happened(tables: Tables, gate: Gate) -> None:
    await tables.insert(Ticket(ticket_id=1))
    gate.shut()
    with deadline.scope(0.5):
        begun = asyncio.create_task(tables.insert(Ticket(ticket_id=1, note="b")))
        await gate.reached()
        with pytest.raises(OutcomeUnknown) as unknown:
            await begun
    gate.lift()
    assert await tables.settle(unknown.value.token) is False
    assert await tables.get(Ticket, 1) == Ticket(ticket_id=1, version=1)


async def test_a_cancelled_caller_leaves_its_write_to_its_fate(tables: Tables, gate: Gate) -> None:
    gate.shut()
    begun = asyncio.create_task(tables.insert(Ticket(ticket_id=1)))
    await gate.reached()
    begun.cancel()
    with pytest.raises(asyncio.CancelledError):
        await begun
    gate.lift()
    second = await tables.insert(Ticket(ticket_id=2))
    assert await tables.get_many(Ticket, [(1,), (2,)]) == {(1,): Ticket(ticket_id=1, version=1), (2,): second}


async def test_a_refusal_does_not_spoil_its_neighbours_in_a_shared_transaction(tables: Tables, gate: Gate) -> None:
    await tables.insert(Ticket(ticket_id=5))
    gate.shut()
    first = asyncio.create_task(tables.insert(Ticket(ticket_id=100)))
    await gate.reached()
    together = [asyncio.create_task(tables.insert(Ticket(ticket_id=at), events=[event(at, str(at))])) for at in range(1, 11)]
    await asyncio.sleep(0)
    gate.lift()
    answers = await asyncio.gather(first, *together, return_exceptions=True)
    assert [type(answer) for answer in answers] == [RowExists if at == 5 else Ticket for at in range(11)]
    assert sorted(entry.event_id for entry in await entries_after(tables, {})) == [1, 2, 3, 4, 6, 7, 8, 9, 10]


async def test_a_full_disk_refuses_and_what_fits_afterwards_is_written(tables: Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    connection: sqlite3.Connection = tables._connection  # type: ignore[attr-defined]
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(TablesUnavailable, match="nothing was written"):
        await tables.insert(Ticket(ticket_id=1, note="x" * 40_000), events=[event(1)])
    assert await tables.get(Ticket, 1) is None
    assert await entries_after(tables, {}) == []
    connection.execute("PRAGMA max_page_count = 1000000")
    assert (await tables.insert(Ticket(ticket_id=1), events=[event(2)])).version == 1
    assert [entry.event_id for entry in await entries_after(tables, {})] == [2]


async def test_after_a_failed_commit_nothing_is_promised_until_the_next_start(tables: Tables) -> None:
    assert not tables.broken.is_set()
    break_commits(tables)
    with pytest.raises(OutcomeUnknown) as unknown:
        await tables.insert(Ticket(ticket_id=1))
    with pytest.raises(TablesUnavailable):
        await tables.settle(unknown.value.token)
    with pytest.raises(TablesUnavailable, match="start again"):
        await tables.insert(Ticket(ticket_id=2))
    assert (await tables.walk(Ticket)).rows == ()
    assert tables.broken.is_set()


async def test_each_commit_reaches_the_disk(tables: Tables) -> None:
    connection: sqlite3.Connection = tables._connection  # type: ignore[attr-defined]
    settings = [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")]
    assert settings == ["wal", 2]


async def test_closing_finishes_what_is_queued(tables: Tables, tmp_path: Path, gate: Gate) -> None:
    writing = [asyncio.create_task(tables.insert(Ticket(ticket_id=at))) for at in range(50)]
    await asyncio.sleep(0)
    await tables.close()
    assert [row.version for row in await asyncio.gather(*writing)] == [1] * 50
    again = await open_tables(f"sqlite:///{tmp_path}", service="contract", row_types=ROW_TYPES, clock=gate)
    assert len((await again.walk(Ticket)).rows) == 50
    await again.close()


async def test_rows_long_dead_are_swept_and_the_young_dead_keep_their_versions(tables: Tables, gate: Gate, tmp_path: Path) -> None:
    connection: sqlite3.Connection = tables._connection  # type: ignore[attr-defined]
    for at in range(500):
        await tables.put(Score(game=1, points=at, player="a", version=5, expires_at_ms=gate.now_ms() + 1))
    await tables.delete(Score(game=2, points=1, player="a", version=5))
    gate.advance(9 * DAY_MS)
    await tables.insert(Lease(name="young", expires_at_ms=gate.now_ms() + 1))
    gate.advance(2 * DAY_MS)
    for at in range(4):
        await tables.insert(Ticket(ticket_id=at))
    assert await asyncio.to_thread(lambda: connection.execute("SELECT count(*) FROM scores").fetchone()) == (0,)
    assert (await tables.insert(Lease(name="young"))).version == 2
