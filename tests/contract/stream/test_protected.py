"""A stream behind its protection keeps what the stream port promises."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from mesh.events.stream.port import Stream
from mesh.stores.protected.faults import Faults
from mesh.stores.protected.stream import ProtectedStream
from mesh.telemetry import Telemetry
from mesh.testing.redis_server import RedisServer
from mesh.testing.stream import StreamContract
from tests.contract.stream.conftest import CuttableRedis, RedisEngine


class ProtectedEngine(RedisEngine):
    """Opens every stream behind a protection of its own, as every process does."""

    def open(self, *, lease_ms: int | None = None) -> Stream:
        return ProtectedStream(super().open(lease_ms=lease_ms), telemetry=Telemetry(service="video"), faults=Faults())

    def _client_of(self, stream: Stream) -> CuttableRedis:
        assert isinstance(stream, ProtectedStream)
        return super()._client_of(stream.engine)


class TestProtected(StreamContract):
    @pytest.fixture
    async def engine(self, redis_server: RedisServer) -> AsyncIterator[RedisEngine]:
        engine = ProtectedEngine(redis_server)
        yield engine
        await engine.close()
