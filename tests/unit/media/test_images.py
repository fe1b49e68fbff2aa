"""Poster, preview and perceptual hashes."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from devstack.clips.scenes import scene_for
from svc_video.processing.media import (
    Chunk,
    Group,
    MediaTools,
    encode_chunk,
    hamming,
    make_poster,
    make_preview,
    make_recipe,
    pdq,
    perceptual_facts,
    probe,
)
from svc_video.processing.media.hashes import SAME_PICTURE_BITS
from svc_video.processing.media.images import poster_score
from tests.unit.media.film import make_film


def picture(seed: int, width: int = 360, height: int = 640) -> NDArray[np.uint8]:
    """One frame of a generated scene in full size."""
    drawn = Image.fromarray(scene_for(seed, width, height).draw(3.0, 0.5))
    return np.asarray(drawn.resize((width, height), Image.Resampling.BICUBIC))


def test_hash_of_a_known_picture_stays_what_it_is() -> None:
    ramp = np.add.outer(np.arange(128) ** 2 % 251, np.arange(128) * 3 % 241).astype(np.uint8)
    hashes, quality = pdq(np.repeat(ramp[:, :, None], 3, axis=2))
    assert quality == 100
    assert [len(found) for found in hashes] == [64] * 8
    assert int(hashes[0], 16).bit_count() == 128


@pytest.mark.parametrize("seed", range(6))
def test_each_orientation_is_the_hash_of_the_turned_picture(seed: int) -> None:
    square = picture(seed, 320, 320)
    hashes, _ = pdq(square)
    turned = [np.rot90(square, turn) for turn in range(4)]
    for found, oriented in zip(hashes, (*turned, *(np.fliplr(turn) for turn in turned)), strict=True):
        assert hamming(found, pdq(np.ascontiguousarray(oriented))[0][0]) <= 2


@pytest.mark.parametrize("seed", [0, 3, 4, 5])
def test_small_changes_keep_the_hash_and_other_pictures_do_not_have_it(seed: int) -> None:
    original = picture(seed)
    image = Image.fromarray(original)
    rng = np.random.default_rng(seed)
    changed = {
        "smaller": np.asarray(image.resize((180, 320))),
        "larger": np.asarray(image.resize((540, 960))),
        "noise": np.clip(original + rng.normal(0, 8, original.shape), 0, 255).astype(np.uint8),
        "darker": (original * 0.8).astype(np.uint8),
    }
    mine = pdq(original)[0]
    for name, other in changed.items():
        assert hamming(mine[0], pdq(other)[0][0]) <= SAME_PICTURE_BITS, name
    mirrored = pdq(np.ascontiguousarray(original[:, ::-1]))[0][0]
    assert hamming(mine[0], mirrored) > SAME_PICTURE_BITS
    assert min(hamming(found, mirrored) for found in mine) <= SAME_PICTURE_BITS
    for stranger in (seed + 6, seed + 7):
        assert min(hamming(found, pdq(picture(stranger))[0][0]) for found in mine) > SAME_PICTURE_BITS


def test_a_flat_picture_has_no_quality() -> None:
    assert pdq(np.full((90, 160, 3), 77, dtype=np.uint8))[1] == 0


def test_hamming_counts_bits() -> None:
    assert hamming("0" * 64, "f" * 64) == 256
    assert hamming("0" * 64, "0" * 63 + "3") == 2


async def test_hashes_survive_our_own_encoding(tools: MediaTools, variants: dict[str, Path], tmp_path: Path) -> None:
    source = variants["mp4_h264_portrait"]
    facts = await probe(tools, source)
    recipe = make_recipe(facts, tools.version)
    whole = Chunk(index=0, start_ms=0, duration_ms=recipe.duration_ms, start_frame=0, frames=recipe.frames)
    (encoded,) = await encode_chunk(tools, source=source, facts=facts, recipe=recipe, group=Group.FIRST, chunk=whole, out_dir=tmp_path)
    before = await perceptual_facts(tools, source=source, facts=facts)
    after = await perceptual_facts(tools, source=encoded.path, facts=await probe(tools, encoded.path))
    assert [frame.at_ms for frame in before.frames] == [frame.at_ms for frame in after.frames]
    assert len(before.frames) == 8
    for one, other in zip(before.frames, after.frames, strict=True):
        assert one.dihedral_hex[0] == one.hash_hex
        assert hamming(one.hash_hex, other.hash_hex) <= SAME_PICTURE_BITS
    assert (before.black_share, before.frozen_share) == (0.0, 0.0)


async def test_a_mirrored_and_turned_clip_is_found_by_its_orientations(tools: MediaTools, variants: dict[str, Path]) -> None:
    original, turned = variants["mp4_h264_portrait"], variants["landscape"]
    before = await perceptual_facts(tools, source=original, facts=await probe(tools, original))
    after = await perceptual_facts(tools, source=turned, facts=await probe(tools, turned))
    for one, other in zip(before.frames, after.frames, strict=True):
        assert hamming(one.hash_hex, other.hash_hex) > SAME_PICTURE_BITS
        assert min(hamming(found, other.hash_hex) for found in one.dihedral_hex) <= SAME_PICTURE_BITS


async def test_black_and_frozen_are_told(tools: MediaTools, tmp_path: Path) -> None:
    black = make_film(tools, tmp_path / "black.mp4", seconds=16, options=("-vf", "scale=64:64,lutyuv=y=16,format=yuv420p"), audio=())
    told = await perceptual_facts(tools, source=black, facts=await probe(tools, black))
    assert (told.black_share, told.frozen_share) == (1.0, 1.0)


async def test_poster_avoids_the_dark_and_fits(tools: MediaTools, variants: dict[str, Path], tmp_path: Path) -> None:
    dark = tmp_path / "dark.mp4"
    make_film(
        tools, dark, seconds=16, size=(320, 180), options=("-vf", "scale=320:180:flags=neighbor,fade=in:400:5,format=yuv420p"), audio=()
    )
    with Image.open(await make_poster(tools, source=dark, facts=await probe(tools, dark), out_dir=tmp_path)) as poster:
        assert poster.size == (320, 180)
        assert np.asarray(poster).max() > 150
    turned = variants["rotated"]
    with Image.open(await make_poster(tools, source=turned, facts=await probe(tools, turned), out_dir=tmp_path)) as poster:
        assert (poster.size, poster.format) == ((320, 180), "JPEG")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dark.mp4", "poster.jpg"]


def test_poster_score_prefers_sharp_and_lit() -> None:
    sharp = picture(5)
    blurred = np.asarray(Image.fromarray(sharp).resize((9, 16)).resize((360, 640), Image.Resampling.BICUBIC))
    assert poster_score(sharp) > poster_score(blurred)
    assert poster_score(sharp) > poster_score((sharp * 0.05).astype(np.uint8))


async def test_preview_moves(tools: MediaTools, variants: dict[str, Path], tmp_path: Path) -> None:
    source = variants["landscape"]
    path = await make_preview(tools, source=source, facts=await probe(tools, source), out_dir=tmp_path)
    with Image.open(path) as preview:
        assert (preview.format, preview.size, preview.n_frames) == ("WEBP", (320, 180), 30)  # type: ignore[attr-defined]
    assert path.stat().st_size < 400_000
