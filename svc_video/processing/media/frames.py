"""Single pictures of a clip as arrays, taken at exact moments, for posters, previews and hashes."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from svc_video.processing.media.bounds import guarded_input
from svc_video.processing.media.encode import seek
from svc_video.processing.media.errors import MediaRejected, MediaToolFailed, RejectReason, blaming_the_bytes
from svc_video.processing.media.facts import MediaFacts
from svc_video.processing.media.graph import first_scale
from svc_video.processing.media.sandbox import Limits, run_tool, scratch_folder
from svc_video.processing.media.tools import MediaTools

Pictures = NDArray[np.uint8]
"""[n, height, width, 3], RGB."""

# Decoders of one process share its memory limit: this many pixels of open decoders at once.
_DECODER_PIXELS = 8 * 1920 * 1088


async def grab(
    tools: MediaTools,
    *,
    source: Path,
    facts: MediaFacts,
    moments_ms: Sequence[int],
    size: tuple[int, int],
    burst: int = 1,
    burst_fps: int = 1000,
    scratch: Path | None = None,
) -> Pictures:
    """The pictures shown at these moments, in their order, `burst` of each at `burst_fps`, scaled to `size` (width, height); tools keep what they need
    for themselves in `scratch`, or beside the source, and nothing of it stays.

    Raises MediaRejected(CORRUPT_MEDIA) where a moment has no picture.
    """
    width, height = size
    at_once = max(1, _DECODER_PIXELS // (facts.coded_width * facts.coded_height))
    found: list[Pictures] = []
    for first in range(0, len(moments_ms), at_once):
        moments = moments_ms[first : first + at_once]
        argv: list[str | Path] = [tools.ffmpeg, "-hide_banner", "-nostdin", "-loglevel", "error", "-filter_complex_threads", "1", "-copyts"]
        chains = []
        for index, moment in enumerate(moments):
            argv += ["-threads", "1", *seek(facts, moment), *guarded_input(source, facts.container)]
            chains.append(
                f"[{index}:{facts.stream_index}]setpts=PTS-({facts.video_start_ticks}),"
                f"fps=fps={burst_fps}:start_time={moment / 1000:.3f}:round=near,tpad=stop=-1:stop_mode=clone,trim=end_frame={burst},"
                f"settb=1/{burst_fps},setpts=N,{first_scale(facts, width, height)},format=rgb24[p{index}]"
            )
        labels = "".join(f"[p{index}]" for index in range(len(moments)))
        argv += ["-filter_complex", ";".join([*chains, f"{labels}concat=n={len(moments)}[all]"])]
        argv += ["-map", "[all]", "-fps_mode", "passthrough", "-f", "rawvideo", "pipe:1"]
        expected = len(moments) * burst * height * width * 3
        async with scratch_folder(scratch or source.parent) as folder:
            with blaming_the_bytes():
                run = await run_tool(argv, cwd=folder, reads=[source], limits=picture_limits(expected))
        if run.exit_code != 0 and not run.stdout:
            raise MediaToolFailed("ffmpeg", problem="gave no pictures", stderr_tail=run.stderr_tail, exit_code=run.exit_code)
        if len(run.stdout) != expected:
            raise MediaRejected(RejectReason.CORRUPT_MEDIA, f"{len(run.stdout)} of {expected} bytes of pictures can be decoded")
        found.append(pictures_of(run.stdout, width, height))
    return np.concatenate(found)


def picture_limits(expected_bytes: int) -> Limits:
    """Of a tool that prints so many bytes of pictures: a decoder of the largest picture with all the references that its codec knows needs 672 MiB."""
    return Limits(wall_s=120, cpu_s=60, data_bytes=1024**3, file_bytes=1, stdout_bytes=expected_bytes + 1)


def pictures_of(raw: bytes, width: int, height: int) -> Pictures:
    """Raw RGB as a tool prints it, picture after picture."""
    return np.frombuffer(raw, dtype=np.uint8).reshape(-1, height, width, 3)


def spread_ms(facts: MediaFacts, count: int) -> list[int]:
    """`count` moments in the middles of equal parts of the clip."""
    return [facts.duration_ms * (2 * index + 1) // (2 * count) for index in range(count)]


def fitted(facts: MediaFacts, short_side: int) -> tuple[int, int]:
    """Even width and height with that short side, or the clip's own where it is smaller."""
    scale = min(1.0, short_side / min(facts.width, facts.height))
    return max(2, math.floor(facts.width * scale) // 2 * 2), max(2, math.floor(facts.height * scale) // 2 * 2)
