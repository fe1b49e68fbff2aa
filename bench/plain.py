"""ffmpeg as a person would call it: no sandbox, no limits, no bookkeeping; the other side of the media benches."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from svc_video.processing.media import MediaTools, Recipe, Rendition
from svc_video.processing.media.recipe import SEGMENT_MS

NICE = 5
"""What the toolbox gives its tools; both sides get it, so that a busy machine treats them alike."""


class PlainToolFailed(Exception):
    """A tool that was called plainly ended with an error; the text is the end of what it said."""


async def run(argv: Sequence[str | Path], *, folder: Path) -> bytes:
    """Run one tool in `folder` and wait; what it printed. Cancelling kills it. Raises PlainToolFailed."""
    command = ["nice", "-n", str(NICE), *(str(part) for part in argv)]
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        printed, said = await process.communicate()
    except BaseException:
        if process.returncode is None:
            process.kill()
            await process.wait()
        raise
    if process.returncode != 0:
        raise PlainToolFailed(f"{Path(command[3]).name} ended with {process.returncode}: {said.decode(errors='replace')[-500:]}")
    return printed


async def encode(tools: MediaTools, source: Path, recipe: Recipe, rendition: Rendition, out: Path, *, most_s: float | None = None) -> None:
    """One rendition of the whole clip (or of its first `most_s` seconds) with the recipe's own x264 settings, scaled from the source."""
    gop = str(SEGMENT_MS * recipe.fps // 1000)
    argv: list[str | Path] = [
        *(tools.ffmpeg, "-hide_banner", "-nostdin", "-y", "-loglevel", "error", "-i", source),
        *("-map", "0:v:0", "-vf", f"fps={recipe.fps},scale={rendition.width}:{rendition.height}:flags=bicubic,setsar=1"),
        *("-c:v", "libx264", "-preset", "veryfast", "-profile:v", "high", "-pix_fmt", "yuv420p", "-crf", str(rendition.crf)),
        *("-maxrate", f"{rendition.max_kbps}k", "-bufsize", f"{rendition.max_kbps * 3 // 2}k"),
        *("-g", gop, "-keyint_min", gop, "-sc_threshold", "0", "-flags", "+cgop"),
        *(("-t", str(most_s)) if most_s is not None else ()),
        *("-movflags", "+faststart", out),
    ]
    await run(argv, folder=out.parent)


async def shape(tools: MediaTools, path: Path) -> tuple[str, int]:
    """Size of the pictures as "WIDTHxHEIGHT" and their number, as the file itself says."""
    asked = ("-select_streams", "v:0", "-show_entries", "stream=width,height,nb_frames", "-of", "csv=p=0")
    width, height, pictures = (await run([tools.ffprobe, "-v", "error", *asked, path], folder=path.parent)).decode().strip().split(",")[:3]
    return f"{width}x{height}", int(pictures)
