"""Chunks of renditions and the whole audio of a clip, encoded so that a redo gives identical bytes."""

import asyncio
import hashlib
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from svc_video.processing.media.bounds import guarded_input
from svc_video.processing.media.encoders import FURTHER, output
from svc_video.processing.media.errors import MediaRejected, MediaToolFailed, RejectReason, blaming_the_bytes
from svc_video.processing.media.facts import MediaFacts
from svc_video.processing.media.graph import cascade
from svc_video.processing.media.recipe import AUDIO_KBPS, AUDIO_RATE, Chunk, Codec, Group, Recipe
from svc_video.processing.media.sandbox import Limits, run_tool
from svc_video.processing.media.tools import MediaTools, devices_of
from svc_video.processing.media.waveform import PCM_RATE, WAVEFORM, write_waveform

OnProgress = Callable[[float], None]
"""Called on the loop with the share done, 0.0 to 1.0, a few times a second."""

_DECODER_THREADS = 2
_SEEK_MARGIN_MS = 200
_AUDIO_SLIP_S = 0.035
_TIMES_AS_LONG = 40
"""Seconds of work for one second of a clip."""
_BROKEN = re.compile(r"Invalid data found|error rate|Error while decoding|could not find codec parameters", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedChunk:
    """One chunk of one rendition, an MP4 without audio at `out_dir/{rendition}-{chunk:04d}.mp4`."""

    rendition: str
    path: Path
    size_bytes: int
    sha256: str


async def encode_chunk(
    tools: MediaTools,
    *,
    source: Path,
    facts: MediaFacts,
    recipe: Recipe,
    group: Group,
    chunk: Chunk,
    out_dir: Path,
    on_progress: OnProgress | None = None,
) -> tuple[EncodedChunk, ...]:
    """All renditions of a group for one chunk by one decode; () for an empty group.

    Cancelling kills the encoder. Raises MediaRejected(CORRUPT_MEDIA) where the pictures cannot be decoded, else MediaToolFailed.
    """
    renditions = recipe.of_group(group)
    if not renditions:
        return ()
    encoder = tools.encoder if group.codec is Codec.H264 else FURTHER[group.codec]
    drafts = [out_dir / f".{rendition.name}-{chunk.index:04d}.part" for rendition in renditions]
    argv: list[str | Path] = [
        *_start(tools),
        *(part.format(device=tools.device) for part in encoder.setup),
        *("-threads", str(_DECODER_THREADS), *seek(facts, chunk.start_ms), "-copyts", "-max_error_rate", "0.5"),
        *guarded_input(source, facts.container),
        *("-filter_complex", cascade(facts, recipe, chunk, f"0:{facts.stream_index}", renditions, upload=encoder.upload)),
    ]
    for index, (rendition, draft) in enumerate(zip(renditions, drafts, strict=True)):
        argv += ["-map", f"[out{index}]", *output(encoder, recipe, rendition), "-f", "mp4", draft.name]
    try:
        shown = await _run(
            tools, argv, source=source, out_dir=out_dir, frames=chunk.frames, on_progress=on_progress, devices=devices_of(tools, encoder)
        )
        if shown != chunk.frames:
            raise MediaRejected(
                RejectReason.CORRUPT_MEDIA, f"{shown} of {chunk.frames} pictures can be decoded from {chunk.start_ms} ms on"
            )
        return tuple(
            [
                await asyncio.to_thread(_finish, rendition.name, draft, out_dir / f"{rendition.name}-{chunk.index:04d}.mp4")
                for rendition, draft in zip(renditions, drafts, strict=True)
            ]
        )
    finally:
        for draft in drafts:
            draft.unlink(missing_ok=True)


async def encode_audio(
    tools: MediaTools,
    *,
    source: Path,
    facts: MediaFacts,
    recipe: Recipe,
    out_dir: Path,
    on_progress: OnProgress | None = None,
) -> Path | None:
    """The whole audio as `out_dir/audio.mp4`, AAC-LC 48 kHz stereo, its zero at the first picture; None for a clip without audio.

    Its waveform comes of the same decoding and lies beside it as `out_dir/waveform.json`.
    """
    if facts.audio is None:
        return None
    samples = recipe.frames * AUDIO_RATE // recipe.fps
    draft, pcm, path = out_dir / ".audio.part", out_dir / ".waveform.pcm", out_dir / "audio.mp4"
    argv: list[str | Path] = [
        *_start(tools),
        *("-threads", "1", "-copyts", "-max_error_rate", "0.5"),
        *guarded_input(source, facts.container),
        "-filter_complex",
        f"[0:{facts.audio.stream_index}]asetpts=PTS-({facts.video_start_us}/1000000)/TB,"
        f"aresample={AUDIO_RATE}:async=1:min_hard_comp={_AUDIO_SLIP_S}:first_pts=0,"
        f"aformat=sample_fmts=fltp:channel_layouts=stereo,apad=whole_len={samples},atrim=end_sample={samples},asetpts=N,"
        f"asplit[sound][shape];[shape]aresample={PCM_RATE},aformat=sample_fmts=s16:channel_layouts=mono[peaks]",
        *("-map", "[sound]"),
        *("-c:a", "aac", "-b:a", f"{AUDIO_KBPS}k", "-threads", "1"),
        # The encoder's first packet only warms the decoder up. Without it time zero is zero for players that ignore edit lists, too.
        *("-bsf:a", "noise=amount=0:drop=eq(n\\,0)"),
        *("-fflags", "+bitexact", "-flags", "+bitexact", "-map_metadata", "-1", "-map_chapters", "-1", "-f", "mp4", draft.name),
        *("-map", "[peaks]", "-c:a", "pcm_s16le", "-f", "s16le", pcm.name),
    ]
    try:
        await _run(tools, argv, source=source, out_dir=out_dir, frames=recipe.frames, on_progress=on_progress, fps=recipe.fps)
        await asyncio.to_thread(write_waveform, pcm, duration_ms=recipe.duration_ms, out=out_dir / WAVEFORM)
        draft.rename(path)
    finally:
        for unfinished in (draft, pcm):
            unfinished.unlink(missing_ok=True)
    return path


def _start(tools: MediaTools) -> list[str | Path]:
    return [
        *(tools.ffmpeg, "-hide_banner", "-nostdin", "-y", "-loglevel", "error"),
        *("-progress", "pipe:1", "-nostats", "-stats_period", "0.25"),
        *("-filter_threads", "1", "-filter_complex_threads", "1"),
    ]


def seek(facts: MediaFacts, start_ms: int) -> tuple[str, ...]:
    """Far enough back that the picture shown at `start_ms` is among the decoded ones; ffmpeg counts from the container's start."""
    earlier_us = (start_ms - facts.longest_frame_ms - _SEEK_MARGIN_MS) * 1000 + facts.video_start_us - facts.container_start_us
    return ("-ss", f"{earlier_us}us") if earlier_us > 0 else ()


async def _run(
    tools: MediaTools,
    argv: list[str | Path],
    *,
    source: Path,
    out_dir: Path,
    frames: int,
    on_progress: OnProgress | None,
    fps: int | None = None,
    devices: Sequence[Path] = (),
) -> int:
    """Runs ffmpeg and answers how many frames its first output got."""
    seconds = max(10, frames // 24)
    report = _Report(frames, fps, on_progress)
    with blaming_the_bytes():
        run = await run_tool(
            argv,
            cwd=out_dir,
            reads=[source],
            limits=Limits(wall_s=60 + seconds * _TIMES_AS_LONG, cpu_s=30 + seconds * _TIMES_AS_LONG),
            on_stdout=report.feed,
            devices=devices,
        )
    if run.exit_code != 0:
        if _BROKEN.search(run.stderr_tail):
            raise MediaRejected(RejectReason.CORRUPT_MEDIA, run.stderr_tail[-500:])
        raise MediaToolFailed("ffmpeg", problem="ended with an error", stderr_tail=run.stderr_tail, exit_code=run.exit_code)
    return report.frames_done


class _Report:
    """Reads ffmpeg's key=value progress: `frame` for pictures, `out_time_us` where fps is given (audio has no frames)."""

    def __init__(self, frames: int, fps: int | None, on_progress: OnProgress | None) -> None:
        self.frames_done = 0
        self._frames = frames
        self._fps = fps
        self._on_progress = on_progress
        self._rest = b""

    def feed(self, piece: bytes) -> None:
        *lines, self._rest = (self._rest + piece).split(b"\n")
        for line in lines:
            key, _, value = line.partition(b"=")
            if not value.strip().lstrip(b"-").isdigit():
                continue
            if key == b"frame" and self._fps is None:
                self.frames_done = int(value)
            elif key == b"out_time_us" and self._fps is not None:
                self.frames_done = int(Fraction(int(value) * self._fps, 1_000_000))
            else:
                continue
            if self._on_progress is not None:
                self._on_progress(min(1.0, max(0.0, self.frames_done / self._frames)))


def _finish(rendition: str, draft: Path, path: Path) -> EncodedChunk:
    digest = hashlib.sha256()
    with draft.open("rb") as file:
        while piece := file.read(1024 * 1024):
            digest.update(piece)
        os.fsync(file.fileno())
    draft.rename(path)
    return EncodedChunk(rendition=rendition, path=path, size_bytes=path.stat().st_size, sha256=digest.hexdigest())
