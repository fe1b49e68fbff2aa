"""How soon the owner of a 60 s clip can play it, and how its 720p compares with one plain ffmpeg of the same file."""

from __future__ import annotations

import asyncio
from pathlib import Path

from bench import plain, sources
from bench.outcome import Aim, Outcome, Side, ratio, value
from bench.plan import Plan
from bench.running import running, upload_once
from bench.sources import Source
from bench.turns import Run, Turn, in_turns, timed
from svc_video.processing.media import Group, MediaTools, locate_tools

PLAYABLE_AIM = Aim(value=3.0)
WHOLE_AIM = Aim(value=1.1)
OURS, OTHER = "system", "plain ffmpeg"


async def run(plan: Plan) -> Outcome:
    """A system of its own for each turn, so that nothing of an earlier clip is still at work."""
    tools = await asyncio.to_thread(locate_tools)
    width, height, seconds = plan.size((1080, 1920, 60.0), (144, 256, 15.0))
    clip = await plan.size(sources.generated, sources.pattern)(tools, plan.folder, seconds=seconds, width=width, height=height)
    playable: list[float] = []
    sides = {OURS: _system(plan, tools, clip, playable), OTHER: _plain(tools, clip, plan.folder / "plain")}
    trial = await in_turns("first rendition complete", sides, repetitions=plan.size(3, 1))
    first = clip.recipe.of_group(Group.FIRST)[0].name
    ours, other = (Side(name=side, unit="s", samples=tuple(run.wall_s for run in trial.runs[side])) for side in (OURS, OTHER))
    return Outcome(
        figures=[
            value("last byte to playing for its owner", Side(name=OURS, unit="s", samples=tuple(playable)), aim=PLAYABLE_AIM),
            ratio(f"{first} complete", ours, other, aim=WHOLE_AIM),
        ],
        trials=[trial],
        sources=[clip.described, tools.version],
        notes=[
            "System: one worker as `clipmesh up` starts it, which does as many jobs at once as it may use cores.",
            "Playing: from the answer to the last part until the owner's player has fetched the playlist that grows, its tracks' playlists, init "
            "and first segments, and decoded the first picture.",
            "Complete: to the last byte of the MP4 over HTTP. Queue, probe, audio, packaging and a look every 100 ms (50 ms until it plays) are in both.",
            "Plain ffmpeg: pictures of the first rendition alone, all cores, from a file to a file.",
        ],
    )


def _system(plan: Plan, tools: MediaTools, clip: Source, playable: list[float]) -> Turn:
    async def turn() -> Run:
        name = f"system-{len(playable)}"
        async with running(plan, name) as system:
            moments = await upload_once(system, clip.path, tools)
            playable.append(moments.playable_s)
        whole = plan.folder / f"{name}.mp4"
        await asyncio.to_thread(whole.write_bytes, moments.whole_bytes)
        return Run(wall_s=moments.whole_s, cpu_s=0.0, work=await _work(tools, whole))

    return turn


def _plain(tools: MediaTools, clip: Source, folder: Path) -> Turn:
    out = folder / "whole.mp4"

    async def act() -> None:
        await asyncio.to_thread(folder.mkdir, exist_ok=True)
        await plain.encode(tools, clip.path, clip.recipe, clip.recipe.of_group(Group.FIRST)[0], out)

    return timed(act, lambda: _work(tools, out))


async def _work(tools: MediaTools, path: Path) -> str:
    size, pictures = await plain.shape(tools, path)
    return f"{pictures} pictures of {size}"
