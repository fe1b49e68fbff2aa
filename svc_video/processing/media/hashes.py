"""Perceptual facts of a clip for block lists and moderation: PDQ hashes of several frames, black and frozen shares.

PDQ as published by Facebook in "PDQ & TMK + PDQF" (2019): luma, two passes of a box filter, 64 x 64 samples, a 16 x 16 DCT, and
one bit for each coefficient above the median. It survives re-encoding, resizing, blur and noise, and by its eight orientations
flips and quarter turns; it does not survive crops, small rotations and captions.
"""

import asyncio
import math
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from svc_video.processing.media.facts import MediaFacts
from svc_video.processing.media.frames import Pictures, grab, spread_ms
from svc_video.processing.media.tools import MediaTools

SAME_PICTURE_BITS = 31
"""The published threshold: at most this many differing bits mean the same picture."""

_FRAMES = 8
# PDQ squashes every picture to a square anyway. At this size filter and sampling are symmetric, so that a mirrored clip gets
# exactly the mirrored hash; at 256 or 512 they lie half a sample off and flips differ by up to 40 bits.
_SIZE = (320, 320)
_SAMPLES = 64
_COEFFICIENTS = 16
_BLACK_LUMA, _BLACK_PEAK_LUMA = 24.0, 48.0
_FROZEN_LUMA = 1.0
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
_FloatImage = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameHash:
    """PDQ of one frame."""

    at_ms: int
    quality: int
    """0 to 100; below 50 the picture has too little detail to be matched."""
    hash_hex: str
    """64 hex digits: 256 bits."""
    dihedral_hex: tuple[str, ...]
    """The hashes of the eight turned and mirrored pictures; the first is hash_hex."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PerceptualFacts:
    """What a block list and a moderator's policy look at."""

    frames: tuple[FrameHash, ...]
    black_share: float
    """Share of the sampled frames that are nearly black, 0.0 to 1.0."""
    frozen_share: float
    """Share of neighbouring sampled frames without a visible difference, 0.0 to 1.0."""


def pdq(picture: NDArray[np.uint8]) -> tuple[tuple[str, ...], int]:
    """The eight dihedral PDQ hashes (as it is first) and the quality of a picture [height, width, 3]."""
    samples = _downsample(picture.astype(np.float32) @ _LUMA)
    turns = [np.rot90(samples, turn) for turn in range(4)]
    return tuple(_bits(oriented) for oriented in (*turns, *(np.fliplr(turn) for turn in turns))), _quality(samples)


def hamming(first_hex: str, second_hex: str) -> int:
    """Differing bits of two hashes, 0 to 256; 31 or fewer is the published threshold for "the same picture"."""
    return (int(first_hex, 16) ^ int(second_hex, 16)).bit_count()


async def perceptual_facts(tools: MediaTools, *, source: Path, facts: MediaFacts, scratch: Path | None = None) -> PerceptualFacts:
    """Hashes of up to eight frames spread over the clip, and its black and frozen shares; `scratch` as for `grab`."""
    moments = spread_ms(facts, _FRAMES)
    pictures = await grab(tools, source=source, facts=facts, moments_ms=moments, size=_SIZE, scratch=scratch)
    return await asyncio.to_thread(_facts_of, moments, pictures)


def _facts_of(moments: list[int], pictures: Pictures) -> PerceptualFacts:
    lumas = pictures.astype(np.float32) @ _LUMA
    black = [bool(luma.mean() < _BLACK_LUMA and np.percentile(luma, 99) < _BLACK_PEAK_LUMA) for luma in lumas]
    frozen = [bool(np.abs(after - before).mean() < _FROZEN_LUMA) for before, after in pairwise(lumas)]
    frames = []
    for moment, picture in zip(moments, pictures, strict=True):
        orientations, quality = pdq(picture)
        frames.append(FrameHash(at_ms=moment, quality=quality, hash_hex=orientations[0], dihedral_hex=orientations))
    return PerceptualFacts(frames=tuple(frames), black_share=sum(black) / len(black), frozen_share=sum(frozen) / max(1, len(frozen)))


def _downsample(luma: _FloatImage) -> _FloatImage:
    """64 x 64 samples of the twice box-filtered picture."""
    for _ in range(2):
        luma = _box(_box(luma, _window(luma.shape[1]), axis=1), _window(luma.shape[0]), axis=0)
    rows, columns = (((np.arange(_SAMPLES) + 0.5) * size / _SAMPLES).astype(np.intp) for size in luma.shape)
    samples: _FloatImage = luma[np.ix_(rows, columns)]
    return samples


def _window(size: int) -> int:
    return (size + 2 * _SAMPLES - 1) // (2 * _SAMPLES)


def _box(image: _FloatImage, window: int, *, axis: int) -> _FloatImage:
    """Moving average; at the edges over the part of the window that lies inside."""
    size = image.shape[axis]
    right = (window + 2) // 2 - 1
    left = window - 1 - right
    zero = np.zeros_like(np.take(image, [0], axis=axis), dtype=np.float64)
    sums = np.concatenate([zero, np.cumsum(image, axis=axis, dtype=np.float64)], axis=axis)
    at = np.arange(size)
    begin, end = np.maximum(at - left, 0), np.minimum(at + right, size - 1) + 1
    counts = (end - begin).reshape((-1, 1) if axis == 0 else (1, -1))
    means: _FloatImage = ((np.take(sums, end, axis=axis) - np.take(sums, begin, axis=axis)) / counts).astype(np.float32)
    return means


def _quality(samples: _FloatImage) -> int:
    """Gradients in whole hundredths of the range, summed; flat pictures have none."""
    across = np.trunc(np.diff(samples, axis=1) * 100 / 255)
    down = np.trunc(np.diff(samples, axis=0) * 100 / 255)
    return min(100, int((np.abs(across).sum() + np.abs(down).sum()) / 90))


def _bits(samples: _FloatImage) -> str:
    spectrum = _DCT @ samples @ _DCT.T
    bits = (spectrum > np.median(spectrum)).ravel()
    # Coefficient 0 is the lowest bit.
    return np.packbits(bits[::-1]).tobytes().hex()


def _dct_matrix() -> _FloatImage:
    row = np.arange(1, _COEFFICIENTS + 1).reshape(-1, 1)
    column = np.arange(_SAMPLES).reshape(1, -1)
    matrix: _FloatImage = (math.sqrt(2 / _SAMPLES) * np.cos(math.pi / (2 * _SAMPLES) * row * (2 * column + 1))).astype(np.float32)
    return matrix


_DCT = _dct_matrix()
