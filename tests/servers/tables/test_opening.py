"""What cannot work is refused when the tables are opened, in one line that says how to mend it, with nothing half-created."""

from __future__ import annotations

import asyncio
import ssl
import struct
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest

from devstack.certs import make_certs
from devstack.ports import free_ports
from mesh import deadline
from mesh.settings import InvalidSetting
from mesh.stores.tables import open_tables
from mesh.stores.tables.cql.levels import Level
from mesh.stores.tables.cql.session import CqlSession, Query
from mesh.stores.tables.port import IncompatibleTable, TablesUnavailable
from mesh.stores.tables.schema import Guard, Partition, table
from mesh.testing.clock import FakeClock
from mesh.testing.tables_rows import Seat, Ticket
from tests.servers import swept
from tests.servers.tables.stores import SERVICE, open_store

pytestmark = pytest.mark.timeout(180)


@table("tickets", guard=Guard.GUARDED)
@dataclass(frozen=True, slots=True, kw_only=True)
class LaterTicket:
    """Tickets as newer code declares them."""

    ticket_id: Partition[int]
    note: str = ""
    price_micros: int = 0
    version: int = 0


async def refused(url: str, error: type[Exception], *words: str, row_types: tuple[type, ...] = (Ticket,)) -> None:
    with pytest.raises(error) as why:
        await open_store(url, row_types, FakeClock())
    for word in words:
        assert word in str(why.value)
    assert "\n" not in str(why.value)
    assert "secret" not in str(why.value)


async def test_a_host_without_an_address_is_refused() -> None:
    await refused("scylla://no-such-host.invalid/clips", InvalidSetting, "no-such-host.invalid:9042", "check their names")


async def test_a_server_that_is_away_may_come_back() -> None:
    (port,) = free_ports(1)
    await refused(f"scylla://anna:secret@127.0.0.1:{port}/clips", TablesUnavailable, f"no node of 127.0.0.1:{port} answers")


async def test_a_keyspace_name_that_no_server_takes_is_refused() -> None:
    with pytest.raises(InvalidSetting, match="longer than 48"):
        await open_tables(f"scylla://127.0.0.1/{'k' * 32}", service="s" * 16, row_types=(), clock=FakeClock())


async def test_more_copies_than_nodes_are_refused_before_anything_is_created(own_cassandra_url: str) -> None:
    url = own_cassandra_url.replace("replication=1", "replication=3")
    assert url != own_cassandra_url
    await refused(url, InvalidSetting, "has 1 node and replication=3", "say replication=1")
    assert await asyncio.to_thread(swept.keyspaces_of, own_cassandra_url) == []


async def test_what_another_store_refuses_leaves_no_keyspace(own_cassandra_url: str) -> None:
    looked: list[list[str]] = []

    async def refuse() -> None:
        looked.append(await asyncio.to_thread(swept.keyspaces_of, own_cassandra_url))
        raise InvalidSetting("CLIPMESH_BLOBS: no")

    with pytest.raises(InvalidSetting, match="CLIPMESH_BLOBS"):
        await open_tables(own_cassandra_url, service=SERVICE, row_types=(Ticket,), clock=FakeClock(), first=refuse)
    assert looked == [[]]
    assert await asyncio.to_thread(swept.keyspaces_of, own_cassandra_url) == []


async def test_what_the_keyspace_refuses_is_found_before_another_store_is_touched(own_cassandra_url: str) -> None:
    store = await open_store(own_cassandra_url, (LaterTicket,), FakeClock())
    await store.close()
    touched: list[str] = []

    async def touch() -> None:
        touched.append("a bucket is made")

    with pytest.raises(IncompatibleTable, match="price_micros"):
        await open_tables(own_cassandra_url, service=SERVICE, row_types=(Ticket,), clock=FakeClock(), first=touch)
    assert touched == []


async def test_a_data_centre_that_is_not_there_is_refused(own_cassandra_url: str) -> None:
    await refused(f"{own_cassandra_url}&dc=nowhere", InvalidSetting, "dc=nowhere", "datacenter1")
    assert await asyncio.to_thread(swept.keyspaces_of, own_cassandra_url) == []


async def test_newer_tables_are_refused_and_older_code_changes_nothing(own_cassandra_url: str) -> None:
    store = await open_store(own_cassandra_url, (LaterTicket,), FakeClock())
    await store.insert(LaterTicket(ticket_id=1, price_micros=5))
    await store.close()
    await refused(own_cassandra_url, IncompatibleTable, "column price_micros is in the store and not in the code", row_types=(Seat, Ticket))
    with swept.cluster(own_cassandra_url) as cluster, cluster.connect() as session:
        keyspace = f"{urlsplit(own_cassandra_url).path[1:]}_{SERVICE}"
        names = {
            row.table_name for row in session.execute("SELECT table_name FROM system_schema.tables WHERE keyspace_name = %s", (keyspace,))
        }
        assert names == {"_tables", "_outbox", "_outbox_buckets", "tickets"}
        session.execute(f"INSERT INTO \"{keyspace}\".\"_tables\" (name, definition) VALUES ('_format', '99')")
    await refused(own_cassandra_url, IncompatibleTable, "schema version 99", "newer than the code's", row_types=(LaterTicket, Seat))


async def test_what_a_start_that_died_left_behind_is_taken_over(own_cassandra_url: str) -> None:
    store = await open_store(own_cassandra_url, (Ticket,), FakeClock())
    row = await store.insert(Ticket(ticket_id=1, note="a"))
    await store.close()
    keyspace = f"{urlsplit(own_cassandra_url).path[1:]}_{SERVICE}"
    with swept.cluster(own_cassandra_url) as cluster, cluster.connect() as session:
        session.execute(f'ALTER TABLE "{keyspace}"."tickets" ADD "price_micros" bigint')
        session.execute(f'DELETE FROM "{keyspace}"."_tables" WHERE name = \'_format\'')
    store = await open_store(own_cassandra_url, (LaterTicket,), FakeClock())
    assert await store.get(LaterTicket, 1) == LaterTicket(ticket_id=1, note="a", version=row.version)
    await store.close()


async def test_processes_that_start_at_once_share_the_work(own_cassandra_url: str) -> None:
    stores = await asyncio.gather(*(open_store(own_cassandra_url, (Ticket, Seat), FakeClock()) for _ in range(3)))
    row = await stores[0].insert(Ticket(ticket_id=1))
    assert [await store.get(Ticket, 1) for store in stores] == [row] * 3
    for store in stores:
        await store.close()


async def test_a_busy_cluster_makes_calls_late_and_no_start() -> None:
    class Busy:
        def prepare(self, text: str) -> SimpleNamespace:
            time.sleep(0.5)
            return SimpleNamespace()

    session = CqlSession(None, Busy(), asyncio.get_running_loop())
    with deadline.scope(0.1):
        await session.prepare([Query("a", Level.LOCAL_QUORUM)])
        with pytest.raises(TablesUnavailable):
            await session.read(Query("b", Level.LOCAL_QUORUM), ())


@asynccontextmanager
async def node(tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A node that lets nobody in; its port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        def say(opcode: int, body: bytes) -> None:
            writer.write(struct.pack(">BBhBi", 0x84, 0, stream, opcode, len(body)) + body)

        def text(words: str) -> bytes:
            return struct.pack(">H", len(words)) + words.encode()

        try:
            while True:
                version, _, stream, opcode, length = struct.unpack(">BBhBi", await reader.readexactly(9))
                await reader.readexactly(length)
                if version > 4:
                    say(0x00, struct.pack(">i", 0x0A) + text("Invalid or unsupported protocol version; the greatest is (4)"))
                elif opcode == 0x05:
                    say(
                        0x06,
                        struct.pack(">H", 2) + text("CQL_VERSION") + struct.pack(">H", 1) + text("3.4.5") + text("COMPRESSION") + bytes(2),
                    )
                elif opcode == 0x01:
                    say(0x03, text("org.apache.cassandra.auth.PasswordAuthenticator"))
                else:
                    say(0x00, struct.pack(">i", 0x0100) + text("Provided username and/or password are incorrect"))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_a_wrong_password_is_refused_without_showing_it() -> None:
    async with node() as port:
        await refused(f"scylla://anna:secret@127.0.0.1:{port}/clips", InvalidSetting, "refuses anna", "check user:password")
        await refused(f"scylla://127.0.0.1:{port}/clips", InvalidSetting, "refuses a user without name")


def certified(folder: Path) -> ssl.SSLContext:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(folder / "video.pem", folder / "video.key")
    return tls


async def test_a_certificate_that_names_the_node_lets_the_password_through(tmp_path: Path) -> None:
    make_certs(tmp_path, hosts=["127.0.0.1"])
    async with node(certified(tmp_path)) as port:
        await refused(f"scylla://anna:secret@127.0.0.1:{port}/clips?tls=1&ca={tmp_path / 'ca.pem'}", InvalidSetting, "refuses anna")
    make_certs(tmp_path / "other", hosts=["other.example"])
    async with node(certified(tmp_path / "other")) as port:
        url = f"scylla://anna:secret@127.0.0.1:{port}/clips?tls=1&ca={tmp_path / 'other' / 'ca.pem'}"
        await refused(url, InvalidSetting, "no TLS with")


async def test_a_certificate_that_ended_is_refused(tmp_path: Path) -> None:
    make_certs(tmp_path, days=30, hosts=["127.0.0.1"], now=datetime.now(UTC) - timedelta(days=60))
    async with node(certified(tmp_path)) as port:
        url = f"scylla://anna:secret@127.0.0.1:{port}/clips?tls=1"
        await refused(f"{url}&ca={tmp_path / 'ca.pem'}", InvalidSetting, "certificate has expired", "check the certificates")
        await refused(url, InvalidSetting, "no TLS with", "check the certificates")
        await refused(f"{url}&ca={tmp_path / 'none.pem'}", InvalidSetting, "there is no file")
        await refused(f"{url}&ca={tmp_path / 'video.key'}", InvalidSetting, "no certificates")
