"""Writes whose request or answer was lost, and writers that died between two steps: what happened is told, and nothing else happens afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from cassandra import ConsistencyLevel
from cassandra.query import BatchStatement, BatchType

from mesh.stores.tables.cql.settling import LOOK_AFTER_S, PATIENCE_S
from mesh.stores.tables.port import Insert, InvalidUse, OutcomeUnknown, RowExists, Tables, TablesUnavailable
from mesh.testing.clock import FakeClock
from mesh.testing.tables_rows import ROW_TYPES, Score, Seat, Ticket, entries_after, event, versions_by_key
from tests.servers.tables.stores import open_store
from tests.servers.tables.wire import Wire, conditional, says

pytestmark = pytest.mark.timeout(180)

SERIAL_READ = says("SELECT", '"_position"')
ENTRY = says("INSERT", '"_outbox"')
ROW = says("INSERT", '"scores"')

Opens = Callable[[], Awaitable[Tables]]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def opens(emptied_url: str, clock: FakeClock) -> AsyncIterator[Opens]:
    """Opens the tables once more, as another process does."""
    opened: list[Tables] = []

    async def opens() -> Tables:
        opened.append(await open_store(emptied_url, ROW_TYPES, clock))
        return opened[-1]

    yield opens
    for store in opened:
        await store.close()


@pytest.fixture
async def tables(opens: Opens) -> Tables:
    return await opens()


@pytest.fixture
def wire(tables: Tables) -> Wire:
    return Wire(tables)


async def told(tables: Tables) -> dict[str, list[tuple[int, int]]]:
    return versions_by_key(await entries_after(tables, {}))


def patience(clock: FakeClock) -> None:
    """Let so much time go by that a writer which is still silent is taken for dead."""
    clock.advance(int(PATIENCE_S * 1000) + 1)


async def test_a_lost_answer_is_asked_for_and_given(tables: Tables, wire: Wire) -> None:
    wire.mute(conditional)
    assert await tables.insert(Ticket(ticket_id=1), events=[event(1)]) == Ticket(ticket_id=1, version=1)
    assert await tables.get(Ticket, 1) == Ticket(ticket_id=1, version=1)
    assert await told(tables) == {"k": [(1, 1)]}


async def test_a_lost_request_is_kept_from_coming_late_and_made_again(tables: Tables, wire: Wire) -> None:
    wire.lose(conditional)
    assert await tables.insert(Ticket(ticket_id=1), events=[event(1)]) == Ticket(ticket_id=1, version=1)
    row = await tables.transition(Ticket(ticket_id=1, note="b"), expected_version=1)
    ((answer,),) = [[rows[0][0] for rows in await wire.deliver()]]
    assert answer is False
    assert await tables.get(Ticket, 1) == row
    assert await told(tables) == {"k": [(1, 1)]}


@pytest.mark.parametrize("happens", [True, False])
async def test_an_unknown_outcome_is_settled_for_good(tables: Tables, wire: Wire, happens: bool) -> None:
    (wire.mute if happens else wire.lose)(conditional)
    wire.lose(SERIAL_READ)
    with pytest.raises(OutcomeUnknown) as unknown:
        await tables.insert(Ticket(ticket_id=1, note="a"), events=[event(1)])
    assert await tables.settle(unknown.value.token) is happens
    assert [rows[0][0] for rows in await wire.deliver() if rows] == ([] if happens else [False])
    assert await tables.settle(unknown.value.token) is happens
    assert await tables.get(Ticket, 1) == (Ticket(ticket_id=1, note="a", version=1) if happens else None)
    assert await told(tables) == ({"k": [(1, 1)]} if happens else {})
    with pytest.raises(InvalidUse):
        await tables.settle("nonsense")


@pytest.mark.parametrize("happens", [True, False])
async def test_the_next_write_of_a_partition_settles_the_one_before(tables: Tables, wire: Wire, happens: bool) -> None:
    (wire.mute if happens else wire.lose)(conditional)
    wire.lose(SERIAL_READ)
    with pytest.raises(OutcomeUnknown) as unknown:
        await tables.insert(Seat(hall=1, seat=1), events=[event(1)])
    await tables.insert(Seat(hall=1, seat=2), events=[event(2, key_version=7)])
    await wire.deliver()
    assert await tables.settle(unknown.value.token) is happens
    assert (await tables.get(Seat, 1, 1) is not None) is happens
    assert await told(tables) == {"k": [(1, 1), (2, 7)] if happens else [(2, 7)]}


async def test_what_settles_reads_what_the_servers_agree_on(tables: Tables, wire: Wire) -> None:
    wire.mute(conditional)
    await tables.insert(Ticket(ticket_id=1), events=[event(1)])
    marks = [statement for statement in wire.sent if SERIAL_READ(statement)]
    # A plain quorum may miss a write that is half agreed on and comes later.
    assert {statement.consistency_level for statement in marks} == {ConsistencyLevel.LOCAL_SERIAL}


async def test_rows_of_a_put_are_one_logged_batch(tables: Tables, wire: Wire) -> None:
    await tables.put(Score(game=1, points=1, player="a", version=1), Score(game=2, points=1, player="b", version=1))
    (sent,) = wire.sent
    assert (type(sent), sent.batch_type) == (BatchStatement, BatchType.LOGGED)


async def test_without_a_way_to_the_servers_nothing_is_promised(tables: Tables, wire: Wire) -> None:
    wire.lose_and_cut(conditional)
    with pytest.raises(OutcomeUnknown) as unknown:
        await tables.insert(Ticket(ticket_id=1), events=[event(1)])
    with pytest.raises(TablesUnavailable):
        await tables.settle(unknown.value.token)
    with pytest.raises(TablesUnavailable):
        await tables.insert(Ticket(ticket_id=1))
    with pytest.raises(TablesUnavailable):
        await tables.get(Ticket, 1)
    wire.mend()
    assert await tables.settle(unknown.value.token) is False
    assert await tables.get(Ticket, 1) is None


async def test_entries_that_could_not_be_written_keep_the_row_away(tables: Tables, wire: Wire) -> None:
    wire.mute(ENTRY)
    with pytest.raises(TablesUnavailable):
        await tables.insert(Ticket(ticket_id=1), events=[event(1)])
    assert not any(map(conditional, wire.sent))
    assert await tables.get(Ticket, 1) is None
    assert await told(tables) == {}


async def test_a_refused_write_leaves_no_entry_for_another_process_either(tables: Tables, opens: Opens) -> None:
    await tables.insert(Ticket(ticket_id=1))
    with pytest.raises(RowExists):
        await tables.commit(Insert(Ticket(ticket_id=1)), events=[event(1), event(2, "other")])
    await tables.close()
    assert await told(await opens()) == {}


@pytest.mark.parametrize("happens", [True, False])
async def test_a_writer_that_died_around_its_write_is_settled_by_whoever_reads(
    tables: Tables, wire: Wire, opens: Opens, clock: FakeClock, happens: bool
) -> None:
    (wire.mute_and_cut if happens else wire.lose_and_cut)(conditional)
    with pytest.raises(OutcomeUnknown):
        await tables.insert(Ticket(ticket_id=1), events=[event(1)])
    other = await opens()
    await other.put(events=[event(2, key_version=2), event(3, "another", key_version=1)])
    # Until the writer's time is over, what comes later of its key waits, and nothing else does.
    assert (await told(other)).get("another") == [(3, 1)]
    positions: dict[int, str] = {}
    found = await entries_after(other, positions)
    patience(clock)
    await asyncio.sleep(LOOK_AFTER_S)
    found += await entries_after(other, positions)
    assert versions_by_key(found) == {"another": [(3, 1)], "k": [(1, 1), (2, 2)] if happens else [(2, 2)]}
    assert await other.get(Ticket, 1) == (Ticket(ticket_id=1, version=1) if happens else None)
    wire.mend()
    assert [rows[0][0] for rows in await wire.deliver()] == ([] if happens else [False])
    assert await told(await opens()) == versions_by_key(found)


async def test_a_lost_answer_of_a_put_is_settled_by_putting_again(tables: Tables, wire: Wire) -> None:
    for version, lost, events in ((3, ROW, []), (4, ENTRY, [event(1)]), (5, ROW, [event(2)])):
        score = Score(game=1, points=1, player="a", version=version)
        wire.lose(lost)
        with pytest.raises(OutcomeUnknown) as unknown:
            await tables.put(score, events=events)
        assert await tables.settle(unknown.value.token) is True
        assert await tables.get(Score, 1, 1, "a") == score
        await tables.delete(score)
    assert [entry.event_id for entry in await entries_after(tables, {})] == [1, 2]
    await wire.deliver()
    assert await tables.get(Score, 1, 1, "a") is None


async def test_a_put_whose_writer_died_is_finished_by_whoever_reads(tables: Tables, wire: Wire, opens: Opens, clock: FakeClock) -> None:
    scores = [Score(game=1, points=points, player="ü\0", version=3, note="n") for points in (2, 1)]
    wire.lose_and_cut(ROW)
    with pytest.raises(OutcomeUnknown):
        await tables.put(*scores, events=[event(1)])
    other = await opens()
    assert (await other.scan(Score, 1)).rows == ()
    patience(clock)
    assert await told(other) == {"k": [(1, 3)]}
    assert (await other.scan(Score, 1)).rows == tuple(scores)


async def test_a_put_that_reached_one_shard_is_finished_in_all(tables: Tables, wire: Wire, opens: Opens, clock: FakeClock) -> None:
    score = Score(game=1, points=1, player="a", version=3)
    events = [event(at, f"key-{at}") for at in range(1, 9)]
    wire.lose(ENTRY)
    wire.lose_and_cut(ROW)
    with pytest.raises(OutcomeUnknown):
        await tables.put(score, events=events)
    other = await opens()
    patience(clock)
    positions: dict[int, str] = {}
    found = await entries_after(other, positions) + await entries_after(other, positions)
    assert versions_by_key(found) == {f"key-{at}": [(at, 3)] for at in range(1, 9)}
    assert await other.get(Score, 1, 1, "a") == score
