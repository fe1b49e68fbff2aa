"""The waveform of a clip's audio: how loud it is at its loudest, a few times a second, for a page that draws it.

    {"version":1,"duration_ms":15000,"samples_per_second":20,"peaks":[0,17,255,...]}

peaks: for each stretch of 1 / samples_per_second the largest swing of the two channels together, 0 silent to 255 full; the last stretch may end
after the clip. samples_per_second divides 1000 and is chosen by the clip's length so that there are at most MAX_PEAKS.
"""

import json
import math
from pathlib import Path

import numpy as np

WAVEFORM = "waveform.json"
MAX_PEAKS = 2_400
PCM_RATE = 16_000
"""Mono samples a second that peaks are taken from: what is heard above 8 kHz swings little."""

_RATES = (20, 10, 5, 4, 2, 1)
_VERSION = 1
_FULL_SWING, _FULL_PEAK = 32_767, 255


def rate_of(duration_ms: int) -> int:
    """The largest number of peaks a second that keeps to MAX_PEAKS."""
    return next((rate for rate in _RATES if _count(duration_ms, rate) <= MAX_PEAKS), _RATES[-1])


def write_waveform(pcm: Path, *, duration_ms: int, out: Path) -> Path:
    """Reads the samples (16 bits, little-endian, mono, PCM_RATE) of a clip and writes its waveform. Blocks."""
    rate = rate_of(duration_ms)
    count, window = _count(duration_ms, rate), PCM_RATE // rate
    samples = np.zeros(count * window, dtype=np.int32)
    heard = np.fromfile(pcm, dtype="<i2", count=len(samples))
    samples[: len(heard)] = np.abs(heard.astype(np.int32))
    peaks = np.minimum(samples.reshape(count, window).max(axis=1), _FULL_SWING) * _FULL_PEAK // _FULL_SWING
    told = {"version": _VERSION, "duration_ms": duration_ms, "samples_per_second": rate, "peaks": peaks.tolist()}
    draft = out.with_name(f".{out.name}.part")
    draft.write_text(json.dumps(told, separators=(",", ":")))
    return draft.rename(out)


def _count(duration_ms: int, rate: int) -> int:
    return max(1, math.ceil(duration_ms * rate / 1000))
