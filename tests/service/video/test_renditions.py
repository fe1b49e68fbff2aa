"""Rows of renditions: ahead of the video's own row, never behind it, and read for a whole page at once."""

from __future__ import annotations

from typing import Any

import pytest

from mesh.stores.tables.port import TablesUnavailable
from svc_video.videos.actions import MediaState, Video
from svc_video.videos.tables import Rendition
from tests.service.video.world import BOB, LADDER, RENDITION_720, World


async def states(world: World) -> dict[str, str]:
    """How far each rendition of the only video is, by its name."""
    return {row.name: row.state.name for row in (await world.rows(Rendition))[Rendition]}


async def test_what_is_not_ready_at_the_end_is_missing_until_a_later_try_brings_it(world: World) -> None:
    video_id = await world.processing()
    await world.probe(video_id)
    assert await states(world) == dict.fromkeys(("1080p", "240p", "360p", "480p", "720p"), "PLANNED")
    await world.playable(video_id)
    await world.rooms.media.became_complete(video_id, renditions=[RENDITION_720])
    assert await states(world) == {**dict.fromkeys(("1080p", "240p", "360p", "480p"), "MISSING"), "720p": "READY"}
    [play] = await world.plays(video_id)
    assert list(play.renditions) == [720]
    await world.rooms.media.became_complete(video_id, renditions=LADDER)
    before = await world.rows(Rendition)
    assert await states(world) == dict.fromkeys(("1080p", "240p", "360p", "480p", "720p"), "READY")
    [play] = await world.plays(video_id)
    assert list(play.renditions) == [240, 360, 480, 720, 1080]
    await world.rooms.media.became_complete(video_id, renditions=[RENDITION_720])
    assert await world.rows(Rendition) == before


async def test_nothing_of_a_video_that_failed_is_ready_or_awaited(world: World) -> None:
    video_id = await world.processing()
    await world.probe(video_id)
    await world.rooms.media.media_failed(video_id, reason="PROCESSING_FAILED", detail="")
    assert await states(world) == dict.fromkeys(("1080p", "240p", "360p", "480p", "720p"), "MISSING")


async def test_rows_go_before_the_video_and_are_told_twice_after_a_crash(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    video_id = await world.processing()
    await world.probe(video_id)
    real = world.tables.transition

    async def only_others(row: Any, **fields: Any) -> Any:
        if isinstance(row, Video):
            raise TablesUnavailable("gone")
        return await real(row, **fields)

    with monkeypatch.context() as patch:
        patch.setattr(world.tables, "transition", only_others)
        with pytest.raises(TablesUnavailable):
            await world.playable(video_id)
    assert (await states(world))["720p"] == "READY"
    assert [play.refusal for play in await world.plays(video_id)] == [2]
    before = await world.rows(Rendition)
    await world.playable(video_id)
    assert await world.rows(Rendition) == before
    [row] = (await world.rows(Video))[Video]
    assert row.media_state is MediaState.PLAYABLE


async def test_renditions_of_a_page_are_read_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    videos = [await world.public(request_id=f"r{number}") for number in range(3)]
    for video_id in videos:
        await world.rooms.media.became_complete(video_id, renditions=LADDER)
    asked: list[type] = []
    get_many = world.tables.get_many

    async def count(row_type: Any, keys: Any) -> Any:
        asked.append(row_type)
        return await get_many(row_type, keys)

    async def never(*_: Any, **__: Any) -> Any:
        raise AssertionError("a read for each video")

    monkeypatch.setattr(world.tables, "get_many", count)
    monkeypatch.setattr(world.tables, "get", never)
    monkeypatch.setattr(world.tables, "scan", never)
    plays = await world.plays(*videos, user_id=BOB)
    assert [list(play.renditions) for play in plays] == [[240, 360, 480, 720, 1080]] * 3
    assert asked.count(Rendition) == 1
    assert len(asked) == 3
