"""The store over TLS: its certificate has to be one that we trust and that is not over."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from mesh import deadline
from mesh.clock import SystemClock
from mesh.settings import InvalidSetting
from mesh.stores.blobs import open_blobs
from mesh.stores.blobs.port import Blobs
from mesh.testing.blobs import OLD, read


def certificate(folder: Path, *, days: int) -> Path:
    """A certificate of 127.0.0.1 that signed itself, good until `days` from now, with its key in the same file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "store")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=9))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    unencrypted = serialization.NoEncryption()
    path = folder / f"store-{days}.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, unencrypted)
    )
    return path


@asynccontextmanager
async def over_tls(s3_url: str, pem: Path) -> AsyncIterator[str]:
    """The URL of a line to the store that speaks TLS with this certificate."""
    target = urlsplit(s3_url)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    lines: set[asyncio.Task[None]] = set()

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(65_536):
            writer.write(chunk)
            await writer.drain()
        writer.close()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(target.hostname, target.port)
        ways = {asyncio.create_task(carry(reader, back)), asyncio.create_task(carry(there, writer))}
        lines.update(ways)
        try:
            # A client that goes without a word of TLS ends the one way with an error, and nothing would end the other.
            await asyncio.wait(ways, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            for one in (writer, back):
                one.transport.abort()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"s3://{target.netloc.rpartition('@')[0]}@127.0.0.1:{port}{target.path}?tls=1"
    finally:
        server.close()
        for way in lines:
            way.cancel()
        await asyncio.wait(lines) if lines else None
        await server.wait_closed()


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Blobs]:
    store = open_blobs(url, clock=SystemClock(), url_key=b"")
    try:
        yield store
    finally:
        await store.close()


async def test_a_trusted_store_is_used_and_its_links_are_https(own_s3_url: str, tmp_path: Path) -> None:
    pem = certificate(tmp_path, days=1)
    async with over_tls(own_s3_url, pem) as url, opened(f"{url}&ca={pem}") as store:
        await store.prepare()
        await store.put("a", OLD)
        assert await read(store, "a") == OLD
        link = await store.presign_put("b", size_bytes=1, expires_in_ms=60_000)
        assert link.startswith("https://127.0.0.1:")
        async with httpx.AsyncClient(verify=ssl.create_default_context(cafile=str(pem))) as client:
            assert (await client.put(link, content=b"x")).status_code == 200
        assert await read(store, "b") == b"x"


@pytest.mark.parametrize("days", [1, -1], ids=["unknown", "over"])
async def test_a_certificate_that_is_unknown_or_over_is_refused(own_s3_url: str, tmp_path: Path, days: int) -> None:
    pem = certificate(tmp_path, days=days)
    async with over_tls(own_s3_url, pem) as url, opened(url if days > 0 else f"{url}&ca={pem}") as store:
        with deadline.scope(5), pytest.raises(InvalidSetting, match=r"nothing usable answers at https://.*certificate") as refused:
            await store.prepare()
    assert "\n" not in str(refused.value)
