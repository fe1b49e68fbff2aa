"""A gateway with short patience over fake services, and what every hostile request has to leave as it was."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import pytest
import pytest_asyncio

from gateway.protocols import parameters
from mesh.stores.redis_server import bundled_redis_binary
from tests.fixtures.redis import running
from tests.gateway.world import World, gateway

HEAD_MS = 400
READER_MS = 600
CONNECTIONS = 40


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def gate(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """As in production, but that a slow client is slow after some tenths of a second."""
    patched = pytest.MonkeyPatch()
    patched.setattr(parameters, "BODY_S", HEAD_MS / 1000)
    folder = tmp_path_factory.mktemp("gate")
    async with (
        running(bundled_redis_binary()) as redis,
        gateway(
            redis=redis.url,
            blobs=folder / "blobs",
            development=False,
            head_ms=HEAD_MS,
            reader_ms=READER_MS,
            connections_per_address=CONNECTIONS,
            rate_address_burst=10**9,
            rate_address_per_s=10**9,
            socket_stall_ms=READER_MS,
            socket_keepalive_ms=HEAD_MS,
        ) as world,
    ):
        world.app.peers.limits = replace(world.app.peers.limits, rest_ms=HEAD_MS, rest_bytes=2**20, reader_bytes_per_s=10 * 2**20)
        yield world
    patched.undo()


@pytest.fixture
def quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Nothing that a client does is an error of ours: none may be logged."""
    with caplog.at_level(logging.INFO):
        yield
    told = [f"{record.name}: {record.getMessage()}" for record in caplog.get_records("call") if record.levelno >= logging.ERROR]
    assert told == []
