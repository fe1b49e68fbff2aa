"""A service is a dependency like any store, and a process without a server tells what it does not reach too."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pytest

from mesh.app import Dependency, Process, serve
from mesh.errors import Unavailable
from mesh.metrics import DEPENDENCY_UP
from mesh.neighbours import neighbour
from mesh.server import ServedService
from mesh.testing.rpc import process_for
from mesh.testing.rpc import serve as serving
from tests.contract.rpc.probe import Probe, served_by


async def test_a_service_is_there_while_it_says_that_it_serves() -> None:
    async with serving(served_by(Probe()), service="rights") as served:
        check = neighbour(served.channels("video"), "rights").check
        await check()
        served.server.health.draining()
        with pytest.raises(Unavailable):
            await check()
        served.server.health.serving()
        async with asyncio.timeout(10):
            while True:
                try:
                    await check()
                    break
                except Unavailable:
                    await asyncio.sleep(0.05)


async def test_a_service_that_is_away_is_told_in_time() -> None:
    process = process_for("video-worker", addresses={"video": "unix:/nowhere/video.sock"})
    with pytest.raises(Unavailable):
        await neighbour(process.channels, "video").check()
    await process.close()


@dataclass
class Worker:
    """Serves nothing and needs two things, one of which is away."""

    process: Process
    services: Sequence[ServedService] = ()
    dependencies: Mapping[str, Dependency] = field(default_factory=dict)

    async def start(self) -> None:
        """Learn what it needs."""

        async def there() -> None:
            pass

        async def away() -> None:
            raise Unavailable()

        self.dependencies = {"blobs": Dependency(there), "video": Dependency(away)}

    async def stop(self) -> None:
        """Nothing is open."""


async def test_a_process_without_a_server_exports_its_dependencies() -> None:
    worker = Worker(process_for("video-worker"))
    stopping = asyncio.Event()
    running = asyncio.create_task(serve(worker, stopping=stopping))
    telemetry = worker.process.telemetry
    async with asyncio.timeout(5):
        while telemetry.value(DEPENDENCY_UP, dependency="blobs") != 1.0:
            await asyncio.sleep(0.01)
    assert telemetry.value(DEPENDENCY_UP, dependency="video") == 0.0
    stopping.set()
    await running
