"""What our bookkeeping around ffmpeg costs (sandbox, limits, progress, hashes, fsync): the toolbox against the very same calls made plainly."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from bench import plain, sources
from bench.outcome import Aim, Outcome, Side, ratio
from bench.plan import Plan
from bench.sources import Source
from bench.turns import Turn, in_turns, timed
from svc_video.processing import media
from svc_video.processing.media import Group, MediaTools
from svc_video.processing.media.sandbox import run_tool

AIM = Aim(value=1.05)
OURS, OTHER, WALK = "toolbox", "the same calls", "whole walk"


@dataclass(frozen=True, slots=True)
class Call:
    """One tool as the toolbox called it."""

    argv: tuple[str, ...]


async def run(plan: Plan) -> Outcome:
    """Encoding alone against the same calls, and the whole walk of a clip against them."""
    tools = await asyncio.to_thread(media.locate_tools)
    width, height, seconds = plan.size((1080, 1920, 16.0), (144, 256, 15.0))
    clip = await plan.size(sources.generated, sources.pattern)(tools, plan.folder, seconds=seconds, width=width, height=height)
    with recorded() as calls:
        await _encode(tools, clip, _fresh(plan.folder / "recorded"))
    sides = {
        OURS: _toolbox(tools, clip, plan.folder / "ours"),
        OTHER: _plainly(tools, calls, plan.folder / "plain"),
        WALK: _walk(tools, clip, plan.folder / "walk"),
    }
    trial = await in_turns("encode", sides, repetitions=plan.size(3, 1))
    cpu = {side: Side(name=side, unit="CPU s", samples=tuple(run.cpu_s for run in runs)) for side, runs in trial.runs.items()}
    wall = {side: Side(name=side, unit="s", samples=tuple(run.wall_s for run in runs)) for side, runs in trial.runs.items()}
    return Outcome(
        figures=[
            ratio("encoding, CPU", cpu[OURS], cpu[OTHER], aim=AIM),
            ratio("encoding, time", wall[OURS], wall[OTHER], aim=AIM),
            ratio("probe to package, CPU", cpu[WALK], cpu[OTHER]),
        ],
        trials=[trial],
        sources=[clip.described, f"{len(calls)} calls of ffmpeg; {tools.version}"],
        notes=[
            "Both sides call ffmpeg with the same arguments, at the same niceness.",
            "The whole walk also probes, joins, packages, and makes of the first rendition hashes, poster, preview and storyboard; nobody aimed at a figure for that.",
        ],
    )


@contextmanager
def recorded() -> Iterator[list[Call]]:
    """What the toolbox calls to encode, argument by argument."""
    calls: list[Call] = []

    async def listening(argv: Sequence[str | Path], **how: Any) -> Any:
        calls.append(Call(tuple(str(part) for part in argv)))
        return await run_tool(argv, **how)

    with patch("svc_video.processing.media.encode.run_tool", listening):
        yield calls


async def _encode(tools: MediaTools, clip: Source, folder: Path) -> Path | None:
    for group in (Group.FIRST, Group.REST):
        for chunk in clip.recipe.chunks:
            await media.encode_chunk(
                tools, source=clip.path, facts=clip.facts, recipe=clip.recipe, group=group, chunk=chunk, out_dir=folder
            )
    return await media.encode_audio(tools, source=clip.path, facts=clip.facts, recipe=clip.recipe, out_dir=folder)


def _toolbox(tools: MediaTools, clip: Source, folder: Path) -> Turn:
    async def act() -> None:
        await _encode(tools, clip, _fresh(folder))

    return timed(act, lambda: made(tools, folder))


def _plainly(tools: MediaTools, calls: Sequence[Call], folder: Path) -> Turn:
    async def act() -> None:
        _fresh(folder)
        for call in calls:
            await plain.run(call.argv, folder=folder)

    return timed(act, lambda: made(tools, folder))


def _walk(tools: MediaTools, clip: Source, folder: Path) -> Turn:
    encoded = folder / "encoded"

    async def act() -> None:
        _fresh(folder)
        source, recipe = clip.path, clip.recipe
        for part in (encoded, folder / "images", folder / "joined", folder / "first", folder / "rest"):
            part.mkdir()
        await media.probe(tools, source, scratch=folder)
        audio = await _encode(tools, clip, encoded)
        joined: dict[str, Path] = {}
        for group in dict.fromkeys(rendition.group for rendition in recipe.renditions):
            for rendition in recipe.of_group(group):
                chunks = [encoded / f"{rendition.name}-{chunk.index:04d}.mp4" for chunk in recipe.chunks]
                out = folder / "joined" / f"{rendition.name}.mp4"
                joined[rendition.name] = await media.join_chunks(tools, chunks=chunks, recipe=recipe, out=out)
            await media.package(tools, recipe=recipe, renditions=joined, audio=audio, out_dir=folder / group.value)
            if group is Group.FIRST:
                await _pictures(tools, clip, joined, audio, folder / "images")

    return timed(act, lambda: made(tools, encoded))


async def _pictures(tools: MediaTools, clip: Source, joined: dict[str, Path], audio: Path | None, folder: Path) -> None:
    """As workers do it: of the first rendition, whose facts are known because we made it."""
    recipe = clip.recipe
    first = recipe.of_group(Group.FIRST)[0]
    whole = await media.mux_fast_start(tools, video=joined[first.name], audio=audio, out=folder / f"{first.name}.mp4")
    facts = media.facts_of_made(recipe, first, size_bytes=(await asyncio.to_thread(whole.stat)).st_size)
    await media.perceptual_facts(tools, source=whole, facts=facts, scratch=folder)
    await media.make_poster(tools, source=whole, facts=facts, out_dir=folder)
    await media.make_preview(tools, source=whole, facts=facts, out_dir=folder)
    await media.make_storyboard(tools, source=whole, recipe=recipe, rendition=first, out_dir=folder)


async def made(tools: MediaTools, folder: Path) -> str:
    """Streams of every MP4 in a folder, whatever it is called: kind, size of pictures, number of packets."""
    asked = ("-v", "error", "-show_entries", "stream=codec_type,width,height,nb_frames", "-of", "csv=p=0")
    paths = await asyncio.to_thread(finished, folder)
    streams = [(await plain.run([tools.ffprobe, *asked, path], folder=folder)).decode().split() for path in paths]
    return f"{len(paths)} files: " + "; ".join(sorted(" ".join(lines) for lines in streams))


def finished(folder: Path) -> list[Path]:
    """The MP4s of a folder by their content; what else is there is made of them, or waits for that."""
    found = []
    for path in folder.iterdir():
        with path.open("rb") as file:
            if file.read(8)[4:] == b"ftyp":
                found.append(path)
    return found


def _fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
