"""Progress over restarts: a client that comes back gets the present state, whatever it missed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from clipmesh.video.v1 import upload_service_pb2 as uploads

from mesh.errors import DeadlineExceeded, ResourceExhausted, Unavailable
from mesh.events.stream import open_stream
from mesh.stores.redis import open_redis
from mesh.testing.redis_server import RedisServer
from tests.gateway.fakes import Fakes, serve_fakes, snowflake
from tests.gateway.world import edge

PROGRESS = "subscription($id: ID!) { uploadProgress(uploadId: $id) { stage progressPercent } }"
UPLOAD = snowflake("video", 1)


class FailedToAnswer(DeadlineExceeded):
    """Video had no time."""


async def test_after_a_restart_of_the_gateway_a_subscription_goes_on_from_the_present(redis_server: RedisServer, tmp_path: Path) -> None:
    fakes = Fakes()
    redis = open_redis(redis_server.url)
    stream = open_stream("", redis=redis)
    async with serve_fakes(fakes) as addresses:
        fakes.upload(UPLOAD, progress_percent=10)
        async with edge(fakes, addresses, redis=redis_server.url, blobs=tmp_path) as first, first.socket() as socket:
            await socket.subscribe("p", PROGRESS, id=str(UPLOAD))
            assert (await socket.next())["payload"]["data"]["uploadProgress"]["progressPercent"] == 10
            await first.app.stop()
            assert (await socket.closed())[0] == 1012
        fakes.upload(UPLOAD, progress_percent=60, stage=uploads.PROCESSING_STAGE_ENCODING_REST)
        await stream.publish_hint("video.progress", str(UPLOAD), 2)
        async with edge(fakes, addresses, redis=redis_server.url, blobs=tmp_path) as second, second.socket() as socket:
            await socket.subscribe("p", PROGRESS, id=str(UPLOAD))
            state = (await socket.next())["payload"]["data"]["uploadProgress"]
            assert state == {"stage": "ENCODING_REST", "progressPercent": 60}
            fakes.upload(UPLOAD, progress_percent=100, stage=uploads.PROCESSING_STAGE_DONE)
            await stream.publish_hint("video.progress", str(UPLOAD), 3)
            assert (await socket.next())["payload"]["data"]["uploadProgress"]["stage"] == "DONE"
            assert (await socket.next())["type"] == "complete"
    await stream.close()
    await redis.close()


async def test_a_subscription_outlives_a_restart_of_redis(redis_server: RedisServer, tmp_path: Path) -> None:
    fakes = Fakes()
    fakes.upload(UPLOAD, progress_percent=10)
    redis = open_redis(redis_server.url)
    stream = open_stream("", redis=redis)
    async with (
        serve_fakes(fakes) as addresses,
        edge(fakes, addresses, redis=redis_server.url, blobs=tmp_path) as world,
        world.socket() as socket,
    ):
        await socket.subscribe("p", PROGRESS, id=str(UPLOAD))
        assert (await socket.next())["type"] == "next"
        await redis_server.kill()
        await redis_server.start()
        fakes.upload(UPLOAD, progress_percent=100, stage=uploads.PROCESSING_STAGE_DONE)
        await stream.publish_hint("video.progress", str(UPLOAD), 2)
        assert (await socket.next())["payload"]["data"]["uploadProgress"]["progressPercent"] == 100
    await stream.close()
    await redis.close()


@pytest.mark.parametrize("error", [FailedToAnswer(), ResourceExhausted(), Unavailable()])
async def test_a_lost_hint_and_an_outage_only_delay_the_news(
    redis_server: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr("gateway.schema.uploads.LOOK_AGAIN_S", 0.05)
    fakes = Fakes()
    fakes.upload(UPLOAD, progress_percent=10)
    away = 3

    async def sometimes(request: Any) -> Any:
        nonlocal away
        if fakes.uploads[UPLOAD].progress_percent == 100 and away:
            away -= 1
            raise error
        return await fakes.get_upload(request)

    fakes.answers["GetUpload"] = sometimes
    async with (
        serve_fakes(fakes) as addresses,
        edge(fakes, addresses, redis=redis_server.url, blobs=tmp_path) as world,
        world.socket() as socket,
    ):
        await socket.subscribe("p", PROGRESS, id=str(UPLOAD))
        assert (await socket.next())["type"] == "next"
        fakes.upload(UPLOAD, progress_percent=100, stage=uploads.PROCESSING_STAGE_DONE)
        assert (await socket.next())["payload"]["data"]["uploadProgress"]["progressPercent"] == 100
        assert (await socket.next())["type"] == "complete"
    assert away == 0
