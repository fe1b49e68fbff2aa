"""HLS and DASH over the same segments, packaged twice, and a check that notices when something is wrong."""

import asyncio
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from svc_video.processing.media import (
    Group,
    MediaToolFailed,
    MediaTools,
    PackagedFile,
    Recipe,
    check_mp4,
    check_tree,
    encode_audio,
    encode_chunk,
    join_chunks,
    make_recipe,
    mux_fast_start,
    package,
    probe,
)
from tests.unit.media.film import Seen, offsets_ms, watch, watch_sound


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """One clip with everything that is made of it."""

    recipe: Recipe
    folder: Path
    joined: dict[str, Path]
    audio: Path
    fast_start: Path
    first: tuple[PackagedFile, ...]
    both: tuple[PackagedFile, ...]


@pytest.fixture(scope="module")
def made(tools: MediaTools, laddered: Path, tmp_path_factory: pytest.TempPathFactory) -> Made:
    return asyncio.run(make(tools, laddered, tmp_path_factory.mktemp("made")))


async def make(tools: MediaTools, laddered: Path, folder: Path) -> Made:
    """The whole walk of a worker."""
    facts = await probe(tools, laddered)
    recipe = make_recipe(facts, tools.version)
    chunks: dict[str, list[Path]] = {}
    for group in (Group.FIRST, Group.REST):
        for chunk in recipe.chunks:
            for encoded in await encode_chunk(tools, source=laddered, facts=facts, recipe=recipe, group=group, chunk=chunk, out_dir=folder):
                chunks.setdefault(encoded.rendition, []).append(encoded.path)
    joined = {
        name: await join_chunks(tools, chunks=paths, recipe=recipe, out=folder / f"{name}.video.mp4") for name, paths in chunks.items()
    }
    audio = await encode_audio(tools, source=laddered, facts=facts, recipe=recipe, out_dir=folder)
    assert audio is not None
    fast_start = await mux_fast_start(tools, video=joined["360p"], audio=audio, out=folder / "360p.mp4")
    first = await package(tools, recipe=recipe, renditions={"360p": joined["360p"]}, audio=audio, out_dir=folder / "first")
    # The second time the fast-start file serves as well: only its video is read.
    both = await package(
        tools, recipe=recipe, renditions={"240p": joined["240p"], "360p": fast_start}, audio=audio, out_dir=folder / "both"
    )
    return Made(recipe=recipe, folder=folder, joined=joined, audio=audio, fast_start=fast_start, first=first, both=both)


async def test_both_trees_are_flawless(tools: MediaTools, made: Made) -> None:
    assert await check_tree(tools, made.folder / "first") == []
    assert await check_tree(tools, made.folder / "both") == []
    assert await check_mp4(tools, made.fast_start, frames=615) == []


def test_what_was_published_keeps_its_name_and_bytes(made: Made) -> None:
    for file in made.first:
        before, after = (made.folder / tree / file.name for tree in ("first", "both"))
        assert (before.read_bytes() == after.read_bytes()) == file.immutable, file.name


def test_listing_is_complete_and_in_the_order_of_publication(made: Made) -> None:
    names = [file.name for file in made.both]
    on_disk = {str(path.relative_to(made.folder / "both")) for path in (made.folder / "both").rglob("*") if path.is_file()}
    assert set(names) == on_disk
    assert names[:3] == ["360p/init.mp4", "360p/1.m4s", "360p/2.m4s"]
    assert names[-7:] == ["360p/index.m3u8", "240p/index.m3u8", "audio/index.m3u8", "360p.m3u8", "240p.m3u8", "manifest.mpd", "master.m3u8"]
    for at, name in enumerate(names):
        text = (made.folder / "both" / name).read_text() if name.endswith("m3u8") else ""
        for uri in re.findall(r'^([^#\s].*)$|URI="([^"]+)"', text, re.MULTILINE):
            target = str((Path(name).parent / (uri[0] or uri[1])).as_posix())
            assert names.index(target) < at
    types = {file.name: file.content_type for file in made.both}
    assert types["360p/1.m4s"] == "video/mp4"
    assert types["audio/1.m4s"] == "audio/mp4"
    assert types["master.m3u8"] == "application/vnd.apple.mpegurl"
    assert types["manifest.mpd"] == "application/dash+xml"


def test_every_reference_is_relative(made: Made) -> None:
    for path in [*(made.folder / "both").rglob("*.m3u8"), made.folder / "both" / "manifest.mpd"]:
        references = re.findall(r'^([^#<\s].*)$|URI="([^"]+)"|(?:media|initialization)="([^"]+)"', path.read_text(), re.MULTILINE)
        assert references
        for found in ("".join(groups) for groups in references):
            assert not found.startswith(("/", ".."))
            assert "://" not in found


def test_masters_say_what_a_player_needs(made: Made) -> None:
    master = (made.folder / "both" / "master.m3u8").read_text()
    variants = re.findall(r"#EXT-X-STREAM-INF:(.*)\n(.*)\n", master)
    assert [uri for _, uri in variants] == ["360p/index.m3u8", "240p/index.m3u8"]
    assert "RESOLUTION=640x360" in variants[0][0]
    assert "FRAME-RATE=30.000" in variants[0][0]
    assert re.search(r'CODECS="avc1\.64[0-9a-f]{4},mp4a\.40\.2"', variants[0][0])
    single = (made.folder / "both" / "240p.m3u8").read_text()
    assert re.findall(r"^[^#\s].*$", single, re.MULTILINE) == ["240p/index.m3u8"]
    assert 'URI="audio/index.m3u8"' in single
    assert "DEFAULT=YES" in single


async def test_packaging_again_gives_the_same_bytes(tools: MediaTools, made: Made, tmp_path: Path) -> None:
    again = await package(tools, recipe=made.recipe, renditions={"360p": made.joined["360p"]}, audio=made.audio, out_dir=tmp_path)
    assert again == made.first
    for file in again:
        assert (tmp_path / file.name).read_bytes() == (made.folder / "first" / file.name).read_bytes(), file.name


def test_segments_hold_sound_and_picture_together(tools: MediaTools, made: Made, tmp_path: Path) -> None:
    for name in ("360p", "audio"):
        folder = made.folder / "both" / name
        parts = [folder / "init.mp4", *sorted(folder.glob("*.m4s"), key=lambda path: int(path.stem))]
        (tmp_path / f"{name}.mp4").write_bytes(b"".join(part.read_bytes() for part in parts))
    pictures = watch(tools, tmp_path / "360p.mp4")
    assert pictures.numbers == list(range(615))
    heard = watch_sound(tools, tmp_path / "audio.mp4")
    found = offsets_ms(Seen(numbers=[], bright=pictures.bright, sound=heard), 30)
    assert len(found) == 2
    assert all(abs(offset) <= 20 for offset in found), found


async def test_without_audio_there_is_no_audio_rendition(tools: MediaTools, made: Made, tmp_path: Path) -> None:
    listing = await package(tools, recipe=made.recipe, renditions={"240p": made.joined["240p"]}, audio=None, out_dir=tmp_path)
    assert not any(file.name.startswith("audio") for file in listing)
    assert "AUDIO" not in (tmp_path / "master.m3u8").read_text()
    assert await check_tree(tools, tmp_path) == []


async def test_a_missing_chunk_is_noticed_and_nothing_is_left(tools: MediaTools, made: Made, tmp_path: Path) -> None:
    with pytest.raises(MediaToolFailed, match="300 of 615 frames"):
        await join_chunks(tools, chunks=[made.folder / "360p-0000.mp4"], recipe=made.recipe, out=tmp_path / "out.mp4")
    assert list(tmp_path.iterdir()) == []


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing segment": (lambda tree: (tree / "360p/3.m4s").unlink(), "unreadable"),
    "swapped segments": (lambda tree: swap(tree / "240p/2.m4s", tree / "240p/3.m4s"), "due at"),
    "segment of another rendition": (lambda tree: shutil.copy(tree / "audio/2.m4s", tree / "240p/2.m4s"), "240p/2.m4s"),
    "lost entry": (lambda tree: edit(tree / "360p/index.m3u8", "#EXTINF:2.000,\n4.m4s\n", ""), "manifest"),
    "no end": (lambda tree: edit(tree / "audio/index.m3u8", "#EXT-X-ENDLIST", ""), "EXT-X-ENDLIST"),
    "wrong length": (lambda tree: edit(tree / "240p/index.m3u8", "#EXTINF:2.000,\n4", "#EXTINF:2.100,\n4"), "EXTINF 2.100"),
    "no codecs": (lambda tree: edit(tree / "master.m3u8", "CODECS=", "C="), "lacks CODECS"),
    "absolute": (lambda tree: edit(tree / "master.m3u8", "240p/index", "../both/240p/index"), "relative"),
    "broken picture": (lambda tree: scramble(tree / "240p/5.m4s"), "240p"),
}


@pytest.mark.parametrize("damage", DAMAGES)
async def test_damage_is_noticed(tools: MediaTools, made: Made, tmp_path: Path, damage: str) -> None:
    tree = tmp_path / "both"
    shutil.copytree(made.folder / "both", tree)
    act, word = DAMAGES[damage]
    act(tree)
    problems = await check_tree(tools, tree)
    assert any(word in problem for problem in problems), problems


async def test_an_index_at_the_end_and_lost_frames_are_noticed(tools: MediaTools, made: Made) -> None:
    assert any("index" in problem for problem in await check_mp4(tools, made.joined["240p"]))
    assert await check_mp4(tools, made.fast_start, frames=616) == ["360p.mp4: 615 frames decoded, 616 expected"]


def swap(one: Path, other: Path) -> None:
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def scramble(path: Path) -> None:
    content = bytearray(path.read_bytes())
    begin = content.index(b"mdat") + 40
    content[begin:] = bytes(len(content) - begin)
    path.write_bytes(content)
