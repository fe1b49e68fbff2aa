"""Every kind of file gets its facts or its named refusal."""

import subprocess
from pathlib import Path

import pytest

from devstack.clips import BROKEN_KINDS, PLAYABLE_KINDS
from svc_video.processing.media import MediaRejected, MediaTools, RejectReason, probe
from svc_video.processing.media.bounds import guarded_input
from tests.unit.media.film import make_film

SHAPES = {
    "landscape": (320, 180),
    "square": (180, 180),
    "rotated": (320, 180),
    "wide_pixels": (240, 320),
    "odd_size": (179, 319),
    "longest": (64, 64),
}


@pytest.mark.parametrize("kind", PLAYABLE_KINDS)
async def test_playable_kinds_are_understood(tools: MediaTools, variants: dict[str, Path], kind: str) -> None:
    facts = await probe(tools, variants[kind])
    assert (facts.width, facts.height) == SHAPES.get(kind, (180, 320))
    assert facts.rotation == (90 if kind == "rotated" else 0)
    assert facts.has_audio == (kind not in ("no_audio", "longest"))
    assert facts.variable_frame_rate == (kind == "variable_frame_rate")
    assert facts.bit_depth == (10 if kind == "mp4_h264_ten_bit" else 8)
    assert facts.duration_ms == 600_000 if kind == "longest" else abs(facts.duration_ms - 15_500) <= 70


async def test_audio_facts_tell_when_the_sound_begins(tools: MediaTools, variants: dict[str, Path]) -> None:
    late = (await probe(tools, variants["late_audio"])).audio
    assert late is not None
    assert 650_000 <= late.start_us <= 700_000
    mono = (await probe(tools, variants["mono_22050"])).audio
    assert mono is not None
    assert (mono.codec, mono.sample_rate, mono.channels) == ("aac", 22_050, 1)


@pytest.mark.parametrize(("kind", "reason"), BROKEN_KINDS.items())
async def test_broken_kinds_are_refused_by_name(tools: MediaTools, variants: dict[str, Path], kind: str, reason: str) -> None:
    with pytest.raises(MediaRejected) as refused:
        await probe(tools, variants[kind])
    assert refused.value.reason == reason


def test_every_reason_has_a_file() -> None:
    assert set(BROKEN_KINDS.values()) == set(RejectReason)


async def test_one_picture_less_than_fifteen_seconds_is_fifteen_seconds_and_two_are_not(tools: MediaTools, tmp_path: Path) -> None:
    path = tmp_path / "edge.mp4"
    plain = ("-f", "lavfi", "-i", "color=s=64x64:r=30:d=15", "-c:v", "libx264", "-preset", "ultrafast", "-frames:v")
    _ffmpeg(tools, *plain, "449", path)
    assert (await probe(tools, path)).duration_ms == 14_967
    _ffmpeg(tools, *plain, "448", path)
    with pytest.raises(MediaRejected) as refused:
        await probe(tools, path)
    assert refused.value.reason == "DURATION_TOO_SHORT"


@pytest.mark.parametrize("lost", [1, 28])
async def test_a_film_that_lost_its_beginning_begins_with_the_first_picture_that_decodes(
    tools: MediaTools, tmp_path: Path, lost: int
) -> None:
    """Groups of 90 pictures: those that follow what was lost decode to nothing before the next group."""
    whole = make_film(tools, tmp_path / "whole.mkv", seconds=19, options=("-bf", "0", "-g", "90", "-sc_threshold", "0"), audio=())
    cut = tmp_path / "cut.mkv"
    _ffmpeg(tools, "-i", str(whole), "-c", "copy", "-copyts", "-bsf:v", f"noise=drop='lt(n,{lost})'", cut)
    facts = await probe(tools, cut)
    assert (facts.video_start_us, facts.duration_ms) == (3_000_000, 16_000)


async def test_foreign_streams_beside_the_film_do_not_matter(tools: MediaTools, variants: dict[str, Path], tmp_path: Path) -> None:
    captions, path = tmp_path / "captions.srt", tmp_path / "captioned.mp4"
    captions.write_text("1\n00:00:01,000 --> 00:00:03,000\nHello\n")
    _ffmpeg(tools, "-i", variants["mp4_h264_portrait"], "-i", captions, "-map", "0", "-map", "1", "-c", "copy", "-c:s", "mov_text", path)
    assert (await probe(tools, path)).duration_ms == 15_500


async def test_a_recording_without_lengths_is_measured(tools: MediaTools, variants: dict[str, Path], tmp_path: Path) -> None:
    path = tmp_path / "live.webm"
    path.write_bytes(
        subprocess.run(
            [tools.ffmpeg, "-v", "error", "-i", variants["webm_vp8"], "-c", "copy", "-live", "1", "-f", "webm", "pipe:1"],
            capture_output=True,
            check=True,
        ).stdout
    )
    assert abs((await probe(tools, path)).duration_ms - 15_500) <= 70


@pytest.mark.parametrize("disguise", [b"", b"\x00\x00\x00\x18ftypisom\x00\x00\x00\x00isommp42"])
async def test_a_playlist_never_opens_another_file(tools: MediaTools, variants: dict[str, Path], tmp_path: Path, disguise: bytes) -> None:
    playlist = tmp_path / "clip.mp4"
    playlist.write_bytes(disguise + variants["playlist_named_mp4"].read_bytes())
    with pytest.raises(MediaRejected):
        await probe(tools, playlist)
    for demuxer in ("mov", "matroska", "avi"):
        done = subprocess.run(
            [tools.ffprobe, "-v", "error", "-show_streams", *guarded_input(playlist, demuxer)], capture_output=True, check=False
        )
        assert done.returncode != 0
        assert b"codec_name" not in done.stdout


@pytest.mark.parametrize("guard", [("-f", "mov"), ("-format_whitelist", "mov")])
def test_each_guard_alone_stops_the_playlist(tools: MediaTools, variants: dict[str, Path], guard: tuple[str, str]) -> None:
    command: list[str | Path] = [tools.ffprobe, "-v", "error", "-show_streams", *guard, "-i", variants["playlist_named_mp4"]]
    assert b"codec_name" not in subprocess.run(command, capture_output=True, check=False).stdout


def test_every_guard_is_on_every_call() -> None:
    arguments = guarded_input(Path("/some/file"), "matroska")
    pairs = dict(zip(arguments[::2], arguments[1::2], strict=True))
    assert pairs.pop("-codec_whitelist").startswith("h264,hevc,")
    assert pairs == {
        "-protocol_whitelist": "file",
        "-format_whitelist": "matroska",
        "-max_pixels": str(4096 * 2304),
        "-max_streams": "64",
        "-f": "matroska",
        "-i": "file:/some/file",
    }


async def test_stock_tools_do_follow_that_playlist(tools: MediaTools, variants: dict[str, Path], tmp_path: Path) -> None:
    """Otherwise the test above proves nothing."""
    playlist = tmp_path / "clip.m3u8"
    playlist.write_bytes(variants["playlist_named_mp4"].read_bytes())
    done = subprocess.run(
        [tools.ffprobe, "-v", "error", "-show_streams", "-allowed_extensions", "ALL", "-extension_picky", "0", "-i", playlist],
        capture_output=True,
        check=False,
    )
    assert b"codec_name=h264" in done.stdout


def _ffmpeg(tools: MediaTools, *arguments: str | Path) -> None:
    subprocess.run([tools.ffmpeg, "-v", "error", "-y", *arguments], check=True, timeout=60, stdin=subprocess.DEVNULL)
