"""Processes come and go under people who upload and watch: they notice nothing, and everything is finished."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from devstack.client import new_request_id
from devstack.layout import SERVICES
from mesh.testing.folders import socket_folder
from tests.e2e.crashes import PART_BYTES
from tests.e2e.engines import Engines
from tests.e2e.stage import Stage, feed, until

pytestmark = pytest.mark.timeout(240)


async def test_every_process_restarts_in_turn_under_running_uploads(clip: Path, engines: Engines) -> None:
    with socket_folder() as folder:
        stage = Stage.at(folder, engines=engines, **engines.small_parts(PART_BYTES))
        await stage.system.start()
        try:
            creator, viewer = await stage.person("rolf"), await stage.person("vera")
            over = asyncio.Event()
            videos: list[str] = []

            async def upload_on_and_on() -> None:
                while not over.is_set():
                    videos.append(await stage.publish(creator, clip, f"clip {len(videos)}"))

            async def swipe_on_and_on() -> None:
                while not over.is_set():
                    await feed(viewer, pages=1)
                    await asyncio.sleep(0.1)

            uploading, swiping = asyncio.create_task(upload_on_and_on()), asyncio.create_task(swipe_on_and_on())
            for name in (*(["redis"] if stage.system.layout.own_redis else []), *SERVICES, "worker-1", "gateway"):
                await stage.system.restart(name)
            over.set()
            await asyncio.gather(uploading, swiping)

            assert videos
            for video in videos:
                await stage.state(creator, video, "READY")
                await stage.in_feed(viewer, video)
            served = [edge["node"]["id"] for edge in await feed(await stage.person("nele"))]
            assert sorted(served) == sorted(videos)
            assert not any(stage.ends().values())
        finally:
            await stage.close()


async def test_a_stop_in_the_middle_costs_nothing_and_the_next_start_finishes_it(
    clip: Path, ladder_clip: Path, engines: Engines, tmp_path: Path
) -> None:
    parted = tmp_path / "parted.mp4"
    parted.write_bytes(engines.in_parts(clip.read_bytes(), PART_BYTES))
    with socket_folder() as folder:
        stage = Stage.at(folder, engines=engines, **engines.small_parts(PART_BYTES))
        await stage.system.start()
        try:
            creator = await stage.person("stan")
            processing = await creator.upload(ladder_clip, request_id=new_request_id())
            await creator.publish(processing["id"], caption="being encoded", hashtags=[])
            half_sent = await creator.start_upload(parted, request_id="half-sent")
            arrived = asyncio.Event()
            sending = asyncio.create_task(creator.send_parts(parted, half_sent, sent=lambda count: arrived.set() if count else None))
            await arrived.wait()
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            received = "query($id: ID!) { upload(id: $id) { state receivedParts { partNumber } } }"
            parts_before = (await creator.query(received, id=half_sent["id"]))["upload"]["receivedParts"]
            assert parts_before
            token = creator.token

            await stage.close()
            assert stage.system.killed == []

            stage = Stage.at(folder, engines=engines, **engines.small_parts(PART_BYTES))
            await stage.system.start()
            creator = await stage.person("stan")
            assert creator.token != token
            upload = (await creator.query(received, id=half_sent["id"]))["upload"]
            assert upload["state"] == "OPEN"
            assert [part for part in parts_before if part not in upload["receivedParts"]] == []
            resumed = await creator.upload(parted, request_id="half-sent")
            assert resumed["id"] == half_sent["id"]
            await creator.publish(resumed["id"], caption="sent in two lives", hashtags=[])
            for video in (processing["id"], resumed["id"]):
                await stage.state(creator, video, "READY")

            async def all_renditions() -> bool:
                upload = (await creator.query("query($id: ID!) { upload(id: $id) { stage } }", id=processing["id"]))["upload"]
                return bool(upload["stage"] == "DONE")

            await until(all_renditions, what="every rendition is made")
        finally:
            await stage.close()
