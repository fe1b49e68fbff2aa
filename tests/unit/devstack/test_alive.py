"""Whoever restarts containers is told whether the process in one serves, under the certificate of that process."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from devstack import alive, preparing
from mesh import settings as environment
from mesh.clock import SystemClock
from mesh.errors import Unavailable
from mesh.health import Dependency
from mesh.server import Server
from mesh.service_settings import ServiceSettings
from mesh.settings import InvalidSetting
from mesh.telemetry import Telemetry
from mesh.testing.rpc import secrets_for
from mesh.tls import Tls
from tests.fixtures.children import child


def variables(place: Path, port: int) -> dict[str, str]:
    """The environment of a process in its container."""
    return {
        "CLIPMESH_SECRETS": f"{place}/keys.json",
        "CLIPMESH_TLS_CERT": f"{place}/cert.pem",
        "CLIPMESH_TLS_KEY": f"{place}/cert.key",
        "CLIPMESH_TLS_CA": f"{place}/ca.pem",
        "CLIPMESH_LISTEN": f"0.0.0.0:{port}",
        "CLIPMESH_METRICS": f"0.0.0.0:{port}",
        "CLIPMESH_PORT": str(port),
    }


@asynccontextmanager
async def served(place: Path, *, well: bool) -> AsyncIterator[int]:
    """The port of a video service without services, whose tables answer or do not."""

    async def tables() -> None:
        if not well:
            raise Unavailable("gone")

    telemetry = Telemetry(service="video")
    server = Server(
        services=(),
        secrets=secrets_for("video"),
        clock=SystemClock(),
        telemetry=telemetry,
        dependencies={"tables": Dependency(tables, required=True)},
        tls=Tls.of(environment.read(ServiceSettings, variables(place, 1)), service="video"),
    )
    port = await server.start("127.0.0.1:0")
    try:
        yield port
    finally:
        await server.stop(drain_wait_ms=0, grace_ms=0)
        await telemetry.close()


async def test_a_service_is_alive_while_it_serves(tmp_path: Path) -> None:
    preparing.prepare(tmp_path)
    place = tmp_path / "secrets" / "video"
    async with served(place, well=True) as port:
        assert await _becomes("video", variables(place, port), True)
        # Somebody else's answer under the same port is no answer of the one that is asked for.
        assert not await alive.serves("feed", variables(tmp_path / "secrets" / "feed", port))
    assert not await alive.serves("video", variables(place, port))
    async with served(place, well=False) as port:
        assert await _becomes("video", variables(place, port), False)


async def test_a_worker_is_alive_while_it_tells_its_metrics(tmp_path: Path) -> None:
    preparing.prepare(tmp_path)
    telemetry = Telemetry(service="video")
    port = (await telemetry.serve_metrics("127.0.0.1:0")).port
    try:
        assert await alive.serves("worker", variables(tmp_path / "secrets" / "video", port))
    finally:
        await telemetry.close()
    assert not await alive.serves("worker", variables(tmp_path / "secrets" / "video", port))


async def test_a_gateway_that_is_not_there_does_not_serve() -> None:
    assert not await alive.serves("gateway", {"CLIPMESH_PORT": "1"})


async def test_what_cannot_be_asked_is_said_in_words(tmp_path: Path) -> None:
    with pytest.raises(InvalidSetting, match="CLIPMESH_SECRETS is not set"):
        await alive.serves("video", {})
    pipe = asyncio.subprocess.PIPE
    async with child(sys.executable, "-m", "devstack.alive", "nobody", stdout=pipe, stderr=asyncio.subprocess.STDOUT) as process:
        words, _ = await process.communicate()
        assert (process.returncode, words.decode()) == (
            2,
            "python -m devstack.alive NAME, one of rights, social, sound, video, feed, gateway, worker\n",
        )


async def _becomes(name: str, environment_of_it: dict[str, str], wanted: bool) -> bool:
    """Health is looked at in turns; the first look may come later."""
    for _ in range(100):
        if await alive.serves(name, environment_of_it) is wanted:
            return True
        await asyncio.sleep(0.05)
    return False
