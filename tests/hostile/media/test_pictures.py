"""Taking pictures out of a file is bounded, whatever the file asks for."""

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from svc_video.processing.media import Group, MediaTools, frames, make_recipe, make_storyboard, perceptual_facts, probe, storyboard
from svc_video.processing.media.sandbox import Limits, ToolRun, run_tool
from tests.hostile.media.bombs import bombs
from tests.hostile.media.mp4 import film
from tests.unit.media.test_encode import finished

MIB = 1024 * 1024
MOST_MIB = 1024


async def test_every_tool_that_takes_pictures_has_a_bound_of_memory(
    tools: MediaTools, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bounds: list[int] = []

    async def noting(argv: list[str | Path], *, cwd: Path, reads: list[Path], limits: Limits) -> ToolRun:
        bounds.append(limits.data_bytes)
        return await run_tool(argv, cwd=cwd, reads=reads, limits=limits)

    source = tmp_path / "film.mp4"
    source.write_bytes(film())
    facts, recipe, path = await finished(tools, source, tmp_path)
    for module in (frames, storyboard):
        monkeypatch.setattr(module, "run_tool", noting)
    await perceptual_facts(tools, source=source, facts=facts)
    await make_storyboard(tools, source=path, recipe=recipe, rendition=recipe.of_group(Group.FIRST)[0], out_dir=tmp_path)
    assert bounds == [MOST_MIB * MIB] * len(bounds)
    assert len(bounds) >= 2


@pytest.mark.long
@pytest.mark.timeout(300)
async def test_the_greediest_legal_pictures_fit_into_the_bound(tools: MediaTools, tmp_path: Path) -> None:
    """In a process of its own: the kernel counts for children what their parent held when it started them."""
    source = tmp_path / "greedy.mp4"
    source.write_bytes(bombs()["pictures_that_need_all_the_memory"].write())
    assert make_recipe(await probe(tools, source), tools.version).renditions
    code = textwrap.dedent("""
        import asyncio, json, resource, sys
        from pathlib import Path
        from svc_video.processing.media import locate_tools, perceptual_facts, probe
        async def main():
            tools, source = locate_tools(), Path(sys.argv[1])
            seen = await perceptual_facts(tools, source=source, facts=await probe(tools, source))
            print(json.dumps([len(seen.frames), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024]))
        asyncio.run(main())
    """)
    done = subprocess.run([sys.executable, "-c", code, source], capture_output=True, check=True, timeout=250)
    frames_seen, peak_mib = json.loads(done.stdout)
    assert frames_seen == 8
    assert peak_mib < MOST_MIB
