"""Real tables, a real Redis stream and a clock that the tests hold."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mesh.events.rows import EVENT_TABLES
from mesh.events.stream import StreamSettings, open_stream
from mesh.events.stream.port import Stream
from mesh.stores.redis import Redis
from mesh.stores.tables import open_tables
from mesh.stores.tables.port import Tables
from mesh.testing.clock import FakeClock
from tests.fixtures.redis import redis, redis_server  # noqa: F401
from tests.unit.mesh.events.world import Owned, Size, UploadOf, World


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def tables(tmp_path: Path, clock: FakeClock) -> AsyncIterator[Tables]:
    tables = await open_tables(f"sqlite:///{tmp_path}", service="video", row_types=(Size, UploadOf, Owned, *EVENT_TABLES), clock=clock)
    yield tables
    await tables.close()


@pytest.fixture
async def stream(redis: Redis) -> AsyncIterator[Stream]:  # noqa: F811
    stream = open_stream("", redis=redis, settings=StreamSettings(lease_ms=3_000, heartbeat_ms=150))
    yield stream
    await stream.close()


@pytest.fixture
def world(tables: Tables, stream: Stream, clock: FakeClock) -> World:
    return World(tables, stream, clock)
