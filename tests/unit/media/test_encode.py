"""Chunks that join without a seam, redo to the same bytes, and keep sound and picture together."""

import asyncio
import subprocess
from fractions import Fraction
from pathlib import Path

import pytest

from devstack.clips.maker import make_clip
from svc_video.processing.media import (
    Group,
    MediaFacts,
    MediaRejected,
    MediaTools,
    Recipe,
    check_mp4,
    encode_audio,
    encode_chunk,
    join_chunks,
    make_recipe,
    mux_fast_start,
    probe,
)
from tests.unit.media.film import Seen, make_film, offsets_ms, watch


async def finished(tools: MediaTools, source: Path, out: Path) -> tuple[MediaFacts, Recipe, Path]:
    """The first rendition as a viewer gets it."""
    facts = await probe(tools, source)
    recipe = make_recipe(facts, tools.version)
    chunks: list[Path] = []
    # Backwards: no chunk may need what an earlier one left behind.
    for chunk in reversed(recipe.chunks):
        encoded = await encode_chunk(tools, source=source, facts=facts, recipe=recipe, group=Group.FIRST, chunk=chunk, out_dir=out)
        chunks.insert(0, encoded[0].path)
    audio = await encode_audio(tools, source=source, facts=facts, recipe=recipe, out_dir=out)
    joined = await join_chunks(tools, chunks=chunks, recipe=recipe, out=out / "joined.mp4")
    path = await mux_fast_start(tools, video=joined, audio=audio, out=out / "clip.mp4")
    assert await check_mp4(tools, path, frames=recipe.frames) == []
    assert not list(out.glob(".*"))
    return facts, recipe, path


def times(tools: MediaTools, path: Path) -> list[tuple[int, int]]:
    """When each picture is shown and decoded, in pictures of 30 a second, as they stand in the file."""
    command = [str(tools.ffprobe), "-v", "error", "-show_entries", "packet=pts,dts", "-of", "csv=p=0", str(path)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    pairs = (line.split(",")[:2] for line in said.split())
    return [(int(shown) // 3_000, int(decoded) // 3_000) for shown, decoded in pairs]


async def test_three_chunks_join_without_losing_or_repeating_a_picture(tools: MediaTools, numbered: Path, tmp_path: Path) -> None:
    _, recipe, path = await finished(tools, numbered, tmp_path)
    assert len(recipe.chunks) == 3
    assert watch(tools, path).numbers == list(range(930))


async def test_chunks_that_reorder_their_pictures_differently_join_on_the_grid(tools: MediaTools, tmp_path: Path) -> None:
    # x264 finds in one half of this clip no picture to decode two ahead, in the other it does.
    source = tmp_path / "clip.mp4"
    await asyncio.to_thread(make_clip, source, seed=1, duration_s=16, width=126, height=224, fps=30)
    _, recipe, _ = await finished(tools, source, tmp_path)
    first, second = (times(tools, chunk) for chunk in sorted(tmp_path.glob("*-000?.mp4")))
    assert [chunk.start_ms for chunk in recipe.chunks] == [0, 8_000]
    assert (first[0], second[0]) == ((0, -1), (0, -2)), "the halves do not differ any more: look for another clip"
    joined = times(tools, tmp_path / "joined.mp4")
    assert sorted(shown for shown, _ in joined) == list(range(480))
    assert [decoded for _, decoded in joined] == list(range(-2, 478))


async def test_a_chunk_at_its_rate_cap_is_the_same_bytes_each_time_on_a_busy_machine(tools: MediaTools, tmp_path: Path) -> None:
    noise = ("-vf", "noise=alls=80:allf=t,format=yuv420p")
    source = make_film(tools, tmp_path / "noise.mp4", seconds=15.2, fps="30", options=noise, audio=())
    facts = await probe(tools, source)
    recipe = make_recipe(facts, tools.version)

    async def encoded(number: int) -> str:
        out = tmp_path / str(number)
        out.mkdir()
        (chunk,) = await encode_chunk(
            tools, source=source, facts=facts, recipe=recipe, group=Group.FIRST, chunk=recipe.chunks[0], out_dir=out
        )
        return chunk.sha256

    assert len(set(await asyncio.gather(*map(encoded, range(5))))) == 1


@pytest.mark.parametrize(
    ("fps", "options", "kept"),
    [
        ("30000/1001", (), lambda number: True),
        ("60", ("-g", "37"), lambda number: True),
        ("30", ("-fps_mode", "vfr"), lambda number: number % 100 < 10 or number % 7 == 0),
    ],
    ids=["ntsc", "sixty", "variable"],
)
async def test_any_rate_shows_the_picture_of_the_moment(
    tools: MediaTools, tmp_path: Path, fps: str, options: tuple[str, ...], kept: object
) -> None:
    assert callable(kept)
    if "vfr" in options:
        options = (*options, "-vf", "select='lt(mod(n,100),10)+not(mod(n,7))',format=yuv420p")
    else:
        options = (*options, "-vf", "format=yuv420p")
    source = make_film(tools, tmp_path / "source.mp4", seconds=15.2, fps=fps, options=options, audio=())
    _, recipe, path = await finished(tools, source, tmp_path)
    numerator, _, denominator = fps.partition("/")
    rate = int(numerator) / int(denominator or 1)
    numbers = [number for number in range(round(15.2 * rate)) if kept(number)]
    shown = watch(tools, path).numbers
    expected = [max(number for number in numbers if round(number / rate * recipe.fps) <= at) for at in range(recipe.frames)]
    assert shown == expected


async def test_a_long_pause_in_the_pictures_reaches_over_a_chunk_border(tools: MediaTools, tmp_path: Path) -> None:
    still = ("-fps_mode", "vfr", "-vf", "select='not(between(n,250,420))',format=yuv420p")
    source = make_film(tools, tmp_path / "source.mp4", seconds=20.5, options=still, audio=())
    _, recipe, path = await finished(tools, source, tmp_path)
    assert [chunk.start_ms for chunk in recipe.chunks] == [0, 10_000]
    shown = watch(tools, path).numbers
    assert shown == [249 if 250 <= at <= 420 else at for at in range(recipe.frames)]


async def test_a_redo_is_identical(tools: MediaTools, laddered: Path, tmp_path: Path) -> None:
    facts = await probe(tools, laddered)
    recipe = make_recipe(facts, tools.version)
    takes = []
    for take in ("one", "two"):
        out = tmp_path / take
        out.mkdir()
        files = []
        for group in (Group.FIRST, Group.REST):
            for encoded in await encode_chunk(
                tools, source=laddered, facts=facts, recipe=recipe, group=group, chunk=recipe.chunks[1], out_dir=out
            ):
                files.append((encoded.rendition, encoded.sha256, encoded.path.read_bytes()))
        audio = await encode_audio(tools, source=laddered, facts=facts, recipe=recipe, out_dir=out)
        assert audio is not None
        files.append(("audio", "", audio.read_bytes()))
        takes.append(files)
    assert takes[0] == takes[1]
    assert [name for name, _, _ in takes[0]] == ["360p", "240p", "audio"]


@pytest.mark.parametrize(
    ("name", "audio", "options"),
    [
        ("plain.mp4", ("-c:a", "aac"), ()),
        ("low_rate.mp4", ("-c:a", "aac", "-ar", "22050"), ()),
        ("opus.webm", ("-c:a", "libopus"), ("-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8")),
        ("mp3.avi", ("-c:a", "libmp3lame"), ("-c:v", "mpeg4", "-q:v", "3", "-bf", "0")),
    ],
)
async def test_sound_and_picture_stay_within_forty_milliseconds(
    tools: MediaTools, tmp_path: Path, name: str, audio: tuple[str, ...], options: tuple[str, ...]
) -> None:
    source = make_film(tools, tmp_path / name, seconds=16, flashes_s=(1.0, 8.03, 15.5), audio=audio, options=options)
    _, recipe, path = await finished(tools, source, tmp_path)
    found = offsets_ms(watch(tools, path), recipe.fps)
    assert len(found) == 3
    assert all(abs(offset) <= 20 for offset in found), found


@pytest.mark.parametrize(
    ("picture_delay_s", "sound_delay_s", "container"),
    [(0.0, 2.5, "mp4"), (0.4, 0.0, "mp4"), (0.0, 0.05, "mp4"), (0.0, 2.5, "mkv"), (1.7, 0.0, "mkv")],
)
async def test_sound_and_picture_that_do_not_begin_together_stay_together(
    tools: MediaTools, tmp_path: Path, picture_delay_s: float, sound_delay_s: float, container: str
) -> None:
    film = make_film(tools, tmp_path / "film.mp4", seconds=16, flashes_s=(5.0, 12.0))
    source = tmp_path / f"source.{container}"
    delayed = ("-itsoffset", str(picture_delay_s), "-i", film, "-itsoffset", str(sound_delay_s), "-i", film)
    await _ffmpeg(tools, *delayed, "-map", "0:v", "-map", "1:a", "-c", "copy", source)
    facts, recipe, path = await finished(tools, source, tmp_path)
    assert facts.video_start_us == pytest.approx(picture_delay_s * 1_000_000, abs=30_000)
    later_s = sound_delay_s - picture_delay_s
    seen = watch(tools, path)
    assert offsets_at(seen, (5.0 + later_s, 12.0 + later_s)) == pytest.approx([0.0, 0.0], abs=20)
    assert seen.numbers == list(range(480))
    assert abs(len(seen.sound) / 48_000 - recipe.duration_ms / 1000) <= 0.03


async def test_no_audio_gives_no_audio(tools: MediaTools, variants: dict[str, Path], tmp_path: Path) -> None:
    _, recipe, path = await finished(tools, variants["no_audio"], tmp_path)
    assert not recipe.has_audio
    assert not (tmp_path / "audio.mp4").exists()
    assert watch(tools, path).sound.size == 0


@pytest.mark.parametrize("kind", ["rotated", "odd_size", "wide_pixels", "mp4_h264_ten_bit", "avi_mpeg4", "mov_h265"])
async def test_every_kind_becomes_plain_h264(tools: MediaTools, variants: dict[str, Path], tmp_path: Path, kind: str) -> None:
    facts, recipe, path = await finished(tools, variants[kind], tmp_path)
    again = await probe(tools, path)
    first = recipe.renditions[0]
    assert (again.width, again.height, again.rotation) == (first.width, first.height, 0)
    assert (again.coded_width, again.coded_height) == (first.width, first.height)
    assert (again.codec, again.pixel_format, again.fps, again.variable_frame_rate) == ("h264", "yuv420p", Fraction(recipe.fps), False)
    assert (again.color_matrix, again.color_range, again.hdr) == ("bt709", "tv", "")
    assert abs(again.duration_ms - facts.duration_ms) <= 1000 / recipe.fps


async def test_progress_rises_to_one(tools: MediaTools, numbered: Path, tmp_path: Path) -> None:
    facts = await probe(tools, numbered)
    recipe = make_recipe(facts, tools.version)
    shares: list[float] = []
    await encode_chunk(
        tools,
        source=numbered,
        facts=facts,
        recipe=recipe,
        group=Group.FIRST,
        chunk=recipe.chunks[0],
        out_dir=tmp_path,
        on_progress=shares.append,
    )
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


async def test_groups_of_pictures_are_exactly_two_seconds_whatever_is_shown(tools: MediaTools, tmp_path: Path) -> None:
    cuts = ("-vf", "negate=enable='gt(mod(t,1.7),0.8)',format=yuv420p")
    source = make_film(tools, tmp_path / "source.mp4", seconds=20.5, options=cuts, audio=())
    _, _, path = await finished(tools, source, tmp_path)
    assert key_frames(tools, path) == [0, 60, 120, 180, 240, 300, 360, 420, 480, 540, 600]


async def test_pictures_that_are_missing_are_noticed(tools: MediaTools, numbered: Path, variants: dict[str, Path], tmp_path: Path) -> None:
    facts = await probe(tools, numbered)
    recipe = make_recipe(facts, tools.version)
    with pytest.raises(MediaRejected, match=r"of 420 pictures can be decoded from 4000 ms on"):
        await encode_chunk(
            tools,
            source=variants["mp4_h264_portrait"],
            facts=facts,
            recipe=recipe,
            group=Group.FIRST,
            chunk=recipe.chunks[1],
            out_dir=tmp_path,
        )
    assert list(tmp_path.iterdir()) == []


async def test_an_empty_group_is_nothing(tools: MediaTools, numbered: Path, tmp_path: Path) -> None:
    facts = await probe(tools, numbered)
    recipe = make_recipe(facts, tools.version)
    assert (
        await encode_chunk(tools, source=numbered, facts=facts, recipe=recipe, group=Group.REST, chunk=recipe.chunks[0], out_dir=tmp_path)
        == ()
    )
    assert list(tmp_path.iterdir()) == []


async def test_pictures_that_do_not_decode_are_refused_and_leave_nothing(tools: MediaTools, numbered: Path, tmp_path: Path) -> None:
    facts = await probe(tools, numbered)
    recipe = make_recipe(facts, tools.version)
    content = bytearray(numbered.read_bytes())
    begin = content.index(b"mdat") + 4
    content[begin : begin + (content.index(b"moov") - begin) * 9 // 10] = bytes((content.index(b"moov") - begin) * 9 // 10)
    broken, out = tmp_path / "broken.mp4", tmp_path / "out"
    broken.write_bytes(content)
    out.mkdir()
    with pytest.raises(MediaRejected) as refused:
        await encode_chunk(tools, source=broken, facts=facts, recipe=recipe, group=Group.FIRST, chunk=recipe.chunks[1], out_dir=out)
    assert refused.value.reason == "CORRUPT_MEDIA"
    assert list(out.iterdir()) == []


async def test_cancelling_leaves_nothing(tools: MediaTools, laddered: Path, tmp_path: Path) -> None:
    facts = await probe(tools, laddered)
    recipe = make_recipe(facts, tools.version)
    started = asyncio.Event()
    task = asyncio.create_task(
        encode_chunk(
            tools,
            source=laddered,
            facts=facts,
            recipe=recipe,
            group=Group.FIRST,
            chunk=recipe.chunks[0],
            out_dir=tmp_path,
            on_progress=lambda _: started.set(),
        )
    )
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert list(tmp_path.iterdir()) == []


def offsets_at(seen: Seen, beeps_s: tuple[float, ...]) -> list[float]:
    """How much later than promised each beep begins, in milliseconds."""
    found = []
    for beep in beeps_s:
        begin = round((beep - 0.3) * 48_000)
        loud = abs(seen.sound[begin : begin + 48_000]) > 0.2
        found.append((begin + int(loud.argmax())) / 48 - beep * 1000)
    return found


def key_frames(tools: MediaTools, path: Path) -> list[int]:
    """Numbers of the pictures that start a group, in order of presentation."""
    asked = ["-select_streams", "v", "-show_entries", "packet=pts,flags", "-of", "csv=p=0", str(path)]
    lines = subprocess.run([tools.ffprobe, "-v", "error", *asked], capture_output=True, check=True).stdout.decode().split()
    packets = sorted((int(line.split(",")[0]), line.split(",")[1]) for line in lines)
    return [number for number, (_, flags) in enumerate(packets) if "K" in flags]


async def _ffmpeg(tools: MediaTools, *arguments: str | Path) -> None:
    process = await asyncio.create_subprocess_exec(tools.ffmpeg, "-v", "error", "-nostdin", "-y", *arguments)
    assert await process.wait() == 0
