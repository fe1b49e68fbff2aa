"""Clips that are easy and hard to encode, drawn picture by picture: the same on every machine."""

from __future__ import annotations

import math
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from svc_video.processing.media import MediaTools

FPS = 30
Picture = NDArray[np.uint8]
Draw = Callable[[int, int, int], Iterator[Picture]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One kind of clip."""

    name: str
    simple: bool
    pictures: Draw
    """Pictures [height, width, 3] of a clip of that width, height and number."""


def draw(tools: MediaTools, scene: Scene, path: Path, *, width: int, height: int, seconds: float) -> None:
    """Write a scene at `path`, almost without loss. Blocks."""
    command = [
        *(str(tools.ffmpeg), "-hide_banner", "-y", "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "rgb24"),
        *("-s", f"{width}x{height}", "-r", str(FPS), "-i", "-", "-c:v", "libx264", "-preset", "ultrafast", "-crf", "10"),
        *("-pix_fmt", "yuv420p", "-g", "60", str(path)),
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        for picture in scene.pictures(width, height, round(seconds * FPS)):
            process.stdin.write(picture.tobytes())
        process.stdin.close()
        if process.wait() != 0:
            raise RuntimeError(f"{scene.name} could not be drawn")


def _grown(width: int, height: int, seed: int, octaves: int) -> Picture:
    """Soft colours with detail of several sizes."""
    rng, total = np.random.default_rng(seed), np.zeros((height, width, 3))
    for octave in range(octaves):
        cells = 2 ** (octave + 2)
        small = (rng.random((max(2, height * cells // 2048), max(2, width * cells // 2048), 3)) * 255).astype(np.uint8)
        total += np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC), float) / 1.7**octave
    grown: Picture = ((total - total.min()) / np.ptp(total) * 255).astype(np.uint8)
    return grown


def _title(width: int, height: int, count: int) -> Iterator[Picture]:
    slope = Image.linear_gradient("L").resize((width, height))
    card = Image.merge("RGB", [slope.point([base + value // part for value in range(256)]) for base, part in ((20, 6), (30, 5), (80, 3))])
    pen = ImageDraw.Draw(card)
    for line, words in enumerate(("HOW TO BAKE BREAD", "in ten easy steps", "episode 4")):
        pen.text((width // 9, height // 3 + line * height // 10), words, fill=(250, 250, 240), font_size=max(10, width // 12))
    full = np.asarray(card, float)
    for index in range(count):
        yield (full * min(1.0, index / FPS, (count - index) / FPS)).astype(np.uint8)


def _pan(width: int, height: int, count: int, *, step: int = 1, octaves: int = 5) -> Iterator[Picture]:
    wide = _grown(width + count * step, height, 7, octaves)
    for index in range(count):
        yield np.ascontiguousarray(wide[:, index * step : index * step + width])


def _head(width: int, height: int, count: int) -> Iterator[Picture]:
    room = Image.fromarray((_grown(width, height, 9, 4) * 0.6 + 40).astype(np.uint8)).filter(ImageFilter.GaussianBlur(4))
    rng, unit = np.random.default_rng(5), width / 720
    grain = [rng.normal(0, 1.5, (height, width, 1)) for _ in range(8)]
    for index in range(count):
        picture = room.copy()
        pen = ImageDraw.Draw(picture)
        middle, eyes = width / 2 + 14 * unit * math.sin(index / 23), height * 0.4 + 8 * unit * math.sin(index / 17)
        open_by = 2.0 if index % 90 < 5 else 16.0
        says = 6 + 18 * abs(math.sin(index / 4)) * (index % 120 < 90)
        ovals = [
            (0, 680, 330, 420.0, (60, 70, 120)),
            (0, 0, 170, 230.0, (214, 170, 140)),
            (0, -160, 175, 100.0, (70, 45, 30)),
            *((side, -40, 22, open_by, (250, 250, 250)) for side in (-70, 70)),
            *((side, -40, 9, min(9.0, open_by), (40, 60, 40)) for side in (-70, 70)),
            (0, 110, 60, says, (150, 60, 70)),
        ]
        for x, y, wide, high, colour in ovals:
            across, down = middle + x * unit, eyes + y * unit
            pen.ellipse((across - wide * unit, down - high * unit, across + wide * unit, down + high * unit), fill=colour)
        yield (np.asarray(picture.filter(ImageFilter.GaussianBlur(1.2)), float) + grain[index % 8]).clip(0, 255).astype(np.uint8)


def _confetti(width: int, height: int, count: int) -> Iterator[Picture]:
    rng = np.random.default_rng(3)
    colours = [(240, 40, 60), (40, 200, 80), (60, 90, 250), (250, 220, 40), (240, 240, 240)]
    bits = [(*rng.random(2), rng.uniform(4, 15), rng.uniform(-6, 6), colours[rng.integers(5)]) for _ in range(900)]
    for index in range(count):
        picture = Image.new("RGB", (width, height), (18, 12, 30))
        pen = ImageDraw.Draw(picture)
        for number, (across, down, fall, drift, colour) in enumerate(bits):
            x = (across * width + drift * index + 10 * math.sin((index + number) / 5)) % width
            y = (down * height + fall * index) % height
            pen.rectangle((x, y, x + 4 + 8 * abs(math.sin((index * fall + number) / 9)), y + 9), fill=colour)
        yield np.asarray(picture)


def _noise(width: int, height: int, count: int) -> Iterator[Picture]:
    rng = np.random.default_rng(4)
    for picture in _pan(width, height, count):
        yield (picture + rng.normal(0, 25, picture.shape)).clip(0, 255).astype(np.uint8)


def _fast_pan(width: int, height: int, count: int) -> Iterator[Picture]:
    yield from _pan(width, height, count, step=8, octaves=9)


SCENES = (
    Scene(name="title card", simple=True, pictures=_title),
    Scene(name="slow pan", simple=True, pictures=_pan),
    Scene(name="talking head", simple=True, pictures=_head),
    Scene(name="fast pan", simple=False, pictures=_fast_pan),
    Scene(name="confetti", simple=False, pictures=_confetti),
    Scene(name="noise", simple=False, pictures=_noise),
)
