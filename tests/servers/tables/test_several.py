"""Several processes of a service on one keyspace, whose clocks differ: a key's events keep their order, and none is missed."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import pytest
from cassandra import OperationTimedOut, WriteTimeout
from cassandra.cluster import Session
from cassandra.query import BatchStatement, BatchType, PreparedStatement

from mesh.stores.tables.cql import outbox_reader
from mesh.stores.tables.cql.outbox_reader import LOOK_BACK_EVERY_S, WINDOW_MS
from mesh.stores.tables.cql.positions import BUCKET_MS
from mesh.stores.tables.port import Tables, VersionConflict
from mesh.testing.clock import FakeClock
from mesh.testing.tables_rows import ROW_TYPES, Seat, Ticket, entries_after, event, versions_by_key
from tests.servers.tables.stores import open_store

pytestmark = pytest.mark.timeout(180)

Opens = Callable[[FakeClock], Awaitable[Tables]]


@pytest.fixture
async def opens(emptied_url: str) -> AsyncIterator[Opens]:
    """Opens the tables once more, as another process with a clock of its own does."""
    opened: list[Tables] = []

    async def opens(clock: FakeClock) -> Tables:
        opened.append(await open_store(emptied_url, ROW_TYPES, clock))
        return opened[-1]

    yield opens
    for store in opened:
        await store.close()


async def test_events_of_a_row_keep_their_order_though_clocks_differ(opens: Opens) -> None:
    clock, behind = FakeClock(), FakeClock()
    behind.step(-20_000)
    one, other = await opens(clock), await opens(behind)
    row = await one.insert(Ticket(ticket_id=1), events=[event(1)])
    for at in range(2, 8):
        writer = other if at % 2 == 0 else one
        row = await writer.transition(row, expected_version=at - 1, events=[event(at)])
        clock.advance(1)
        behind.advance(1)
    for reader in (one, other, await opens(FakeClock())):
        assert versions_by_key(await entries_after(reader, {})) == {"k": [(at, at) for at in range(1, 8)]}


async def test_racing_processes_give_each_version_one_event(opens: Opens) -> None:
    stores = [await opens(FakeClock()) for _ in range(3)]
    await stores[0].insert(Ticket(ticket_id=1), events=[event(1)])
    won: list[int] = []

    async def race(number: int, store: Tables) -> None:
        for attempt in range(6):
            row = await store.get(Ticket, 1)
            assert row is not None
            try:
                moved = await store.transition(row, expected_version=row.version, events=[event(number * 100 + attempt)])
            except VersionConflict:
                continue
            won.append(moved.version)

    await asyncio.gather(*(race(number, store) for number, store in enumerate(stores, 1)))
    told = versions_by_key(await entries_after(stores[1], {}))["k"]
    assert [version for _, version in told] == list(range(1, len(told) + 1))
    assert sorted(won) == list(range(2, len(told) + 1))


async def test_what_a_slow_clock_writes_is_found_by_who_went_on_already(opens: Opens) -> None:
    clock, behind = FakeClock(), FakeClock()
    reader, slow = await opens(clock), await opens(behind)
    positions: dict[int, str] = {}
    clock.advance(30_000)
    for at in range(1, 4):
        await reader.put(events=[event(at, f"own-{at}", key_version=1)])
        await slow.put(events=[event(at + 100, f"late-{at}", key_version=1)])
        found: set[int] = set()
        until = time.monotonic() + 10
        while found != {at, at + 100} and time.monotonic() < until:
            found |= {entry.event_id for entry in await entries_after(reader, positions)}
            await reader.wait_outbox(LOOK_BACK_EVERY_S)
        assert found == {at, at + 100}
        clock.advance(5_000)
        behind.advance(5_000)
    assert await entries_after(reader, positions) == []


async def test_whoever_goes_on_from_a_position_gets_what_came_late(opens: Opens) -> None:
    clock, behind = FakeClock(), FakeClock()
    reader, slow = await opens(clock), await opens(behind)
    clock.advance(30_000)
    positions: dict[int, str] = {}
    for at in range(1, 30):
        await reader.put(events=[event(at, f"own-{at}", key_version=1)])
    await entries_after(reader, positions)
    await slow.put(events=[event(100, "own-1", key_version=2)])
    successor = await opens(clock)
    found = {entry.event_id for entry in await entries_after(successor, positions)}
    assert 100 in found
    assert found <= {*range(1, 30), 100}


async def test_a_position_moves_on_behind_the_window_and_what_is_before_is_not_sent_again(
    opens: Opens, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox_reader, "LOOK_BACK_EVERY_S", 0)
    clock = FakeClock()
    reader = await opens(clock)
    positions: dict[int, str] = {}
    for at in range(1, 4):
        await reader.put(events=[event(at, key_version=at)])
        assert [entry.event_id for entry in await entries_after(reader, positions)] == [at]
        clock.advance(WINDOW_MS)
    successor = await opens(clock)
    assert [entry.event_id for entry in await entries_after(successor, positions)] == [3]


async def test_readers_of_one_shard_do_not_disturb_each_other(opens: Opens) -> None:
    store = await opens(FakeClock())
    for at in range(1, 7):
        await store.put(events=[event(at, key_version=at)])
    (shard,) = [shard for shard in range(store.outbox_shards) if (await store.read_outbox(shard)).entries]

    async def ids(after: str, limit: int = 500) -> tuple[list[int], str]:
        page = await store.read_outbox(shard, after=after, limit=limit)
        return [entry.event_id for entry in page.entries], page.position

    found, middle = await ids("", 3)
    assert found == [1, 2, 3]
    # One that looks again and again without going on, and one that goes on.
    for _ in range(3):
        assert (await ids(middle))[0] == [4, 5, 6]
    found, end = await ids(middle, 2)
    assert found == [4, 5]
    await store.put(events=[event(7, key_version=7)])
    found, end = await ids(end)
    assert found == [6, 7]
    assert await ids(end) == ([], end)
    assert (await ids(""))[0] == [1, 2, 3, 4, 5, 6, 7]


async def test_entries_of_two_buckets_come_in_order(opens: Opens) -> None:
    clock = FakeClock()
    clock.advance(BUCKET_MS - clock.now_ms() % BUCKET_MS - 2)
    store = await opens(clock)
    row = await store.insert(Seat(hall=1, seat=1), events=[event(1)])
    for at in range(2, 8):
        clock.advance(1 if at < 6 else BUCKET_MS)
        row = await store.transition(row, expected_version=at - 1, events=[event(at)])
    for limit in (1, 2, 500):
        assert versions_by_key(await entries_after(store, {}, limit=limit)) == {"k": [(at, at) for at in range(1, 8)]}


async def test_an_entry_that_a_look_missed_is_not_overtaken(opens: Opens, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()
    writer, reader = await opens(clock), await opens(clock)
    row = await writer.insert(Ticket(ticket_id=1), events=[event(1)])
    await writer.transition(row, expected_version=1, events=[event(2)])
    look, looks = outbox_reader.OutboxReader._look, 0

    async def missing(self: object, *asked: object) -> object:
        """The first look that sees both was under way while both were written: it saw the second alone."""
        nonlocal looks
        places, ended = await look(self, *asked)  # type: ignore[arg-type]
        if len(places) == 2 and not looks:
            looks += 1
            return places[1:], ended
        return places, ended

    monkeypatch.setattr(outbox_reader.OutboxReader, "_look", missing)
    assert versions_by_key(await entries_after(reader, {})) == {"k": [(1, 1), (2, 2)]}
    assert looks == 1


async def test_relayed_entries_and_dropped_buckets_cost_nothing(opens: Opens, driver: Session, keyspace: str) -> None:
    await relayed_entries(opens, driver, keyspace, buckets=20, each=250)


@pytest.mark.long
@pytest.mark.timeout(3_000)
async def test_a_million_relayed_entries_cost_nothing(opens: Opens, driver: Session, keyspace: str) -> None:
    await relayed_entries(opens, driver, keyspace, buckets=500, each=2_000)


def tombstones(driver: Session, query: str) -> int:
    """How many deleted things the server walked over to answer."""
    trace = driver.execute(query, trace=True).get_query_trace(max_wait_sec=30)
    counts = [int(found[1]) for event in trace.events if (found := re.search(r"(\d+) tombstone cells", event.description))]
    assert counts
    return max(counts)


def batch_of(write: PreparedStatement, rows: Sequence[tuple[int, ...]]) -> BatchStatement:
    """Rows of one partition in one request."""
    batch = BatchStatement(BatchType.UNLOGGED)
    for row in rows:
        batch.add(write, row)
    return batch


async def relayed_entries(opens: Opens, driver: Session, keyspace: str, *, buckets: int, each: int) -> None:
    """Fill one shard's buckets, relay them, drop all but the last ones: a page takes as long at the end as at the beginning, and a new start no longer."""
    clock, shard = FakeClock(), 3
    began_ms = clock.now_ms() // BUCKET_MS * BUCKET_MS
    write = driver.prepare(
        f'INSERT INTO "{keyspace}"."_outbox" (shard, bucket_ms, position, writer, number, state, event_id, topic, key, envelope, origin) '
        f"VALUES ({shard}, ?, ?, 1, 0, 1, ?, 't', 'k', 0x00, '') USING TIMESTAMP 1"
    )
    register = driver.prepare(f'INSERT INTO "{keyspace}"."_outbox_buckets" (shard, bucket_ms) VALUES ({shard}, ?) USING TIMESTAMP 1')

    def fill() -> None:
        for bucket in range(buckets):
            bucket_ms = began_ms + bucket * BUCKET_MS
            driver.execute(register, (bucket_ms,))
            rows = [(bucket_ms, (bucket_ms << 20) + at, bucket * each + at) for at in range(each)]
            parts = [batch_of(write, rows[first : first + 50]) for first in range(0, each, 50)]
            for part, answer in [(part, driver.execute_async(part)) for part in parts]:
                try:
                    answer.result()
                except (WriteTimeout, OperationTimedOut):
                    # A busy server is late; written twice is written once.
                    driver.execute(part, timeout=60)

    await asyncio.to_thread(fill)
    clock.advance(buckets * BUCKET_MS + WINDOW_MS)
    store = await opens(clock)

    async def relay(after: str) -> tuple[list[int], str, list[float]]:
        found: list[int] = []
        took_s: list[float] = []
        while True:
            began_s = time.monotonic()
            page = await store.read_outbox(shard, after=after)
            took_s.append(time.monotonic() - began_s)
            if not page.entries:
                return found, after, took_s
            found.extend(entry.event_id for entry in page.entries)
            after = page.position

    found, position, took_s = await relay("")
    assert found == list(range(buckets * each))
    pages = sorted(took_s[1:])
    assert sorted(took_s[-10:])[5] < 5 * pages[len(pages) // 2]
    assert await store.drop_outbox(before_ms=began_ms + (buckets - 1) * BUCKET_MS) == buckets - 1
    store = await opens(clock)
    began_s = time.monotonic()
    assert set((await relay(position))[0]) <= set(found[-1:])
    asked = f'SELECT oldest_ms FROM "{keyspace}"."_outbox_buckets" WHERE shard = {shard} LIMIT 1'
    assert await asyncio.to_thread(tombstones, driver, asked) == 0
    kept, _, after_drop_s = await relay("")
    assert kept == list(range((buckets - 1) * each, buckets * each))
    assert time.monotonic() - began_s < 5
    assert after_drop_s[0] < 10 * pages[len(pages) // 2]
