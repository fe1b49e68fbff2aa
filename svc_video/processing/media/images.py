"""Poster and animated preview of a clip."""

import asyncio
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from svc_video.processing.media.facts import MediaFacts
from svc_video.processing.media.frames import Pictures, fitted, grab, spread_ms
from svc_video.processing.media.tools import MediaTools

_POSTER_CANDIDATES = 8
_POSTER_SHORT_SIDE = 720
_POSTER_QUALITY = 82
_PREVIEW_SHORT_SIDE = 240
_PREVIEW_PLACES = 3
_PREVIEW_FPS = 10
_PREVIEW_QUALITY = 45
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)


async def make_poster(tools: MediaTools, *, source: Path, facts: MediaFacts, out_dir: Path) -> Path:
    """The best of several frames (sharp, well lit, not black) as `out_dir/poster.jpg`, at most 720 pixels on the short side."""
    moments = spread_ms(facts, _POSTER_CANDIDATES)
    size = fitted(facts, _POSTER_SHORT_SIDE)
    pictures = await grab(tools, source=source, facts=facts, moments_ms=moments, size=size, scratch=out_dir)
    return await asyncio.to_thread(_write_poster, pictures, out_dir)


async def make_preview(tools: MediaTools, *, source: Path, facts: MediaFacts, out_dir: Path) -> Path:
    """About three seconds of small moving pictures from across the clip as `out_dir/preview.webp`."""
    pictures = await grab(
        tools,
        source=source,
        facts=facts,
        moments_ms=spread_ms(facts, _PREVIEW_PLACES),
        size=fitted(facts, _PREVIEW_SHORT_SIDE),
        burst=_PREVIEW_FPS,
        burst_fps=_PREVIEW_FPS,
        scratch=out_dir,
    )
    return await asyncio.to_thread(_write_preview, pictures, out_dir)


def poster_score(picture: NDArray[np.uint8]) -> float:
    """How well a frame [height, width, 3] stands for its clip: detail and contrast, both worth little where it is dark or burnt out."""
    step = max(1, min(picture.shape[:2]) // 240)
    luma = picture[::step, ::step].astype(np.float32) @ _LUMA
    laplacian = 4 * luma[1:-1, 1:-1] - luma[:-2, 1:-1] - luma[2:, 1:-1] - luma[1:-1, :-2] - luma[1:-1, 2:]
    sharpness = float(np.log1p(laplacian.var()))
    lit = float(((luma > 24) & (luma < 235)).mean())
    return (sharpness + float(luma.std()) / 32) * lit


def _write_poster(pictures: Pictures, out_dir: Path) -> Path:
    best = max(pictures, key=poster_score)
    draft, path = out_dir / ".poster.part", out_dir / "poster.jpg"
    Image.fromarray(best).save(draft, format="JPEG", quality=_POSTER_QUALITY, optimize=True, progressive=True)
    return draft.rename(path)


def _write_preview(pictures: Pictures, out_dir: Path) -> Path:
    draft, path = out_dir / ".preview.part", out_dir / "preview.webp"
    first, *others = (Image.fromarray(picture) for picture in pictures)
    first.save(
        draft, format="WEBP", save_all=True, append_images=others, duration=1000 // _PREVIEW_FPS, loop=0, quality=_PREVIEW_QUALITY, method=2
    )
    return draft.rename(path)
