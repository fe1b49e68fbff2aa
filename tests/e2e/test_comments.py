"""People who comment on a clip, on a whole system: seen at once, judged by rights, counted for everybody, gone with a block."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from devstack.client import Api, new_request_id
from mesh.testing.folders import socket_folder
from tests.e2e.stage import Stage, until

PAGE = """query($id: ID!, $order: CommentOrder!) { video(id: $id) { commentCount comments(order: $order) {
  edges { node { id text likeCount author { handle } children { node { text author { handle } } } } } } } }"""


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    with socket_folder() as folder:
        stage = Stage.at(folder)
        await stage.system.start()
        try:
            yield stage
        finally:
            await stage.close()


async def seen(api: Api, video_id: str, order: str = "NEWEST") -> list[tuple[str, str, list[tuple[str, str]]]]:
    """Threads as somebody sees them: text, author, replies."""
    found = (await api.query(PAGE, id=video_id, order=order))["video"]["comments"]["edges"]
    return [
        (
            edge["node"]["text"],
            edge["node"]["author"]["handle"],
            [(child["node"]["text"], child["node"]["author"]["handle"]) for child in edge["node"]["children"]],
        )
        for edge in found
    ]


async def said(api: Api, name: str, **fields: Any) -> dict[str, Any]:
    """What an act answers, its user errors included."""
    kind = f"{name[0].upper()}{name[1:]}Input"
    asked = "commentId liked likeCount" if name == "likeComment" else "comment { id state }"
    query = f"mutation($input: {kind}!) {{ {name}(input: $input) {{ {asked} userErrors {{ code }} }} }}"
    payload: dict[str, Any] = (await api.query(query, input={"requestId": new_request_id(), **fields}))[name]
    return payload


@pytest.mark.timeout(180)
async def test_comments_are_there_at_once_and_gone_with_a_block(stage: Stage, clip: Path) -> None:
    nora, vera, yuri = await stage.person("nora"), await stage.person("vera"), await stage.person("yuri")
    video_id = await stage.public(nora, clip, "a clip to talk about")
    root = (await said(vera, "postComment", videoId=video_id, text="what a clip, @nora"))["comment"]
    assert root["state"] == "PUBLISHED"
    await said(yuri, "postComment", videoId=video_id, text="indeed", answersId=root["id"])
    assert await seen(nora, video_id) == [("what a clip, @nora", "vera", [("indeed", "yuri")])]
    refused = await said(yuri, "postComment", videoId=video_id, text="k\u0456ll yourself")
    assert refused == {"comment": None, "userErrors": [{"code": "TEXT_NOT_ALLOWED"}]}
    assert (await said(yuri, "postComment", videoId=video_id, text="fake passport"))["comment"]["state"] == "HELD"
    assert (await said(yuri, "likeComment", videoId=video_id, commentId=root["id"]))["likeCount"] == "1"

    async def counted() -> bool:
        video = (await nora.query(PAGE, id=video_id, order="TOP"))["video"]
        likes = [edge["node"]["likeCount"] for edge in video["comments"]["edges"]]
        return (video["commentCount"], likes) == ("2", ["1"])

    await until(counted, what="comments and likes are counted, and ranked", timeout_s=5)
    yuri_id = (await vera.query('{ user(handle: "yuri") { id } }'))["user"]["id"]
    block = "mutation($input: BlockInput!) { block(input: $input) { userErrors { code } } }"
    await vera.query(block, input={"userId": yuri_id, "requestId": new_request_id()})
    assert await seen(vera, video_id) == [("what a clip, @nora", "vera", [])]
    assert await seen(yuri, video_id) == []
    assert await seen(nora, video_id) == [("what a clip, @nora", "vera", [("indeed", "yuri")])]
