"""CMAF segments shared by HLS and DASH.

Objects of a clip, below its own prefix; every reference is relative, so a grant in the path is kept:

    master.m3u8        every rendition and the audio
    720p.m3u8          a master of one rendition and the audio: the shortest way to a first picture
    manifest.mpd       DASH over the same segments
    720p/init.mp4 720p/1.m4s 720p/2.m4s ... 720p/index.m3u8
    audio/init.mp4 audio/1.m4s ... audio/index.m3u8      absent without audio
    720p.mp4           fast start, with audio (made by join.mux_fast_start)

Packaging happens twice: with the first rendition alone, then with all; what a rendition had keeps its names and bytes.
"""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from svc_video.processing.media.errors import MediaToolFailed
from svc_video.processing.media.recipe import SEGMENT_MS, Recipe
from svc_video.processing.media.sandbox import Limits, run_tool
from svc_video.processing.media.tools import MediaTools

MASTER = "master.m3u8"
MANIFEST = "manifest.mpd"
CONTENT_TYPES = {
    ".m3u8": "application/vnd.apple.mpegurl",
    ".mpd": "application/dash+xml",
    ".mp4": "video/mp4",
    ".m4s": "video/mp4",
    ".jpg": "image/jpeg",
    ".webp": "image/webp",
    ".vtt": "text/vtt",
    ".json": "application/json",
}

AUDIO = "audio"
"""Folder of the audio's segments."""
_LIMITS = Limits(wall_s=300, cpu_s=120)


@dataclass(frozen=True, slots=True, kw_only=True)
class PackagedFile:
    """One object: its path below the clip's prefix, and what the edge must know about it."""

    name: str
    content_type: str
    size_bytes: int
    immutable: bool
    """False for masters and manifests, which change when renditions arrive."""


async def package(
    tools: MediaTools,
    *,
    recipe: Recipe,
    renditions: Mapping[str, Path],
    audio: Path | None,
    out_dir: Path,
) -> tuple[PackagedFile, ...]:
    """Writes the tree above into an empty `out_dir` and lists it, segments before the playlists that name them.

    renditions: name -> joined or fast-start MP4 (only its video is read); audio: what encode_audio made, the same file both times.
    Publish in the listed order: then no playlist ever names an object that is not there.
    """
    ordered = [rendition.name for rendition in recipe.renditions if rendition.name in renditions]
    assert ordered, "at least one rendition"
    assert len(ordered) == len(renditions), "only renditions of the recipe can be packaged"
    await run_packager({name: renditions[name] for name in ordered}, tools=tools, audio=audio, out_dir=out_dir, with_manifest=True)
    return await asyncio.to_thread(complete, out_dir, ordered, [*ordered, *([AUDIO] if audio is not None else [])])


async def run_packager(
    renditions: Mapping[str, Path], *, tools: MediaTools, audio: Path | None, out_dir: Path, with_manifest: bool = False
) -> None:
    """Segments and playlists of these tracks below an empty `out_dir`, a folder for each, with a master playlist over them."""
    descriptors = [_descriptor(path, "video", name) for name, path in renditions.items()]
    if audio is not None:
        descriptors.append(_descriptor(audio, "audio", AUDIO) + ",hls_group_id=audio,hls_name=original")
    for name in (*renditions, *([AUDIO] if audio is not None else [])):
        (out_dir / name).mkdir(parents=True, exist_ok=True)
    seconds = str(SEGMENT_MS // 1000)
    run = await run_tool(
        [
            tools.packager,
            *("--quiet", *descriptors, "--segment_duration", seconds, "--fragment_duration", seconds),
            *(("--generate_static_live_mpd", "--mpd_output", MANIFEST) if with_manifest else ()),
            *("--hls_master_playlist_output", MASTER, "--per_playlist_target_duration"),
            # A creation time and the order of threads would make a redo differ.
            *("--use_fake_clock_for_muxer", "--single_threaded", "--force_cl_index", "--temp_dir", "."),
        ],
        cwd=out_dir,
        reads=[*renditions.values(), *([audio] if audio is not None else [])],
        limits=_LIMITS,
    )
    if run.exit_code != 0:
        raise MediaToolFailed("packager", problem="ended with an error", stderr_tail=run.stderr_tail, exit_code=run.exit_code)


def picture_codecs(master: str) -> dict[str, str]:
    """Codec of each rendition's picture as a master playlist names it, by the rendition's name."""
    found = re.findall(r'#EXT-X-STREAM-INF:[^\n]*CODECS="([^"]+)"[^\n]*\n([^/\n]+)/', master)
    return {name: next(codec for codec in codecs.split(",") if not codec.startswith("mp4a.")) for codecs, name in found}


def _descriptor(path: Path, kind: str, folder: str) -> str:
    fields = {
        "in": str(path.absolute()),
        "stream": kind,
        "init_segment": f"{folder}/init.mp4",
        "segment_template": f"{folder}/$Number$.m4s",
        "playlist_name": f"{folder}/index.m3u8",
    }
    assert "," not in fields["in"], "the packager's descriptors cannot quote a comma"
    return ",".join(f"{key}={value}" for key, value in fields.items())


def complete(out_dir: Path, ordered: list[str], folders: list[str]) -> tuple[PackagedFile, ...]:
    """Writes the masters of one rendition each and lists everything in these folders in the order of publication."""
    master = out_dir / MASTER
    text = master.read_text().replace("DEFAULT=NO", "DEFAULT=YES")
    master.write_text(text)
    for name in ordered:
        (out_dir / f"{name}.m3u8").write_text(_only(text, name))
    names: list[str] = []
    for folder in folders:
        names += [f"{folder}/init.mp4", *sorted((f"{folder}/{path.name}" for path in (out_dir / folder).glob("*.m4s")), key=_number)]
    names += [f"{folder}/index.m3u8" for folder in folders]
    names += [*(f"{name}.m3u8" for name in ordered), MANIFEST, MASTER]
    return tuple(
        PackagedFile(
            name=name,
            content_type=CONTENT_TYPES[Path(name).suffix].replace("video/", "audio/" if name.startswith(f"{AUDIO}/") else "video/"),
            size_bytes=(out_dir / name).stat().st_size,
            immutable=name not in (MASTER, MANIFEST),
        )
        for name in names
    )


def _only(master: str, rendition: str) -> str:
    """The master playlist without the other renditions."""
    return re.sub(rf"#EXT-X-STREAM-INF:[^\n]*\n(?!{re.escape(rendition)}/)[^\n]*\n", "", master)


def _number(name: str) -> int:
    return int(Path(name).stem)
