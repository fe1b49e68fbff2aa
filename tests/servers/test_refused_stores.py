"""`clipmesh up` on servers that refuse it: one line that says what and how to mend it, exit status 2, nothing runs, and no secret is shown."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

from devstack.certs import make_certs
from mesh.clock import SystemClock
from mesh.stores.blobs.s3.address import read_address
from mesh.stores.tables import open_tables
from mesh.testing.folders import socket_folder
from tests.e2e.test_refused_stores import refused
from tests.servers import swept
from tests.servers.stream.secured import USER, Secured, secured
from tests.servers.tables.test_opening import certified, node

pytestmark = pytest.mark.timeout(240)


async def test_keys_that_the_store_of_objects_does_not_take_are_refused(own_s3_url: str) -> None:
    parts = urlsplit(own_s3_url)
    wrong = urlunsplit(parts._replace(netloc=f"{parts.username}:hidden-from-logs@{parts.hostname}:{parts.port}"))
    with socket_folder() as folder:
        said = await refused(folder, {"CLIPMESH_BLOBS": wrong})
    assert f"CLIPMESH_BLOBS={read_address(wrong).named}: the store does not take these keys (SignatureDoesNotMatch): correct them" in said
    assert "hidden-from-logs" not in said


async def test_a_node_that_does_not_take_the_password_is_refused() -> None:
    async with node() as port:
        with socket_folder() as folder:
            said = await refused(folder, {"CLIPMESH_TABLES": f"scylla://anna:hidden@127.0.0.1:{port}/clips"})
    assert f"CLIPMESH_TABLES: 127.0.0.1:{port} refuses anna; check user:password in the URL" in said
    assert "hidden" not in said


@pytest.mark.long
async def test_a_certificate_that_ended_is_refused(tmp_path: Path) -> None:
    make_certs(tmp_path, days=30, hosts=["127.0.0.1"], now=datetime.now(UTC) - timedelta(days=60))
    async with node(certified(tmp_path)) as port:
        with socket_folder() as folder:
            said = await refused(folder, {"CLIPMESH_TABLES": f"scylla://127.0.0.1:{port}/clips?tls=1&ca={tmp_path / 'ca.pem'}"})
    assert "certificate has expired" in said
    assert "check the certificates" in said


@pytest.mark.long
async def test_a_keyspace_that_a_later_release_wrote_is_refused(own_cassandra_url: str) -> None:
    store = await open_tables(own_cassandra_url, service="rights", row_types=(), clock=SystemClock())
    await store.close()
    keyspace = f"{urlsplit(own_cassandra_url).path[1:]}_rights"

    def make_newer() -> None:
        with swept.cluster(own_cassandra_url) as cluster, cluster.connect() as session:
            session.execute(f"INSERT INTO \"{keyspace}\".\"_tables\" (name, definition) VALUES ('_format', '99')")

    await asyncio.to_thread(make_newer)
    with socket_folder() as folder:
        said = await refused(folder, {"CLIPMESH_TABLES": own_cassandra_url})
    assert f"rights refuses to start: CLIPMESH_TABLES: the schema version 99 of keyspace {keyspace} is newer than the code's" in said
    assert "start the release that wrote it, or a later one" in said


@pytest.fixture
def broker(tmp_path: Path, kafka_url: str) -> Iterator[Secured]:
    """`kafka_url` is asked for since what keeps the shared broker from running keeps this one, too."""
    with secured(tmp_path) as found:
        yield found


@pytest.mark.long
async def test_a_broker_that_does_not_take_the_password_is_refused(broker: Secured) -> None:
    with socket_folder() as folder:
        said = await refused(folder, {"CLIPMESH_EVENTS": f"kafka://{USER}:hidden@127.0.0.1:{broker.password}"})
    assert f"CLIPMESH_EVENTS=kafka://***@127.0.0.1:{broker.password}: the broker refuses user and password" in said
    assert "mend them in the URL, or their rights" in said
    assert "hidden" not in said
