"""A short piece of music by seed: chords, bass, drums and a melody, synthesised sample by sample."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 44_100
_LONGEST_S = 64.0
_SCALES = ((0, 2, 3, 5, 7, 8, 10), (0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 9, 10), (0, 2, 4, 5, 7, 9, 10))
_PROGRESSIONS = ((0, 5, 3, 4), (0, 3, 5, 4), (5, 3, 0, 4), (0, 4, 5, 3), (0, 2, 3, 4), (3, 0, 4, 5))
_KICKS = ((0, 4, 8, 12), (0, 6, 10), (0, 7, 8), (0, 3, 8, 11))
_SNARES = ((4, 12), (4, 12, 15), (8,))
_BASS_LINES = ((0, 3, 6, 8, 11, 14), (0, 4, 8, 12), (0, 2, 6, 8, 10, 14), (0, 8, 11))
_STEPS_PER_BAR = 16

_Samples = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Music:
    """Stereo samples and what a picture needs to move with them."""

    samples: NDArray[np.int16]
    """[n, 2] at SAMPLE_RATE."""
    beat_s: float
    kicks_s: NDArray[np.float64]
    """When the drum hits, ascending."""


def compose(seed: int, duration_s: float) -> Music:
    """Music of that length; a long piece repeats itself after about a minute."""
    rng = np.random.default_rng(seed)
    beat_s = 60.0 / int(rng.integers(86, 126))
    step_s = beat_s / 4
    bar_s = step_s * _STEPS_PER_BAR
    bars = max(1, int(np.ceil(min(duration_s, _LONGEST_S) / bar_s)))
    score = _Score(rng, bars, step_s)
    left, right = score.mix()
    stereo = np.stack([left, right], axis=1)[: round(bars * bar_s * SAMPLE_RATE)]
    wanted = round(duration_s * SAMPLE_RATE)
    repeats = -(-wanted // len(stereo))
    stereo = np.tile(stereo, (repeats, 1))[:wanted]
    fade = np.minimum(1.0, np.minimum(np.arange(wanted), np.arange(wanted)[::-1]) / (0.03 * SAMPLE_RATE)).astype(np.float32)
    kicks = np.concatenate([score.kick_times + repeat * bars * bar_s for repeat in range(repeats)])
    return Music(
        samples=(np.tanh(stereo * fade[:, None] * 1.25) * 30_000).astype(np.int16),
        beat_s=beat_s,
        kicks_s=kicks[kicks < duration_s],
    )


class _Score:
    """Everything that is played, drawn from one random generator in a fixed order."""

    def __init__(self, rng: np.random.Generator, bars: int, step_s: float) -> None:
        self._rng = rng
        self._bars = bars
        self._step_s = step_s
        self._length = round(bars * _STEPS_PER_BAR * step_s * SAMPLE_RATE) + SAMPLE_RATE * 2
        self._scale = _SCALES[rng.integers(len(_SCALES))]
        self._root = int(rng.integers(43, 52))
        self._progression = _PROGRESSIONS[rng.integers(len(_PROGRESSIONS))]
        kick = _KICKS[rng.integers(len(_KICKS))]
        self._snare = _SNARES[rng.integers(len(_SNARES))]
        self._bass_line = _BASS_LINES[rng.integers(len(_BASS_LINES))]
        self._kick_steps = [bar * _STEPS_PER_BAR + step for bar in range(bars) for step in kick]
        self.kick_times = np.array(self._kick_steps, dtype=np.float64) * step_s

    def mix(self) -> tuple[_Samples, _Samples]:
        """Left and right, about -6 dB."""
        drums = self._drums()
        duck = self._duck()
        pad = self._pad() * duck
        bass = self._bass() * duck
        melody = self._melody()
        echo = round(self._step_s * 3 * SAMPLE_RATE)
        wet_left, wet_right = melody.copy(), melody.copy()
        wet_left[echo:] += melody[:-echo] * 0.36
        wet_right[echo * 2 :] += melody[: -echo * 2] * 0.30
        width = round(0.011 * SAMPLE_RATE)
        pad_right: _Samples = np.roll(pad, width)
        left: _Samples = (drums + bass + 0.9 * pad + wet_left).astype(np.float32)
        right: _Samples = (drums + bass + 0.9 * pad_right + wet_right).astype(np.float32)
        return left, right

    def _hertz(self, degree: int, octave: int = 0) -> float:
        turns, step = divmod(degree, len(self._scale))
        return float(440.0 * 2 ** ((self._root + self._scale[step] + 12 * (turns + octave) - 69) / 12))

    def _add(self, track: _Samples, step: float, sound: _Samples) -> None:
        at = round(step * self._step_s * SAMPLE_RATE)
        end = min(len(track), at + len(sound))
        # A motif of two bars may begin in the last one.
        if at < end:
            track[at:end] += sound[: end - at]

    def _drums(self) -> _Samples:
        track = np.zeros(self._length, dtype=np.float32)
        kick, snare, hat = _kick(), _snare(self._rng), _hat(self._rng)
        for step in self._kick_steps:
            self._add(track, step, kick)
        swing = float(self._rng.uniform(0.0, 0.3))
        for bar in range(self._bars):
            for step in self._snare:
                self._add(track, bar * _STEPS_PER_BAR + step, snare)
            for step in range(2, _STEPS_PER_BAR, 4):
                self._add(track, bar * _STEPS_PER_BAR + step, hat)
            for step in range(0, _STEPS_PER_BAR, 2):
                self._add(track, bar * _STEPS_PER_BAR + step + (swing if step % 4 else 0), hat * 0.4)
        return track

    def _duck(self) -> _Samples:
        """The pumping of chords and bass under the drum."""
        duck = np.ones(self._length, dtype=np.float32)
        dip: _Samples = 1 - 0.55 * np.exp(-_seconds(0.3) / 0.09)
        for time in self.kick_times:
            at = round(time * SAMPLE_RATE)
            duck[at : at + len(dip)] = dip[: self._length - at]
        return duck

    def _pad(self) -> _Samples:
        track = np.zeros(self._length, dtype=np.float32)
        bar = _seconds(self._step_s * _STEPS_PER_BAR + 0.15)
        shape = np.minimum(1, bar / 0.08) * np.minimum(1, bar[::-1] / 0.2)
        chords: dict[int, _Samples] = {}
        for index in range(self._bars):
            degree = self._progression[index % len(self._progression)]
            if degree not in chords:
                voices = [_warm(self._hertz(degree + third), bar) for third in (0, 2, 4, 6)]
                chords[degree] = (np.sum(voices, axis=0) * shape * 0.055).astype(np.float32)
            self._add(track, index * _STEPS_PER_BAR, chords[degree])
        return track

    def _bass(self) -> _Samples:
        track = np.zeros(self._length, dtype=np.float32)
        note = _seconds(self._step_s * 2)
        shape = np.minimum(1, note / 0.004) * np.exp(-note / 0.28)
        for index in range(self._bars):
            degree = self._progression[index % len(self._progression)]
            phase = 2 * np.pi * self._hertz(degree, -1) * note
            sound = ((np.sin(phase) + 0.35 * np.sin(2 * phase) + 0.12 * np.sin(3 * phase)) * shape * 0.34).astype(np.float32)
            for step in self._bass_line:
                self._add(track, index * _STEPS_PER_BAR + step, sound)
        return track

    def _melody(self) -> _Samples:
        """A motif of two bars that comes back, with a few notes changed every second time."""
        track = np.zeros(self._length, dtype=np.float32)
        tones = (0, 1, 2, 4, 5, 7, 8, 9)
        at = int(self._rng.integers(2, 6))
        motif: list[tuple[int, int]] = []
        for step in range(0, 2 * _STEPS_PER_BAR, 2):
            if self._rng.random() < 0.55:
                at = int(np.clip(at + self._rng.integers(-2, 3), 0, len(tones) - 1))
                motif.append((step, at))
        note = _seconds(0.9)
        plucks: dict[int, _Samples] = {}
        for start in range(0, self._bars * _STEPS_PER_BAR, 2 * _STEPS_PER_BAR):
            for step, tone in motif:
                varied = tone
                if (start // (2 * _STEPS_PER_BAR)) % 2 and self._rng.random() < 0.25:
                    varied = int(np.clip(tone + self._rng.integers(-1, 2), 0, len(tones) - 1))
                if varied not in plucks:
                    plucks[varied] = _pluck(self._hertz(tones[varied], 1), note)
                self._add(track, start + step, plucks[varied])
        return track


def _seconds(length_s: float) -> _Samples:
    sound: _Samples = (np.arange(round(length_s * SAMPLE_RATE)) / SAMPLE_RATE).astype(np.float32)
    return sound


def _warm(hertz: float, time: _Samples) -> _Samples:
    """A soft, slightly detuned saw."""
    voice = np.zeros_like(time)
    for detune in (0.9965, 1.0035):
        for harmonic in range(1, 5):
            voice += np.sin(2 * np.pi * hertz * detune * harmonic * time) / harmonic**1.6
    return voice


def _pluck(hertz: float, time: _Samples) -> _Samples:
    """A bell-like tone by frequency modulation."""
    bend = 2.2 * np.exp(-time / 0.12) * np.sin(2 * np.pi * hertz * 2 * time)
    tone = np.sin(2 * np.pi * hertz * time + bend) * np.exp(-time / 0.32) * np.minimum(1, time / 0.003)
    sound: _Samples = (0.17 * tone).astype(np.float32)
    return sound


def _kick() -> _Samples:
    time = _seconds(0.32)
    sweep = 2 * np.pi * (46 * time + 110 * 0.045 * (1 - np.exp(-time / 0.045)))
    sound: _Samples = (0.62 * np.sin(sweep) * np.exp(-time / 0.13)).astype(np.float32)
    return sound


def _snare(rng: np.random.Generator) -> _Samples:
    time = _seconds(0.2)
    noise = np.diff(rng.standard_normal(len(time) + 1))
    sound: _Samples = (0.13 * noise * np.exp(-time / 0.055) + 0.18 * np.sin(2 * np.pi * 185 * time) * np.exp(-time / 0.04)).astype(
        np.float32
    )
    return sound


def _hat(rng: np.random.Generator) -> _Samples:
    time = _seconds(0.07)
    noise = np.diff(rng.standard_normal(len(time) + 2), n=2)
    sound: _Samples = (0.035 * noise * np.exp(-time / 0.018)).astype(np.float32)
    return sound
