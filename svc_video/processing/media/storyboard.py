"""The storyboard of a clip: one sheet of small pictures and the cues that say which of them shows when, for players that show a clip at the
place where a finger rests on its bar.

It is made of the pictures that begin each segment of the first rendition, which stand alone: nothing else is decoded for it.
"""

import asyncio
import math
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from svc_video.processing.media.bounds import guarded_input
from svc_video.processing.media.errors import MediaToolFailed
from svc_video.processing.media.frames import Pictures, picture_limits, pictures_of
from svc_video.processing.media.recipe import SEGMENT_MS, Recipe, Rendition
from svc_video.processing.media.sandbox import run_tool, scratch_folder
from svc_video.processing.media.tools import MediaTools

SHEET = "storyboard.webp"
CUES = "storyboard.vtt"
MAX_TILES = 60
TILE_PX = 160
"""The longer side of a tile."""
MAX_SHEET_BYTES = 256 * 1024

_COLUMNS = 10
_QUALITIES = (60, 40, 20, 5, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where the tiles of a clip stand: in rows from left to right, one for each `interval_ms`, the first at zero."""

    interval_ms: int
    """A whole number of segments."""
    tiles: int
    columns: int
    width: int
    height: int
    """Of one tile."""
    duration_ms: int

    def cues(self) -> str:
        """WebVTT: for each stretch of the clip its tile as a media fragment of the sheet beside it."""
        lines = ["WEBVTT", ""]
        for index in range(self.tiles):
            start_ms, end_ms = index * self.interval_ms, min((index + 1) * self.interval_ms, self.duration_ms)
            left, top = index % self.columns * self.width, index // self.columns * self.height
            lines += [f"{_clock(start_ms)} --> {_clock(end_ms)}", f"{SHEET}#xywh={left},{top},{self.width},{self.height}", ""]
        return "\n".join(lines)


def layout_of(recipe: Recipe, rendition: Rendition) -> Layout:
    """At most MAX_TILES tiles, none closer than a segment, each at most TILE_PX long; two seconds apart in clips of up to two minutes."""
    segments = math.ceil(recipe.frames / (SEGMENT_MS * recipe.fps // 1000))
    stride = math.ceil(segments / MAX_TILES)
    tiles = math.ceil(segments / stride)
    scale = min(1.0, TILE_PX / max(rendition.width, rendition.height))
    return Layout(
        interval_ms=stride * SEGMENT_MS,
        tiles=tiles,
        columns=min(tiles, _COLUMNS),
        width=max(2, math.floor(rendition.width * scale) // 2 * 2),
        height=max(2, math.floor(rendition.height * scale) // 2 * 2),
        duration_ms=recipe.duration_ms,
    )


async def make_storyboard(
    tools: MediaTools, *, source: Path, recipe: Recipe, rendition: Rendition, out_dir: Path
) -> tuple[Path, Path] | None:
    """Sheet and cues in `out_dir`, of `rendition` whole as one MP4 at `source`; None where even the plainest sheet exceeds MAX_SHEET_BYTES."""
    layout = layout_of(recipe, rendition)
    stride = layout.interval_ms // SEGMENT_MS
    argv: list[str | Path] = [
        *(tools.ffmpeg, "-hide_banner", "-nostdin", "-loglevel", "error", "-threads", "1", "-filter_threads", "1", "-skip_frame", "nokey"),
        *guarded_input(source, "mov"),
        *("-map", "0:v:0", "-vf", f"select=not(mod(n\\,{stride})),scale=w={layout.width}:h={layout.height}:flags=area,format=rgb24"),
        *("-fps_mode", "passthrough", "-f", "rawvideo", "pipe:1"),
    ]
    expected = layout.tiles * layout.width * layout.height * 3
    async with scratch_folder(out_dir) as folder:
        run = await run_tool(argv, cwd=folder, reads=[source], limits=picture_limits(expected))
    if len(run.stdout) != expected:
        problem = f"gave {len(run.stdout)} of {expected} bytes of a storyboard"
        raise MediaToolFailed("ffmpeg", problem=problem, stderr_tail=run.stderr_tail, exit_code=run.exit_code)
    return await asyncio.to_thread(_write, pictures_of(run.stdout, layout.width, layout.height), layout, out_dir)


def _write(pictures: Pictures, layout: Layout, out_dir: Path) -> tuple[Path, Path] | None:
    sheet = Image.new("RGB", (layout.columns * layout.width, math.ceil(layout.tiles / layout.columns) * layout.height))
    for index, picture in enumerate(pictures):
        sheet.paste(Image.fromarray(picture), (index % layout.columns * layout.width, index // layout.columns * layout.height))
    draft = out_dir / ".storyboard.part"
    for quality in _QUALITIES:
        sheet.save(draft, format="WEBP", quality=quality, method=4)
        if draft.stat().st_size <= MAX_SHEET_BYTES:
            cues = out_dir / CUES
            cues.write_text(layout.cues())
            return draft.rename(out_dir / SHEET), cues
    draft.unlink()
    return None


def _clock(ms: int) -> str:
    return f"{ms // 3_600_000:02}:{ms // 60_000 % 60:02}:{ms // 1000 % 60:02}.{ms % 1000:03}"
