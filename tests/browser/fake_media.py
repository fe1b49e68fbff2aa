"""Small real clips for the fake gateway: an MP4 and CMAF segments in two renditions, as the packager of processing makes them."""

from __future__ import annotations

import subprocess
from pathlib import Path

from PIL import Image

from devstack.clips import make_clip
from devstack.clips.maker import media_tools

DURATION_S = 5.0
WIDTH, HEIGHT = 216, 384
TILE = (90, 160)
COLOURS = ((200, 30, 30), (30, 160, 30), (30, 30, 200), (200, 200, 30), (160, 30, 200))
"""Of the storyboard's tiles, one a second."""
LEVELS = {"216p": (216, 384), "108p": (108, 192)}


def make_media(folder: Path, *, seed: int) -> None:
    """Writes clip.mp4, poster.jpg, storyboard.vtt, storyboard.webp, waveform.json, start.m3u8, master.m3u8 and their segments. Blocks for a second or two."""
    folder.mkdir(parents=True)
    make_clip(folder / "clip.mp4", seed=seed, duration_s=DURATION_S, width=WIDTH, height=HEIGHT)
    for name, (width, height) in LEVELS.items():
        _ffmpeg(
            "-i",
            "clip.mp4",
            "-vf",
            f"scale={width}:{height}",
            "-g",
            "30",
            "-c:v",
            "libx264",
            "-preset",
            "ultrafast",
            "-an",
            f"{name}.src.mp4",
            cwd=folder,
        )
    _ffmpeg("-i", "clip.mp4", "-vn", "-c:a", "copy", "audio.src.mp4", cwd=folder)
    # The wheel's ffmpeg writes no JPEG file but as a picture of a sequence.
    _ffmpeg("-i", "clip.mp4", "-frames:v", "1", "-update", "1", "-c:v", "mjpeg", "-f", "image2", "poster.jpg", cwd=folder)
    _draw_storyboard(folder)
    (folder / "waveform.json").write_text('{"version":1,"duration_ms":5000,"samples_per_second":1,"peaks":[0,255,128,0,64]}')
    streams = [_stream(f"{name}.src.mp4", "video", name) for name in LEVELS]
    streams.append(_stream("audio.src.mp4", "audio", "audio") + ",hls_group_id=audio,hls_name=original")
    command = [str(media_tools().packager), "--quiet", *streams, "--segment_duration", "1", "--hls_master_playlist_output", "master.m3u8"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=60)
    master = (folder / "master.m3u8").read_text()
    lines = master.splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("108p/"))
    (folder / "start.m3u8").write_text("\n".join(lines[: at - 1] + lines[at + 1 :]) + "\n")


def _draw_storyboard(folder: Path) -> None:
    """One tile for each second, in two rows, each of one colour."""
    width, height = TILE
    sheet = Image.new("RGB", (3 * width, 2 * height))
    cues = ["WEBVTT", ""]
    for second, colour in enumerate(COLOURS):
        left, top = second % 3 * width, second // 3 * height
        sheet.paste(colour, (left, top, left + width, top + height))
        cues += [f"00:00:0{second}.000 --> 00:00:0{second + 1}.000", f"storyboard.webp#xywh={left},{top},{width},{height}", ""]
    sheet.save(folder / "storyboard.webp", lossless=True)
    (folder / "storyboard.vtt").write_text("\n".join(cues))


def grown(path: Path, segments: int) -> str:
    """A playlist of a clip that is not whole yet: the master of its first rendition, or the first segments of a track."""
    if path.name == "growing.m3u8":
        return (path.parent / "start.m3u8").read_text().replace("/index.m3u8", "/grows.m3u8")
    whole = (path.parent / "index.m3u8").read_text().replace("PLAYLIST-TYPE:VOD", "PLAYLIST-TYPE:EVENT\n#EXT-X-START:TIME-OFFSET=0")
    lines = whole.splitlines()
    ends = [at for at, line in enumerate(lines) if line.endswith(".m4s")]
    return whole if segments >= len(ends) else "\n".join(lines[: ends[segments - 1] + 1]) + "\n"


def _stream(source: str, kind: str, name: str) -> str:
    return f"in={source},stream={kind},init_segment={name}/init.mp4,segment_template={name}/$Number$.m4s,playlist_name={name}/index.m3u8"


def _ffmpeg(*arguments: str, cwd: Path) -> None:
    command = [str(media_tools().ffmpeg), "-hide_banner", "-loglevel", "error", "-y", *arguments]
    subprocess.run(command, cwd=cwd, check=True, capture_output=True, timeout=60)
