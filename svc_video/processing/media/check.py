"""Looks at finished media as a strict client would; every problem is one line, no problem is an empty list."""

import asyncio
import json
import re
from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree

from svc_video.processing.media.bounds import VIDEO_CODECS, guarded_input
from svc_video.processing.media.fragments import Segment, boxes, read_segment, track_timescale
from svc_video.processing.media.join import count_packets
from svc_video.processing.media.package import MANIFEST, MASTER
from svc_video.processing.media.recipe import AUDIO_RATE, SEGMENT_MS, Codec
from svc_video.processing.media.sandbox import Limits, run_tool, scratch_folder
from svc_video.processing.media.tools import MediaTools

_LIMITS = Limits(wall_s=600, cpu_s=600)
_AAC_FRAME_S = Fraction(1024, AUDIO_RATE)
_AV_SLACK_S = 0.04
_NEWEST = f"-{Codec.AV1}"
"""Of renditions that an ffmpeg may write and not read: of those the pictures are counted, not looked at."""
_VARIANT = re.compile(r"#EXT-X-STREAM-INF:([^\n]*)\n([^\n#]+)\n")
_MEDIA_URI = re.compile(r'#EXT-X-MEDIA:[^\n]*URI="([^"]+)"')
_VARIANT_NEEDS = ("BANDWIDTH=", "AVERAGE-BANDWIDTH=", "CODECS=", "RESOLUTION=", "FRAME-RATE=")
_ENTRY = re.compile(r"#EXTINF:([\d.]+),[^\n]*\n([^\n#]+)")
_DASH = "{urn:mpeg:dash:schema:mpd:2011}"


async def check_mp4(tools: MediaTools, path: Path, *, frames: int | None = None) -> list[str]:
    """Decodes a progressive MP4 to its last frame: errors, index position, frame count (where given), audio against video length."""
    problems: list[str] = []
    order = [kind for kind, _, _ in boxes(await asyncio.to_thread(path.read_bytes))]
    if "moov" not in order or "mdat" not in order or order.index("moov") > order.index("mdat"):
        problems.append(f"{path.name}: the index is not in front")
    decoded, lengths, errors = await _decode(tools, path)
    problems += [f"{path.name}: {error}" for error in errors]
    if frames is not None and decoded != frames:
        problems.append(f"{path.name}: {decoded} frames decoded, {frames} expected")
    if decoded == 0:
        problems.append(f"{path.name}: no frame decodes")
    if len(lengths) == 2 and abs(lengths["video"] - lengths["audio"]) > _AV_SLACK_S:
        problems.append(f"{path.name}: video lasts {lengths['video']:.3f} s and audio {lengths['audio']:.3f} s")
    return problems


async def check_growing(tools: MediaTools, folder: Path, master: str, *, is_whole: bool) -> list[str]:
    """Playlists of a clip that is not whole yet, on disk: event playlists that name what is there, as far in sound as in pictures, every segment
    at its time in the clip, and the pictures so far decode. `master` is the playlist over them."""
    try:
        return await asyncio.to_thread(_check_growing, folder, master, is_whole) + await _check_decodes(tools, folder, master)
    except (OSError, ValueError, KeyError, StopIteration) as error:
        return [f"unreadable: {error!r}"]


def _check_growing(folder: Path, master: str, is_whole: bool) -> list[str]:
    text = (folder / master).read_text()
    problems = [
        f"{master}: no {need}" for need in ("#EXT-X-INDEPENDENT-SEGMENTS", "BANDWIDTH=", "CODECS=", "RESOLUTION=") if need not in text
    ]
    ends: dict[str, Fraction] = {}
    sounds = _MEDIA_URI.findall(text)
    for uri in [*(uri for _, uri in _VARIANT.findall(text)), *sounds]:
        names, times, found = _check_media_playlist(folder / uri, audio=uri in sounds, kind="EVENT", has_end=is_whole)
        problems += found
        if names != [f"{number}.m4s" for number in range(1, len(names) + 1)]:
            problems.append(f"{uri}: segments {names}")
        ends[uri] = times[-1]
    if max(ends.values()) - min(ends.values()) > (_AV_SLACK_S if is_whole else SEGMENT_MS / 1000):
        problems.append(f"the playlists end at { ({uri: float(end) for uri, end in ends.items()}) } s")
    if any(ends[uri] < max(ends.values()) - _AAC_FRAME_S for uri in sounds):
        problems.append("the sound ends before the pictures")
    return problems


async def _check_decodes(tools: MediaTools, folder: Path, master: str) -> list[str]:
    problems: list[str] = []
    text = await asyncio.to_thread((folder / master).read_text)
    for uri in [*(uri for _, uri in _VARIANT.findall(text)), *_MEDIA_URI.findall(text)]:
        names = _ENTRY.findall(await asyncio.to_thread((folder / uri).read_text))
        async with scratch_folder(folder.parent) as scratch:
            whole, tree = scratch / "whole.mp4", (folder / uri).parent
            await asyncio.to_thread(_concatenate, whole, [tree / "init.mp4", *(tree / name for _, name in names)])
            count, _, errors = await _decode(tools, whole)
        problems += [f"{uri}: {error}" for error in errors] + ([] if count else [f"{uri}: nothing decodes"])
    return problems


async def check_tree(tools: MediaTools, folder: Path) -> list[str]:
    """A packaged tree on disk: playlists consistent, every object there, video segments exactly on the 2 s grid in all renditions,
    audio within one AAC frame, DASH over the same segments, and every rendition decodes to its last frame."""
    try:
        playlists, problems = await asyncio.to_thread(_check_playlists, folder)
        problems += await asyncio.to_thread(_check_manifest, folder, playlists)
    except (OSError, ValueError, KeyError, StopIteration, ElementTree.ParseError) as error:
        return [f"unreadable: {error!r}"]
    counts: dict[str, int] = {}
    for name, segments in playlists.items():
        async with scratch_folder(folder.parent) as scratch:
            whole = scratch / "whole.mp4"
            await asyncio.to_thread(_concatenate, whole, [folder / name / "init.mp4", *(folder / name / segment for segment in segments)])
            is_known = not name.endswith(_NEWEST) or any(decoder in tools.decoders for decoder in VIDEO_CODECS[Codec.AV1])
            counts[name], _, errors = await _decode(tools, whole) if is_known else (await count_packets(tools, whole), {}, [])
        problems += [f"{name}: {error}" for error in errors]
    pictures = {name: count for name, count in counts.items() if name != "audio"}
    if len(set(pictures.values())) != 1 or 0 in pictures.values():
        problems.append(f"renditions differ in decoded frames: {pictures}")
    return problems


def _check_playlists(folder: Path) -> tuple[dict[str, list[str]], list[str]]:
    """Segments by folder as the master and its playlists name them, and the problems."""
    problems: list[str] = []
    master = (folder / MASTER).read_text()
    if "#EXT-X-INDEPENDENT-SEGMENTS" not in master:
        problems.append("master: no EXT-X-INDEPENDENT-SEGMENTS")
    variants = _VARIANT.findall(master)
    if not variants:
        problems.append("master: no variant")
    for attributes, uri in variants:
        problems += [f"master: {uri} lacks {need.rstrip('=')}" for need in _VARIANT_NEEDS if need not in attributes]
        if (folder / uri).parent.name + "/index.m3u8" != uri:
            problems.append(f"master: {uri} is not relative to the clip")
    playlists: dict[str, list[str]] = {}
    grid: dict[str, list[Fraction]] = {}
    for uri in [*(uri for _, uri in variants), *_MEDIA_URI.findall(master)]:
        name = Path(uri).parent.name
        playlists[name], ends, found = _check_media_playlist(folder / uri, audio=uri in _MEDIA_URI.findall(master))
        problems += found
        if name != "audio":
            grid[name] = ends
    if len({tuple(ends) for ends in grid.values()}) > 1:
        problems.append("video segments do not align across renditions")
    return playlists, problems


def _check_media_playlist(
    path: Path, *, audio: bool, kind: str = "VOD", has_end: bool = True
) -> tuple[list[str], list[Fraction], list[str]]:
    problems: list[str] = []
    text, name = path.read_text(), path.parent.name
    for need in ("#EXT-X-MAP:", f"#EXT-X-PLAYLIST-TYPE:{kind}", "#EXT-X-TARGETDURATION:"):
        if need not in text:
            problems.append(f"{name}: no {need}")
    if ("#EXT-X-ENDLIST" in text) is not has_end:
        problems.append(f"{name}: {'no' if has_end else 'an'} #EXT-X-ENDLIST")
    entries = _ENTRY.findall(text)
    target = int(re.findall(r"#EXT-X-TARGETDURATION:(\d+)", text)[0])
    init = (path.parent / "init.mp4").read_bytes()
    scale = track_timescale(init)
    at, ends = Fraction(0), list[Fraction]()
    for index, (extinf, uri) in enumerate(entries):
        segment: Segment = read_segment((path.parent / uri).read_bytes(), init)
        start, length = Fraction(segment.start_ticks, scale), Fraction(segment.duration_ticks, scale)
        due = Fraction(index * SEGMENT_MS, 1000)
        if start != at:
            problems.append(f"{name}/{uri}: starts at {float(start):.6f} s and the one before ends at {float(at):.6f} s")
        if (abs(start - due) >= _AAC_FRAME_S) if audio else (start != due):
            problems.append(f"{name}/{uri}: starts at {float(start):.6f} s, due at {float(due):.3f} s")
        if not segment.starts_with_sync:
            problems.append(f"{name}/{uri}: does not start with a sync sample")
        if abs(float(extinf) - float(length)) > 0.001 or round(float(extinf)) > target:
            problems.append(f"{name}/{uri}: EXTINF {extinf}, lasts {float(length):.6f} s, target {target}")
        at = start + length
        ends.append(at)
    if not entries:
        problems.append(f"{name}: no segments")
    return [uri for _, uri in entries], ends, problems


def _check_manifest(folder: Path, playlists: dict[str, list[str]]) -> list[str]:
    """DASH must name exactly the segments that HLS names."""
    problems: list[str] = []
    # The manifest is our packager's own, and expat here expands no external entity.
    root = ElementTree.fromstring((folder / MANIFEST).read_text())  # noqa: S314
    named: dict[str, int] = {}
    for template in root.iter(f"{_DASH}SegmentTemplate"):
        name = Path(template.attrib["initialization"]).parent.name
        named[name] = sum(int(entry.attrib.get("r", "0")) + 1 for entry in template.iter(f"{_DASH}S"))
        if template.attrib["media"] != f"{name}/$Number$.m4s" or template.attrib["startNumber"] != "1":
            problems.append(f"manifest: {template.attrib['media']} is not the path of the HLS segments")
    if named != {name: len(segments) for name, segments in playlists.items()}:
        problems.append(f"manifest: segments {named} differ from the playlists")
    return problems


def _concatenate(whole: Path, parts: list[Path]) -> None:
    with whole.open("wb") as file:
        for part in parts:
            file.write(part.read_bytes())


async def _decode(tools: MediaTools, path: Path) -> tuple[int, dict[str, float], list[str]]:
    """Decoded frames (of the video, or of the audio where there is none), lengths in seconds by kind, and errors."""
    async with scratch_folder(path.parent) as scratch:
        run = await run_tool(
            [
                *(tools.ffprobe, "-v", "error", "-count_frames", "-of", "json"),
                *("-show_entries", "stream=codec_type,nb_read_frames,duration", *guarded_input(path, "mov")),
            ],
            cwd=scratch,
            reads=[path],
            limits=_LIMITS,
        )
    errors = run.stderr_tail.splitlines()[-5:]
    if run.exit_code != 0:
        return 0, {}, errors or [f"ffprobe ended with {run.exit_code}"]
    streams = {stream["codec_type"]: stream for stream in json.loads(run.stdout).get("streams", [])}
    counted = streams.get("video", streams.get("audio", {}))
    lengths = {kind: float(stream.get("duration", 0)) for kind, stream in streams.items()}
    return int(counted.get("nb_read_frames", 0)), lengths, errors
