"""How hard the pictures of a clip are, from a few short samples encoded small and fast before anything else is made of it.

One process decodes all samples; each is encoded twice, as every clip would be and a step coarser, and the encoder itself tells how much of the pictures
it kept. Same bytes in, same numbers out: they stand in the facts of the clip, and the recipe is computed from there.
"""

import re
from pathlib import Path

from svc_video.processing.media.bounds import guarded_input
from svc_video.processing.media.errors import MediaToolOverLimit
from svc_video.processing.media.facts import Complexity, MediaFacts
from svc_video.processing.media.graph import first_scale
from svc_video.processing.media.sandbox import Limits, run_tool, scratch_folder
from svc_video.processing.media.tools import MediaTools

PLACES_PERCENT = (12, 50, 88)
FRAMES = 24
_SHORT_SIDE = 360
FINE_CRF, COARSE_CRF = 23, 29
_LIMITS = Limits(wall_s=120, cpu_s=30, file_bytes=64 * 1024**2)
_TOLD = re.compile(r"SSIM Mean Y:([\d.]+)")


async def measure_complexity(tools: MediaTools, source: Path, facts: MediaFacts, *, scratch: Path) -> Complexity | None:
    """The hardest of the samples; None where they cannot be decoded from where they begin: such a clip is encoded as if nothing were known of it.

    Raises MediaToolFailed for what says nothing about the bytes.
    """
    short, long = min(facts.width, facts.height), max(facts.width, facts.height)
    small = min(_SHORT_SIDE, short) // 2 * 2
    other = round(long * small / short / 2) * 2
    width, height = (small, other) if facts.width <= facts.height else (other, small)
    inputs: list[str | Path] = []
    filters: list[str] = []
    outputs: list[str | Path] = []
    names: list[str] = []
    for index, percent in enumerate(PLACES_PERCENT):
        at_ms = facts.duration_ms * percent // 100
        inputs += ["-noaccurate_seek", "-ss", f"{at_ms}ms", *guarded_input(source, facts.container)]
        scaled = f"[{index}:{facts.stream_index}]setpts=N/25/TB,{first_scale(facts, width, height)}"
        filters.append(f"{scaled},split[fine{index}][coarse{index}]")
        for word, crf in (("fine", FINE_CRF), ("coarse", COARSE_CRF)):
            names.append(f"{word}{index}.h264")
            outputs += ["-map", f"[{word}{index}]", "-c:v", "libx264", "-preset", "veryfast", "-crf", str(crf), "-ssim", "1"]
            outputs += ["-threads", "1", "-frames:v", str(FRAMES), "-f", "h264", names[-1]]
    async with scratch_folder(scratch) as folder:
        try:
            run = await run_tool(
                [
                    *(tools.ffmpeg, "-hide_banner", "-nostdin", "-y", "-nostats", "-loglevel", "info", "-threads", "2", *inputs),
                    *("-filter_complex", ";".join(filters), *outputs),
                ],
                cwd=folder,
                reads=[source],
                limits=_LIMITS,
            )
        except MediaToolOverLimit:
            return None
        told = [round(float(found) * 1_000_000) for found in _TOLD.findall(run.stderr_tail)]
        if run.exit_code != 0 or len(told) != len(names):
            return None
        sizes = [(folder / name).stat().st_size for name in names]
    fine, coarse = slice(0, None, 2), slice(1, None, 2)
    pixels = width * height * FRAMES
    return Complexity(
        bits=max(sizes[fine]) * 8_000 // pixels,
        lost=max(0, *(one - other for one, other in zip(told[fine], told[coarse], strict=True))),
    )
