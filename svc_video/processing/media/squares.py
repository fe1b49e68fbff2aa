"""Squares of a picture that somebody sent: decoded in the sandbox, made anew of the pixels that came out of it."""

import asyncio
import sys
from collections.abc import Sequence
from enum import StrEnum
from io import BytesIO
from pathlib import Path

import PIL
from PIL import Image

from svc_video.processing.media import squaring
from svc_video.processing.media.errors import MediaError, MediaToolFailed, MediaToolOverLimit
from svc_video.processing.media.sandbox import Limits, run_tool, scratch_folder

_PYTHON = Path(sys.executable).resolve()
"""The interpreter itself and not the link to it in an environment: what an environment holds is none of the child's business."""
_CHILD = Path(squaring.__file__)
_PILLOW = Path(PIL.__file__).parent
_QUALITY = 82
_MIB = 1024 * 1024


class PictureReason(StrEnum):
    """Stable words that reach the person; the text beside them may change."""

    UNSUPPORTED_IMAGE = "UNSUPPORTED_IMAGE"
    CORRUPT_IMAGE = "CORRUPT_IMAGE"
    ANIMATED_IMAGE = "ANIMATED_IMAGE"
    TOO_MANY_PIXELS = "TOO_MANY_PIXELS"
    TOO_FEW_PIXELS = "TOO_FEW_PIXELS"


_REASONS = {
    squaring.UNSUPPORTED: PictureReason.UNSUPPORTED_IMAGE,
    squaring.CORRUPT: PictureReason.CORRUPT_IMAGE,
    squaring.ANIMATED: PictureReason.ANIMATED_IMAGE,
    squaring.TOO_MANY: PictureReason.TOO_MANY_PIXELS,
    squaring.TOO_FEW: PictureReason.TOO_FEW_PIXELS,
}


class PictureRefused(MediaError):
    """The bytes cannot become a picture of ours; no retry will change that."""

    def __init__(self, reason: PictureReason) -> None:
        super().__init__(reason.value)
        self.reason = reason


async def make_squares(source: Path, *, sides: Sequence[int]) -> dict[int, bytes]:
    """WebP of each side in pixels, of the middle of a JPEG, PNG or WebP at an absolute path. Raises PictureRefused, and MediaToolFailed where the machine is to blame."""
    largest = max(sides)
    pixels = await _pixels_of(source, largest)
    return await asyncio.to_thread(_encoded, pixels, largest, sides)


async def _pixels_of(source: Path, side: int) -> bytes:
    expected = side * side * 3
    limits = Limits(
        wall_s=20,
        cpu_s=4,
        memory_bytes=2048 * _MIB,
        data_bytes=512 * _MIB,
        # It writes no file at all.
        file_bytes=1,
        stdout_bytes=expected + 1,
    )
    argv: list[str | Path] = [_PYTHON, "-I", "-S", "-B", _CHILD, _PILLOW, source, str(side)]
    reads = [_CHILD, _PILLOW, _PILLOW.with_name("pillow.libs"), Path(sys.base_prefix), source]
    async with scratch_folder(source.parent) as folder:
        try:
            run = await run_tool(argv, cwd=folder, reads=reads, limits=limits)
        except MediaToolOverLimit as error:
            raise PictureRefused(PictureReason.TOO_MANY_PIXELS) from error
    if run.exit_code in _REASONS:
        raise PictureRefused(_REASONS[run.exit_code])
    if run.exit_code != squaring.DONE or len(run.stdout) != expected:
        problem = f"gave {len(run.stdout)} of {expected} bytes"
        raise MediaToolFailed("squaring", problem=problem, stderr_tail=run.stderr_tail, exit_code=run.exit_code)
    return run.stdout


def _encoded(pixels: bytes, side: int, sides: Sequence[int]) -> dict[int, bytes]:
    square = Image.frombytes("RGB", (side, side), pixels)
    made: dict[int, bytes] = {}
    for wanted in sides:
        sized = square if wanted == side else square.resize((wanted, wanted), Image.Resampling.LANCZOS)
        written = BytesIO()
        sized.save(written, format="WEBP", quality=_QUALITY, method=4)
        made[wanted] = written.getvalue()
    return made
