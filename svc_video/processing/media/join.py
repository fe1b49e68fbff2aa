"""Chunks of a rendition joined again, and muxed with the audio, without encoding."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from svc_video.processing.media.bounds import guarded_input
from svc_video.processing.media.encoders import FURTHER, PICTURES_FROM_ZERO
from svc_video.processing.media.errors import MediaToolFailed
from svc_video.processing.media.recipe import Codec, Recipe
from svc_video.processing.media.sandbox import Limits, run_tool
from svc_video.processing.media.tools import MediaTools

_LIMITS = Limits(wall_s=300, cpu_s=120)
_EXACT = ("-fflags", "+bitexact", "-flags", "+bitexact", "-map_metadata", "-1", "-map_chapters", "-1")


async def join_chunks(tools: MediaTools, *, chunks: Sequence[Path], recipe: Recipe, out: Path, codec: Codec = Codec.H264) -> Path:
    """The chunks of one rendition, in order and complete, as one MP4 without audio at `out`; checked to hold every frame."""
    # A chunk whose encoder decoded nothing ahead looks as if it decoded later, and where such a chunk meets another two pictures would be decoded at
    # once: ffmpeg then moves one of them. So decoding times are counted anew over the whole clip.
    reordered = (tools.encoder if codec is Codec.H264 else FURTHER[codec]).reordered
    with _drafts(out, ".join-list", ".join-part") as (listing, draft):
        quoted = (str(chunk.absolute()).replace("'", "'\\''") for chunk in chunks)
        listing.write_text("".join(f"file 'file:{path}'\n" for path in quoted))
        await _ffmpeg(
            tools,
            # Only our own chunks get here: the list cannot name anything that the sandbox does not also open.
            *("-protocol_whitelist", "file", "-format_whitelist", "concat,mov"),
            # Every chunk has the same parameter sets, for they follow from the recipe: none has to be carried among the pictures.
            *("-f", "concat", "-safe", "0", "-auto_convert", "0", "-i", f"file:{listing.absolute()}"),
            *("-map", "0:v:0", "-c", "copy", "-bsf:v", f"setts=pts=PTS:dts=round((N-{reordered})/({recipe.fps}*TB))"),
            *(*_EXACT, *PICTURES_FROM_ZERO, "-f", "mp4", draft.name),
            cwd=out.parent,
            reads=list(chunks),
        )
        frames = await count_packets(tools, draft)
        if frames != recipe.frames:
            raise MediaToolFailed("ffmpeg", problem=f"joined {len(chunks)} chunks to {frames} of {recipe.frames} frames")
        draft.rename(out)
    return out


async def mux_fast_start(tools: MediaTools, *, video: Path, audio: Path | None, out: Path) -> Path:
    """A progressive MP4 with its index in front: plays from the first bytes. `video` may be any joined rendition."""
    with _drafts(out, ".mux-part") as (draft,):
        sound = [*guarded_input(audio, "mov"), "-map", "0:v:0", "-map", "1:a:0"] if audio is not None else ["-map", "0:v:0"]
        await _ffmpeg(
            tools,
            *guarded_input(video, "mov"),
            *(*sound, "-c", "copy", *_EXACT, *PICTURES_FROM_ZERO, "-movflags", "+faststart+negative_cts_offsets", "-f", "mp4", draft.name),
            cwd=out.parent,
            reads=[path for path in (video, audio) if path is not None],
        )
        draft.rename(out)
    return out


async def count_packets(tools: MediaTools, path: Path) -> int:
    """Packets of the video stream of one of our own MP4s."""
    run = await run_tool(
        [
            *(tools.ffprobe, "-v", "error", "-count_packets", "-select_streams", "v:0"),
            # Nothing is decoded, so nothing has to be decodable here.
            *("-show_entries", "stream=nb_read_packets", "-of", "csv=p=0", *guarded_input(path, "mov", decoders=False)),
        ],
        cwd=path.parent,
        reads=[path],
        limits=_LIMITS,
    )
    text = run.stdout.decode(errors="replace").strip().rstrip(",")
    return int(text) if text.isdigit() else 0


async def _ffmpeg(tools: MediaTools, *arguments: str, cwd: Path, reads: Sequence[Path]) -> None:
    run = await run_tool(
        [tools.ffmpeg, "-hide_banner", "-nostdin", "-y", "-loglevel", "error", *arguments], cwd=cwd, reads=reads, limits=_LIMITS
    )
    if run.exit_code != 0:
        raise MediaToolFailed("ffmpeg", problem="ended with an error", stderr_tail=run.stderr_tail, exit_code=run.exit_code)


@contextlib.contextmanager
def _drafts(out: Path, *endings: str) -> Iterator[tuple[Path, ...]]:
    """Names beside `out` for what is not finished; none of them is left behind."""
    paths = tuple(out.with_name(f".{out.name}{ending}") for ending in endings)
    try:
        yield paths
    finally:
        for path in paths:
            path.unlink(missing_ok=True)
