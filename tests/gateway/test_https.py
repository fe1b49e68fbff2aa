"""The gateway under TLS 1.3: nothing older, renewed files without a restart, and every guard of the wire inside."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import logging
import os
import ssl
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID
from websockets.asyncio.client import connect

from devstack.alive import serves
from gateway.certificates import Certificate
from mesh.testing.redis_server import RedisServer
from mesh.testing.rpc import private_key_of
from mesh.tls import InvalidTls
from tests.contract.rpc.certificates import HOUR, Authority
from tests.contract.rpc.certificates import Certificate as Issued
from tests.fixtures.children import child
from tests.gateway.conftest import Opening
from tests.gateway.test_overload import FEED, crowd
from tests.gateway.world import NAMED, World, until

AUTHORITY = Authority()


def issued(**facts: Any) -> Issued:
    return AUTHORITY.certificate(**{"addresses": ["127.0.0.1"], **facts})


def settings_of(folder: Path, certificate: Issued) -> dict[str, str]:
    files = certificate.write(folder, "edge")
    return {"https_cert": str(files.cert), "https_key": str(files.key), "origin": "https://127.0.0.1:8080"}


def believing(*, newest: ssl.TLSVersion = ssl.TLSVersion.MAXIMUM_SUPPORTED) -> ssl.SSLContext:
    """What a browser brings that believes our authority."""
    context = ssl.create_default_context(cadata=AUTHORITY.pem.decode())
    context.maximum_version = newest
    return context


@contextlib.asynccontextmanager
async def dialled(world: World, context: ssl.SSLContext) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", world.app.port, ssl=context)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


@pytest.fixture
async def secure(opened: Opening, tmp_path: Path) -> AsyncIterator[World]:
    async with opened(**settings_of(tmp_path, issued())) as world:
        yield world


def serial(writer: asyncio.StreamWriter) -> int:
    return int(writer.get_extra_info("peercert")["serialNumber"], 16)


async def said(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> bytes:
    writer.write(request)
    async with asyncio.timeout(5):
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        return head + await reader.readexactly(length)


def graphql(query: str) -> bytes:
    body = f'{{"query": "{query}"}}'.encode()
    return b"POST /graphql HTTP/1.1\r\nhost: e\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body) + body


async def test_pages_answers_and_sockets_come_under_tls_1_3(secure: World) -> None:
    origin = f"https://127.0.0.1:{secure.app.port}"
    async with httpx.AsyncClient(base_url=origin, verify=believing()) as http:
        assert (await http.post("/graphql", json={"query": "{ __typename }"})).json() == {"data": {"__typename": "Query"}}
        page = await http.get("/")
        assert "max-age" in page.headers["strict-transport-security"]
    async with connect(f"wss://127.0.0.1:{secure.app.port}/graphql", ssl=believing(), subprotocols=["graphql-transport-ws"]) as socket:  # type: ignore[list-item]
        await socket.send('{"type": "connection_init"}')
        assert "connection_ack" in str(await socket.recv())
    async with dialled(secure, believing()) as (_, writer):
        assert writer.get_extra_info("ssl_object").version() == "TLSv1.3"


async def test_its_own_machine_sees_that_it_serves(secure: World) -> None:
    variables = {"CLIPMESH_HTTPS_CERT": "edge.pem", "CLIPMESH_PORT": str(secure.app.port)}
    assert await serves("gateway", variables)
    assert not await serves("gateway", {**variables, "CLIPMESH_HTTPS_CERT": ""})


async def test_older_versions_and_plain_http_get_nothing(secure: World) -> None:
    with pytest.raises((ssl.SSLError, ConnectionError)):
        async with dialled(secure, believing(newest=ssl.TLSVersion.TLSv1_2)):
            pass
    reader, writer = await asyncio.open_connection("127.0.0.1", secure.app.port)
    writer.write(graphql("{ __typename }"))
    async with asyncio.timeout(5):
        assert b"HTTP" not in await reader.read()
    writer.close()
    await until(lambda: secure.app.peers.open == 0)


async def test_renewed_files_are_shown_to_new_connections_and_open_ones_go_on(opened: Opening, tmp_path: Path) -> None:
    first, second = issued(), issued()
    async with opened(**settings_of(tmp_path, first)) as world, dialled(world, believing()) as (reader, writer):
        assert serial(writer) == first.serial
        assert b"200 OK" in await said(reader, writer, graphql("{ __typename }"))
        settings_of(tmp_path, second)

        async def shown() -> int:
            async with dialled(world, believing()) as (_, other):
                return serial(other)

        async with asyncio.timeout(10):
            while await shown() != second.serial:
                await asyncio.sleep(0.1)
        assert b"200 OK" in await said(reader, writer, graphql("{ __typename }"))


def test_files_that_do_not_fit_together_leave_the_old_certificate(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    files = issued().write(tmp_path, "edge")
    certificate = Certificate(files.cert, files.key)
    before = certificate.current()
    files.cert.write_bytes(issued().chain)
    with caplog.at_level(logging.WARNING, "clipmesh.tls"):
        for _ in range(2):
            certificate.look()
    assert certificate.current() is before
    assert [record.message for record in caplog.records] == [
        f"the new certificate for browsers cannot be used, the old one stays: {files.key} is not the key of the certificate in {files.cert}"
    ]
    issued().write(tmp_path, "edge")
    certificate.look()
    assert certificate.current() is not before


def test_a_certificate_that_ends_soon_is_warned_of_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    files = issued(starts=-10 * HOUR, ends=HOUR / 2).write(tmp_path, "edge")
    certificate = Certificate(files.cert, files.key)
    with caplog.at_level(logging.WARNING, "clipmesh.tls"):
        for _ in range(2):
            certificate.look()
    assert len([record for record in caplog.records if "every browser refuses it" in record.message]) == 1


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "expired": ({"ends": -timedelta(minutes=1)}, "not now"),
    "not yet valid": ({"starts": timedelta(minutes=1)}, "not now"),
    "for clients alone": ({"uses": [ExtendedKeyUsageOID.CLIENT_AUTH]}, "may not be used by servers"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_certificate_that_browsers_would_refuse_is_refused_at_start(tmp_path: Path, what: str) -> None:
    facts, reason = WRONG[what]
    files = issued(**facts).write(tmp_path, "edge")
    with pytest.raises(InvalidTls, match=reason):
        Certificate(files.cert, files.key)


def test_files_that_are_no_pair_missing_or_open_to_others_are_refused(tmp_path: Path) -> None:
    files = issued().write(tmp_path, "edge")
    other = issued().write(tmp_path, "other")
    for cert, key, reason in (
        (files.cert, other.key, "is not the key of"),
        (files.key, files.key, "holds no certificate"),
        (files.cert, files.cert, "holds no private key"),
        (tmp_path / "nowhere.pem", files.key, "cannot be read"),
    ):
        with pytest.raises(InvalidTls, match=reason) as refused:
            Certificate(cert, key)
        assert "\n" not in str(refused.value)
    files.key.chmod(0o644)
    with pytest.raises(InvalidTls, match="open to others"):
        Certificate(files.cert, files.key)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"https_cert": "a.pem"}, "go together"),
        ({"https_cert": "a.pem", "https_key": "a.key", "origin": "http://127.0.0.1:8080"}, "use https://"),
    ],
)
async def test_settings_that_do_not_go_together_are_refused(opened: Opening, settings: dict[str, str], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        async with opened(**settings):
            pass


@pytest.mark.parametrize("what", ["certificate", "list of documents"])
async def test_a_process_that_is_set_up_wrong_ends_with_one_line_and_status_2(redis_server: RedisServer, tmp_path: Path, what: str) -> None:
    if what == "certificate":
        settings, reason = settings_of(tmp_path, issued(ends=-timedelta(minutes=1))), "UTC, not now"
    else:
        (tmp_path / "old.graphql").write_text("query Old { gone }")
        settings, reason = {"graphql_allowed": str(tmp_path / "old.graphql")}, "old.graphql: Cannot query field 'gone' on type 'Query'."
    secrets = {
        "service": "gateway",
        "private_key": base64.b64encode(private_key_of("gateway")).decode(),
        "peers": {},
        "named": {name: base64.b64encode(key).decode() for name, key in NAMED.items()},
    }
    (tmp_path / "secrets.json").write_text(json.dumps(secrets))
    (tmp_path / "secrets.json").chmod(0o600)
    places = {"secrets": str(tmp_path / "secrets.json"), "redis": redis_server.url, "blobs": f"file://{tmp_path}/blobs", "port": "0"}
    services = {f"{service}_address": "unix:nowhere.sock" for service in ("video", "feed", "social", "sound", "rights")}
    environment = {f"CLIPMESH_{name.upper()}": value for name, value in {**places, **services, **settings}.items()}
    async with child(sys.executable, "-m", "gateway", env={**os.environ, **environment}, stderr=asyncio.subprocess.PIPE) as process:
        _, told = await asyncio.wait_for(process.communicate(), 45)
    assert process.returncode == 2
    lines = [json.loads(line) for line in told.decode().splitlines()]
    assert [line["message"] for line in lines if line["level"] == "ERROR"] == [lines[-1]["message"]]
    assert reason in lines[-1]["message"]
    assert "Traceback" not in told.decode()


async def test_a_crowded_edge_refuses_inside_before_it_parses(opened: Opening, tmp_path: Path) -> None:
    async with opened(**settings_of(tmp_path, issued())) as world:
        async with httpx.AsyncClient(base_url=f"https://127.0.0.1:{world.app.port}", verify=believing()) as http:
            world.http, plain = http, world.http
            await crowd(world)
            world.http = plain
        async with dialled(world, believing()) as (reader, writer):
            refused = await said(reader, writer, graphql(FEED))
            assert refused.startswith(b"HTTP/1.1 503 ")
            assert b"RESOURCE_EXHAUSTED" in refused
            assert not world.fakes.counted


async def test_who_never_shakes_hands_is_counted_and_let_go(opened: Opening, tmp_path: Path) -> None:
    async with opened(**settings_of(tmp_path, issued()), head_ms=300, connections_per_address=2) as world:
        lines = [await asyncio.open_connection("127.0.0.1", world.app.port) for _ in range(2)]
        await until(lambda: world.app.peers.open == 2)
        with pytest.raises((ssl.SSLError, ConnectionError, OSError)):
            async with dialled(world, believing()):
                pass
        for reader, writer in lines:
            async with asyncio.timeout(5):
                await reader.read()
            writer.close()
        await until(lambda: world.app.peers.open == 0)
        async with dialled(world, believing()) as (reader, writer):
            assert b"200 OK" in await said(reader, writer, graphql("{ __typename }"))
            assert world.app.peers.open == 1
        await until(lambda: world.app.peers.open == 0)


async def test_what_comes_with_the_handshake_is_not_lost(secure: World) -> None:
    """A client may speak in the flight that ends its handshake."""
    for _ in range(5):
        async with dialled(secure, believing()) as (reader, writer):
            assert b"200 OK" in await said(reader, writer, graphql("{ __typename }"))
