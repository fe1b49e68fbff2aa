"""Streams on a real Kafka that the tests may cut off, kill and empty."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from urllib.parse import urlsplit, urlunsplit

import pytest

for _name in ("publishing", "consuming", "handing_over", "rewinding", "tailing", "outages"):
    pytest.register_assert_rewrite(f"mesh.testing.stream_{_name}")

from mesh.events.stream import StreamSettings  # noqa: E402
from mesh.events.stream.kafka.stream import KafkaStream  # noqa: E402
from mesh.events.stream.kafka.url import parse  # noqa: E402
from mesh.events.stream.port import Stream  # noqa: E402
from tests.servers.shared import RunningServers  # noqa: E402
from tests.servers.stream.cutting import Way, Ways  # noqa: E402


class KafkaEngine:
    """Satisfies `mesh.testing.stream_readers.StreamEngine`. The shortest lease is what brokers allow by default."""

    def __init__(self, url: str, servers: RunningServers) -> None:
        self.url = url
        self.settings = StreamSettings(lease_ms=6_000, heartbeat_ms=250)
        self.lease_ms = self.settings.lease_ms
        self.streams: dict[KafkaStream, Way] = {}
        self._servers = servers
        self._ways = Ways()

    def open(self, *, lease_ms: int | None = None) -> Stream:
        parts = urlsplit(self.url)
        assert parts.port is not None
        way = self._ways.to(parts.port)
        settings = self.settings if lease_ms is None else replace(self.settings, lease_ms=lease_ms)
        stream = KafkaStream(parse(urlunsplit(parts._replace(netloc=f"{way.host}:{way.port}"))), settings=settings)
        self.streams[stream] = way
        return stream

    def cut(self, stream: Stream) -> None:
        self._way(stream).cut()

    def mend(self, stream: Stream) -> None:
        self._way(stream).mend()

    def _way(self, stream: Stream) -> Way:
        assert isinstance(stream, KafkaStream)
        return self.streams[stream]

    async def crash(self) -> None:
        server = self._servers["kafka"]
        await asyncio.to_thread(server.kill)
        await asyncio.to_thread(server.start)

    async def stop(self) -> None:
        await asyncio.to_thread(self._servers["kafka"].kill)

    async def lose_contents(self) -> None:
        server = self._servers["kafka"]
        await asyncio.to_thread(server.kill)
        await asyncio.to_thread(shutil.rmtree, server.place.folder / "data")
        await asyncio.to_thread(server.start)

    async def close(self) -> None:
        for stream in self.streams:
            await stream.close()
        await asyncio.to_thread(self._ways.close)


@pytest.fixture
async def engine(own_kafka_url: str, servers: RunningServers) -> AsyncIterator[KafkaEngine]:
    engine = KafkaEngine(own_kafka_url, servers)
    yield engine
    await engine.close()
