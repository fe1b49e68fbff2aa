"""A creator watches a clip through the gateway while it is still made; nobody else does, and nobody once it is deleted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bench.player import first_picture
from devstack.client import Api, new_request_id
from devstack.clips import make_clip
from devstack.clips.maker import media_tools
from mesh.testing.folders import socket_folder
from tests.e2e.engines import Engines
from tests.e2e.stage import Stage, finished, until

QUERY = "query($id: ID!) { video(id: $id) { state playback { refusal growingPlaylistUrl mp4Url } } }"
DELETE = "mutation($id: ID!) { deleteVideo(input: { videoId: $id }) { deletedVideoId userErrors { code } } }"


@pytest.fixture
async def stage(engines: Engines) -> AsyncIterator[Stage]:
    """One lane, so that pieces come one after the other."""
    with socket_folder() as folder:
        stage = Stage.at(folder, engines=engines, CLIPMESH_JOBS="1")
        await stage.system.start()
        try:
            yield stage
        finally:
            await stage.close()


async def playback(api: Api, video_id: str) -> dict[str, Any]:
    """What a person is told of a clip; empty when nothing."""
    video = (await api.query(QUERY, id=video_id))["video"]
    return {"state": video["state"], **video["playback"]} if video is not None else {}


@pytest.mark.timeout(240)
async def test_the_creator_alone_watches_what_is_made_already(stage: Stage, tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    make_clip(clip, seed=5, duration_s=44.0, width=240, height=426, fps=24)
    creator, other = await stage.person("nora"), await stage.person("vlad")
    session = await creator.start_upload(clip, request_id=new_request_id())
    await creator.send_parts(clip, session)
    await creator.complete_upload(session["id"])

    async def grows() -> str:
        return str((await playback(creator, session["id"])).get("growingPlaylistUrl") or "")

    url = await until(grows, what="the clip grows")
    # The rest of the chunks waits.
    await stage.system.children["worker-1"].pause()
    seen = await playback(creator, session["id"])
    assert (seen["state"], seen["refusal"], seen["mp4Url"]) == ("PROCESSING", "NOT_READY", None)
    await first_picture(creator, media_tools(), seen["growingPlaylistUrl"], tmp_path)
    assert await playback(other, session["id"]) == {}

    stage.system.children["worker-1"].resume()
    assert (await finished(creator, session["id"]))["stage"] == "DONE"
    whole = await playback(creator, session["id"])
    assert (whole["refusal"], whole["growingPlaylistUrl"]) == (None, None)
    await first_picture(creator, media_tools(), whole["mp4Url"].rpartition("/")[0] + "/240p.m3u8", tmp_path)

    async def is_gone() -> bool:
        return (await creator.fetch(url)).status_code in {403, 404}

    await until(is_gone, what="what had grown is gone")


@pytest.mark.timeout(240)
async def test_a_clip_that_is_deleted_while_it_grows_is_refused_at_once(stage: Stage, tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    make_clip(clip, seed=6, duration_s=44.0, width=240, height=426, fps=24)
    creator = await stage.person("nora")
    session = await creator.start_upload(clip, request_id=new_request_id())
    await creator.send_parts(clip, session)
    await creator.complete_upload(session["id"])

    async def grows() -> str:
        return str((await playback(creator, session["id"])).get("growingPlaylistUrl") or "")

    url = await until(grows, what="the clip grows")
    assert (await creator.query(DELETE, id=session["id"]))["deleteVideo"]["userErrors"] == []
    assert await playback(creator, session["id"]) == {}

    async def is_gone() -> bool:
        return (await creator.fetch(url)).status_code in {403, 404}

    await until(is_gone, what="the grant is refused", timeout_s=5)
    await until(lambda: _nothing(stage, session["id"]), what="nothing of it is left")


async def _nothing(stage: Stage, video_id: str) -> bool:
    return await asyncio.to_thread(stage.blobs, video_id) == []
