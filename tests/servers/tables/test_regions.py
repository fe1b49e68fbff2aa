"""Several regions on one cluster: rows of people stay in the keyspace of their region, global rows are one for all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest

from mesh.settings import InvalidSetting
from mesh.stores.tables import open_tables
from mesh.stores.tables.port import RowExists, Tables
from mesh.stores.tables.schema import Guard, Partition, Scope, table
from mesh.testing.clock import FakeClock
from mesh.testing.tables_rows import Score, Ticket, entries_after, event, versions_by_key
from tests.servers import swept

pytestmark = pytest.mark.timeout(180)


@table("names", guard=Guard.GUARDED, scope=Scope.GLOBAL)
@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """One in the whole world."""

    name: Partition[str]
    owner: int = 0
    version: int = 0


ROWS = (Ticket, Score, Name)


@pytest.fixture
async def regions(own_cassandra_url: str) -> AsyncIterator[tuple[Tables, Tables]]:
    """The same service in two regions."""
    beginning = urlsplit(own_cassandra_url).path[1:]
    opened = [
        await open_tables(own_cassandra_url, service="social", row_types=ROWS, clock=FakeClock(), home=f"{beginning}_{name}")
        for name in ("eu", "us")
    ]
    yield opened[0], opened[1]
    for store in opened:
        await store.close()


async def test_no_row_of_a_person_leaves_its_region(regions: tuple[Tables, Tables], own_cassandra_url: str) -> None:
    eu, us = regions
    await eu.insert(Ticket(ticket_id=1, note="eu"), events=[event(1)])
    await us.insert(Ticket(ticket_id=1, note="us"))
    await eu.put(Score(game=1, points=1, player="eu", version=1), events=[event(2, "other")])
    await eu.insert(Name(name="anna", owner=1), events=[event(3, "names")])
    with pytest.raises(RowExists):
        await us.insert(Name(name="anna", owner=2), events=[event(4, "names")])
    assert await us.get(Name, "anna") == Name(name="anna", owner=1, version=1)
    assert [row.note for store in regions if (row := await store.get(Ticket, 1))] == ["eu", "us"]
    assert await us.get(Score, 1, 1, "eu") is None
    # What a region writes it tells itself, global rows too.
    assert versions_by_key(await entries_after(eu, {})) == {"k": [(1, 1)], "other": [(2, 1)], "names": [(3, 1)]}
    assert versions_by_key(await entries_after(us, {})) == {}

    def tables_with_rows() -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        with swept.cluster(own_cassandra_url) as cluster, cluster.connect() as session:
            for keyspace in swept.keyspaces_of(own_cassandra_url):
                names = session.execute("SELECT table_name FROM system_schema.tables WHERE keyspace_name = %s", (keyspace,))
                filled = {name for (name,) in names if session.execute(f'SELECT * FROM "{keyspace}"."{name}" LIMIT 1').one()}
                found[keyspace.removeprefix(urlsplit(own_cassandra_url).path[1:])] = filled - {"_tables"}
        return found

    assert await asyncio.to_thread(tables_with_rows) == {
        "_social": {"names"},
        "_eu_social": {"tickets", "scores", "_outbox", "_outbox_buckets"},
        "_us_social": {"tickets", "_outbox", "_outbox_buckets"},
    }


async def test_the_keyspace_of_all_regions_is_no_place_of_one(own_cassandra_url: str) -> None:
    for home in (urlsplit(own_cassandra_url).path[1:], "Not-A-Keyspace"):
        with pytest.raises(InvalidSetting, match="no keyspace of a region"):
            await open_tables(own_cassandra_url, service="social", row_types=ROWS, clock=FakeClock(), home=home)
    assert await asyncio.to_thread(swept.keyspaces_of, own_cassandra_url) == []
