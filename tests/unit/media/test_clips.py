"""Generated clips: the same for the same seed, different otherwise, and good enough for the platform."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from devstack.clips import describe_clip, make_clip
from devstack.clips.music import compose
from devstack.clips.scenes import SCENES, scene_for
from svc_video.processing.media import MediaTools, hamming, pdq, probe


async def test_a_clip_is_accepted_and_the_same_for_its_seed(tools: MediaTools, tmp_path: Path) -> None:
    for name in ("one", "two"):
        make_clip(tmp_path / name, seed=4, duration_s=15, width=90, height=160, fps=24)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    facts = await probe(tools, tmp_path / "one")
    assert (facts.width, facts.height, facts.fps, facts.duration_ms) == (90, 160, Fraction(24), 15_000)
    assert facts.audio is not None


@pytest.mark.parametrize("seed", range(len(SCENES)))
@pytest.mark.parametrize(("width", "height"), [(90, 160), (160, 90), (100, 100)])
def test_every_scene_moves_in_every_shape(seed: int, width: int, height: int) -> None:
    scene = scene_for(seed, width, height)
    first = scene.draw(0.0, 1.0).astype(np.int16)
    for frame in range(1, 20):
        last = scene.draw(frame / 15, 1.0 if frame % 8 == 0 else 0.2)
    assert last.shape == (scene.height, scene.width, 3)
    assert last.dtype == np.uint8
    assert np.abs(last - first).mean() > 0.5
    assert scene.width / scene.height == pytest.approx(width / height, rel=0.02)


@pytest.mark.parametrize("seed", range(0, 40, 3))
def test_music_is_heard_and_never_clips(seed: int) -> None:
    music = compose(seed, 6.5)
    assert music.samples.shape == (round(6.5 * 44_100), 2)
    level = float(np.sqrt((music.samples.astype(np.float64) ** 2).mean()))
    assert 2_000 < level < 14_000
    assert np.abs(music.samples).max() < 32_000
    assert len(music.kicks_s) > 3
    assert not np.array_equal(music.samples, compose(seed + 1, 6.5).samples)


def test_long_music_repeats() -> None:
    music = compose(2, 70.0)
    assert len(music.samples) == 70 * 44_100
    assert music.kicks_s[-1] > 68


def test_titles_and_pictures_differ() -> None:
    assert len({describe_clip(seed).title for seed in range(143)}) == 143
    hashes = [pdq(scene_for(seed, 200, 320).draw(2.0, 0.3))[0][0] for seed in range(12)]
    assert all(hamming(one, other) > 31 for at, one in enumerate(hashes) for other in hashes[:at])
