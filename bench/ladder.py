"""CPU of the whole ladder in our two passes (720p first, the rest from one decode) against one plain ffmpeg for each rendition."""

from __future__ import annotations

import asyncio
import shutil
from collections import defaultdict
from pathlib import Path

from bench import plain, sources
from bench.outcome import Aim, Figure, Outcome, Side, ratio
from bench.plan import Plan
from bench.sources import Source
from bench.turns import Trial, Turn, in_turns, timed
from svc_video.processing.media import Group, MediaTools, encode_chunk, locate_tools

AIM = Aim(value=0.74)
OURS, OTHER = "two passes", "one ffmpeg each"


async def run(plan: Plan) -> Outcome:
    """One figure for each source."""
    tools = await asyncio.to_thread(locate_tools)
    width, height, seconds = plan.size((1080, 1920, 16.0), (248, 440, 15.0))
    calm = await plan.size(sources.generated, sources.pattern)(tools, plan.folder, seconds=seconds, width=width, height=height)
    clips = [calm, await sources.noisy(tools, calm, strength=plan.size(40, 5))]
    figures: list[Figure] = []
    trials: list[Trial] = []
    for clip in clips:
        sides = {OURS: _two_passes(tools, clip, plan.folder / "ours"), OTHER: _one_each(tools, clip, plan.folder / "plain")}
        trial = await in_turns(clip.name, sides, repetitions=plan.size(3, 1))
        trials.append(trial)
        ours, other = (Side(name=side, unit="CPU s", samples=tuple(run.cpu_s for run in trial.runs[side])) for side in (OURS, OTHER))
        figures.append(ratio(f"ladder CPU, {clip.name} source", ours, other, aim=AIM))
    return Outcome(
        figures=figures,
        trials=trials,
        sources=[
            *(clip.described for clip in clips),
            f"renditions {', '.join(one.name for one in calm.recipe.renditions)}; {tools.version}",
        ],
        notes=["Pictures only; both sides have the same x264 settings and the same number of pictures of the same size."],
    )


def _two_passes(tools: MediaTools, clip: Source, folder: Path) -> Turn:
    async def act() -> None:
        _fresh(folder)
        for group in (Group.FIRST, Group.REST):
            for chunk in clip.recipe.chunks:
                await encode_chunk(tools, source=clip.path, facts=clip.facts, recipe=clip.recipe, group=group, chunk=chunk, out_dir=folder)

    return timed(act, lambda: made(tools, folder))


def _one_each(tools: MediaTools, clip: Source, folder: Path) -> Turn:
    async def act() -> None:
        _fresh(folder)
        for rendition in clip.recipe.renditions:
            await plain.encode(tools, clip.path, clip.recipe, rendition, folder / f"{rendition.name}-whole.mp4")

    return timed(act, lambda: made(tools, folder))


async def made(tools: MediaTools, folder: Path) -> str:
    """Renditions in a folder with their size and number of pictures, the pieces of each added up."""
    pictures: dict[str, int] = defaultdict(int)
    for path in await asyncio.to_thread(lambda: sorted(folder.glob("*.mp4"))):
        size, count = await plain.shape(tools, path)
        pictures[f"{path.name.partition('-')[0]} {size}"] += count
    return ", ".join(f"{name} {count} pictures" for name, count in sorted(pictures.items()))


def _fresh(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
