"""Further codecs beside a ladder that plays: the same grid, the same bytes each time, playlists that grow and never shrink."""

import asyncio
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from svc_video.processing.media import (
    Codec,
    Group,
    MediaFacts,
    MediaTools,
    Recipe,
    check_tree,
    encode_audio,
    encode_chunk,
    join_chunks,
    make_recipe,
    package,
    package_beside,
    probe,
)
from svc_video.processing.media.beside import grown_manifest, grown_master
from svc_video.processing.media.package import MANIFEST, MASTER
from tests.unit.media.film import make_film, watch

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]
"""Three more encoders: run with `-m long`."""

CODECS = {Group.H265: "hvc1.", Group.VP9: "vp09.", Group.AV1: "av01."}


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A small clip whose ladder is one rendition, and that in every further codec."""

    source: Path
    facts: MediaFacts
    recipe: Recipe
    joined: dict[Group, Path]
    tree: Path
    texts: list[str]
    """The master playlist as it was before each group came to it."""


@pytest.fixture(scope="module")
def made(tools: MediaTools, tmp_path_factory: pytest.TempPathFactory) -> Made:
    return asyncio.run(make(tools, tmp_path_factory.mktemp("beside")))


async def make(tools: MediaTools, folder: Path) -> Made:
    source = make_film(tools, folder / "source.mp4", seconds=15.2, size=(160, 96), flashes_s=(3.0,))
    facts = await probe(tools, source)
    recipe = make_recipe(facts, tools.version)
    audio = await encode_audio(tools, source=source, facts=facts, recipe=recipe, out_dir=folder)
    joined: dict[Group, Path] = {}
    for group in (Group.FIRST, *CODECS):
        paths = [await chunk_of(tools, source, facts, recipe, group, index, folder) for index in range(len(recipe.chunks))]
        joined[group] = await join_chunks(tools, chunks=paths, recipe=recipe, out=folder / f"{group.value}.mp4", codec=group.codec)
    tree, texts = folder / "tree", []
    await package(tools, recipe=recipe, renditions={"240p": joined[Group.FIRST]}, audio=audio, out_dir=tree)
    for group in CODECS:
        texts.append((tree / MASTER).read_text())
        out = folder / f"{group.value}-tree"
        files = await package_beside(
            tools,
            group=group,
            renditions={f"240p-{group.value}": joined[group]},
            audio=audio,
            out_dir=out,
            master=texts[-1],
            manifest=(tree / MANIFEST).read_text(),
        )
        for file in files:
            (tree / file.name).parent.mkdir(exist_ok=True)
            (tree / file.name).write_bytes((out / file.name).read_bytes())
            assert (out / file.name).stat().st_size == file.size_bytes
        assert [file.name for file in files][-2:] == [MANIFEST, MASTER]
        assert not any(file.name.startswith("audio/") for file in files), "the ladder has the sound"
    return Made(source=source, facts=facts, recipe=recipe, joined=joined, tree=tree, texts=texts)


async def chunk_of(tools: MediaTools, source: Path, facts: MediaFacts, recipe: Recipe, group: Group, index: int, folder: Path) -> Path:
    chunk = recipe.chunks[index]
    [encoded] = await encode_chunk(tools, source=source, facts=facts, recipe=recipe, group=group, chunk=chunk, out_dir=folder)
    return encoded.path


async def test_every_codec_stands_on_the_grid_of_the_ladder(tools: MediaTools, made: Made) -> None:
    assert await check_tree(tools, made.tree) == []
    text = (made.tree / MASTER).read_text()
    variants = re.findall(r'#EXT-X-STREAM-INF:[^\n]*CODECS="([^",]+),[^\n]*\n([^/]+)/', text)
    assert [name for _, name in variants] == ["240p", "240p-h265", "240p-vp9", "240p-av1"]
    assert [codec.startswith(begins) for (codec, _), begins in zip(variants, ("avc1.", *CODECS.values()), strict=True)] == [True] * 4
    assert all(f"{need}=" in line for line in re.findall(r"#EXT-X-STREAM-INF:.*", text) for need in ("RESOLUTION", "AVERAGE-BANDWIDTH"))
    manifest = (made.tree / MANIFEST).read_text()
    for kind in ("AdaptationSet", "Representation"):
        ids = re.findall(rf'<{kind} id="([^"]+)"', manifest)
        assert len(set(ids)) == len(ids) == 5, "pictures in four codecs, and the sound"


def test_who_knows_h264_only_sees_what_it_saw_before(made: Made) -> None:
    head = made.texts[0].rstrip("\n")
    assert (made.tree / MASTER).read_text().startswith(head)
    assert all(later.startswith(head) for later in made.texts)


@pytest.mark.parametrize("group", [Group.H265, Group.VP9])
async def test_every_picture_is_there_once_and_in_order(tools: MediaTools, made: Made, group: Group) -> None:
    assert watch(tools, made.joined[group]).numbers == list(range(456))


@pytest.mark.parametrize("group", list(CODECS))
async def test_a_chunk_made_again_is_the_same_bytes(tools: MediaTools, made: Made, group: Group, tmp_path: Path) -> None:
    again = await chunk_of(tools, made.source, made.facts, made.recipe, group, 1, tmp_path)
    before = made.joined[group].parent / again.name
    assert hashlib.sha256(again.read_bytes()).digest() == hashlib.sha256(before.read_bytes()).digest()


def test_a_codec_that_comes_again_takes_its_own_place(made: Made) -> None:
    master, manifest = (made.tree / MASTER).read_text(), (made.tree / MANIFEST).read_text()
    own = re.findall(r"#EXT-X-STREAM-INF:[^\n]*\n240p-av1/[^\n]*\n", master)
    assert len(own) == 1
    assert grown_master(master, f"#EXTM3U\n{own[0]}", Group.AV1) == master
    assert grown_master(made.texts[-1], f"#EXTM3U\n{own[0]}", Group.AV1) == master
    [added] = [text for text in re.findall(r" *<AdaptationSet .*?</AdaptationSet>\n", manifest, re.DOTALL) if "240p-av1/" in text]
    as_packaged = re.sub(r'id="[^"]+"', 'id="0"', added)
    assert grown_manifest(manifest, as_packaged, Group.AV1) == manifest


def test_recipes_name_every_rung_in_a_further_codec(made: Made) -> None:
    [rendition] = made.recipe.of_group(Group.VP9)
    assert (rendition.name, rendition.codec, rendition.width) == ("240p-vp9", Codec.VP9, 160)
    assert made.recipe.rendition("240p-vp9") == rendition
