"""A stream on a real redis-server that the tests may cut off, kill and empty."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from mesh.events.stream import StreamSettings, open_stream
from mesh.events.stream.port import Stream
from mesh.stores.redis import Redis, RedisUnavailable, open_redis
from mesh.testing.redis_server import RedisServer
from tests.fixtures.redis import redis, redis_6_2_server  # noqa: F401


class CuttableRedis(Redis):
    """A client whose way to the server can be cut."""

    is_cut = False

    async def _attempt(self, send: Callable[[], Awaitable[Any]], repeatable: bool, timeout_s: float) -> Any:
        if self.is_cut:
            raise RedisUnavailable("cut off by the test")
        answer = await super()._attempt(send, repeatable, timeout_s)
        if self.is_cut:
            raise RedisUnavailable("cut off by the test")
        return answer


class RedisEngine:
    """Satisfies `mesh.testing.stream_readers.StreamEngine`."""

    def __init__(self, server: RedisServer) -> None:
        self.server = server
        self.settings = StreamSettings(lease_ms=1_000, heartbeat_ms=250, hint_records=100)
        self.lease_ms = self.settings.lease_ms
        self.clients: list[tuple[Stream, CuttableRedis]] = []

    def open(self, *, lease_ms: int | None = None) -> Stream:
        client = CuttableRedis(open_redis(self.server.url)._client)
        settings = self.settings if lease_ms is None else replace(self.settings, lease_ms=lease_ms)
        stream = open_stream("", redis=client, settings=settings)
        self.clients.append((stream, client))
        return stream

    def _client_of(self, stream: Stream) -> CuttableRedis:
        return next(client for opened, client in self.clients if opened is stream)

    def cut(self, stream: Stream) -> None:
        self._client_of(stream).is_cut = True

    def mend(self, stream: Stream) -> None:
        self._client_of(stream).is_cut = False

    async def crash(self) -> None:
        await self.server.kill()
        await self.server.start()

    async def stop(self) -> None:
        await self.server.kill()

    async def lose_contents(self) -> None:
        client = open_redis(self.server.url)
        await client.call("FLUSHALL")
        await client.close()

    async def close(self) -> None:
        for stream, client in self.clients:
            await stream.close()
            await client.close()


@pytest.fixture
async def engine(redis_server: RedisServer) -> AsyncIterator[RedisEngine]:
    engine = RedisEngine(redis_server)
    yield engine
    await engine.close()
