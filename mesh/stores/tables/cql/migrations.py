"""Brings a keyspace to the declared tables by adding only, or refuses it by name before anything is changed."""

from __future__ import annotations

import json
import logging
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from cassandra import ConsistencyLevel, DriverException, InvalidRequest, RequestValidationException, Unauthorized
from cassandra.cluster import Cluster, NoHostAvailable, Session
from cassandra.protocol import ServerError
from cassandra.query import SimpleStatement

from mesh.settings import InvalidSetting
from mesh.stores.tables.cql.address import CqlAddress
from mesh.stores.tables.cql.outbox_tables import engine_tables
from mesh.stores.tables.cql.schema_text import add_column, create_keyspace, create_table
from mesh.stores.tables.cql.slices import quoted
from mesh.stores.tables.cql.tables import CqlTable
from mesh.stores.tables.definitions import LATER, compare, definition
from mesh.stores.tables.port import IncompatibleTable, TablesUnavailable

_log = logging.getLogger("clipmesh.tables")

FORMAT_VERSION = 1
"""Version of the engine's own tables; raised when they change."""
_FORMAT = "_format"
_LOCK = "_lock"
_LOCK_S = 60
"""How long a start that died keeps others from changing the schema."""
_LOCK_PAUSE_S = 0.2
_TRIES = 5


def migrate(
    cluster: Cluster, session: Session, address: CqlAddress, keyspace: str, tables: Sequence[CqlTable], *, spread: bool = False
) -> None:
    """Create the keyspace, new tables and new columns; blocks. `spread`: a new keyspace has copies in every data centre, else in the nearest alone.
    Raises IncompatibleTable, InvalidSetting or TablesUnavailable."""
    _told(_Migration(cluster, session, address, keyspace, tables, spread=spread).run, address, keyspace)


def look(
    cluster: Cluster, session: Session, address: CqlAddress, keyspace: str, tables: Sequence[CqlTable], *, spread: bool = False
) -> None:
    """Raise what `migrate` would refuse, as far as that can be told without a change: before any other store is touched."""
    _told(_Migration(cluster, session, address, keyspace, tables, spread=spread).look, address, keyspace)


def _told(work: Callable[[], None], address: CqlAddress, keyspace: str) -> None:
    try:
        work()
    except Unauthorized as error:
        raise InvalidSetting(
            f"CLIPMESH_TABLES: {address.user or 'the user without name'} may not create or change keyspace {keyspace}: grant CREATE on all "
            f"keyspaces and ALL on {keyspace}"
        ) from error
    except RequestValidationException as error:
        raise IncompatibleTable(f"CLIPMESH_TABLES: keyspace {keyspace}: {' '.join(str(error).split())}") from error
    except (DriverException, NoHostAvailable, ServerError) as error:
        raise TablesUnavailable(f"keyspace {keyspace} could not be opened: {' '.join(str(error).split())[:200]}") from error


class _Migration:
    def __init__(
        self, cluster: Cluster, session: Session, address: CqlAddress, keyspace: str, tables: Sequence[CqlTable], *, spread: bool
    ) -> None:
        self._cluster = cluster
        self._session = session
        self._address = address
        self._keyspace = keyspace
        self._tables = tables
        self._spread = spread
        self._registry = f"{quoted(keyspace)}.{quoted('_tables')}"

    def run(self) -> None:
        """Compare everything, then add what is missing, one process at a time."""
        if not self._is_there():
            self._change(self._new_keyspace())
        try:
            if not self._missing():
                return
        except InvalidRequest:
            # Another process has just created the registry, and this node does not know it yet: it does when the next change is agreed on.
            _log.info("the tables of %s are being created by another process", self._keyspace)
        # Harmless when two processes start at once: it has one form, and the lock needs it.
        self._change(f"CREATE TABLE IF NOT EXISTS {self._registry} (name text PRIMARY KEY, definition text)")
        with self._lock():
            for schema_name, statements in self._missing():
                for statement in statements:
                    self._change(statement)
                self._remember(schema_name)

    def look(self) -> None:
        """Find what would be refused."""
        if self._is_there():
            # A registry that another process makes at this moment is compared by `run`.
            with suppress(InvalidRequest):
                self._missing()
            return
        self._new_keyspace()
        # Rights are asked for before anything else, and no server lets anybody make this one: it says no to those alone who may make none.
        with suppress(InvalidRequest):
            self._rows(create_keyspace("system", data_centres=["none"], replication=1, scylla=False))

    def _is_there(self) -> bool:
        return bool(self._rows("SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = %s", (self._keyspace,)))

    def _rows(self, text: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return list(self._execute(SimpleStatement(text, consistency_level=ConsistencyLevel.LOCAL_QUORUM), values))

    def _execute(self, statement: SimpleStatement, values: Sequence[Any]) -> Iterable[Any]:
        """What the server answers; a table that another process makes at this moment makes it fail over itself, for a moment."""
        for _ in range(_TRIES):
            with suppress(ServerError):
                return self._session.execute(statement, values or None)  # type: ignore[no-any-return]
            time.sleep(_LOCK_PAUSE_S)
        return self._session.execute(statement, values or None)  # type: ignore[no-any-return]

    def _change(self, text: str) -> None:
        response = self._session.execute_async(SimpleStatement(text))
        response.result()
        if not response.is_schema_agreed:
            raise TablesUnavailable(f"the nodes do not agree on the schema of {self._keyspace}; some may be away")

    def _new_keyspace(self) -> str:
        centres = self._data_centres()
        for centre, nodes in centres.items():
            if nodes < self._address.replication:
                raise InvalidSetting(
                    f"CLIPMESH_TABLES: data centre {centre} has {nodes} node{'s' if nodes > 1 else ''} and replication={self._address.replication} "
                    f"needs as many; say replication={nodes} in the URL, or create keyspace {self._keyspace} yourself"
                )
        scylla = bool(
            self._rows("SELECT table_name FROM system_schema.tables WHERE keyspace_name = 'system' AND table_name = 'scylla_local'")
        )
        return create_keyspace(self._keyspace, data_centres=sorted(centres), replication=self._address.replication, scylla=scylla)

    def _data_centres(self) -> dict[str, int]:
        """Those that get copies, with how many nodes each has."""
        centres = [host.datacenter for host in self._cluster.metadata.all_hosts()]
        chosen = set(centres) if self._spread else {self._address.data_centre or centres[0]}
        return {centre: centres.count(centre) for centre in chosen}

    def _missing(self) -> list[tuple[str, list[str]]]:
        """Name -> statements of every table that is not as declared, the engine's own under its format. Raises IncompatibleTable."""
        columns = self._columns()
        stored = dict(self._rows(f"SELECT name, definition FROM {self._registry}")) if "_tables" in columns else {}  # noqa: S608
        found = int(stored.get(_FORMAT, FORMAT_VERSION))
        if found > FORMAT_VERSION:
            raise IncompatibleTable(
                f"CLIPMESH_TABLES: the schema version {found} of keyspace {self._keyspace} is newer than the code's {FORMAT_VERSION}{LATER}"
            )
        missing: list[tuple[str, list[str]]] = []
        if _FORMAT not in stored:
            missing.append((_FORMAT, list(engine_tables(self._keyspace))))
        for table in self._tables:
            schema = table.schema
            if schema.name in stored:
                compare(schema.name, json.loads(stored[schema.name]), definition(schema))
            if json.loads(stored.get(schema.name, "null")) != definition(schema):
                there = columns.get(schema.name)
                # What a start that died half-way left behind is taken over.
                new = [column for column in schema.columns if there is not None and column.name not in there]
                statements = [create_table(table)] if there is None else [add_column(table, column) for column in new]
                missing.append((schema.name, statements))
        return missing

    def _columns(self) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for name, column in self._rows(
            "SELECT table_name, column_name FROM system_schema.columns WHERE keyspace_name = %s", (self._keyspace,)
        ):
            found.setdefault(name, set()).add(column)
        return found

    def _remember(self, name: str) -> None:
        kept = {table.schema.name: json.dumps(definition(table.schema)) for table in self._tables}
        kept[_FORMAT] = str(FORMAT_VERSION)
        self._rows(f"INSERT INTO {self._registry} (name, definition) VALUES (%s, %s)", (name, kept[name]))  # noqa: S608

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """Hold off other processes: servers do not take it well when two create the same table."""
        owner = secrets.token_hex(8)
        until_s = time.monotonic() + _LOCK_S
        take = f"INSERT INTO {self._registry} (name, definition) VALUES (%s, %s) IF NOT EXISTS USING TTL {_LOCK_S}"  # noqa: S608
        while not self._conditional(take, (_LOCK, owner)):
            if time.monotonic() > until_s:
                raise TablesUnavailable(f"another process changes the schema of {self._keyspace}")
            time.sleep(_LOCK_PAUSE_S)
        try:
            yield
        finally:
            self._conditional(f"DELETE FROM {self._registry} WHERE name = %s IF definition = %s", (_LOCK, owner))  # noqa: S608

    def _conditional(self, text: str, values: Sequence[Any]) -> bool:
        statement = SimpleStatement(
            text, consistency_level=ConsistencyLevel.LOCAL_QUORUM, serial_consistency_level=ConsistencyLevel.LOCAL_SERIAL
        )
        return bool(next(iter(self._execute(statement, values)))[0])
