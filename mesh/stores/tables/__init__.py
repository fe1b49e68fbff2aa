"""Wide-column tables: declare rows with `schema`, read and write them through `port.Tables`, open them with `open_tables`."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from mesh.clock import Clock
from mesh.settings import InvalidSetting
from mesh.stores.tables.cql.address import parse_address
from mesh.stores.tables.port import Tables
from mesh.stores.tables.sqlite import SqliteTables

__all__ = ["open_tables"]

_SERVICE = re.compile(r"[a-z][a-z0-9_]{0,31}")


async def _nothing() -> None:
    """Nobody looks at anything else first."""


async def open_tables(
    url: str, *, service: str, row_types: Sequence[type], clock: Clock, home: str = "", first: Callable[[], Awaitable[None]] = _nothing
) -> Tables:
    """Open the tables of one service where the URL says; creates and migrates them. `first` is awaited once the store has let us in and before
    anything is created: what it raises leaves the store as it was.

    `sqlite:///FOLDER` keeps them in FOLDER/<service>.db, an absolute folder has four slashes; `scylla://HOST/KEYSPACE` in the keyspace
    KEYSPACE_<service> of a ScyllaDB or Cassandra cluster. `home` is the place of this region, a keyspace like KEYSPACE that then has every row but
    the global ones, or a folder that has all of them: a file belongs to one process, so embedded regions share nothing. InvalidSetting when the URL names no engine or cannot work, TablesInUse when another
    process has the file, IncompatibleTable when what is stored does not fit the row types, TablesUnavailable when no node answers.
    """
    if not _SERVICE.fullmatch(service):
        raise InvalidSetting(f"{service!r} is no service name")
    scheme, separator, folder = url.partition(":///")
    if scheme == "sqlite" and separator and folder:
        await first()
        path = Path(home or folder) / f"{service}.db"
        loop = asyncio.get_running_loop()
        return await asyncio.to_thread(lambda: SqliteTables(path=path, row_types=row_types, clock=clock, loop=loop))
    scheme = url.partition(":")[0]
    if scheme == "scylla":
        address = parse_address(url)
        try:
            from mesh.stores.tables.cql.opening import open_cql  # noqa: PLC0415 (its driver is an extra)
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] != "cassandra":
                raise
            raise InvalidSetting(
                "CLIPMESH_TABLES=scylla://... needs a driver; install it with `pip install 'clipmesh[cluster]'`"
            ) from error
        return await open_cql(address, service=service, row_types=row_types, clock=clock, home=home, first=first)
    raise InvalidSetting(f"CLIPMESH_TABLES names the engine {scheme!r}; use sqlite:///FOLDER or scylla://HOST/KEYSPACE")
