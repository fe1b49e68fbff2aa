"""Films whose every picture carries its own number, with flashes and beeps at the same moments, and the way to read them back."""

import subprocess
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from svc_video.processing.media import MediaTools

WIDTH, HEIGHT, BITS = 160, 96, 10
RATE = 48_000
FLASH_FRAMES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a decoder showed."""

    numbers: list[int]
    bright: list[bool]
    sound: NDArray[np.float32]


def make_film(
    tools: MediaTools,
    path: Path,
    *,
    seconds: float,
    fps: str = "30",
    options: Sequence[str] = (),
    flashes_s: Sequence[float] = (),
    size: tuple[int, int] = (WIDTH, HEIGHT),
    audio: Sequence[str] = ("-c:a", "aac"),
) -> Path:
    """Picture n shows the number n; a flash begins with the picture nearest to each moment, a beep exactly there."""
    numerator, _, denominator = fps.partition("/")
    rate = int(numerator) / int(denominator or 1)
    frames = round(seconds * rate)
    pictures = np.full((frames, HEIGHT, WIDTH), 16, dtype=np.uint8)
    column = WIDTH // BITS
    for bit in range(BITS):
        on = (np.arange(frames) >> bit & 1).astype(bool)
        pictures[on, : HEIGHT // 2, bit * column : (bit + 1) * column] = 230
    sound = np.zeros(round(seconds * RATE), dtype=np.float32)
    for flash in flashes_s:
        first = round(flash * rate)
        pictures[first : first + FLASH_FRAMES, HEIGHT // 2 :] = 235
        beep = 0.8 * np.sin(2 * np.pi * 1000 * np.arange(round(0.1 * RATE)) / RATE)
        sound[round(flash * RATE) :][: len(beep)] = beep
    wav = path.with_suffix(".film.wav")
    with wave.open(str(wav), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((sound * 32767).astype(np.int16).tobytes())
    command = [str(tools.ffmpeg), "-hide_banner", "-loglevel", "error", "-y"]
    command += ["-f", "rawvideo", "-pix_fmt", "gray", "-s", f"{WIDTH}x{HEIGHT}", "-r", fps, "-i", "pipe:0"]
    command += ["-i", str(wav)] if audio else []
    command += ["-c:v", "libx264", "-preset", "ultrafast", "-crf", "18", "-bf", "2", "-g", "250"]
    command += ["-vf", f"scale={size[0]}:{size[1]}:flags=neighbor,format=yuv420p", *audio, *options, str(path)]
    subprocess.run(command, input=pictures.tobytes(), check=True, timeout=60)
    wav.unlink()
    return path


def watch(tools: MediaTools, path: Path) -> Seen:
    """Decodes everything, sound laid on the same clock as the pictures, both from time zero."""
    scaled = ("-map", "0:v", "-vf", f"scale={WIDTH}:{HEIGHT},format=gray", "-fps_mode", "passthrough", "-f", "rawvideo", "-")
    pictures = np.frombuffer(_decoded(tools, path, *scaled), dtype=np.uint8).reshape(-1, HEIGHT, WIDTH)
    column = WIDTH // BITS
    numbers = np.zeros(len(pictures), dtype=np.int64)
    for bit in range(BITS):
        block = pictures[:, 8 : HEIGHT // 2 - 8, bit * column + 4 : (bit + 1) * column - 4]
        numbers |= (block.mean(axis=(1, 2)) > 120).astype(np.int64) << bit
    bright = pictures[:, HEIGHT // 2 + 8 : -8].mean(axis=(1, 2)) > 120
    return Seen(numbers=numbers.tolist(), bright=bright.tolist(), sound=watch_sound(tools, path))


def watch_sound(tools: MediaTools, path: Path) -> NDArray[np.float32]:
    """Mono samples from time zero; none where there is no audio."""
    laid = ("-map", "0:a?", "-af", "aresample=48000:async=1:first_pts=0", "-ac", "1", "-f", "f32le", "-")
    return np.frombuffer(_decoded(tools, path, *laid), dtype=np.float32)


def _decoded(tools: MediaTools, path: Path, *output: str) -> bytes:
    command = [str(tools.ffmpeg), "-hide_banner", "-nostdin", "-loglevel", "error", "-copyts", "-i", str(path), *output]
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False, timeout=60).stdout


def offsets_ms(seen: Seen, fps: int) -> list[float]:
    """For each flash: how much later than the picture its beep begins."""
    starts = [at for at, lit in enumerate(seen.bright) if lit and (at == 0 or not seen.bright[at - 1])]
    loud = np.abs(seen.sound) > 0.2
    found = []
    for at in starts:
        begin = max(0, round((at / fps - 0.5) * RATE))
        found.append((begin + int(np.argmax(loud[begin : begin + RATE]))) / RATE * 1000 - at / fps * 1000)
    return found
