"""Systems on servers, for the tests of tests/e2e: one that lasts as long as a module, and engines for those that start their own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from mesh.testing.folders import socket_folder
from tests.e2e.engines import Engines
from tests.e2e.stage import Stage
from tests.servers import swept
from tests.servers.engines import parts_of

ROLES = "mona:moderator,otto:operator"
"""Of all journeys together."""


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def stage(system_keyspaces: str, s3_url: str, kafka_url: str, redis_url: str) -> AsyncIterator[Stage]:
    """One system for all tests of a module."""
    with (
        socket_folder() as folder,
        parts_of(cassandra=system_keyspaces, s3=s3_url, kafka=kafka_url, redis=redis_url) as engines,
    ):
        stage = Stage.at(folder, engines=engines, CLIPMESH_BOOTSTRAP_ROLES=ROLES)
        await stage.system.start()
        try:
            yield stage
        finally:
            await stage.close()


@pytest.fixture
def engines(system_keyspaces: str, s3_url: str, kafka_url: str, redis_url: str) -> Iterator[Engines]:
    """The servers that all tests share, with parts of them for one test."""
    swept.rows(system_keyspaces)
    with parts_of(cassandra=system_keyspaces, s3=s3_url, kafka=kafka_url, redis=redis_url) as engines:
        yield engines
