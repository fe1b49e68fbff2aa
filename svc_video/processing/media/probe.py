"""The gate for hostile bytes: from an unknown file to facts, or to a named refusal.

Order: our own reading of the container, then the streams, then every packet's timestamp, then the first pictures decoded.
"""

import asyncio
import json
import re
from fractions import Fraction
from pathlib import Path
from typing import Any, NoReturn

from svc_video.lengths import LONGEST_MS, SHORTEST_MS, is_too_long, is_too_short
from svc_video.processing.media.bounds import (
    AUDIO_CODECS,
    MAX_ASPECT_RATIO,
    MAX_FPS,
    MAX_PIXELS,
    MAX_STREAMS,
    MIN_FPS,
    MIN_SIDE_PX,
    VIDEO_CODECS,
    guarded_input,
)
from svc_video.processing.media.container import identify
from svc_video.processing.media.errors import MediaRejected, RejectReason, blaming_the_bytes
from svc_video.processing.media.facts import AudioFacts, MediaFacts
from svc_video.processing.media.sandbox import Limits, run_tool, scratch_folder
from svc_video.processing.media.timeline import Timeline, read_timelines
from svc_video.processing.media.tools import MediaTools

# With its program resident too, a probe stays below 300 MB. Ten minutes at the fastest rate print some 15 MB of packets.
_LIMITS = Limits(wall_s=60, cpu_s=20, memory_bytes=1024**3, data_bytes=240 * 1024**2, file_bytes=1, stdout_bytes=16 * 1024**2)
# Never the tags: they are as long and as many as somebody likes.
_WANTED = ":".join(
    [
        "format=duration,start_time",
        "stream=index,codec_type,codec_name,width,height,sample_aspect_ratio,pix_fmt,color_range,color_space,color_transfer,field_order"
        ",time_base,sample_rate,channels",
        "stream_disposition=default,attached_pic",
        "stream_side_data=rotation",
    ]
)
_FIRST_PACKETS, _MORE_PACKETS = 16, 120
_BEYOND = re.compile(r"Picture size (\d+)x(\d+) is invalid")
_HDR_TRANSFERS = {"smpte2084": "pq", "arib-std-b67": "hlg"}
_MATRICES = {"bt709": "bt709", "bt2020nc": "bt2020nc", "bt2020c": "bt2020nc", "smpte170m": "bt601", "bt470bg": "bt601", "fcc": "bt601"}
_HD_SHORT_SIDE_PX = 720


async def probe(tools: MediaTools, source: Path, *, scratch: Path | None = None) -> MediaFacts:
    """Facts of an acceptable file; tools keep what they need for themselves in `scratch`, or beside the source, and nothing of it stays.

    Raises MediaRejected (terminal, with its reason) or MediaToolFailed (retry). Never trusts the file's name.
    """
    demuxer, size_bytes = await asyncio.to_thread(identify, source)
    with blaming_the_bytes():
        async with scratch_folder(scratch or source.parent) as folder:
            return await _probe(tools, folder, source, demuxer, size_bytes)


async def _probe(tools: MediaTools, folder: Path, source: Path, demuxer: str, size_bytes: int) -> MediaFacts:
    answer = json.loads(await _ask(tools, folder, source, demuxer, "-show_entries", _WANTED, "-of", "json"))
    streams: list[dict[str, Any]] = answer.get("streams", [])
    if len(streams) > MAX_STREAMS:
        _reject(RejectReason.TOO_MANY_STREAMS, f"{len(streams)} streams, at most {MAX_STREAMS}")
    video = _choose_video(tools, streams)
    width, height, rotation = _displayed_size(video)
    audio = _choose_audio(tools, streams)

    packets = await _ask(
        tools, folder, source, demuxer, "-show_packets", "-show_entries", "packet=stream_index,pts,dts,duration,flags", "-of", "csv=p=0"
    )
    wanted = {int(stream["index"]): Fraction(stream["time_base"]) for stream in (video, audio) if stream is not None}
    timelines = await asyncio.to_thread(read_timelines, packets, wanted)
    pictures = timelines.get(int(video["index"]))
    if pictures is None:
        _reject(RejectReason.CORRUPT_MEDIA, "the video stream has no pictures")
    start_ticks = await _first_picture(
        tools, folder, source, demuxer, stream_index=int(video["index"]), earliest_ticks=pictures.start_ticks
    )
    duration_ms = round((pictures.end_ticks - start_ticks) * pictures.time_base * 1000)
    _check_time(answer["format"], timelines, pictures, duration_ms)
    sounds = timelines.get(int(audio["index"])) if audio is not None else None
    pixel_format = str(video.get("pix_fmt", ""))
    depth = re.search(r"p(?:0|1)?(9|10|12|14|16)(?:le|be)?$", pixel_format)
    return MediaFacts(
        container=demuxer,
        size_bytes=size_bytes,
        duration_ms=duration_ms,
        stream_index=int(video["index"]),
        codec=str(video["codec_name"]),
        width=width,
        height=height,
        coded_width=int(video["width"]),
        coded_height=int(video["height"]),
        rotation=rotation,
        fps=pictures.nominal_rate.limit_denominator(1001),
        variable_frame_rate=pictures.uneven,
        longest_frame_ms=round(pictures.longest_ticks * pictures.time_base * 1000),
        pixel_format=pixel_format,
        bit_depth=int(depth[1]) if depth else 8,
        hdr=_HDR_TRANSFERS.get(str(video.get("color_transfer")), ""),
        color_matrix=_MATRICES.get(str(video.get("color_space")), "bt709" if min(width, height) >= _HD_SHORT_SIDE_PX else "bt601"),
        color_range="pc" if video.get("color_range") == "pc" or pixel_format.startswith("yuvj") else "tv",
        interlaced=video.get("field_order", "progressive") not in ("progressive", "unknown"),
        time_base=pictures.time_base,
        video_start_ticks=start_ticks,
        container_start_us=round(Fraction(answer["format"].get("start_time", "0")) * 1_000_000),
        audio=_audio_facts(audio, sounds),
    )


async def _ask(tools: MediaTools, folder: Path, source: Path, demuxer: str, *question: str) -> str:
    argv: list[str | Path] = [tools.ffprobe, "-v", "error", "-threads", "1", *question, *guarded_input(source, demuxer, decoders=False)]
    run = await run_tool(argv, cwd=folder, reads=[source], limits=_LIMITS)
    # ffprobe goes on after these and then answers a picture without a size.
    if "max pixel count" in run.stderr_tail or any(int(wide) * int(high) > MAX_PIXELS for wide, high in _BEYOND.findall(run.stderr_tail)):
        _reject(RejectReason.TOO_MANY_PIXELS, f"at most {MAX_PIXELS}")
    if run.exit_code != 0:
        if "max_streams" in run.stderr_tail:
            _reject(RejectReason.TOO_MANY_STREAMS, f"at most {MAX_STREAMS}")
        _reject(RejectReason.CORRUPT_MEDIA, run.stderr_tail[-500:] or "the file cannot be read")
    return run.stdout.decode(errors="replace")


def _choose_video(tools: MediaTools, streams: list[dict[str, Any]]) -> dict[str, Any]:
    films = [stream for stream in streams if stream.get("codec_type") == "video" and not stream["disposition"]["attached_pic"]]
    if not films:
        _reject(RejectReason.NO_VIDEO, "no video stream")
    video = max(films, key=lambda stream: (stream["disposition"]["default"], -int(stream["index"])))
    codec = str(video.get("codec_name", "unknown"))
    if not _decodable(tools, VIDEO_CODECS, codec):
        _reject(RejectReason.UNSUPPORTED_CODEC, f"video codec {codec}")
    return video


def _choose_audio(tools: MediaTools, streams: list[dict[str, Any]]) -> dict[str, Any] | None:
    tracks = [stream for stream in streams if stream.get("codec_type") == "audio"]
    usable = [track for track in tracks if _decodable(tools, AUDIO_CODECS, str(track.get("codec_name")))]
    if tracks and not usable:
        _reject(RejectReason.UNSUPPORTED_CODEC, f"audio codec {tracks[0].get('codec_name', 'unknown')}")
    # Phones put a spatial track beside a plain one; any usable track beats silence.
    return max(usable, key=lambda track: (track["disposition"]["default"], -int(track["index"])), default=None)


def _decodable(tools: MediaTools, codecs: dict[str, tuple[str, ...]], codec: str) -> bool:
    return any(decoder in tools.decoders for decoder in codecs.get(codec, ()))


def _displayed_size(video: dict[str, Any]) -> tuple[int, int, int]:
    """Width, height and clockwise rotation as a viewer sees the picture."""
    coded_width, coded_height = int(video.get("width", 0)), int(video.get("height", 0))
    if coded_width * coded_height > MAX_PIXELS:
        _reject(RejectReason.TOO_MANY_PIXELS, f"{coded_width}x{coded_height}, at most {MAX_PIXELS} pixels")
    if not coded_width or not coded_height:
        _reject(RejectReason.CORRUPT_MEDIA, "the picture has no size")
    numerator, _, denominator = str(video.get("sample_aspect_ratio", "1:1")).partition(":")
    shape = Fraction(int(numerator), int(denominator)) if int(numerator or 0) > 0 and int(denominator or 0) > 0 else Fraction(1)
    width, height = round(coded_width * shape), coded_height
    turned = next((side["rotation"] for side in video.get("side_data_list", ()) if "rotation" in side), 0)
    rotation = round(-float(turned)) % 360
    if rotation in (90, 270):
        width, height = height, width
    if min(width, height, coded_width, coded_height) < MIN_SIDE_PX:
        _reject(RejectReason.TOO_FEW_PIXELS, f"{width}x{height}, at least {MIN_SIDE_PX} on each side")
    if max(width, height) > MAX_ASPECT_RATIO * min(width, height):
        _reject(RejectReason.UNSUPPORTED_ASPECT_RATIO, f"{width}x{height}, at most {MAX_ASPECT_RATIO}:1")
    return width, height, rotation if rotation in (0, 90, 180, 270) else 0


async def _first_picture(tools: MediaTools, folder: Path, source: Path, demuxer: str, *, stream_index: int, earliest_ticks: int) -> int:
    """Timestamp of the first picture that really decodes; streams may begin in the middle of a group of pictures. `earliest_ticks` is that of the first
    packet: when its picture is among the first few nothing earlier can come, and decoding more of large pictures is what a probe would mostly do."""
    for packets in (_FIRST_PACKETS, _MORE_PACKETS):
        answer = await _ask(
            tools,
            folder,
            source,
            demuxer,
            *("-select_streams", str(stream_index), "-read_intervals", f"%+#{packets}"),
            *("-show_frames", "-show_entries", "frame=best_effort_timestamp", "-of", "csv=p=0"),
        )
        ticks = [int(found) for found in re.findall(r"^(-?\d+)", answer, re.MULTILINE)]
        if earliest_ticks in ticks:
            break
    if not ticks:
        _reject(RejectReason.CORRUPT_MEDIA, "no picture can be decoded")
    return min(ticks)


def _check_time(format_: dict[str, Any], timelines: dict[int, Timeline], pictures: Timeline, duration_ms: int) -> None:
    declared_ms = round(float(format_.get("duration", 0)) * 1000)
    begin_ms = min(line.start_ticks * line.time_base for line in timelines.values()) * 1000
    there_ms = round(max(line.end_ticks * line.time_base for line in timelines.values()) * 1000 - begin_ms)
    if there_ms + max(1000, declared_ms // 20) < declared_ms:
        _reject(RejectReason.CORRUPT_MEDIA, f"it says {declared_ms} ms and ends after {there_ms} ms")
    if is_too_short(duration_ms):
        _reject(RejectReason.DURATION_TOO_SHORT, f"{duration_ms} ms, at least {SHORTEST_MS}")
    if is_too_long(duration_ms):
        _reject(RejectReason.DURATION_TOO_LONG, f"{duration_ms} ms, at most {LONGEST_MS}")
    if not MIN_FPS <= pictures.rate <= MAX_FPS:
        _reject(RejectReason.FPS_OUT_OF_RANGE, f"{float(pictures.rate):.3f} pictures per second, {MIN_FPS} to {MAX_FPS}")


def _audio_facts(audio: dict[str, Any] | None, sounds: Timeline | None) -> AudioFacts | None:
    if audio is None or sounds is None:
        return None
    return AudioFacts(
        stream_index=int(audio["index"]),
        codec=str(audio["codec_name"]),
        sample_rate=int(audio.get("sample_rate", 0)),
        channels=int(audio.get("channels", 0)),
        start_us=round(sounds.start_ticks * sounds.time_base * 1_000_000),
        duration_ms=round((sounds.end_ticks - sounds.start_ticks) * sounds.time_base * 1000),
    )


def _reject(reason: RejectReason, detail: str) -> NoReturn:
    raise MediaRejected(reason, detail)
