"""People who like, save and share a clip, on a whole system: seen at once by who acts, counted for everybody within seconds."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from devstack.client import Api, new_request_id
from mesh.testing.folders import socket_folder
from tests.e2e.stage import Stage, until

VIDEO = """query($id: ID!) { video(id: $id) {
  likeCount saveCount shareCount repostCount countsApproximate viewerState { liked saved reposted } } }"""


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    with socket_folder() as folder:
        stage = Stage.at(folder)
        await stage.system.start()
        try:
            yield stage
        finally:
            await stage.close()


async def seen(api: Api, video_id: str) -> dict[str, Any]:
    """The clip as somebody sees it."""
    found: dict[str, Any] = (await api.query(VIDEO, id=video_id))["video"]
    return found


async def act(api: Api, name: str, video_id: str, *, asked: str = "viewerState { liked saved reposted }", **more: Any) -> dict[str, Any]:
    """What somebody does with a clip."""
    kind = f"{name[0].upper()}{name[1:]}Input"
    payload: dict[str, Any] = await api.mutate(name, kind, asked, videoId=video_id, requestId=new_request_id(), **more)
    return payload


@pytest.mark.timeout(180)
async def test_acts_show_at_once_and_are_counted_and_listed_within_seconds(stage: Stage, clip: Path) -> None:
    nora, vera, yuri = await stage.person("nora"), await stage.person("vera"), await stage.person("yuri")
    video_id = await stage.public(nora, clip, "a clip to like")
    for viewer in (vera, yuri):
        assert (await act(viewer, "like", video_id))["viewerState"] == {"liked": True, "saved": False, "reposted": False}
        assert (await seen(viewer, video_id))["viewerState"]["liked"]
    create = "mutation($input: CreateCollectionInput!) { createCollection(input: $input) { collection { id } userErrors { code } } }"
    created = await vera.query(create, input={"name": "Dances", "requestId": new_request_id()})
    collection_id = created["createCollection"]["collection"]["id"]
    await act(vera, "save", video_id, collectionId=collection_id)
    await act(yuri, "repost", video_id)
    assert (await act(vera, "share", video_id, asked="shareId", target="LINK"))["shareId"]
    await act(yuri, "unlike", video_id)

    async def counted() -> bool:
        counts = await seen(nora, video_id)
        assert counts.pop("viewerState") == {"liked": False, "saved": False, "reposted": False}
        return counts == {"likeCount": "1", "saveCount": "1", "shareCount": "1", "repostCount": "1", "countsApproximate": False}

    await until(counted, what="the acts are counted", timeout_s=5)

    async def listed() -> bool:
        query = """query($id: ID!) { savedVideos(collectionId: $id) { edges { videoId } } likedVideos { edges { node { caption } } } }"""
        mine = await vera.query(query, id=collection_id)
        theirs = await nora.query('{ user(handle: "yuri") { reposts { edges { videoId } } } }')
        return (mine["savedVideos"]["edges"], mine["likedVideos"]["edges"], theirs["user"]["reposts"]["edges"]) == (
            [{"videoId": video_id}],
            [{"node": {"caption": "a clip to like"}}],
            [{"videoId": video_id}],
        )

    await until(listed, what="the acts are listed", timeout_s=5)
