"""People who follow and block one another, on a whole system: counts follow, and a block takes everything away on the next request."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from devstack.client import Api, ApiError, new_request_id
from mesh.testing.folders import socket_folder
from tests.e2e.stage import Stage, feed, until, video_of

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]

PROFILE = """query($handle: String!) { user(handle: $handle) {
  id followerCount followingCount relationship { follow followedBy blocks } followers { edges { node { handle } } } } }"""


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def stage() -> AsyncIterator[Stage]:
    with socket_folder() as folder:
        stage = Stage.at(folder)
        await stage.system.start()
        try:
            yield stage
        finally:
            await stage.close()


async def profile(api: Api, handle: str) -> dict[str, Any] | None:
    """A person as somebody sees them."""
    found: dict[str, Any] | None = (await api.query(PROFILE, handle=handle))["user"]
    return found


async def is_told(api: Api, what: tuple[str, list[str]]) -> bool:
    """Whether somebody's inbox tells of something that people did."""
    answer = await api.query("{ notifications { edges { node { kind actors { handle } } } } }")
    nodes = [edge["node"] for edge in answer["notifications"]["edges"]]
    return what in [(node["kind"], [actor["handle"] for actor in node["actors"]]) for node in nodes]


async def act(api: Api, name: str, user_id: str) -> dict[str, Any]:
    """What somebody does to a person."""
    kind = f"{name[0].upper()}{name[1:]}Input"
    payload = await api.mutate(name, kind, "relationship { follow blocks }", userId=user_id, requestId=new_request_id())
    relationship: dict[str, Any] = payload["relationship"]
    return relationship


async def test_a_follow_shows_at_once_and_counts_within_seconds(stage: Stage) -> None:
    ada, vera = await stage.person("ada"), await stage.person("vera")
    found = await profile(vera, "ada")
    assert found is not None
    assert found["relationship"] == {"follow": "NONE", "followedBy": "NONE", "blocks": False}
    assert await act(vera, "follow", found["id"]) == {"follow": "FOLLOWING", "blocks": False}

    async def counted() -> bool:
        seen = await profile(ada, "ada")
        return seen is not None and (seen["followerCount"], seen["followers"]["edges"]) == ("1", [{"node": {"handle": "vera"}}])

    await until(counted, what="the follower is counted and listed", timeout_s=5)
    await until(lambda: is_told(ada, ("FOLLOW", ["vera"])), what="the follow is told", timeout_s=5)
    mine = await profile(ada, "vera")
    assert mine is not None
    assert mine["relationship"] == {"follow": "NONE", "followedBy": "FOLLOWING", "blocks": False}


async def test_a_block_takes_everything_away_on_the_next_request(stage: Stage, clip: Path) -> None:
    olga, hans, ines = await stage.person("olga"), await stage.person("hans"), await stage.person("ines")
    hans_id = (await hans.query("{ me { user { id } } }"))["me"]["user"]["id"]
    olga_id = (await olga.query("{ me { user { id } } }"))["me"]["user"]["id"]
    await act(ines, "follow", olga_id)
    video_id = await stage.public(olga, clip, "not for hans")
    await stage.in_feed(hans, video_id)
    await act(hans, "follow", olga_id)

    assert await act(olga, "block", hans_id) == {"follow": "NONE", "blocks": True}
    assert await profile(hans, "olga") is None
    assert await video_of(hans, video_id) is None
    assert video_id not in [edge["node"]["id"] for edge in await feed(hans)]
    with pytest.raises(ApiError) as refused:
        await act(hans, "follow", olga_id)
    assert refused.value.code == "ACCOUNT_NOT_FOUND"
    # Nobody else notices, and followers heard of the clip.
    await until(lambda: is_told(ines, ("VIDEO_PUBLISHED", ["olga"])), what="the publication is told", timeout_s=5)
    assert not await is_told(hans, ("VIDEO_PUBLISHED", ["olga"]))
    assert await video_of(ines, video_id) is not None

    await act(olga, "unblock", hans_id)
    assert await video_of(hans, video_id) is not None
    again = await profile(hans, "olga")
    assert again is not None
    assert again["relationship"]["follow"] == "NONE"


async def test_a_clip_for_followers_is_for_followers(stage: Stage, clip: Path) -> None:
    ada, gina = await stage.person("ada"), await stage.person("gina")
    ada_id = (await ada.query("{ me { user { id } } }"))["me"]["user"]["id"]
    video_id = await stage.publish(ada, clip, "for followers", visibility="FOLLOWERS")
    await stage.state(ada, video_id, "READY")
    assert await video_of(gina, video_id) is None
    await act(gina, "follow", ada_id)
    video = await video_of(gina, video_id)
    assert video is not None
    assert video["playback"]["mp4Url"]
    await act(gina, "unfollow", ada_id)
    assert await video_of(gina, video_id) is None
