"""A service that comes back after a kill goes on at once with what its former self held, and still tells what it gave up on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from clipmesh.video.v1.events_pb2 import MediaFailed

from mesh import backbone as backbone_module
from mesh.app import ServiceSettings
from mesh.backbone import Backbone
from mesh.events.metrics import DEAD_LETTERS
from mesh.testing.redis_server import RedisServer
from mesh.testing.rpc import process_for
from tests.unit.mesh.backbone.failures import Failure, Failures


async def opened(folder: Path, server: RedisServer, *, node: str) -> Backbone:
    settings = ServiceSettings(secrets="", testing=True, node=node)
    process = process_for("video", settings=settings)
    return await Backbone.open(process, tables=f"sqlite:///{folder}", redis=server.url, events="", row_types=(Failure,))


async def killed(backbone: Backbone) -> None:
    """Let go of the files and of nothing else, as a kill would."""
    for task in backbone._tasks:
        task.cancel()
    await asyncio.gather(*backbone._tasks, return_exceptions=True)
    for task in asyncio.all_tasks():
        if task.get_name() == "video-node-lease":
            task.cancel()
    await backbone.stream.close()
    await backbone.redis.close()
    await backbone.tables.close()


async def until(look: Callable[[], bool]) -> None:
    async with asyncio.timeout(15):
        while not look():
            await asyncio.sleep(0.02)


async def write(backbone: Backbone, video_id: int, reason: str) -> None:
    await backbone.tables.put(
        events=[backbone.events.make(MediaFailed(video_id=video_id, reason=reason), key=str(video_id), key_version=1)]
    )


async def test_a_node_that_comes_back_under_its_name_relays_and_consumes_at_once(tmp_path: Path, redis_server: RedisServer) -> None:
    first = await opened(tmp_path, redis_server, node="one")
    group = first.consume(Failures())
    await until(lambda: first.relay.status().held_shards == first.tables.outbox_shards and group.status().partitions == 8)
    await killed(first)

    second = await opened(tmp_path, redis_server, node="one")
    try:
        group = second.consume(Failures())
        await write(second, 5, "CORRUPT")
        await until(lambda: group.status().handled == 1)
        assert await second.tables.get(Failure, 5) == Failure(video_id=5, reason="CORRUPT", version=1)
        assert second.relay.status().held_shards == second.tables.outbox_shards
    finally:
        await second.close()


async def test_dead_letters_are_counted_also_after_a_restart(
    tmp_path: Path, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backbone_module, "_LETTERS_EVERY_S", 0.02)
    first = await opened(tmp_path, redis_server, node="one")
    first.consume(Failures())
    await write(first, 5, "HOPELESS")
    await write(first, 6, "HOPELESS")
    await until(lambda: first.process.telemetry.value(DEAD_LETTERS) == 2)
    await first.close()

    second = await opened(tmp_path, redis_server, node="one")
    try:
        second.consume(Failures())
        await until(lambda: second.process.telemetry.value(DEAD_LETTERS) == 2)
    finally:
        await second.close()
