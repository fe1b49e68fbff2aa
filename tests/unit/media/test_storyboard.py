"""Storyboards: bounded in tiles and bytes, each cue names the tile that shows its moment; and the facts of what we made ourselves."""

import asyncio
import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from svc_video.processing.media import (
    CUES,
    SHEET,
    Group,
    MediaTools,
    Recipe,
    Rendition,
    encode_audio,
    encode_chunk,
    facts_of_made,
    join_chunks,
    make_recipe,
    make_storyboard,
    mux_fast_start,
    probe,
    storyboard,
)
from svc_video.processing.media.frames import grab
from svc_video.processing.media.storyboard import MAX_SHEET_BYTES, MAX_TILES, TILE_PX, Layout, layout_of
from tests.unit.media.film import BITS, HEIGHT, WIDTH


@dataclasses.dataclass(frozen=True)
class Made:
    """The first rendition of a film, whole."""

    path: Path
    recipe: Recipe


@pytest.fixture(scope="session")
def made(tools: MediaTools, numbered: Path, tmp_path_factory: pytest.TempPathFactory) -> Made:
    return asyncio.run(_make(tools, numbered, tmp_path_factory.mktemp("made")))


async def _make(tools: MediaTools, numbered: Path, folder: Path) -> Made:
    facts = await probe(tools, numbered)
    recipe = make_recipe(facts, tools.version)
    chunks = [
        (await encode_chunk(tools, source=numbered, facts=facts, recipe=recipe, group=Group.FIRST, chunk=chunk, out_dir=folder))[0].path
        for chunk in recipe.chunks
    ]
    joined = await join_chunks(tools, chunks=chunks, recipe=recipe, out=folder / "joined.mp4")
    audio = await encode_audio(tools, source=numbered, facts=facts, recipe=recipe, out_dir=folder)
    return Made(await mux_fast_start(tools, video=joined, audio=audio, out=folder / "whole.mp4"), recipe)


def recipe_of(*, duration_ms: int, width: int, height: int, fps: int) -> Recipe:
    rendition = Rendition(name="720p", group=Group.FIRST, width=width, height=height, crf=23, max_kbps=1)
    plan = Recipe(version="1", fps=fps, frames=1, duration_ms=duration_ms, renditions=(rendition,), chunks=(), has_audio=False)
    return make_recipe(facts_of_made(plan, rendition, size_bytes=1), "test")


@pytest.mark.parametrize("fps", [24, 25, 60])
@pytest.mark.parametrize(
    ("duration_ms", "interval_ms", "tiles"),
    [(14_950, 2_000, 8), (15_000, 2_000, 8), (60_000, 2_000, 30), (120_000, 2_000, 60), (120_500, 4_000, 31), (600_000, 10_000, 60)],
)
def test_a_storyboard_has_at_most_sixty_tiles_over_the_whole_clip(duration_ms: int, interval_ms: int, tiles: int, fps: int) -> None:
    recipe = recipe_of(duration_ms=duration_ms, width=1080, height=1920, fps=fps)
    layout = layout_of(recipe, recipe.renditions[0])
    assert (layout.interval_ms, layout.tiles) == (interval_ms, tiles)
    assert layout.tiles <= MAX_TILES
    cues = re.findall(r"(\S+) --> (\S+)\n\S+#xywh=(\d+),(\d+),(\d+),(\d+)\n", layout.cues())
    assert len(cues) == tiles
    assert cues[0][0] == "00:00:00.000"
    assert [start for start, *_ in cues[1:]] == [end for _, end, *_ in cues[:-1]]
    assert cues[-1][1] == f"00:{recipe.duration_ms // 60_000:02}:{recipe.duration_ms // 1000 % 60:02}.{recipe.duration_ms % 1000:03}"
    assert len({cue[2:4] for cue in cues}) == tiles, "no tile is shown twice"


@pytest.mark.parametrize(("width", "height"), [(1080, 1920), (1920, 1080), (4096, 1024), (1024, 4096), (64, 64), (1440, 1440)])
def test_a_tile_keeps_its_shape_within_its_bound(width: int, height: int) -> None:
    recipe = recipe_of(duration_ms=600_000, width=width, height=height, fps=30)
    layout = layout_of(recipe, recipe.renditions[0])
    assert max(layout.width, layout.height) <= TILE_PX
    assert layout.width / layout.height == pytest.approx(width / height, rel=0.03)
    assert (layout.width % 2, layout.height % 2) == (0, 0)


async def test_each_cue_names_the_tile_of_its_first_picture(made: Made, tools: MediaTools, tmp_path: Path) -> None:
    found = await make_storyboard(tools, source=made.path, recipe=made.recipe, rendition=made.recipe.renditions[0], out_dir=tmp_path)
    assert found == (tmp_path / SHEET, tmp_path / CUES)
    assert sorted(path.name for path in tmp_path.iterdir()) == [CUES, SHEET]
    cues = re.findall(r"00:00:(\d\d)\.\d+ --> \S+\n(\S+)#xywh=(\d+),(\d+),(\d+),(\d+)\n", (tmp_path / CUES).read_text())
    with Image.open(tmp_path / SHEET) as sheet:
        picture = np.asarray(sheet.convert("L"))
        assert (sheet.format, sheet.size) == ("WEBP", (10 * WIDTH, 2 * HEIGHT))
    shown = []
    for _, name, left, top, width, height in cues:
        assert (name, int(width), int(height)) == (SHEET, WIDTH, HEIGHT)
        tile = picture[int(top) : int(top) + HEIGHT, int(left) : int(left) + WIDTH]
        column = WIDTH // BITS
        bits = [tile[8 : HEIGHT // 2 - 8, bit * column + 4 : (bit + 1) * column - 4].mean() > 120 for bit in range(BITS)]
        shown.append(sum(1 << bit for bit, lit in enumerate(bits) if lit))
    assert shown == [int(second) * 30 for second, *_ in cues]
    assert shown == list(range(0, 31 * 30, 60))


@pytest.mark.parametrize("side", [90, TILE_PX])
def test_noise_keeps_to_the_bound_by_a_plainer_sheet(tmp_path: Path, side: int) -> None:
    layout = Layout(interval_ms=10_000, tiles=MAX_TILES, columns=10, width=side, height=TILE_PX, duration_ms=600_000)
    noise = np.random.default_rng(3).integers(0, 256, (MAX_TILES, TILE_PX, side, 3), dtype=np.uint8)
    written = storyboard._write(noise, layout, tmp_path)
    assert written is not None
    assert 0 < written[0].stat().st_size <= MAX_SHEET_BYTES


def test_what_fits_no_bound_leaves_no_storyboard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storyboard, "MAX_SHEET_BYTES", 10)
    layout = Layout(interval_ms=2_000, tiles=1, columns=1, width=16, height=16, duration_ms=2_000)
    assert storyboard._write(np.zeros((1, 16, 16, 3), dtype=np.uint8), layout, tmp_path) is None
    assert list(tmp_path.iterdir()) == []


async def test_the_facts_of_what_we_made_are_those_that_a_probe_finds(made: Made, tools: MediaTools) -> None:
    facts = facts_of_made(made.recipe, made.recipe.renditions[0], size_bytes=made.path.stat().st_size)
    probed = await probe(tools, made.path)
    assert dataclasses.replace(probed, audio=None, time_base=facts.time_base) == facts
    moments = [0, 9_000, 15_500, 30_900]
    pictures = await grab(tools, source=made.path, facts=facts, moments_ms=moments, size=(WIDTH, HEIGHT))
    column = WIDTH // BITS
    blocks = [pictures[:, 8 : HEIGHT // 2 - 8, bit * column + 4 : (bit + 1) * column - 4, 0].mean(axis=(1, 2)) > 120 for bit in range(BITS)]
    assert sum(block.astype(int) << bit for bit, block in enumerate(blocks)).tolist() == [moment * 30 // 1000 for moment in moments]
