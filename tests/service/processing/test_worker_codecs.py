"""The worker with real encoders makes a further codec of a clip, which a strict client then finds beside the ladder: run with `-m long`."""

from __future__ import annotations

from pathlib import Path

import pytest

from svc_video.processing.media import MediaTools, check_tree
from svc_video.videos.actions import MediaState
from tests.service.processing.conftest import Settings, World, until
from tests.service.processing.test_worker import JOBS, Rig

pytestmark = [pytest.mark.long, pytest.mark.timeout(400)]


async def test_a_codec_comes_to_what_plays_and_changes_none_of_its_segments(
    world: World, clip: Path, tools: MediaTools, tmp_path: Path
) -> None:
    world.settings = Settings(job_codecs="h265")
    await world.reopen()
    rig = Rig(world, tools, tmp_path / "scratch")
    await rig.scratch.open()
    await world.upload_file(1, clip)
    for _ in JOBS:
        await rig.worker.do(await world.leased())
    await world.until_media(1, MediaState.COMPLETE)
    prefix = await world.published(1)
    before = await world.objects(prefix)
    assert [job.job_key for job in await rig.work_off()] == ["chunk/h265/0", "chunk/h265/1", "package/h265"]
    facts = await world.media.facts_of(1)
    assert facts is not None
    await until(lambda: _has_codec(world))
    after = await world.objects(prefix)
    assert {name for name, digest in before.items() if after.get(name) != digest} == {"master.m3u8", "manifest.mpd"}
    tree = tmp_path / "tree"
    for name in after:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        await world.blobs.get_file(f"{prefix}{name}", tree / name)
    assert await check_tree(tools, tree) == []
    text = (tree / "master.m3u8").read_text()
    assert [line for line in text.splitlines() if line.endswith("/index.m3u8")][-2:] == ["360p-h265/index.m3u8", "240p-h265/index.m3u8"]
    assert {name: row.codec[:5] for name, row in (await world.renditions(1)).items() if "h265" in name} == {
        "360p-h265": "hvc1.",
        "240p-h265": "hvc1.",
    }
    await rig.scratch.close()


async def _has_codec(world: World) -> bool:
    facts = await world.media.facts_of(1)
    return facts is not None and facts.codec_names == ("360p-h265", "240p-h265")
