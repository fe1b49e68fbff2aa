"""What becomes of strange films that are accepted: encoded whole, every picture at its place, or refused by name when the fault shows."""

import asyncio
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from svc_video.processing.media import Group, MediaRejected, MediaTools, encode_chunk, make_recipe, probe
from svc_video.processing.media.frames import grab
from tests.hostile.media.mp4 import Track, avc_entry, film, pcm_entry, sound, u32
from tests.hostile.media.pictures import claimed_sps, sized, stream
from tests.unit.media.film import make_film, watch
from tests.unit.media.test_encode import finished

# Time limits of tests count seconds of a machine that others use too.
pytestmark = pytest.mark.timeout(180)


@pytest.mark.parametrize("clockwise", [90, pytest.param(180, marks=pytest.mark.long), pytest.param(270, marks=pytest.mark.long)])
async def test_a_turned_film_is_shown_upright(tools: MediaTools, tmp_path: Path, clockwise: int) -> None:
    lying = _ffmpeg(tools, tmp_path / "lying.mp4", "-f", "lavfi", "-i", "testsrc2=s=160x96:r=10:d=15", "-pix_fmt", "yuv420p")
    turned = _ffmpeg(tools, tmp_path / "turned.mp4", "-display_rotation", str(-clockwise), "-i", lying, "-c", "copy")
    facts, _, path = await finished(tools, turned, tmp_path)
    upright = np.rot90(_pictures(tools, lying, (160, 96), rate=10)[:20], k=-clockwise // 90, axes=(1, 2))
    assert facts.rotation == clockwise
    shown = _pictures(tools, path, (upright.shape[2], upright.shape[1]), rate=10)[:20]
    assert np.abs(shown.astype(int) - upright.astype(int)).mean() < 4


async def test_wide_pixels_become_square_ones(tools: MediaTools, tmp_path: Path) -> None:
    ring = "color=s=120x160:r=10:d=15,geq=lum='if(lt(hypot((X-60)*4/3,Y-80),50),235,16)':cb=128:cr=128,setsar=4/3"
    source = _ffmpeg(tools, tmp_path / "wide.mp4", "-f", "lavfi", "-i", ring, "-pix_fmt", "yuv420p")
    facts, recipe, path = await finished(tools, source, tmp_path)
    assert (facts.width, facts.height, facts.coded_width) == (160, 160, 120)
    disc = _pictures(tools, path, (recipe.renditions[0].width, recipe.renditions[0].height), rate=10)[5] > 120
    assert abs(int(disc.any(axis=0).sum()) - int(disc.any(axis=1).sum())) <= 2


@pytest.mark.long
@pytest.mark.parametrize(("transfer", "name"), [("smpte2084", "pq"), ("arib-std-b67", "hlg")])
async def test_high_dynamic_range_becomes_standard(tools: MediaTools, tmp_path: Path, transfer: str, name: str) -> None:
    source = _bright(tools, tmp_path / "hdr.mp4", transfer)
    facts, _, path = await finished(tools, source, tmp_path)
    assert (facts.hdr, facts.bit_depth, facts.color_matrix) == (name, 10, "bt2020nc")
    again = await probe(tools, path)
    assert (again.hdr, again.bit_depth, again.color_matrix, again.color_range) == ("", 8, "bt709", "tv")
    _check_light(_pictures(tools, path, (192, 96), rate=10)[5])


async def test_one_picture_of_high_dynamic_range_is_lit_as_it_should_be(tools: MediaTools, tmp_path: Path) -> None:
    """By the filters of every rendition, once: what they prepare for a curve takes seconds."""
    source = _bright(tools, tmp_path / "hdr.mp4", "smpte2084")
    facts = await probe(tools, source)
    assert (facts.hdr, facts.bit_depth, facts.color_matrix) == ("pq", 10, "bt2020nc")
    [picture] = await grab(tools, source=source, facts=facts, moments_ms=[500], size=(192, 96))
    _check_light(picture.mean(axis=2))


def _bright(tools: MediaTools, path: Path, transfer: str) -> Path:
    """Left black, in the middle the white of a page, right the brightest that the curve knows."""
    white = 0.58 if transfer == "smpte2084" else 0.75
    level = f"if(lt(X,64),64,if(lt(X,128),{round(64 + 876 * white)},940))"
    drawn = f"color=s=192x96:r=10:d=0.1,format=yuv420p10le,geq=lum='{level}':cb=512:cr=512,loop=loop=149:size=1,setpts=N/10/TB"
    tags = f"setparams=range=tv:color_primaries=bt2020:color_trc={transfer}:colorspace=bt2020nc"
    return _ffmpeg(tools, path, "-f", "lavfi", "-i", f"{drawn},{tags}", "-pix_fmt", "yuv420p10le")


def _check_light(shown: NDArray[Any]) -> None:
    black, page, bright = (float(shown[:, at : at + 32].mean()) for at in (16, 80, 144))
    # As it stands in the file the page would be at 140 or 180 of 255 and everything grey.
    assert black < 8
    assert 150 < page < 235
    assert page + 15 < bright <= 255


async def test_interlaced_fields_are_woven_without_a_comb(tools: MediaTools, tmp_path: Path) -> None:
    moving = "color=s=192x96:r=50:d=15,format=yuv420p,geq=lum='if(lt(mod(X+4*N,64),32),235,16)':cb=128:cr=128"
    fields = ("-vf", "tinterlace=mode=interleave_top,setfield=tff", "-flags", "+ilme+ildct", "-x264-params", "tff=1")
    source = _ffmpeg(tools, tmp_path / "fields.mp4", "-f", "lavfi", "-i", moving, *fields, "-pix_fmt", "yuv420p")
    facts, _, path = await finished(tools, source, tmp_path)
    assert facts.interlaced
    combed, woven = (_comb(_pictures(tools, each, (192, 96), rate=25)[20:40]) for each in (source, path))
    assert combed > 10
    assert woven < combed / 4


async def test_an_edit_that_hides_the_beginning_begins_where_it_says(tools: MediaTools, tmp_path: Path) -> None:
    whole = make_film(tools, tmp_path / "whole.mp4", seconds=17, options=("-bf", "0"), audio=())
    source = tmp_path / "edited.mp4"
    source.write_bytes(_edited(whole.read_bytes(), ((16_000, 31 * 512),)))
    _, recipe, path = await finished(tools, source, tmp_path)
    assert watch(tools, path).numbers == list(range(31, 31 + recipe.frames))
    assert recipe.duration_ms == 15_966


async def test_edits_show_the_parts_in_their_order(tools: MediaTools, tmp_path: Path) -> None:
    whole = make_film(tools, tmp_path / "whole.mp4", seconds=16, options=("-bf", "0", "-g", "30"), audio=())
    source = tmp_path / "edited.mp4"
    source.write_bytes(_edited(whole.read_bytes(), ((6_000, 300 * 512), (10_000, 0))))
    _, _, path = await finished(tools, source, tmp_path)
    assert watch(tools, path).numbers == [*range(300, 480), *range(300)]


@pytest.mark.parametrize("container", ["mp4", "mkv"])
async def test_timestamps_below_zero_lose_no_picture_that_is_shown(tools: MediaTools, tmp_path: Path, container: str) -> None:
    early = ("-movflags", "+negative_cts_offsets") if container == "mp4" else ("-avoid_negative_ts", "disabled")
    source = make_film(tools, tmp_path / f"early.{container}", seconds=16, options=("-bf", "3", *early), audio=())
    _, _, path = await finished(tools, source, tmp_path)
    assert watch(tools, path).numbers == list(range(480))


async def test_pictures_that_come_in_heaps_lie_on_an_even_grid(tools: MediaTools, tmp_path: Path) -> None:
    source = tmp_path / "heaps.mp4"
    source.write_bytes(film(Track(timescale=1000, times=((20, 1), (1, 14_000), (60, 25))), shared=True))
    facts, recipe, path = await finished(tools, source, tmp_path)
    assert facts.variable_frame_rate
    assert (await probe(tools, path)).variable_frame_rate is False
    assert recipe.duration_ms == 15_520


async def test_a_film_that_ends_in_zeros_is_refused(tools: MediaTools, tmp_path: Path) -> None:
    await _refused_by_the_encoder(tools, tmp_path, Track(material=[*stream().samples * 75, *[bytes(900)] * 222]))


async def test_a_film_that_grows_beyond_the_largest_picture_is_refused(tools: MediaTools, tmp_path: Path) -> None:
    giant = sized(claimed_sps(8192, 8192)) + sized(stream().pps) + stream().samples[0]
    entry = avc_entry(stream().config, kind=b"avc3")
    await _refused_by_the_encoder(tools, tmp_path, Track(entry=entry, material=[*stream().samples * 75, *[giant] * 222]))


async def test_sound_of_no_rate_does_not_spoil_the_film(tools: MediaTools, tmp_path: Path) -> None:
    source = tmp_path / "noise.mp4"
    source.write_bytes(film(Track(), sound(entry=pcm_entry(rate=0))))
    _, recipe, path = await finished(tools, source, tmp_path)
    assert recipe.has_audio
    assert abs(len(watch(tools, path).sound) / 48_000 - 15.5) < 0.05


async def _refused_by_the_encoder(tools: MediaTools, folder: Path, track: Track) -> None:
    """The probe takes the file for good, the encoder notices, and nothing stays."""
    source, out = folder / "source.mp4", folder / "out"
    source.write_bytes(film(track))
    out.mkdir()
    facts = await probe(tools, source)
    recipe = make_recipe(facts, tools.version)
    # Half a second with its guards; without them the encoder works on such pictures for a quarter of a minute and more.
    with pytest.raises(MediaRejected) as refused:
        async with asyncio.timeout(8):
            await encode_chunk(tools, source=source, facts=facts, recipe=recipe, group=Group.FIRST, chunk=recipe.chunks[0], out_dir=out)
    assert refused.value.reason == "CORRUPT_MEDIA"
    assert list(out.iterdir()) == []


def _edited(content: bytes, edits: Sequence[tuple[int, int]]) -> bytes:
    """The same film with another list of edits (how long in ms, from which tick); the boxes behind it move."""
    at = content.index(b"elst") - 4
    old = int.from_bytes(content[at : at + 4])
    new = u32(16 + 12 * len(edits)) + b"elst" + u32(0, len(edits), *(part for length, first in edits for part in (length, first, 1 << 16)))
    added = len(new) - old
    assert content.index(b"mdat") < content.index(b"moov")
    for kind in (b"moov", b"trak", b"edts"):
        begin = content.index(kind) - 4
        content = content[:begin] + u32(int.from_bytes(content[begin : begin + 4]) + added) + content[begin + 4 :]
    return content[:at] + new + content[at + old :]


def _ffmpeg(tools: MediaTools, path: Path, *arguments: str | Path) -> Path:
    coded = () if "copy" in arguments else ("-c:v", "libx264", "-preset", "ultrafast", "-crf", "12")
    subprocess.run([tools.ffmpeg, "-v", "error", "-nostdin", "-y", *arguments, *coded, path], check=True, timeout=120)
    return path


def _pictures(tools: MediaTools, path: Path, size: tuple[int, int], *, rate: int) -> NDArray[np.uint8]:
    """The light of each picture as it is coded, 0 to 255, black to white."""
    light = ("-vf", f"fps={rate},scale={size[0]}:{size[1]},format=gray", "-f", "rawvideo", "pipe:1")
    done = subprocess.run(
        [tools.ffmpeg, "-v", "error", "-nostdin", "-noautorotate", "-i", path, *light], capture_output=True, check=True, timeout=60
    )
    return np.frombuffer(done.stdout, dtype=np.uint8).reshape(-1, size[1], size[0])


def _comb(pictures: NDArray[np.uint8]) -> float:
    """How much each line differs from the one above more than from the one above that."""
    lines = pictures.astype(int)
    return float((np.abs(lines[:, 2:] - lines[:, 1:-1]) - np.abs(lines[:, 2:] - lines[:, :-2])).mean())
