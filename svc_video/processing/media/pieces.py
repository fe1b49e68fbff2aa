"""CMAF segments of one chunk, or of the whole audio, before the clip is whole: what a playlist that grows names.

720p/init.mp4 720p/1.m4s 720p/2.m4s ...     written chunk by chunk, numbered and timed as in the whole clip
audio/init.mp4 audio/1.m4s ...              written at once
"""

import asyncio
import re
from dataclasses import dataclass
from pathlib import Path

from svc_video.processing.media.errors import MediaToolFailed
from svc_video.processing.media.fragments import find, read_segment, track_timescale
from svc_video.processing.media.package import AUDIO, MASTER, picture_codecs, run_packager
from svc_video.processing.media.recipe import SEGMENT_MS, Chunk, Rendition
from svc_video.processing.media.tools import MediaTools


@dataclass(frozen=True, slots=True, kw_only=True)
class Pieces:
    """Segments in order, with the init segment that all of their track share."""

    init: Path
    segments: tuple[Path, ...]
    first: int
    """Number of the first one; they count from 1 over the whole clip."""
    codec: str
    """As playlists name it."""
    lengths_us: tuple[int, ...]
    """How long each lasts, rounded so that no error adds up."""


async def picture_pieces(tools: MediaTools, *, rendition: Rendition, chunk: Chunk, encoded: Path, out_dir: Path) -> Pieces:
    """Segments of one encoded chunk, below `out_dir`, at the times at which they stand in the clip."""
    await run_packager({rendition.name: encoded}, tools=tools, audio=None, out_dir=out_dir)
    return await asyncio.to_thread(_picture_pieces, out_dir, rendition.name, chunk)


async def audio_pieces(tools: MediaTools, *, audio: Path, out_dir: Path) -> Pieces:
    """Segments of the whole audio, below `out_dir`."""
    await run_packager({}, tools=tools, audio=audio, out_dir=out_dir)
    return await asyncio.to_thread(_audio_pieces, out_dir)


def shifted(segment: bytes, *, ticks: int, numbers: int) -> bytes:
    """The segment `ticks` later and `numbers` further on: its decoding times, its index and the numbers of its fragments."""
    moved = bytearray(segment)

    def add(at: int, size: int, more: int) -> None:
        moved[at : at + size] = (int.from_bytes(moved[at : at + size]) + more).to_bytes(size)

    for content, _ in find(segment, "sidx"):
        add(content + 12, 8 if segment[content] == 1 else 4, ticks)
    for content, _ in find(segment, "moof", "mfhd"):
        add(content + 4, 4, numbers)
    for content, _ in find(segment, "moof", "traf", "tfdt"):
        add(content + 4, 8 if segment[content] == 1 else 4, ticks)
    return bytes(moved)


def _picture_pieces(folder: Path, name: str, chunk: Chunk) -> Pieces:
    before = chunk.start_ms // SEGMENT_MS
    init, made = _made(folder / name)
    ticks = chunk.start_ms * track_timescale(init.read_bytes()) // 1000
    # From the last one on: a later number is nobody's yet.
    for path in reversed(made):
        path.write_bytes(shifted(path.read_bytes(), ticks=ticks, numbers=before))
        path.rename(path.with_name(f"{before + int(path.stem)}.m4s"))
    segments = tuple(path.with_name(f"{before + int(path.stem)}.m4s") for path in made)
    codec = picture_codecs((folder / MASTER).read_text())[name]
    return Pieces(init=init, segments=segments, first=before + 1, codec=codec, lengths_us=_lengths_us(init, segments))


def _audio_pieces(folder: Path) -> Pieces:
    init, segments = _made(folder / AUDIO)
    codec = re.search(r'CODECS="([^"]+)"', (folder / MASTER).read_text())
    if codec is None:
        raise MediaToolFailed("packager", problem="does not name the codec of the audio")
    return Pieces(init=init, segments=segments, first=1, codec=codec[1], lengths_us=_lengths_us(init, segments))


def _made(folder: Path) -> tuple[Path, tuple[Path, ...]]:
    return folder / "init.mp4", tuple(sorted(folder.glob("*.m4s"), key=lambda path: int(path.stem)))


def _lengths_us(init: Path, segments: tuple[Path, ...]) -> tuple[int, ...]:
    head = init.read_bytes()
    scale, at, lengths = track_timescale(head), 0, list[int]()
    for path in segments:
        end = at + read_segment(path.read_bytes(), head).duration_ticks
        lengths.append(end * 1_000_000 // scale - at * 1_000_000 // scale)
        at = end
    return tuple(lengths)
