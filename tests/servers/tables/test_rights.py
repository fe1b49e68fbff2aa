"""A cluster with passwords and rights: who may not make the keyspace is refused by name, and nothing is made."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from cassandra.auth import PlainTextAuthProvider
from cassandra.cluster import Cluster, Session

from devstack.ports import free_ports
from devstack.servers.cache import Cache
from devstack.servers.cassandra import Cassandra
from devstack.servers.keeper import Keeper
from devstack.servers.recipe import Command, Place
from devstack.servers.server import Server
from mesh.clock import SystemClock
from mesh.settings import InvalidSetting
from mesh.stores.tables import open_tables
from mesh.testing.folders import socket_folder
from tests.e2e.test_refused_stores import refused

pytestmark = [pytest.mark.timeout(300), pytest.mark.long]

WITHIN_S = 30.0


@dataclass(frozen=True, slots=True)
class GuardedCassandra(Cassandra):
    """One node that asks who is there and what he may do."""

    def command(self, place: Place, *, cache: Cache, keeper: Keeper) -> Command:
        """As the open one, with its two doors shut."""
        command = Cassandra.command(self, place, cache=cache, keeper=keeper)
        file = place.folder / "conf" / "cassandra.yaml"
        shut = {"authenticator": "PasswordAuthenticator", "authorizer": "CassandraAuthorizer"}
        file.write_text(json.dumps(json.loads(file.read_text(encoding="utf-8")) | shut), encoding="utf-8")
        return command


@contextmanager
def signed_in(port: int, name: str, password: str) -> Iterator[Session]:
    """The driver alone."""
    provider = PlainTextAuthProvider(username=name, password=password)
    with Cluster(["127.0.0.1"], port=port, auth_provider=provider, protocol_version=4) as cluster, cluster.connect() as session:
        session.default_timeout = WITHIN_S
        yield session


@pytest.fixture
def guarded(tmp_path: Path, cassandra_url: str) -> Iterator[int]:
    """The port of a node with a user without rights; `cassandra_url` is asked for since what keeps the shared node from running keeps this one, too."""
    ports = tuple(free_ports(2))
    keeper = Keeper()
    server = Server(GuardedCassandra(), Place(folder=tmp_path / "node", ports=ports, durable=False), cache=Cache(), keeper=keeper)
    try:
        server.start()
        with signed_in(ports[0], "cassandra", "cassandra") as session:
            session.execute("CREATE ROLE anna WITH PASSWORD = 'right' AND LOGIN = true")
        yield ports[0]
    finally:
        server.stop()
        keeper.close()


def keyspaces(port: int) -> set[str]:
    """Those that are not the server's own."""
    with signed_in(port, "cassandra", "cassandra") as session:
        names = {row.keyspace_name for row in session.execute("SELECT keyspace_name FROM system_schema.keyspaces")}
    return {name for name in names if not name.startswith("system")}


def allow(port: int, *statements: str) -> None:
    """Give rights."""
    with signed_in(port, "cassandra", "cassandra") as session:
        for statement in statements:
            session.execute(statement)


async def test_who_may_not_make_the_keyspace_is_refused_and_nothing_is_made(guarded: int) -> None:
    url = f"scylla://anna:right@127.0.0.1:{guarded}/clips?replication=1"
    others: list[str] = []

    async def others_are_touched() -> None:
        others.append("a bucket is made")

    with pytest.raises(InvalidSetting) as told:
        await open_tables(url, service="rights", row_types=(), clock=SystemClock(), first=others_are_touched)
    assert others == []
    assert str(told.value) == (
        "CLIPMESH_TABLES: anna may not create or change keyspace clips_rights: grant CREATE on all keyspaces and ALL on clips_rights"
    )
    with socket_folder() as folder:
        said = await refused(folder, {"CLIPMESH_TABLES": url})
    assert "refuses to start: CLIPMESH_TABLES: anna may not create or change keyspace clips_" in said
    with pytest.raises(InvalidSetting, match="refuses anna; check user:password"):
        await open_tables(url.replace("right@", "wrong@"), service="rights", row_types=(), clock=SystemClock())
    assert await asyncio.to_thread(keyspaces, guarded) == set()

    await asyncio.to_thread(allow, guarded, "GRANT CREATE ON ALL KEYSPACES TO anna")
    store = await open_tables(url, service="rights", row_types=(), clock=SystemClock())
    await store.close()
    assert await asyncio.to_thread(keyspaces, guarded) == {"clips_rights"}
