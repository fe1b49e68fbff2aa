"""People who comment on a clip, on a whole system: seen at once, judged by rights, counted for everybody, gone with a block; and a badge that
follows what is said of them while the gateway is killed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

from devstack.client import Api, new_request_id
from mesh.testing.folders import socket_folder
from tests.e2e.stage import Stage, until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]

PAGE = """query($id: ID!, $order: CommentOrder!) { video(id: $id) { commentCount comments(order: $order) {
  edges { node { id text likeCount author { handle } children { node { text author { handle } } } } } } } }"""


WATCH = """subscription($after: String) { notifications(after: $after) {
  notification { kind commentId count unread actors { handle } } removedId unreadCount cursor ended } }"""
LIKED, KILLS = 18, (4, 11)
"""How many comments are liked, and after how many updates the gateway is killed."""


@pytest_asyncio.fixture(loop_scope="module", scope="module")
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


async def updates(api: Api, after: str | None) -> AsyncGenerator[dict[str, Any], None]:
    """The inbox as it changes, until the connection is lost. Raises OSError and WebSocketException."""
    address = api.origin.replace("http", "ws", 1) + "/graphql"
    async with connect(address, subprotocols=[Subprotocol("graphql-transport-ws")]) as socket:
        await socket.send(json.dumps({"type": "connection_init", "payload": {"authorization": f"Bearer {api.token}"}}))
        assert json.loads(await socket.recv())["type"] == "connection_ack"
        payload = {"query": WATCH, "variables": {"after": after}}
        await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": payload}))
        async for text in socket:
            message = json.loads(text)
            if message["type"] == "ping":
                await socket.send(json.dumps({"type": "pong"}))
                continue
            assert message["type"] == "next", message
            assert "errors" not in message["payload"], message
            yield message["payload"]["data"]["notifications"]


async def test_the_badge_follows_each_like_once_while_the_gateway_is_killed(stage: Stage, clip: Path) -> None:
    nora, ada, bela = await stage.person("nora"), await stage.person("ada"), await stage.person("bela")
    video_id = await stage.public(nora, clip, "a clip to like words on")
    said_by_ada = [await said(ada, "postComment", videoId=video_id, text=f"word {number}") for number in range(LIKED)]
    comment_ids = [answer["comment"]["id"] for answer in said_by_ada]
    gateway, subscribed = stage.system.children["gateway"], asyncio.Event()
    told: list[dict[str, Any]] = []
    cursors: list[str] = []
    kills = list(KILLS)
    lives = 0

    async def like() -> None:
        await subscribed.wait()
        for comment_id in comment_ids:
            assert (await said(bela, "likeComment", videoId=video_id, commentId=comment_id))["liked"]
            await asyncio.sleep(0.03)

    async def watch() -> None:
        nonlocal lives
        while len(told) < LIKED:
            try:
                async with aclosing(updates(ada, cursors[-1] if cursors else None)) as changes:
                    fresh = 1
                    async for change in changes:
                        lives, fresh = lives + fresh, 0
                        subscribed.set()
                        cursors.append(change["cursor"])
                        told.extend([change] if change["notification"] else [])
                        if kills and len(told) >= kills[0]:
                            kills.pop(0)
                            gateway.kill()
                        if len(told) >= LIKED:
                            break
            except (OSError, WebSocketException):
                await asyncio.sleep(0.05)

    async with asyncio.timeout(60):
        await asyncio.gather(like(), watch())
    assert (lives, gateway.ends) == (1 + len(KILLS), [-9] * len(KILLS))
    assert sorted(one["notification"]["commentId"] for one in told) == sorted(comment_ids)
    assert {(one["notification"]["kind"], one["notification"]["count"]) for one in told} == {("COMMENT_LIKE", 1)}
    assert told[-1]["unreadCount"] == str(LIKED)
    assert (await ada.query("{ unreadNotificationCount }"))["unreadNotificationCount"] == str(LIKED)
    # Whoever goes on behind the last cursor is told nothing of it again.
    async with aclosing(updates(ada, cursors[-1])) as changes:
        assert (await anext(changes))["notification"] is None
