"""Small files of many kinds, playable and broken, that a platform meets on its first day."""

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from devstack.clips.maker import make_clip, media_tools

_WIDTH, _HEIGHT, _FPS, _SECONDS = 180, 320, 30, 15.5
_TIMEOUT_S = 120
_H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")
_H265 = ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none", "-tag:v", "hvc1")
_COPY_FAST_START = ("-c", "copy", "-movflags", "+faststart")
_VP9 = ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "300k")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Remade:
    """The base clip through ffmpeg once more."""

    file: str
    options: tuple[str, ...]
    before: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Drawn:
    """A plain generated picture, where only shape and length matter."""

    file: str
    size: str
    fps: str
    seconds: str
    options: tuple[str, ...] = _H264


_PLAYABLE: dict[str, _Remade | _Drawn] = {
    "mp4_h264_portrait": _Remade(file="portrait.mp4", options=("-c", "copy")),
    "mov_h265": _Remade(file="phone.mov", options=(*_H265, "-pix_fmt", "yuv420p", "-c:a", "copy")),
    "mp4_h264_ten_bit": _Remade(file="tenbit.mp4", options=(*_H264[:4], "-pix_fmt", "yuv420p10le", "-c:a", "copy")),
    "mkv_h264": _Remade(file="camera.mkv", options=("-c", "copy")),
    "webm_vp9": _Remade(file="browser.webm", options=(*_VP9, "-c:a", "libopus")),
    "webm_vp8": _Remade(file="older.webm", options=("-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-c:a", "libopus")),
    "avi_mpeg4": _Remade(file="old.avi", options=("-c:v", "mpeg4", "-q:v", "6", "-c:a", "libmp3lame")),
    "landscape": _Remade(file="landscape.mp4", options=("-vf", "transpose=1", *_H264, "-c:a", "copy")),
    "square": _Remade(file="square.mp4", options=("-vf", "crop=180:180", *_H264, "-c:a", "copy")),
    "rotated": _Remade(file="rotated.mp4", options=("-c", "copy"), before=("-display_rotation", "-90")),
    "variable_frame_rate": _Remade(
        file="variable.mp4", options=("-vf", "select='not(lt(mod(n,90),40)*mod(n,3))'", "-fps_mode", "vfr", *_H264, "-c:a", "copy")
    ),
    "no_audio": _Remade(file="silent.mp4", options=("-c", "copy", "-an")),
    "late_audio": _Remade(file="late.mkv", options=("-af", "adelay=700:all=1,atrim=start=0.7", "-c:v", "copy", "-c:a", "aac")),
    "mono_22050": _Remade(file="mono.mp4", options=("-c:v", "copy", "-c:a", "aac", "-ar", "22050", "-ac", "1")),
    "sixty_fps": _Remade(file="sixty.mp4", options=("-vf", "fps=60", *_H264, "-c:a", "copy")),
    "ntsc_rate": _Remade(file="ntsc.mp4", options=("-vf", "fps=30000/1001", *_H264, "-c:a", "copy")),
    "odd_size": _Remade(file="odd.mp4", options=("-vf", "crop=179:319:exact=1", *_H264[:4], "-pix_fmt", "yuv444p", "-c:a", "copy")),
    "wide_pixels": _Remade(file="anamorphic.mp4", options=("-vf", "setsar=4/3", *_H264, "-c:a", "copy")),
    "longest": _Drawn(file="longest.mp4", size="64x64", fps="10", seconds="600"),
}

_BROKEN: dict[str, tuple[str, _Remade | _Drawn | Callable[[Path, Path], Path]]] = {
    "too_short": ("DURATION_TOO_SHORT", _Drawn(file="short.mp4", size="128x128", fps="30", seconds="14.9")),
    "too_long": ("DURATION_TOO_LONG", _Drawn(file="long.mp4", size="64x64", fps="10", seconds="600.1")),
    "too_many_pixels": (
        "TOO_MANY_PIXELS",
        _Drawn(file="huge.mp4", size="4112x2320", fps="1", seconds="16", options=("-c:v", "mpeg4", "-q:v", "31")),
    ),
    "too_small": ("TOO_FEW_PIXELS", _Drawn(file="tiny.mp4", size="32x14", fps="24", seconds="16")),
    "too_narrow": ("UNSUPPORTED_ASPECT_RATIO", _Drawn(file="narrow.mp4", size="64x320", fps="24", seconds="16")),
    "too_slow": ("FPS_OUT_OF_RANGE", _Drawn(file="slow.mp4", size="64x64", fps="1/2", seconds="16")),
    "too_many_streams": ("TOO_MANY_STREAMS", _Remade(file="streams.mkv", options=("-map", "0:a", *("-map", "0:v") * 16, "-c", "copy"))),
    "av1": (
        "UNSUPPORTED_CODEC",
        _Drawn(file="av1.mp4", size="64x64", fps="24", seconds="16", options=("-c:v", "libsvtav1", "-preset", "12")),
    ),
    "audio_only": ("NO_VIDEO", _Remade(file="song.mp4", options=("-vn", "-c", "copy"))),
    "truncated": ("CORRUPT_MEDIA", lambda base, folder: _cut(_remake(base, folder / "cut.mov", ("-c", "copy", "-movflags", "0")))),
    "truncated_fast_start": ("CORRUPT_MEDIA", lambda base, folder: _cut(_remake(base, folder / "cut.mp4", _COPY_FAST_START))),
    "truncated_mkv": ("CORRUPT_MEDIA", lambda base, folder: _cut(_remake(base, folder / "cut.mkv", ("-c", "copy")))),
    "zeroed_pictures": ("CORRUPT_MEDIA", lambda base, folder: _zero(_remake(base, folder / "zeroed.mp4", _COPY_FAST_START))),
    "empty": ("CORRUPT_MEDIA", lambda base, folder: _write(folder / "empty.mp4", b"")),
    "playlist_named_mp4": ("UNSUPPORTED_CONTAINER", lambda base, folder: _playlist(base, folder / "playlist.mp4")),
    "picture_named_mp4": ("UNSUPPORTED_CONTAINER", lambda base, folder: _picture(folder / "picture.mp4")),
    "text_named_mp4": ("UNSUPPORTED_CONTAINER", lambda base, folder: _write(folder / "text.mp4", b"This is no film.\n" * 64)),
}

PLAYABLE_KINDS = tuple(_PLAYABLE)
"""Names of the files that have to become clips."""
BROKEN_KINDS = {name: reason for name, (reason, _) in _BROKEN.items()}
"""Names of the files that have to be refused, and the reason that each must get."""


def make_variants(folder: Path, *, only: frozenset[str] | None = None) -> dict[str, Path]:
    """Small test files of many kinds and faults in `folder`: name -> path; `only` makes just the named ones. Blocks.

    KeyError for a name that is neither in PLAYABLE_KINDS nor in BROKEN_KINDS.
    """
    names = [*PLAYABLE_KINDS, *BROKEN_KINDS] if only is None else sorted(only)
    folder.mkdir(parents=True, exist_ok=True)
    base = folder / ".base.mp4"
    if not base.exists():
        draft = folder / ".base.part"
        make_clip(draft, seed=1, duration_s=_SECONDS, width=_WIDTH, height=_HEIGHT, fps=_FPS)
        draft.rename(base)
    return {name: _make(base, folder, _PLAYABLE[name] if name in _PLAYABLE else _BROKEN[name][1]) for name in names}


def _make(base: Path, folder: Path, kind: _Remade | _Drawn | Callable[[Path, Path], Path]) -> Path:
    if isinstance(kind, _Remade):
        return _remake(base, folder / kind.file, kind.options, kind.before)
    if isinstance(kind, _Drawn):
        source = f"gradients=s={kind.size}:r={kind.fps}:d={kind.seconds}:speed=0.02:seed=1"
        _ffmpeg("-f", "lavfi", "-i", source, *kind.options, str(folder / kind.file))
        return folder / kind.file
    return kind(base, folder)


def _remake(base: Path, path: Path, options: tuple[str, ...], before: tuple[str, ...] = ()) -> Path:
    _ffmpeg(*before, "-i", str(base), *options, str(path))
    return path


def _ffmpeg(*arguments: str) -> None:
    command = [str(media_tools().ffmpeg), "-hide_banner", "-nostdin", "-loglevel", "error", "-y", *arguments]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_TIMEOUT_S, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"ffmpeg {arguments}: {done.stderr.decode(errors='replace')}")


def _cut(path: Path) -> Path:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size * 3 // 5)
    return path


def _zero(path: Path) -> Path:
    """Leaves every box in place and wipes what the pictures are made of."""
    content = bytearray(path.read_bytes())
    at = content.index(b"mdat") + 4
    content[at:] = bytes(len(content) - at)
    return _write(path, bytes(content))


def _playlist(base: Path, path: Path) -> Path:
    text = f"#EXTM3U\n#EXT-X-TARGETDURATION:16\n#EXTINF:15.5,\nfile://{base.absolute()}\n#EXT-X-ENDLIST\n"
    return _write(path, text.encode())


def _picture(path: Path) -> Path:
    Image.linear_gradient("L").resize((640, 480)).save(path, format="PNG")
    return path


def _write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path
