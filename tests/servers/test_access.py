"""Who may do what, as in tests/e2e/access, where rows, objects and events are on servers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio

from mesh.testing.folders import socket_folder
from tests.e2e.access.test_access import (
    test_everybody_gets_what_the_tables_say,
    test_services_call_what_they_are_listed_for_and_nothing_else,
)
from tests.e2e.access.town import BOOTSTRAP_ROLES, Town
from tests.e2e.stage import Stage
from tests.fixtures.clips import clip
from tests.servers.engines import parts_of

__all__ = ["clip", "test_everybody_gets_what_the_tables_say", "test_services_call_what_they_are_listed_for_and_nothing_else"]

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def town(clip: Path, system_keyspaces: str, s3_url: str, kafka_url: str, redis_url: str) -> AsyncIterator[Town]:
    """The people of those tests, on servers."""
    with socket_folder() as folder, parts_of(cassandra=system_keyspaces, s3=s3_url, kafka=kafka_url, redis=redis_url) as engines:
        stage = Stage.at(folder, engines=engines, CLIPMESH_BOOTSTRAP_ROLES=BOOTSTRAP_ROLES)
        await stage.system.start()
        async with AsyncExitStack() as stack:
            try:
                yield await Town.build(stage, stack, clip)
            finally:
                await stage.close()
