"""A keyspace with the suite's tables that the contract tests share, emptied before each: a server takes a third of a second to create one table."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest
from cassandra.cluster import Session

from mesh.clock import Clock, SystemClock
from mesh.stores.tables import open_tables
from mesh.stores.tables.port import Tables
from mesh.stores.tables.schema import Guard, schema_of
from mesh.testing.clock import FakeClock
from mesh.testing.tables import OpenTables
from mesh.testing.tables_rows import ROW_TYPES
from tests.servers import fresh, swept

SERVICE = "contract"


async def open_store(url: str, row_types: Sequence[type], clock: Clock) -> Tables:
    """The suite's store."""
    return await open_tables(url, service=SERVICE, row_types=row_types, clock=clock)


@pytest.fixture(scope="session")
def shared_url(cassandra_url: str) -> Iterator[str]:
    """Keyspaces that the tests of this folder share."""
    url = fresh.keyspaces(cassandra_url)

    async def create() -> None:
        await (await open_store(url, ROW_TYPES, SystemClock())).close()

    # It may be asked for while a test's loop runs on this thread.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(lambda: asyncio.run(create())).result()
    yield url
    swept.keyspaces(url)


@pytest.fixture(scope="session")
def driver(shared_url: str) -> Iterator[Session]:
    """The driver alone, for what the port does not offer."""
    with swept.cluster(shared_url) as cluster, cluster.connect() as session:
        yield session


@pytest.fixture
def keyspace(shared_url: str) -> str:
    """The shared keyspace by name."""
    return f"{urlsplit(shared_url).path[1:]}_{SERVICE}"


@pytest.fixture
def emptied_url(shared_url: str, driver: Session, keyspace: str) -> str:
    """The shared keyspaces without a row."""
    names = [row[0] for row in driver.execute("SELECT table_name FROM system_schema.tables WHERE keyspace_name = %s", (keyspace,))]
    # A plain table without a row may be full of deletions, which keep the next test's small versions away.
    plain = {schema_of(row_type).name for row_type in ROW_TYPES if schema_of(row_type).guard is Guard.PLAIN}
    filled = [
        name
        for name in names
        if name in plain or (name != "_tables" and driver.execute(f'SELECT * FROM "{keyspace}"."{name}" LIMIT 1').one())
    ]
    for emptying in [driver.execute_async(f'TRUNCATE "{keyspace}"."{name}"') for name in filled]:
        emptying.result()
    return shared_url


@pytest.fixture
async def open_store_again(request: pytest.FixtureRequest, clock: FakeClock, cassandra_url: str) -> AsyncIterator[OpenTables]:
    """Opens the emptied tables for the suite's row types, keyspaces of the test's own for others, which it may change."""
    opened: list[Tables] = []
    urls: dict[str, str] = {}

    async def opens(row_types: Sequence[type]) -> Tables:
        name = "emptied_url" if row_types is ROW_TYPES else "own_cassandra_url"
        if name not in urls:
            urls[name] = request.getfixturevalue(name)
        opened.append(await open_store(urls[name], row_types, clock))
        return opened[-1]

    yield opens
    for store in opened:
        await store.close()
