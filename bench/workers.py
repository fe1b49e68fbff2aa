"""How much sooner four media workers make a 10-minute clip playable than one."""

from __future__ import annotations

import asyncio

from bench import plain, sources
from bench.machine import cores
from bench.outcome import Aim, Outcome, Side, Skipped, ratio, value
from bench.plan import Plan
from bench.running import running, upload_once
from bench.sources import Source
from bench.turns import Run, Turn, in_turns
from svc_video.processing.media import MediaTools, locate_tools

READY_AIM = Aim(value=120.0)


async def run(plan: Plan) -> Outcome:
    """Two systems in turns, one clip each."""
    if not plan.long and not plan.quick:
        raise Skipped("takes up to an hour: ask for it with --long")
    tools = await asyncio.to_thread(locate_tools)
    width, height, seconds = plan.size((720, 1280, 600.0), (144, 256, 15.0))
    many = plan.size(4, 2)
    clip = await plan.size(sources.generated, sources.pattern)(tools, plan.folder, seconds=seconds, width=width, height=height)
    ours, other = f"{many} workers", "1 worker"
    sides = {ours: _playable(plan, tools, clip, many), other: _playable(plan, tools, clip, 1)}
    trial = await in_turns("playable", sides, repetitions=1)
    of = {side: Side(name=side, unit="s", samples=tuple(run.wall_s for run in runs)) for side, runs in trial.runs.items()}
    return Outcome(
        figures=[ratio("last byte to playable", of[ours], of[other]), value(f"playable with {many} workers", of[ours], aim=READY_AIM)],
        trials=[trial],
        sources=[clip.described, f"{len(clip.recipe.chunks)} chunks, {cores()} cores; {tools.version}"],
        notes=["More workers than cores share them: the ratio cannot be better than 1 worker's idle share of the machine."],
    )


def _playable(plan: Plan, tools: MediaTools, clip: Source, workers: int) -> Turn:
    async def turn() -> Run:
        async with running(plan, f"workers-{workers}", workers=workers) as system:
            moments = await upload_once(system, clip.path, tools)
        whole = plan.folder / f"workers-{workers}.mp4"
        await asyncio.to_thread(whole.write_bytes, moments.whole_bytes)
        size, pictures = await plain.shape(tools, whole)
        return Run(wall_s=moments.whole_s, cpu_s=0.0, work=f"{pictures} pictures of {size}")

    return turn
