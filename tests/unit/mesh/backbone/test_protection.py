"""Every store of a service stands behind its protection, and a Redis that comes back is met again soon."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from mesh.backbone import Backbone
from mesh.events.stream.port import Record, StreamUnavailable
from mesh.stores.protected.metrics import LANES, STORE_BREAKER, STORE_CALLS, STORES
from mesh.stores.protected.settings import REDIS, STREAM
from mesh.stores.redis import RedisUnavailable
from mesh.testing.redis_server import RedisServer
from mesh.testing.rpc import process_for

PATIENCE_S = 15.0


async def test_an_outage_of_redis_opens_its_breakers_and_its_return_closes_them(tmp_path: Path, redis_server: RedisServer) -> None:
    process = process_for("video")
    backbone = await Backbone.open(process, tables=f"sqlite:///{tmp_path}", redis=redis_server.url, events="", row_types=())

    def states() -> dict[tuple[str, str], int]:
        places = [(store, lane) for store in STORES for lane in LANES]
        return {place: int(process.telemetry.value(STORE_BREAKER, store=place[0], lane=place[1])) for place in places}

    try:
        await backbone.stream.publish([Record("video", "k", b"v")])
        for check in backbone.dependencies.values():
            await check.check()
        for store, lane in (("tables", "read"), ("tables", "write"), ("redis", "read"), ("stream", "write")):
            assert process.telemetry.value(STORE_CALLS, store=store, lane=lane) >= 1
        await redis_server.kill()
        for name, error in (("redis", RedisUnavailable), ("stream", StreamUnavailable)):
            with pytest.raises(error):
                await backbone.dependencies[name].check()
        await backbone.dependencies["tables"].check()
        async with asyncio.timeout(PATIENCE_S):
            for _ in range(STREAM.least_calls + REDIS.least_calls):
                with pytest.raises(RedisUnavailable):
                    await backbone.redis.call("SET", "k", 1)
                with pytest.raises(StreamUnavailable):
                    await backbone.stream.publish([Record("video", "k", b"v")])
        assert {place for place, state in states().items() if state} == {("redis", "write"), ("stream", "write")}
        await redis_server.start()
        loop = asyncio.get_running_loop()
        came_back_s = loop.time()
        async with asyncio.timeout(PATIENCE_S):
            while any(states().values()):
                for call in (lambda: backbone.redis.call("SET", "k", 1), lambda: backbone.stream.publish([Record("video", "k", b"v")])):
                    try:
                        await call()
                    except (RedisUnavailable, StreamUnavailable):
                        await asyncio.sleep(0.02)
        assert loop.time() - came_back_s < 6
    finally:
        await backbone.close()
