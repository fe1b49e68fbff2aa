"""Puts a scene, its music and a title together as one MP4."""

import subprocess
import tempfile
import wave
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from devstack.clips.music import SAMPLE_RATE, Music, compose
from devstack.clips.scenes import scene_for
from svc_video.processing.media import MediaTools, locate_tools

_FIRST_WORDS = ("Velvet", "Amber", "Slow", "Paper", "Midnight", "Salt", "Golden", "Quiet", "Neon", "Northern", "Copper", "Soft", "Tidal")
_SECOND_WORDS = ("Tide", "Lanterns", "Orchard", "Signals", "Harbour", "Comet", "Meadow", "Echoes", "Drift", "Gardens", "Arcade")
_TAGS = ("loop", "calm", "beats", "night", "colors", "synth", "mood", "abstract", "study", "dream")
_TIMEOUT_S = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """What a creator would write under the clip of a seed."""

    title: str
    hashtags: tuple[str, ...]
    scene: str


def describe_clip(seed: int) -> Clip:
    """Title, hashtags and kind of scene of a seed; no two of the first 143 seeds share a title."""
    rng = np.random.default_rng(seed + 104_729)
    tags = tuple(_TAGS[at] for at in sorted(rng.choice(len(_TAGS), size=2, replace=False)))
    scene = type(scene_for(seed, 16, 16)).__name__.lower()
    return Clip(
        title=f"{_FIRST_WORDS[seed % len(_FIRST_WORDS)]} {_SECOND_WORDS[seed % len(_SECOND_WORDS)]}",
        hashtags=(scene, *tags),
        scene=scene,
    )


def make_clip(path: Path, *, seed: int, duration_s: float = 16.0, width: int = 720, height: int = 1280, fps: int = 30) -> None:
    """Writes an MP4 (H.264, AAC) at `path`. Blocks for a few seconds of CPU: call it in a thread or a process."""
    music = compose(seed, duration_s)
    with tempfile.TemporaryDirectory(prefix="clipmesh-clip-") as folder:
        sound, title = Path(folder) / "sound.wav", Path(folder) / "title.rgba"
        with wave.open(str(sound), "wb") as file:
            file.setnchannels(2)
            file.setsampwidth(2)
            file.setframerate(SAMPLE_RATE)
            file.writeframes(music.samples.tobytes())
        # Raw pixels: the wheel's ffmpeg reads no PNG.
        picture = _draw_title(describe_clip(seed).title, width, height)
        title.write_bytes(picture.tobytes())
        written = ["-f", "rawvideo", "-pix_fmt", "rgba", "-s", f"{picture.width}x{picture.height}", "-i", str(title)]
        _encode(path, seed, music, ["-i", str(sound), *written], frames=round(duration_s * fps), size=(width, height), fps=fps)


def _encode(path: Path, seed: int, music: Music, inputs: list[str], *, frames: int, size: tuple[int, int], fps: int) -> None:
    width, height = size
    scene = scene_for(seed, width, height)
    # The title stays above where players put their own captions.
    graph = f"[0:v]scale={width}:{height}:flags=bilinear,format=yuv420p[big];[big][2:v]overlay=(W-w)/2:H*0.12:format=yuv420[out]"
    command = [
        *(str(media_tools().ffmpeg), "-hide_banner", "-loglevel", "error", "-y"),
        *("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{scene.width}x{scene.height}", "-r", str(fps), "-i", "pipe:0"),
        *inputs,
        *("-filter_complex", graph, "-map", "[out]", "-map", "1:a"),
        *("-c:v", "libx264", "-preset", "ultrafast", "-crf", "24", "-g", str(fps * 2), "-c:a", "aac", "-b:a", "128k"),
        *("-movflags", "+faststart", "-fflags", "+bitexact", "-f", "mp4", str(path)),
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        try:
            for frame in range(frames):
                process.stdin.write(scene.draw(frame / fps, _pulse(music, frame / fps)).tobytes())
            process.stdin.close()
        except BrokenPipeError:
            pass  # ffmpeg said why on its way out; that is raised below.
        problem = process.stderr.read().decode(errors="replace")
        if process.wait(timeout=_TIMEOUT_S) != 0:
            raise RuntimeError(f"ffmpeg could not make {path}: {problem}")


def _pulse(music: Music, time_s: float) -> float:
    at = int(np.searchsorted(music.kicks_s, time_s, side="right")) - 1
    return float(np.exp(-(time_s - music.kicks_s[at]) / 0.18)) if at >= 0 else 0.0


def _draw_title(title: str, width: int, height: int) -> Image.Image:
    """A transparent picture just large enough for the title and its soft shadow."""
    size = max(10, min(width, height) // 11)
    font = ImageFont.load_default(size)
    left, top, right, bottom = font.getbbox(title)
    margin = size // 2
    box = (round(right - left) + 2 * margin, round(bottom - top) + 2 * margin)
    at = (margin - left, margin - top)
    picture = Image.new("RGBA", box, (0, 0, 0, 0))
    ImageDraw.Draw(picture).text(at, title, font=font, fill=(0, 0, 0, 150))
    picture = picture.filter(ImageFilter.GaussianBlur(size / 9))
    ImageDraw.Draw(picture).text(at, title, font=font, fill=(255, 255, 255, 235))
    return picture


@cache
def media_tools() -> MediaTools:
    """This machine's tools, looked up once."""
    return locate_tools()
