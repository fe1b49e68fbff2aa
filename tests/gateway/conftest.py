"""Fixtures of the gateway's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from mesh.testing.redis_server import RedisServer
from tests.fixtures.redis import redis_server
from tests.gateway.fakes import Fakes
from tests.gateway.world import World, gateway

__all__ = ["redis_server"]

Opening = Callable[..., AbstractAsyncContextManager[World]]


@pytest.fixture
def fakes() -> Fakes:
    """The services behind the test's gateway."""
    return Fakes()


@pytest.fixture
def opened(redis_server: RedisServer, fakes: Fakes, tmp_path: Path) -> Opening:
    """Opens a gateway with settings of the test's own."""

    def opening(**settings: Any) -> AbstractAsyncContextManager[World]:
        return gateway(redis=redis_server.url, blobs=tmp_path / "blobs", fakes=fakes, **settings)

    return opening


@pytest.fixture
async def world(opened: Opening) -> AsyncIterator[World]:
    """A gateway in development with the default settings."""
    async with opened() as world:
        yield world
