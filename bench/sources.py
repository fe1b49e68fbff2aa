"""What the media benches work on: a generated clip, and the same under heavy noise, each named with its size and bit rate."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from bench import plain
from devstack.clips import make_clip
from svc_video.processing.media import MediaFacts, MediaTools, Recipe, make_recipe, probe

_SEED = 21


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One clip that is there to be encoded."""

    name: str
    path: Path
    facts: MediaFacts
    recipe: Recipe

    @property
    def described(self) -> str:
        """Name, size, length and bit rate: the ratios depend on them."""
        facts = self.facts
        mbps = self.path.stat().st_size * 8 / facts.duration_ms / 1000
        return f"source {self.name}: {facts.width}x{facts.height}, {facts.duration_ms / 1000:g} s, {self.recipe.fps} fps, {mbps:.1f} Mb/s"


async def generated(tools: MediaTools, folder: Path, *, seconds: float, width: int, height: int) -> Source:
    """A scene with music, as `clipmesh demo` makes them: flat areas, soft motion, few bits."""
    path = folder / f"generated-{width}x{height}-{seconds:g}.mp4"
    await asyncio.to_thread(make_clip, path, seed=_SEED, duration_s=seconds, width=width, height=height)
    return await _named(tools, "generated", path)


async def pattern(tools: MediaTools, folder: Path, *, seconds: float, width: int, height: int) -> Source:
    """A test pattern with a tone: there at once, of use where only the way is shown."""
    path = folder / f"pattern-{width}x{height}-{seconds:g}.mp4"
    argv: list[str | Path] = [
        *(tools.ffmpeg, "-hide_banner", "-nostdin", "-y", "-loglevel", "error"),
        *("-f", "lavfi", "-i", f"testsrc2=size={width}x{height}:rate=24", "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000"),
        *("-t", f"{seconds:g}", "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "60", "-c:a", "aac"),
        *("-movflags", "+faststart", path),
    ]
    await plain.run(argv, folder=folder)
    return await _named(tools, "pattern", path)


async def noisy(tools: MediaTools, source: Source, *, strength: int = 40) -> Source:
    """The same pictures under noise that no encoder can predict: as many bits as a camera in the dark, and more."""
    path = source.path.with_name(f"noisy-{source.path.name}")
    argv: list[str | Path] = [
        *(tools.ffmpeg, "-hide_banner", "-nostdin", "-y", "-loglevel", "error", "-i", source.path),
        *(
            "-vf",
            f"noise=alls={strength}:allf=t:all_seed=7",
            "-c:v",
            "libx264",
            "-preset",
            "ultrafast",
            "-crf",
            "18",
            "-pix_fmt",
            "yuv420p",
        ),
        *("-c:a", "copy", "-movflags", "+faststart", path),
    ]
    await plain.run(argv, folder=path.parent)
    return await _named(tools, "noisy", path)


async def _named(tools: MediaTools, name: str, path: Path) -> Source:
    facts = await probe(tools, path)
    return Source(name=name, path=path, facts=facts, recipe=make_recipe(facts, tools.version))
