"""What the creator plays while the first rendition is made: playlists that grow piece by piece, from real pieces, and go when the real ones stand."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from svc_video.layout import GROWING_NAME
from svc_video.processing.media import MediaTools, check_growing
from svc_video.processing.results import PiecesResult
from svc_video.processing.tables import JobState
from svc_video.videos.actions import MediaState
from tests.service.processing.conftest import World, probed, until
from tests.service.processing.test_worker import Rig

pytestmark = pytest.mark.timeout(180)

PICTURES = PiecesResult(first=1, lengths_us=(2_000_000, 2_000_000), codec="avc1.64001f", peak_bps=4_900_000, fps=30)
LATER = PiecesResult(first=3, lengths_us=(2_000_000, 1_500_000), codec="avc1.64001f", peak_bps=4_900_000, fps=30)
SOUND = PiecesResult(first=1, lengths_us=(2_005_333, 2_005_333, 2_005_333, 1_484_001), codec="mp4a.40.2", peak_bps=192_000)
MASTER = """#EXTM3U
#EXT-X-VERSION:6
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-START:TIME-OFFSET=0
#EXT-X-MEDIA:TYPE=AUDIO,URI="audio/grows.m3u8",GROUP-ID="audio",NAME="original",DEFAULT=YES,AUTOSELECT=YES
#EXT-X-STREAM-INF:BANDWIDTH=5092000,CODECS="avc1.64001f,mp4a.40.2",RESOLUTION=720x1280,FRAME-RATE=30.000,AUDIO="audio",CLOSED-CAPTIONS=NONE
720p/grows.m3u8
"""


@pytest.fixture
async def rig(world: World, tools: MediaTools, tmp_path: Path) -> AsyncIterator[Rig]:
    """A worker with its scratch folder open."""
    rig = Rig(world, tools, tmp_path / "scratch")
    await rig.scratch.open()
    yield rig
    await rig.scratch.close()


async def prefix_of(world: World, video_id: int) -> str:
    """Where a clip grows; empty while it does not."""
    facts = await world.media.facts_of(video_id)
    return facts.growing_prefix if facts is not None else ""


async def text(world: World, video_id: int, name: str) -> str:
    """One playlist."""
    return (await (await world.blobs.get(await prefix_of(world, video_id) + name)).read()).decode()


async def tell(world: World, job_key: str, pieces: PiecesResult) -> None:
    """Commit a job that waits, with what it put."""
    job = await world.leased()
    assert job.job_key == job_key
    await world.commit_text(job, pieces.to_json())


async def grows_to(world: World, video_id: int, segments: int) -> None:
    """Wait until that many segments of the picture are named."""

    async def named() -> bool:
        return bool(await prefix_of(world, video_id)) and (await text(world, video_id, "720p/grows.m3u8")).count("#EXTINF") == segments

    await until(named)


async def test_real_pieces_play_from_the_first_chunk_on_and_go_with_the_last_job(
    rig: Rig, world: World, clip: Path, tools: MediaTools, tmp_path: Path
) -> None:
    await world.upload_file(1, clip)
    jobs = []
    for _ in range(3):
        jobs.append(await world.leased())
        assert await prefix_of(world, 1) == ""
        await rig.worker.do(jobs[-1])
    assert [job.job_key for job in jobs] == ["probe", "audio", "chunk/first/0"]
    await until(lambda: _grows(world, 1))
    prefix = await prefix_of(world, 1)
    assert prefix.startswith(jobs[1].work_prefix)
    assert await check_growing(tools, await fetched(world, prefix, tmp_path / "first"), GROWING_NAME, is_whole=False) == []
    assert (await text(world, 1, "360p/grows.m3u8")).count("#EXTINF") == 4
    video = await world.video(1)
    assert (video.media_state, video.epoch) == (MediaState.PROCESSING, 1)

    await rig.worker.do(await world.leased())
    await until(lambda: _is_ended(world, 1))
    folder = await fetched(world, prefix, tmp_path / "whole")
    assert await check_growing(tools, folder, GROWING_NAME, is_whole=True) == []
    assert [(folder / f"{name}/grows.m3u8").read_text().count("#EXTINF") for name in ("360p", "audio")] == [8, 8]
    assert (folder / GROWING_NAME).read_bytes() == (tmp_path / "first" / GROWING_NAME).read_bytes()
    await rig.work_off()
    await world.until_media(1, MediaState.COMPLETE)
    await world.until_forgotten(1)
    assert await world.objects("work/1/") == {}


async def fetched(world: World, prefix: str, folder: Path) -> Path:
    """All objects under a prefix, on disk."""
    for name in await world.objects(prefix):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        await world.blobs.get_file(prefix + name, folder / name)
    return folder


async def _grows(world: World, video_id: int) -> bool:
    return bool(await prefix_of(world, video_id))


async def _is_ended(world: World, video_id: int) -> bool:
    return "#EXT-X-ENDLIST" in await text(world, video_id, "360p/grows.m3u8")


async def test_nothing_is_named_before_sound_and_first_piece_are_there_and_no_piece_before_those_ahead_of_it(world: World) -> None:
    await world.upload(1)
    await world.commit(await world.leased(), probed(chunks=2))
    audio, first, second = [await world.leased() for _ in range(3)]
    await world.commit_text(second, LATER.to_json())
    await world.commit_text(audio, SOUND.to_json())
    await world.settle(1)
    assert await prefix_of(world, 1) == ""
    await world.commit_text(first, PICTURES.to_json())
    await grows_to(world, 1, 4)
    assert await text(world, 1, GROWING_NAME) == MASTER
    assert await text(world, 1, "audio/grows.m3u8") == (
        "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:3\n#EXT-X-PLAYLIST-TYPE:EVENT\n#EXT-X-START:TIME-OFFSET=0\n"
        '#EXT-X-MAP:URI="init.mp4"\n#EXTINF:2.005333,\n1.m4s\n#EXTINF:2.005333,\n2.m4s\n#EXTINF:2.005333,\n3.m4s\n#EXTINF:1.484001,\n4.m4s\n'
        "#EXT-X-ENDLIST\n"
    )


async def test_sound_is_named_as_far_as_the_pictures(world: World) -> None:
    await world.upload(1)
    await world.commit(await world.leased(), probed(chunks=2))
    await tell(world, "audio", SOUND)
    await tell(world, "chunk/first/0", PICTURES)
    await grows_to(world, 1, 2)
    assert (await text(world, 1, "audio/grows.m3u8")).count("#EXTINF") == 2
    assert "#EXT-X-ENDLIST" not in await text(world, 1, "audio/grows.m3u8") + await text(world, 1, "720p/grows.m3u8")


async def test_a_clip_without_sound_and_a_worker_that_tells_nothing(world: World) -> None:
    await world.upload(1)
    await world.commit(await world.leased(), probed(chunks=2, has_audio=False))
    await tell(world, "chunk/first/0", PICTURES)
    await grows_to(world, 1, 2)
    assert "audio" not in (await text(world, 1, GROWING_NAME)).replace("AUDIO", "audio")
    await world.commit(await world.leased())
    await world.settle(1)
    assert (await text(world, 1, "720p/grows.m3u8")).count("#EXTINF") == 2


async def test_a_crash_between_a_piece_and_its_playlist_costs_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.upload(1)
    await world.commit(await world.leased(), probed(chunks=2, has_audio=False))
    with monkeypatch.context() as patch:
        patch.setattr("svc_video.processing.following.Following.wake", lambda *_: None)
        await tell(world, "chunk/first/0", PICTURES)
    assert await prefix_of(world, 1) == ""
    await world.reopen()
    await grows_to(world, 1, 2)


@pytest.mark.parametrize(
    "text", ['{"first":0}', "no json", PICTURES.to_json().replace("2000000", "-1"), PICTURES.to_json().replace("avc1", "a\\n")]
)
async def test_pieces_that_cannot_be_are_refused_and_change_nothing(world: World, text: str) -> None:
    await world.upload(1)
    await world.commit(await world.leased(), probed(chunks=2, has_audio=False))
    job = await world.leased()
    with pytest.raises(Exception, match="pieces"):
        await world.commit_text(job, text)
    assert ((await world.row(1, job.job_key)).state, await prefix_of(world, 1)) == (JobState.LEASED, "")


async def test_a_plan_that_is_begun_anew_grows_anew(world: World) -> None:
    await world.upload(1)
    await world.commit(await world.leased(), probed(chunks=2, has_audio=False))
    await tell(world, "chunk/first/0", PICTURES)
    await grows_to(world, 1, 2)
    before = await prefix_of(world, 1)
    await world.fail(await world.leased(), "RECIPE_CHANGED")
    await world.commit(await world.leased(), replace(probed(chunks=2, has_audio=False), recipe_version="2+test"))
    await world.settle(1)
    assert await prefix_of(world, 1) == before, "what there was plays until there is something else"
    assert (await world.row(1, "chunk/first/0")).result_json == ""
    await tell(world, "chunk/first/0", PICTURES)
    await until(lambda: _differs(world, before))
    assert (await text(world, 1, "720p/grows.m3u8")).count("#EXTINF") == 2


async def _differs(world: World, before: str) -> bool:
    return await prefix_of(world, 1) != before


async def test_what_had_grown_goes_when_the_video_fails_and_another_try_begins_with_nothing(world: World) -> None:
    await world.upload(1)
    await world.commit(await world.leased(), probed(chunks=2, has_audio=False))
    await tell(world, "chunk/first/0", PICTURES)
    await grows_to(world, 1, 2)
    for _ in range(4):
        await world.fail(await world.leased())
        world.clock.advance(60_000)
    await world.until_media(1, MediaState.FAILED)
    await world.until_forgotten(1)
    assert await world.objects("work/1/") == {}
    await world.jobs.redo(1)
    assert (await world.video(1)).media_state is MediaState.PROCESSING
    assert await prefix_of(world, 1) == ""
