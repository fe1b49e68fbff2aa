"""Opens the tables of one service in a cluster."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence

from mesh.clock import Clock
from mesh.settings import InvalidSetting
from mesh.stores.tables.calls import check_names
from mesh.stores.tables.cql.address import CqlAddress, check_home
from mesh.stores.tables.cql.connecting import connect
from mesh.stores.tables.cql.engine import CqlTables
from mesh.stores.tables.cql.loop_connection import LoopThread
from mesh.stores.tables.cql.migrations import look, migrate
from mesh.stores.tables.cql.session import CqlSession
from mesh.stores.tables.cql.tables import CqlTable
from mesh.stores.tables.port import Tables
from mesh.stores.tables.schema import Scope, schema_of

_LONGEST_KEYSPACE = 48


async def open_cql(
    address: CqlAddress, *, service: str, row_types: Sequence[type], clock: Clock, home: str, first: Callable[[], Awaitable[None]]
) -> Tables:
    """The tables of `service` in its keyspaces, looked at before `first` is called, created and migrated once it has returned: global rows in that of
    the address, the others and the outbox in that of `home`, which may be the same or empty. Raises InvalidSetting, IncompatibleTable or
    TablesUnavailable."""
    everywhere, here = _keyspace(address.keyspace, service), _keyspace(check_home(home, address), service)
    check_names(row_types)
    tables = {row_type: CqlTable(here if _stays(row_type) else everywhere, schema_of(row_type)) for row_type in row_types}
    loop = asyncio.get_running_loop()
    cluster, driver = await asyncio.to_thread(connect, address, LoopThread(loop))
    session = CqlSession(cluster, driver, loop)
    shared = [table for table in tables.values() if table.keyspace != here]
    own = [table for table in tables.values() if table.keyspace == here]

    def each(step: Callable[..., None]) -> None:
        if shared:
            step(cluster, driver, address, everywhere, shared, spread=True)
        step(cluster, driver, address, here, own)

    try:
        await asyncio.to_thread(each, look)
        await first()
        await asyncio.to_thread(each, migrate)
        # A number of its own for every start: what a process of before left undecided is told apart from what this one is doing.
        writer = secrets.randbelow(2**62) + 1
        engine = CqlTables(session=session, keyspace=here, tables=tables, clock=clock, writer=writer)
        await engine.load()
    except BaseException:
        await session.close()
        raise
    return engine


def _keyspace(beginning: str, service: str) -> str:
    keyspace = f"{beginning}_{service}"
    if len(keyspace) > _LONGEST_KEYSPACE:
        raise InvalidSetting(f"CLIPMESH_TABLES: the keyspace {keyspace} is longer than {_LONGEST_KEYSPACE} letters; take a shorter name")
    return keyspace


def _stays(row_type: type) -> bool:
    return schema_of(row_type).scope is Scope.HOME_REGION
