"""The publish gate as people meet it: what it blocks, what a moderator decides, what it means when nobody can be asked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from clipmesh.video.v1.events_pb2 import VideoPublished

from devstack.client import Api, ApiError, new_request_id
from mesh.testing.folders import socket_folder
from tests.e2e.stage import Stage, feed, finished, until, video_of

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]

QUEUE = (
    """query { reviewQueue(state: OPEN, first: 50) { edges { node { id caption video { id } verdict { kind evidence { policy } } } } } }"""
)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def stage() -> AsyncIterator[Stage]:
    with socket_folder() as folder:
        stage = Stage.at(folder)
        await stage.system.start()
        try:
            yield stage
        finally:
            await stage.close()


async def test_what_the_text_policy_blocks_is_public_in_other_words_only(stage: Stage, clip: Path) -> None:
    creator, viewer = await stage.person("bela"), await stage.person("vito")
    video_id = await stage.publish(creator, clip, "go and kill yourself")
    await stage.state(creator, video_id, "REJECTED")

    await stage.quiet()
    assert await video_of(viewer, video_id) is None
    assert video_id not in [edge["node"]["id"] for edge in await feed(viewer)]
    assert video_id not in [envelope.key for envelope, _ in await stage.events("video", VideoPublished)]

    async def plays_for_its_creator() -> bool:
        own = await video_of(creator, video_id)
        return own is not None and own["playback"]["refusal"] is None

    await until(plays_for_its_creator, what="the refused clip plays for its creator")
    await creator.mutate("updateVideo", "UpdateVideoInput", "video { id }", videoId=video_id, caption="go and be kind to yourself")
    await stage.in_feed(viewer, video_id)


@pytest.mark.parametrize(("decision", "state"), [("ALLOW", "READY"), ("BLOCK", "REJECTED")])
async def test_a_moderator_decides_what_the_policy_leaves_open(stage: Stage, clip: Path, decision: str, state: str) -> None:
    creator, viewer, moderator = await stage.person("rita"), await stage.person("vito"), await stage.person("mona")
    video_id = await stage.publish(creator, clip, f"buy followers here {decision}")
    await stage.state(creator, video_id, "IN_REVIEW")
    assert await video_of(viewer, video_id) is None
    with pytest.raises(ApiError) as refused:
        await viewer.query(QUEUE)
    assert refused.value.code == "FORBIDDEN"

    async def waiting_review() -> dict[str, Any] | None:
        edges = (await moderator.query(QUEUE))["reviewQueue"]["edges"]
        return next((edge["node"] for edge in edges if edge["node"]["video"]["id"] == video_id), None)

    review = await until(waiting_review, what="the review waits in the queue")
    assert review is not None
    assert review["verdict"]["kind"] == "REVIEW"
    assert "text.review_word" in [each["policy"] for each in review["verdict"]["evidence"]]
    await _decide(moderator, review["id"], decision)

    await stage.state(creator, video_id, state)
    if decision == "ALLOW":
        await stage.in_feed(viewer, video_id)
    else:
        assert await video_of(viewer, video_id) is None
    assert await waiting_review() is None


async def test_rights_away_means_not_yet_and_is_made_up_for(stage: Stage, clip: Path) -> None:
    creator, viewer = await stage.person("rosa"), await stage.person("vito")
    rights = stage.system.children["rights"]
    await rights.pause()
    upload = await creator.upload(clip, request_id=new_request_id())
    await creator.publish(upload["id"], caption="not yet", hashtags=[])
    assert (await finished(creator, upload["id"]))["playable"]
    video = await video_of(creator, upload["id"])
    assert video is not None
    assert video["state"] == "ASSESSING"
    assert await video_of(viewer, upload["id"]) is None
    assert upload["id"] not in [edge["node"]["id"] for edge in await feed(viewer)]

    rights.resume()
    await stage.system.ready("rights")
    await stage.state(creator, upload["id"], "READY")
    await stage.in_feed(viewer, upload["id"])


async def _decide(moderator: Api, review_id: str, decision: str) -> None:
    await moderator.mutate(
        "decideReview", "DecideReviewInput", "review { state decision }", reviewId=review_id, decision=decision, reason="looked at it"
    )
