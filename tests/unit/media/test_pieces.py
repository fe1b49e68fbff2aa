"""Pieces of a clip that is not whole yet: the very segments that the whole clip will have."""

from __future__ import annotations

import filecmp
from pathlib import Path

from svc_video.processing.media import (
    Group,
    MediaTools,
    audio_pieces,
    encode_audio,
    encode_chunk,
    join_chunks,
    make_recipe,
    package,
    picture_pieces,
    probe,
)
from svc_video.processing.media.fragments import read_segment, track_timescale
from svc_video.processing.media.pieces import shifted


async def test_pieces_are_byte_for_byte_the_segments_of_the_whole_clip(tools: MediaTools, numbered: Path, tmp_path: Path) -> None:
    facts = await probe(tools, numbered, scratch=tmp_path)
    recipe = make_recipe(facts, tools.version)
    [first] = recipe.of_group(Group.FIRST)
    assert len(recipe.chunks) == 3
    encoded, pieces = [], []
    for chunk in recipe.chunks:
        made = await encode_chunk(tools, source=numbered, facts=facts, recipe=recipe, group=Group.FIRST, chunk=chunk, out_dir=tmp_path)
        encoded.append(made[0].path)
        folder = tmp_path / f"pieces-{chunk.index}"
        folder.mkdir()
        pieces.append(await picture_pieces(tools, rendition=first, chunk=chunk, encoded=made[0].path, out_dir=folder))
    joined = await join_chunks(tools, chunks=encoded, recipe=recipe, out=tmp_path / "joined.mp4")
    audio = await encode_audio(tools, source=numbered, facts=facts, recipe=recipe, out_dir=tmp_path)
    tree = tmp_path / "tree"
    tree.mkdir()
    await package(tools, recipe=recipe, renditions={first.name: joined}, audio=audio, out_dir=tree)

    names = [path.name for piece in pieces for path in piece.segments]
    assert names == [f"{number}.m4s" for number in range(1, len(names) + 1)]
    assert [piece.first for piece in pieces] == [1, 3, 10]
    assert sorted(path.name for path in (tree / first.name).glob("*.m4s")) == sorted(names)
    for piece in pieces:
        assert [path.name for path in piece.segments if not filecmp.cmp(path, tree / first.name / path.name, shallow=False)] == []
    assert sum(length for piece in pieces for length in piece.lengths_us) == recipe.frames * 1_000_000 // recipe.fps
    assert {piece.codec for piece in pieces} == {pieces[0].codec}
    assert audio is not None
    (tmp_path / "sound").mkdir()
    sound = await audio_pieces(tools, audio=audio, out_dir=tmp_path / "sound")
    assert sound.codec == "mp4a.40.2"
    assert (len(sound.segments), sound.first) == (len(list((tree / "audio").glob("*.m4s"))), 1)
    for path in (sound.init, *sound.segments):
        assert filecmp.cmp(path, tree / "audio" / path.name, shallow=False), path.name


async def test_a_shifted_segment_starts_later_and_plays_with_the_first_init(tools: MediaTools, numbered: Path, tmp_path: Path) -> None:
    facts = await probe(tools, numbered, scratch=tmp_path)
    recipe = make_recipe(facts, tools.version)
    [first] = recipe.of_group(Group.FIRST)
    made = await encode_chunk(
        tools, source=numbered, facts=facts, recipe=recipe, group=Group.FIRST, chunk=recipe.chunks[0], out_dir=tmp_path
    )
    (tmp_path / "pieces").mkdir()
    piece = await picture_pieces(tools, rendition=first, chunk=recipe.chunks[0], encoded=made[0].path, out_dir=tmp_path / "pieces")
    init, content = piece.init.read_bytes(), piece.segments[1].read_bytes()
    before, after = read_segment(content, init), read_segment(shifted(content, ticks=900_000, numbers=5), init)
    assert track_timescale(init) == 90_000
    assert (before.start_ticks, after.start_ticks) == (180_000, 1_080_000)
    assert (after.duration_ticks, after.samples, after.starts_with_sync) == (before.duration_ticks, before.samples, True)
    assert shifted(shifted(content, ticks=900_000, numbers=5), ticks=-900_000, numbers=-5) == content
