"""Moving pictures by seed: six kinds of scene, drawn small and soft so that they can be scaled up."""

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
_Field = NDArray[np.float32]

PALETTES = (
    ("#0b132b", "#1c2541", "#5bc0be", "#f4d35e", "#fff6e0"),
    ("#2b0a3d", "#7b2cbf", "#f72585", "#ffb703", "#fff1d0"),
    ("#03071e", "#6a040f", "#dc2f02", "#faa307", "#fff3b0"),
    ("#001219", "#005f73", "#0a9396", "#94d2bd", "#f6f1d1"),
    ("#10002b", "#3c096c", "#4895ef", "#4cc9f0", "#f1faee"),
    ("#1b1b3a", "#693668", "#f26a8d", "#f9c0c0", "#fffbe6"),
    ("#0d1f1a", "#2d6a4f", "#95d5b2", "#ffd166", "#fefae0"),
    ("#161a30", "#31304d", "#e4572e", "#f3a712", "#f0f3bd"),
)


def scene_for(seed: int, width: int, height: int) -> "Scene":
    """The scene of a seed, for an output of that shape."""
    rng = np.random.default_rng(seed + 7919)
    kind = SCENES[seed % len(SCENES)]
    palette = PALETTES[(seed // len(SCENES) + seed) % len(PALETTES)]
    return kind(rng, palette, width, height)


class Scene(ABC):
    """One moving picture; `draw` is called for ascending times."""

    short_side = 240
    """Pixels it is drawn with; soft scenes need few."""

    def __init__(self, rng: np.random.Generator, palette: tuple[str, ...], width: int, height: int) -> None:
        scale = self.short_side / min(width, height)
        self.width, self.height = max(2, round(width * scale)), max(2, round(height * scale))
        self.rng = rng
        self.colors = np.array([[int(color[at : at + 2], 16) for at in (1, 3, 5)] for color in palette], dtype=np.float32)
        short = min(self.width, self.height)
        self.x: _Field = ((np.arange(self.width, dtype=np.float32) - self.width / 2) / (short / 2))[None, :]
        self.y: _Field = ((np.arange(self.height, dtype=np.float32) - self.height / 2) / (short / 2))[:, None]
        self.ramp = self._ramp(np.linspace(0, 1, 256))
        self.prepare()

    def _ramp(self, at: NDArray[np.float64]) -> Picture:
        """Colours of the palette at positions 0 to 1."""
        knots = np.linspace(0, 1, len(self.colors))
        return np.stack([np.interp(at, knots, self.colors[:, channel]) for channel in range(3)], axis=-1).astype(np.uint8)

    @abstractmethod
    def prepare(self) -> None:
        """Draws what all pictures share."""

    @abstractmethod
    def draw(self, time_s: float, pulse: float) -> Picture:
        """The picture at a time; pulse is 1.0 at a drum beat and fades to 0.0."""


class Aurora(Scene):
    """Slow folded curtains of light."""

    short_side = 108

    def prepare(self) -> None:
        self.a, self.b, self.c = self.rng.uniform(0.8, 1.6, 3)
        cyclic = np.concatenate([np.linspace(0, 1, 160), np.linspace(1, 0, 96)])
        self.cycle = self._ramp(cyclic)

    def draw(self, time_s: float, pulse: float) -> Picture:
        fold = np.sin(self.a * 1.4 * self.y + 0.7 * time_s + 1.2 * np.sin(self.b * self.x - 0.4 * time_s))
        value = np.sin(1.5 * self.b * self.x + 1.4 * fold + 0.5 * time_s) + 0.7 * np.sin(
            self.c * (self.x * 0.6 + self.y) - 0.6 * time_s + fold
        )
        index = (value * 62 + 128 + 22 * pulse + 9 * time_s).astype(np.int32) & 255
        picture: Picture = self.cycle[index]
        return picture


class Hills(Scene):
    """Layers of hills sliding past a low sun."""

    _LAYERS = 5

    def prepare(self) -> None:
        self.phases = self.rng.uniform(0, 6.28, (self._LAYERS, 3))
        sun_x, sun_y = float(self.rng.uniform(-0.45, 0.45)), -0.22
        sky = np.repeat(self._ramp(np.linspace(0.42, 0.82, self.height))[:, None, :], self.width, axis=1).astype(np.float32)
        distance = np.sqrt((self.x - sun_x) ** 2 + (self.y - sun_y) ** 2)[:, :, None]
        disc = np.clip((0.3 - distance) * 60, 0, 1)
        glow = np.exp(-distance * 2.6)
        self.sky = sky + np.maximum(disc, 0.55 * glow) * (self.colors[4] - sky)
        self.beam = 0.35 * glow * (255 - self.sky)
        shades = self._ramp(np.linspace(0.6, 0.03, self._LAYERS)).astype(np.float32)
        steps = np.linspace(0, self._LAYERS - 1, 256)
        self.land = np.stack([np.interp(steps, np.arange(self._LAYERS), shades[:, channel]) for channel in range(3)], axis=-1).astype(
            np.uint8
        )

    def draw(self, time_s: float, pulse: float) -> Picture:
        low = float(self.y[-1, 0])
        cover = np.zeros((self.height, self.width), dtype=np.float32)
        for layer in range(self._LAYERS):
            one, two, three = self.phases[layer]
            at = self.x[0] + time_s * (0.06 + 0.08 * layer)
            line = (0.1 * np.sin(2.1 * at + one) + 0.07 * np.sin(4.7 * at + two) + 0.025 * np.sin(11 * at + three)).astype(np.float32)
            line += low * (0.14 + 0.17 * layer)
            top = max(0, int((line.min() + low) * self.short_side / 2) - 2)
            cover[top:] += np.clip((self.y[top:] - line[None, :]) * (self.short_side / 2), 0, 1)
        picture = self.land[(np.maximum(cover - 1, 0) * (255 / (self._LAYERS - 1))).astype(np.uint8)]
        sea = int(np.argmax(cover.min(axis=1) >= 1)) or self.height
        near = np.minimum(cover[:sea, :, None], 1)
        sky = self.sky[:sea] + pulse * self.beam[:sea]
        picture[:sea] = sky + near * (picture[:sea] - sky)
        return picture


class Bokeh(Scene):
    """Discs of light drifting out of focus."""

    def prepare(self) -> None:
        self.count = 30
        self.at = self.rng.uniform(0, 1, (self.count, 2))
        self.speed = self.rng.uniform(-0.025, 0.025, (self.count, 2)) + np.array([0.0, -0.03])
        self.phase = self.rng.uniform(0, 6.28, self.count)
        fade = np.linspace(0.0, 0.33, self.height)
        self.back = np.repeat(self._ramp(fade)[:, None, :], self.width, axis=1).astype(np.float32)
        self.discs = []
        for index in range(self.count):
            radius = float(self.rng.uniform(0.05, 0.2)) * self.short_side
            grid = np.arange(-int(radius) - 3, int(radius) + 4)
            distance = np.hypot(grid[:, None], grid[None, :])
            disc = np.clip(radius - distance, 0, 1) * (0.32 + 0.3 * np.clip(distance / radius, 0, 1) ** 6)
            self.discs.append((disc[:, :, None] * self.colors[1 + index % 4]).astype(np.float32))

    def draw(self, time_s: float, pulse: float) -> Picture:
        picture = self.back.copy()
        for index, disc in enumerate(self.discs):
            x, y = (self.at[index] + self.speed[index] * time_s) % 1.0
            light = 0.55 + 0.3 * np.sin(self.phase[index] + 1.3 * time_s) + 0.35 * pulse * (index % 3 == 0)
            stamp(picture, disc * light, x * (self.width + 80) - 40, y * (self.height + 80) - 40)
        return np.minimum(picture, 255).astype(np.uint8)


class Tunnel(Scene):
    """A flight through a softly lit tube."""

    def prepare(self) -> None:
        radius = np.hypot(self.x, self.y) + 0.02
        self.far = (60 / radius).astype(np.int32)
        self.arms = int(self.rng.integers(2, 5))
        self.angle = (np.arctan2(self.y, self.x) / (2 * np.pi) * 256 * self.arms).astype(np.int32)
        self.light = np.clip(radius * 1.25, 0, 1)[:, :, None].astype(np.float32)
        grid = np.arange(256) / 256 * 2 * np.pi
        self.texture = np.zeros((256, 256))
        for _ in range(7):
            across, along = self.rng.integers(1, 5), self.rng.integers(1, 4)
            self.texture += np.sin(across * grid[:, None] + along * grid[None, :] + self.rng.uniform(0, 6.28)) / (across + along)
        low, high = self.texture.min(), self.texture.max()
        self.texture = ((self.texture - low) / (high - low) * 255).astype(np.uint8)
        self.turn = float(self.rng.choice([-1, 1]))

    def draw(self, time_s: float, pulse: float) -> Picture:
        deep = (self.far + int(time_s * 70)) & 255
        around = (self.angle + int(time_s * 14 * self.turn) + (self.far >> 1)) & 255
        lit = self.ramp[self.texture[deep, around]] * (self.light * (0.82 + 0.18 * pulse))
        picture: Picture = lit.astype(np.uint8)
        return picture


class Trails(Scene):
    """Pens of light that draw knots and leave their traces behind."""

    def prepare(self) -> None:
        self.light = np.zeros((self.height, self.width, 3), dtype=np.float32)
        self.ratios = self.rng.choice([2, 3, 4, 5], size=(3, 2))
        self.phases = self.rng.uniform(0, 6.28, (3, 2))
        self.back = self.colors[0] * 0.55
        grid = np.arange(-9, 10)
        self.dot = np.exp(-(grid[:, None] ** 2 + grid[None, :] ** 2) / 14.0)[:, :, None].astype(np.float32)

    def draw(self, time_s: float, pulse: float) -> Picture:
        self.light *= 0.955
        for pen in range(3):
            color = self.colors[2 + pen] * (0.16 + 0.14 * pulse)
            dot = self.dot * color
            for part in range(14):
                at = (time_s + part / 14 / 30) * 0.55 + pen
                x = 0.42 * np.sin(self.ratios[pen, 0] * at + self.phases[pen, 0]) * np.cos(0.21 * at)
                y = 0.44 * np.cos(self.ratios[pen, 1] * at + self.phases[pen, 1])
                stamp(self.light, dot, (0.5 + x) * self.width, (0.5 + y) * self.height)
        picture: Picture = np.minimum(self.light + self.back, 255).astype(np.uint8)
        return picture


class Fireworks(Scene):
    """A burst of sparks with every strong beat over a night sky."""

    def prepare(self) -> None:
        fade = np.linspace(0.0, 0.22, self.height) ** 1.5
        self.back = np.repeat(self._ramp(fade)[:, None, :], self.width, axis=1).astype(np.float32)
        for _ in range(70):
            row, column = self.rng.integers(0, self.height * 3 // 4), self.rng.integers(0, self.width)
            self.back[row, column] += self.rng.uniform(40, 130)
        self.light = np.zeros_like(self.back)
        self.sparks = np.zeros((0, 8), dtype=np.float64)
        self.last = 0.0
        self.pulse = 0.0
        grid = np.arange(-3, 4)
        self.dot = np.exp(-(grid[:, None] ** 2 + grid[None, :] ** 2) / 2.6)[:, :, None].astype(np.float32)

    def draw(self, time_s: float, pulse: float) -> Picture:
        step, self.last = min(0.1, time_s - self.last), time_s
        if (pulse > self.pulse + 0.2 or len(self.sparks) == 0) and len(self.sparks) < 190:
            self._burst()
        self.pulse = pulse
        sparks = self.sparks
        sparks[:, 0:2] += sparks[:, 2:4] * step
        sparks[:, 2:4] *= 0.965
        sparks[:, 3] += 0.22 * step
        sparks[:, 4] -= step
        self.sparks = sparks = sparks[sparks[:, 4] > 0]
        self.light *= 0.86
        for x, y, _, _, life, red, green, blue in sparks:
            color = np.array([red, green, blue], dtype=np.float32) * min(1.0, life)
            stamp(self.light, self.dot * color, x * self.width, y * self.height)
        picture: Picture = np.minimum(self.light + self.back, 255).astype(np.uint8)
        return picture

    def _burst(self) -> None:
        count = int(self.rng.integers(40, 64))
        aspect = self.width / self.height
        angle = self.rng.uniform(0, 6.28, count)
        speed = self.rng.uniform(0.15, 0.5, count)
        burst = np.empty((count, 8))
        burst[:, 0] = self.rng.uniform(0.2, 0.8)
        burst[:, 1] = self.rng.uniform(0.15, 0.55)
        burst[:, 2] = np.cos(angle) * speed * min(1.0, 1 / aspect)
        burst[:, 3] = np.sin(angle) * speed * min(1.0, aspect)
        burst[:, 4] = self.rng.uniform(0.9, 1.9, count)
        burst[:, 5:8] = self.colors[self.rng.integers(1, 5)] * 0.8 + 40
        self.sparks = np.concatenate([self.sparks, burst])


SCENES: tuple[type[Scene], ...] = (Hills, Trails, Aurora, Fireworks, Bokeh, Tunnel)


def stamp(picture: _Field, sprite: _Field, x: float, y: float) -> None:
    """Adds a sprite centred at (x, y) in pixels; what lies outside is cut off."""
    height, width = sprite.shape[:2]
    left, top = int(x) - width // 2, int(y) - height // 2
    from_x, from_y = max(0, -left), max(0, -top)
    to_x, to_y = min(width, picture.shape[1] - left), min(height, picture.shape[0] - top)
    if from_x < to_x and from_y < to_y:
        picture[top + from_y : top + to_y, left + from_x : left + to_x] += sprite[from_y:to_y, from_x:to_x]
