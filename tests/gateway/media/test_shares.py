"""Whoever reads or sends slowly takes places from others up to a share, and the share is that of a network, however it is reached."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp

from gateway.media.door import DoorLimits, UploadDoorApp
from gateway.media.edge import EdgeLimits, MediaEdge
from gateway.media.revocations import RevocationCopy
from gateway.protocols.connections import Connections
from gateway.proxies import Proxies
from mesh.clock import SystemClock
from mesh.stores.blobs import open_blobs
from mesh.stores.blobs.files import FileBlobs
from mesh.testing.clock import FakeClock
from tests.gateway.conftest import Opening
from tests.gateway.media.asking import Answer, ask, until, verify
from tests.gateway.world import NAMED

SLOW, SAME_NETWORK, OTHER = "2001:db8::1", "2001:db8::2", "198.51.100.7"
THROUGH_A_PROXY: Callable[[HTTPConnection], str] = Proxies(hops=1, networks=["127.0.0.0/8"]).address


async def get(app: ASGIApp, target: str, address: str) -> Answer:
    return await ask(app, "GET", target, headers=[("x-forwarded-for", address)])


@asynccontextmanager
async def silent(app: ASGIApp, method: str, target: str, address: str, *fields: tuple[bytes, bytes]) -> AsyncIterator[asyncio.Task[None]]:
    """Somebody who asks, and then neither sends nor takes anything."""
    path, _, query = target.partition("?")
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(b"x-forwarded-for", address.encode()), *fields],
        "client": ("127.0.0.1", 1),
    }

    async def never(*_: Any) -> Any:
        await asyncio.Event().wait()

    async def stays() -> None:
        await app(scope, never, never)

    task = asyncio.create_task(stays())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def edge(blobs: FileBlobs, copy: RevocationCopy, clock: FakeClock) -> MediaEdge:
    await blobs.put("video/1/720p.mp4", b"clip")
    await copy.poll()
    limits = EdgeLimits(max_open=4, max_open_per_address=2)
    return MediaEdge(blobs=blobs, verify=verify, revocations=copy, clock=clock, limits=limits, address=THROUGH_A_PROXY)


async def test_readers_of_one_network_leave_places_to_others(edge: MediaEdge, grant: Callable[..., str]) -> None:
    app, target = Starlette(routes=edge.routes()), f"/m/{grant()}/720p.mp4"
    async with silent(app, "GET", target, SLOW), silent(app, "GET", target, SAME_NETWORK) as second:
        await until(lambda: edge.open == 2)
        refused = await get(app, target, SLOW)
        assert (refused.status, refused.code, refused.headers["retry-after"]) == (503, "OVERLOADED", "1")
        assert (await get(app, target, OTHER)).body == b"clip"
        assert edge.open == 2
        second.cancel()
        await until(lambda: edge.open == 1)
        assert (await get(app, target, SLOW)).body == b"clip"
    assert edge.open == 0


async def test_senders_of_one_network_leave_places_to_others(blobs: FileBlobs, kept: Callable[[], list[str]]) -> None:
    door = UploadDoorApp(door=blobs, limits=DoorLimits(max_open=4, max_open_per_address=2), address=THROUGH_A_PROXY)
    app = Starlette(routes=door.routes())

    async def put(key: str, address: str) -> Answer:
        link = await blobs.presign_put(key, size_bytes=7, expires_in_ms=60_000)
        return await ask(app, "PUT", link, headers=[("content-length", "7"), ("x-forwarded-for", address)], body=[b"content"])

    links = [await blobs.presign_put(f"raw/{number}", size_bytes=7, expires_in_ms=60_000) for number in (1, 2)]
    announced = (b"content-length", b"7")
    async with silent(app, "PUT", links[0], SLOW, announced), silent(app, "PUT", links[1], SAME_NETWORK, announced):
        await until(lambda: door.open == 2)
        before = kept()
        refused = await put("raw/3", SLOW)
        assert (refused.status, refused.code, refused.headers["retry-after"]) == (503, "OVERLOADED", "1")
        assert kept() == before
        assert (await put("raw/4", OTHER)).status == 200
        assert door.open == 2
    assert door.open == 0
    assert (await put("raw/3", SLOW)).status == 200


async def test_the_gateway_counts_clients_and_not_the_proxy_before_them(
    opened: Opening, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[str] = []
    real = Connections.one

    def one(connections: Connections, address: str) -> AbstractContextManager[None]:
        counted.append(address)
        return real(connections, address)

    monkeypatch.setattr(Connections, "one", one)
    store = open_blobs(f"file://{tmp_path}/blobs", clock=SystemClock(), url_key=NAMED["blob_url_key"])
    link = await store.presign_put("raw/1", size_bytes=7, expires_in_ms=60_000)
    await store.close()
    async with opened(trusted_proxies=1) as world:
        await world.http.get("/m/none/720p.mp4", headers={"x-forwarded-for": SLOW})
        assert (await world.http.put(link, content=b"content", headers={"x-forwarded-for": OTHER})).status_code == 200
    assert counted == [SLOW, OTHER]
