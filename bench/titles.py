"""Bits and quality of clips with the rate that a look at them chose, against the same clips with the rate of every clip.

Quality is VMAF where an ffmpeg with libvmaf is there (the wheel imageio-ffmpeg, or CLIPMESH_FFMPEG_VMAF); else SSIM, and the figures say so.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import re
from dataclasses import replace
from pathlib import Path

from bench import plain, scenes
from bench.ladder import made
from bench.outcome import Aim, Figure, Outcome, Side, ratio, value
from bench.plan import Plan
from bench.turns import Trial, Turn, in_turns, timed
from svc_video.processing.media import (
    Group,
    MediaFacts,
    MediaTools,
    encode_chunk,
    join_chunks,
    locate_tools,
    make_recipe,
    measure_complexity,
    probe,
)

SAVED = Aim(value=0.7)
LOST = Aim(value=1.0)
_SSIM = re.compile(r"SSIM Y:[\d.]+ \(([\d.]+|inf)\)")


OURS, OTHER = "by clip", "of every clip"


async def run(plan: Plan) -> Outcome:
    """Two figures for each clip: bits, and points of quality lost."""
    tools, judge = await asyncio.to_thread(locate_tools), _judge()
    width, height, seconds = plan.size((720, 1280, 16.0), (128, 228, 15.0))
    figures: list[Figure] = []
    trials: list[Trial] = []
    sources: list[str] = [tools.version, f"judged by {judge.name if judge else tools.ffmpeg.name}"]
    word = "VMAF" if judge else "SSIM dB"
    for scene in plan.size(scenes.SCENES, (scenes.SCENES[0], scenes.SCENES[-1])):
        source = plan.folder / f"{scene.name}.mp4"
        await asyncio.to_thread(scenes.draw, tools, scene, source, width=width, height=height, seconds=seconds)
        facts = await probe(tools, source)
        complexity = await measure_complexity(tools, source, facts, scratch=plan.folder)
        of_side = {OURS: replace(facts, complexity=complexity), OTHER: facts}
        turns = {side: _encoded(tools, source, of, plan.folder / f"{scene.name} {side}") for side, of in of_side.items()}
        trials.append(await in_turns(scene.name, turns, repetitions=1))
        whole = await _whole(tools, source, facts, plan.folder / f"{scene.name}-source.mp4")
        sides: list[Side] = []
        points: list[float] = []
        for side, of in of_side.items():
            joined = await _joined(tools, of, plan.folder / f"{scene.name} {side}")
            sides.append(Side(name=side, unit="kb/s", samples=(joined.stat().st_size * 8 / facts.duration_ms,)))
            points.append(await _quality(judge, tools, whole, joined))
            [first] = make_recipe(of, tools.version).of_group(Group.FIRST)
            sources.append(f"{scene.name} {side}: crf {first.crf}, at most {first.max_kbps} kb/s, {word} {points[-1]:.2f}")
        figures.append(ratio(f"bits, {scene.name}", *sides, aim=SAVED if scene.simple else None))
        figures.append(value(f"{word} lost, {scene.name}", Side(name="lost", unit=word, samples=(points[1] - points[0],)), aim=LOST))
    return Outcome(
        figures=figures, trials=trials, sources=sources, notes=["720p alone: rates of the other rungs follow from the same numbers."]
    )


def _judge() -> Path | None:
    """An ffmpeg that knows VMAF."""
    if named := os.environ.get("CLIPMESH_FFMPEG_VMAF"):
        return Path(named)
    try:
        return Path(str(importlib.import_module("imageio_ffmpeg").get_ffmpeg_exe()))
    except (ImportError, RuntimeError):
        return None


def _encoded(tools: MediaTools, source: Path, facts: MediaFacts, folder: Path) -> Turn:
    """The first rendition as workers make it, chunk by chunk."""

    async def act() -> None:
        await asyncio.to_thread(folder.mkdir)
        recipe = make_recipe(facts, tools.version)
        for chunk in recipe.chunks:
            await encode_chunk(tools, source=source, facts=facts, recipe=recipe, group=Group.FIRST, chunk=chunk, out_dir=folder)

    return timed(act, lambda: made(tools, folder))


async def _joined(tools: MediaTools, facts: MediaFacts, folder: Path) -> Path:
    chunks = await asyncio.to_thread(lambda: sorted(folder.glob("*.mp4")))
    recipe = make_recipe(facts, tools.version)
    return await join_chunks(tools, chunks=chunks, recipe=recipe, out=folder.with_name(f"{folder.name}.joined.mp4"))


async def _whole(tools: MediaTools, source: Path, facts: MediaFacts, out: Path) -> Path:
    """The source at the clip's size and rate, without loss: what both are judged against."""
    recipe = make_recipe(facts, tools.version)
    [first] = recipe.of_group(Group.FIRST)
    shown = f"fps={recipe.fps},scale={first.width}:{first.height}:flags=bicubic,setsar=1"
    argv: list[str | Path] = [
        *(tools.ffmpeg, "-hide_banner", "-nostdin", "-y", "-loglevel", "error", "-i", source, "-map", "0:v:0", "-vf", shown),
        *("-frames:v", str(recipe.frames), "-c:v", "libx264", "-preset", "ultrafast", "-qp", "0", "-pix_fmt", "yuv420p", out),
    ]
    await plain.run(argv, folder=out.parent)
    return out


async def _quality(judge: Path | None, tools: MediaTools, whole: Path, made: Path) -> float:
    """VMAF, every third picture, or SSIM in dB."""
    told = made.with_suffix(".json")
    wanted = f"libvmaf=log_fmt=json:log_path={told.name}:n_subsample=3" if judge else "ssim"
    argv: list[str | Path] = [
        *(judge or tools.ffmpeg, "-hide_banner", "-nostdin", "-y", "-i", made, "-i", whole),
        *("-lavfi", f"[0:v][1:v]{wanted}", "-f", "null", "-"),
    ]
    process = await asyncio.create_subprocess_exec(
        *map(str, argv), cwd=made.parent, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    _, said = await process.communicate()
    if process.returncode != 0:
        raise plain.PlainToolFailed(f"{argv[0]} ended with {process.returncode}: {said.decode(errors='replace')[-500:]}")
    if judge:
        return float(json.loads(await asyncio.to_thread(told.read_text))["pooled_metrics"]["vmaf"]["mean"])
    found = _SSIM.search(said.decode(errors="replace"))
    assert found is not None, "the filter always tells"
    return min(99.0, float(found[1]))
