"""Opens the tables of one service in a cluster."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence

from mesh.clock import Clock
from mesh.settings import InvalidSetting
from mesh.stores.tables.calls import check_names
from mesh.stores.tables.cql.address import CqlAddress
from mesh.stores.tables.cql.connecting import connect
from mesh.stores.tables.cql.engine import CqlTables
from mesh.stores.tables.cql.migrations import migrate
from mesh.stores.tables.cql.session import CqlSession
from mesh.stores.tables.cql.tables import CqlTable
from mesh.stores.tables.port import Tables
from mesh.stores.tables.schema import schema_of

_LONGEST_KEYSPACE = 48


async def open_cql(address: CqlAddress, *, service: str, row_types: Sequence[type], clock: Clock) -> Tables:
    """The tables of `service` in its keyspace, created and migrated. Raises InvalidSetting, IncompatibleTable or TablesUnavailable."""
    keyspace = f"{address.keyspace}_{service}"
    if len(keyspace) > _LONGEST_KEYSPACE:
        raise InvalidSetting(f"CLIPMESH_TABLES: the keyspace {keyspace} is longer than {_LONGEST_KEYSPACE} letters; take a shorter name")
    check_names(row_types)
    tables = {row_type: CqlTable(keyspace, schema_of(row_type)) for row_type in row_types}
    cluster, driver = await asyncio.to_thread(connect, address)
    session = CqlSession(cluster, driver, asyncio.get_running_loop())
    try:
        await asyncio.to_thread(migrate, cluster, driver, address, keyspace, tuple(tables.values()))
        # A number of its own for every start: what a process of before left undecided is told apart from what this one is doing.
        writer = secrets.randbelow(2**62) + 1
        engine = CqlTables(session=session, keyspace=keyspace, tables=tables, clock=clock, writer=writer)
        await engine.load()
    except BaseException:
        await session.close()
        raise
    return engine
