"""One feed service a test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fixtures.redis import redis, redis_server  # noqa: F401
from tests.service.feed.world import World, open_world


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A service of its own for each test."""
    async with open_world(tmp_path) as opened:
        yield opened
