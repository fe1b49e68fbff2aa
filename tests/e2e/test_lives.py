"""A clip's life as people live it: uploaded, processed, published, fed, watched, counted, hidden, gone."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest
import pytest_asyncio
from clipmesh.feed.v1.events_pb2 import WatchRecorded
from clipmesh.video.v1.events_pb2 import VideoPublished

from devstack.checks import ClientChecks
from devstack.client import ApiError, new_request_id
from mesh.testing.folders import socket_folder
from svc_video.processing.media import check_mp4, locate_tools
from tests.e2e.stage import Stage, feed, until, video_of

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]

EDGE_FORGETS_S = 10.0
"""The edge's copy of revocations is at most 5 s old; twice that for a busy machine."""


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def stage() -> AsyncIterator[Stage]:
    with socket_folder() as folder:
        stage = Stage.at(folder)
        await stage.system.start()
        try:
            yield stage
        finally:
            await stage.close()


async def test_a_file_becomes_a_clip_in_another_persons_feed(stage: Stage, ladder_clip: Path) -> None:
    creator, viewer = await stage.person("ada"), await stage.person("vera")
    upload = await creator.upload(ladder_clip, request_id=new_request_id())
    await creator.publish(upload["id"], caption="a life #test", hashtags=["test"])

    told: list[tuple[str, int, bool]] = []
    async with aclosing(creator.progress(upload["id"])) as states:
        async for state in states:
            told.append((state["stage"], state["progressPercent"], state["playable"]))
    assert told[-1] == ("DONE", 100, True)
    assert [percent for _, percent, _ in told] == sorted(percent for _, percent, _ in told)
    assert next(stage for stage, _, playable in told if playable) in {"ENCODING_REST", "DONE"}
    assert len(told) >= 3

    edge = await stage.in_feed(viewer, upload["id"])
    assert edge["node"]["creator"] == {"handle": "ada"}
    assert edge["node"]["caption"] == "a life #test"
    assert edge["node"]["playback"]["refusal"] is None
    assert sorted(edge["node"]["playback"]["renditions"]) == [240, 252]
    published = [event for _, event in await stage.events("video", VideoPublished) if event.video.video_id == int(upload["id"])]
    assert len(published) == 1


async def test_every_protocol_plays_to_the_last_frame(stage: Stage, ladder_clip: Path, tmp_path: Path) -> None:
    creator, viewer = await stage.person("ada"), await stage.person("hans")
    video_id = await stage.public(creator, ladder_clip, "every protocol")
    edge = await stage.in_feed(viewer, video_id)

    problems, files = await ClientChecks(viewer=viewer, expected=frozenset()).tree_of(edge["node"]["playback"], tmp_path)
    assert problems == []
    assert len(files) > 2 * 10
    answer = await viewer.fetch(edge["node"]["playback"]["mp4Url"])
    assert answer.status_code == 200
    (tmp_path / "whole.mp4").write_bytes(answer.content)
    assert await check_mp4(locate_tools(), tmp_path / "whole.mp4", frames=480) == []


async def test_a_watch_is_counted_once_and_the_clip_leaves_the_next_pages(stage: Stage, clip: Path) -> None:
    creator, viewer = await stage.person("ada"), await stage.person("walt")
    video_id, unseen = await stage.public(creator, clip, "watched"), await stage.public(creator, clip, "not watched")
    edge = await stage.in_feed(viewer, video_id)
    await stage.in_feed(viewer, unseen)  # where nothing unseen is left, what was watched may return
    await asyncio.sleep(2.5)  # people watch in real time, and the rules know

    event_id = new_request_id()
    outcomes = [await viewer.report_watch(edge["viewToken"], watched_ms=2_400, event_id=event_id) for _ in range(3)]
    assert outcomes == ["ACCEPTED", "DUPLICATE", "DUPLICATE"]
    video = await video_of(viewer, video_id)
    assert video is not None
    assert video["viewCount"] == "1"
    assert video_id not in [edge["node"]["id"] for edge in await feed(viewer)]

    await stage.quiet()
    assert (await video_of(creator, video_id) or {})["viewCount"] == "1"
    recorded = [event for _, event in await stage.events("feed", WatchRecorded) if event.video_id == int(video_id)]
    assert [(event.watched_ms, event.counted_view, event.viewer_id != 0) for event in recorded] == [(2_400, True, True)]


async def test_without_consent_the_feed_is_contextual_and_nobody_is_tied_to_a_watch(stage: Stage, clip: Path) -> None:
    creator, viewer = await stage.person("ada"), await stage.person("cora")
    await viewer.mutate("updateConsents", "UpdateConsentsInput", "account { consents }", consents=[])
    await viewer.sign_in("cora", "watch-cora-clips")
    video_id = await stage.public(creator, clip, "nobody's")
    edge = await stage.in_feed(viewer, video_id)
    page = (await viewer.query("query { forYou(first: 1) { servedBy } }"))["forYou"]
    assert page["servedBy"] == "contextual"
    await asyncio.sleep(2.5)
    assert await viewer.report_watch(edge["viewToken"], watched_ms=2_400, event_id=new_request_id()) == "ACCEPTED"

    await stage.quiet()
    recorded = [(envelope, event) for envelope, event in await stage.events("feed", WatchRecorded) if event.video_id == int(video_id)]
    assert [(event.viewer_id, list(envelope.subject_ids)) for envelope, event in recorded] == [(0, [])]


@pytest.mark.parametrize("act", ["delete", "hide"])
async def test_playback_ends_on_the_next_request_and_issued_links_soon(stage: Stage, clip: Path, act: str) -> None:
    creator, viewer = await stage.person("ada"), await stage.person("paul")
    video_id = await stage.public(creator, clip, f"to {act}")
    edge = await stage.in_feed(viewer, video_id)
    link = edge["node"]["playback"]["mp4Url"]
    assert (await viewer.fetch(link, start=0, end=100)).status_code == 206

    if act == "delete":
        await creator.mutate("deleteVideo", "DeleteVideoInput", "deletedVideoId", videoId=video_id)
    else:
        await creator.mutate("updateVideo", "UpdateVideoInput", "video { visibility }", videoId=video_id, visibility="ONLY_ME")

    video = await video_of(viewer, video_id)
    assert video is None or video["playback"]["refusal"] in {"NOT_FOUND", "PRIVATE"}
    assert video_id not in [edge["node"]["id"] for edge in await feed(viewer)]

    async def refused() -> int:
        status = (await viewer.fetch(link, start=0, end=100)).status_code
        return status if status >= 400 else 0

    assert await until(refused, what="the issued link is dead", timeout_s=EDGE_FORGETS_S) in {403, 404, 410}
    if act == "delete":
        await until(lambda: _only_its_sound_is_left(stage, video_id), what="its bytes are gone")
    else:
        await creator.mutate("updateVideo", "UpdateVideoInput", "video { visibility }", videoId=video_id, visibility="PUBLIC")
        assert (await stage.in_feed(viewer, video_id))["node"]["playback"]["refusal"] is None


async def test_bytes_that_never_change_have_the_same_digest_over_every_link(stage: Stage, clip: Path) -> None:
    creator, viewer, other = await stage.person("ada"), await stage.person("erik"), await stage.person("olga")
    video_id = await stage.public(creator, clip, "same for all")
    digests = set()
    for api in (viewer, other, creator):
        video = await video_of(api, video_id)
        assert video is not None
        digests.add(hashlib.sha256((await api.fetch(video["playback"]["mp4Url"])).content).hexdigest())
    assert len(digests) == 1


async def test_nobody_elses_draft_can_be_seen_or_published(stage: Stage, clip: Path) -> None:
    creator, other = await stage.person("ada"), await stage.person("otto")
    upload = await creator.upload(clip, request_id=new_request_id())
    with pytest.raises(ApiError) as refused:
        await other.publish(upload["id"], caption="mine now", hashtags=[])
    assert refused.value.code == "VIDEO_NOT_FOUND"
    assert await video_of(other, upload["id"]) is None
    await stage.state(creator, upload["id"], "DRAFT")


async def _only_its_sound_is_left(stage: Stage, video_id: str) -> bool:
    """A sound that was published outlives its clip (docs/decisions/0010)."""
    left = await asyncio.to_thread(stage.blobs, video_id)
    return len(left) == 1 and "audio" in left[0]
