"""Waveforms: peaks where the sound is, in a shape that stays within its bound."""

import json
from pathlib import Path

import numpy as np
import pytest

from svc_video.processing.media import WAVEFORM, MediaTools, encode_audio, make_recipe, probe
from svc_video.processing.media.waveform import MAX_PEAKS, PCM_RATE, rate_of, write_waveform


@pytest.mark.parametrize(
    ("duration_ms", "rate"), [(15_000, 20), (120_000, 20), (120_001, 10), (240_000, 10), (480_000, 5), (480_100, 4), (600_000, 4)]
)
def test_longer_clips_have_fewer_peaks_a_second(duration_ms: int, rate: int) -> None:
    assert rate_of(duration_ms) == rate
    assert duration_ms * rate / 1000 <= MAX_PEAKS
    assert 1000 % rate == 0
    assert PCM_RATE % rate == 0


def test_peaks_are_the_largest_swing_of_each_stretch(tmp_path: Path) -> None:
    samples = np.zeros(PCM_RATE * 15 - 5, dtype="<i2")
    samples[0] = 32_767
    samples[799] = -32_768
    samples[800] = -16_384
    samples[1_599] = 128
    samples[-1] = 129
    (tmp_path / "pcm").write_bytes(samples.tobytes())
    path = write_waveform(tmp_path / "pcm", duration_ms=15_000, out=tmp_path / WAVEFORM)
    told = json.loads(path.read_text())
    peaks = told.pop("peaks")
    assert told == {"version": 1, "duration_ms": 15_000, "samples_per_second": 20}
    assert (len(peaks), peaks[:3], peaks[-1], sum(peaks)) == (300, [255, 127, 0], 1, 255 + 127 + 1)


def test_the_longest_clip_fits_into_twelve_kilobytes(tmp_path: Path) -> None:
    np.full(PCM_RATE * 600, 32_767, dtype="<i2").tofile(tmp_path / "pcm")
    path = write_waveform(tmp_path / "pcm", duration_ms=600_000, out=tmp_path / WAVEFORM)
    assert len(json.loads(path.read_text())["peaks"]) == MAX_PEAKS
    assert path.stat().st_size < 12_000


async def test_a_waveform_rises_where_the_film_beeps(tools: MediaTools, numbered: Path, tmp_path: Path) -> None:
    facts = await probe(tools, numbered)
    recipe = make_recipe(facts, tools.version)
    audio = await encode_audio(tools, source=numbered, facts=facts, recipe=recipe, out_dir=tmp_path)
    assert audio == tmp_path / "audio.mp4"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["audio.mp4", WAVEFORM]
    told = json.loads((tmp_path / WAVEFORM).read_text())
    assert (told["duration_ms"], told["samples_per_second"], len(told["peaks"])) == (31_000, 20, 620)
    loud = {at for at, peak in enumerate(told["peaks"]) if peak > 100}
    assert loud == {60, 61, 199, 200, 201, 250, 251, 426, 427}
    quiet = [peak for at, peak in enumerate(told["peaks"]) if not {at - 1, at, at + 1} & loud]
    assert max(quiet) < 8
