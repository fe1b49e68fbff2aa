"""The backbone opens what a service with state has, feeds and relays, and lets go of everything."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest
from clipmesh.video.v1.events_pb2 import MediaFailed

from mesh import deadline
from mesh.auth import ViewerSigner, current_viewer, viewer_scope
from mesh.backbone import Backbone
from mesh.clock import SystemClock
from mesh.settings import InvalidSetting
from mesh.stores.tables import open_tables
from mesh.stores.tables.port import TablesInUse
from mesh.testing.redis_server import RedisServer
from mesh.testing.rpc import process_for, secrets_for, viewer
from tests.unit.mesh.backbone.failures import Failure, Failures


async def opened(folder: Path, server: RedisServer, *, redis: str = "", events: str = "") -> Backbone:
    return await Backbone.open(
        process_for("video"), tables=f"sqlite:///{folder}", redis=redis or server.url, events=events, row_types=(Failure,)
    )


async def test_an_event_goes_from_the_outbox_through_the_stream_into_a_row(tmp_path: Path, redis_server: RedisServer) -> None:
    backbone = await opened(tmp_path, redis_server)
    try:
        backbone.consume(Failures())
        event = backbone.events.make(MediaFailed(video_id=5, reason="CORRUPT"), key="5", key_version=3)
        await backbone.tables.put(events=[event])
        async with asyncio.timeout(15):
            while (row := await backbone.tables.get(Failure, 5)) is None:
                await asyncio.sleep(0.02)
        assert row == Failure(video_id=5, reason="CORRUPT", version=3)
        for dependency in backbone.dependencies.values():
            await dependency.check()
        assert {name: one.required for name, one in backbone.dependencies.items()} == {"tables": True, "redis": False, "stream": False}
    finally:
        await backbone.close()
    await backbone.close()


async def test_a_start_that_one_store_refuses_makes_no_tables(tmp_path: Path, redis_server: RedisServer) -> None:
    async def refuse() -> None:
        raise InvalidSetting("CLIPMESH_BLOBS: no")

    process, tables = process_for("video"), f"sqlite:///{tmp_path}/tables"
    with pytest.raises(InvalidSetting, match="CLIPMESH_BLOBS"):
        await Backbone.open(process, tables=tables, redis=redis_server.url, events="", row_types=(), look=refuse)
    with pytest.raises(InvalidSetting, match="CLIPMESH_EVENTS"):
        await Backbone.open(process, tables=tables, redis=redis_server.url, events="nowhere:1", row_types=())
    assert not (tmp_path / "tables").exists()


async def test_background_work_carries_neither_deadline_nor_viewer_of_who_starts_it(tmp_path: Path, redis_server: RedisServer) -> None:
    backbone = await opened(tmp_path, redis_server)
    seen: list[tuple[float, int]] = []

    async def look() -> None:
        seen.append((deadline.remaining_s(99.0), current_viewer().user_id))

    signed = ViewerSigner(secrets=secrets_for("gateway"), clock=SystemClock()).sign(viewer(user_id=7))
    with deadline.scope(0.5), viewer_scope(signed):
        backbone.run(look(), name="look")
    await backbone.close()
    assert seen == [(99.0, 0)]


async def test_work_that_dies_is_told_and_work_that_does_not_end_is_cancelled(
    tmp_path: Path, redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    backbone = await opened(tmp_path, redis_server)
    ended: list[str] = []

    async def dies() -> None:
        raise KeyError("bug")

    async def goes_on() -> None:
        try:
            await asyncio.sleep(600)
        finally:
            ended.append("cancelled")

    with caplog.at_level(logging.ERROR, logger="clipmesh.backbone"):
        backbone.run(dies(), name="refresh-everything")
        backbone.run(goes_on(), name="goes-on")
        await backbone.close()
    assert [record.getMessage() for record in caplog.records if record.name == "clipmesh.backbone"] == [
        "background work ended: refresh-everything"
    ]
    assert ended == ["cancelled"]


@pytest.mark.parametrize("wrong", [{"redis": "http://nowhere"}, {"events": "carrier-pigeon://loft"}])
async def test_what_fails_half_way_lets_go_of_the_tables(tmp_path: Path, redis_server: RedisServer, wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        await opened(tmp_path, redis_server, **wrong)
    backbone = await opened(tmp_path, redis_server)
    with pytest.raises(TablesInUse):
        await open_tables(f"sqlite:///{tmp_path}", service="video", row_types=(Failure,), clock=SystemClock())
    await backbone.close()
    tables = await open_tables(f"sqlite:///{tmp_path}", service="video", row_types=(Failure,), clock=SystemClock())
    await tables.close()
