"""Renditions in a further codec beside a ladder that plays: their own segments, and its playlists with them added.

720p-h265/init.mp4 720p-h265/1.m4s ... 720p-h265/index.m3u8 720p-h265.m3u8

The ladder's own variants come first and stay as they are: players choose by CODECS, and one that knows H.264 only sees what it saw before. Adding a
codec that is there already replaces it, so a redo writes the same bytes.
"""

import asyncio
import re
from collections.abc import Mapping
from pathlib import Path

from svc_video.processing.media.errors import MediaToolFailed
from svc_video.processing.media.package import AUDIO, MANIFEST, MASTER, PackagedFile, complete, run_packager
from svc_video.processing.media.recipe import Group
from svc_video.processing.media.tools import MediaTools

_VARIANT = re.compile(r"#EXT-X-STREAM-INF:[^\n]*\n[^\n#]+\n")
_SET = re.compile(r" *<AdaptationSet .*?</AdaptationSet>\n", re.DOTALL)
_IDS_APART = 100
"""Of adaptation sets: those of the ladder are counted from 0."""
_PERIOD_END = re.compile(r" *</Period>")


async def package_beside(
    tools: MediaTools, *, group: Group, renditions: Mapping[str, Path], audio: Path | None, out_dir: Path, master: str, manifest: str
) -> tuple[PackagedFile, ...]:
    """Writes the tree above into an empty `out_dir` with the playlists `master` and `manifest` grown by it, and lists it in the order of publication.

    renditions: name -> joined MP4, large to small; audio as it was packaged with the ladder.
    """
    await run_packager(renditions, tools=tools, audio=audio, out_dir=out_dir, with_manifest=True)
    return await asyncio.to_thread(_grown, out_dir, group, list(renditions), master, manifest)


def _grown(out_dir: Path, group: Group, names: list[str], master: str, manifest: str) -> tuple[PackagedFile, ...]:
    made_master, made_manifest = ((out_dir / name).read_text() for name in (MASTER, MANIFEST))
    files = complete(out_dir, names, names)
    (out_dir / MASTER).write_text(grown_master(master, made_master, group))
    (out_dir / MANIFEST).write_text(grown_manifest(manifest, made_manifest, group))
    sizes = {name: (out_dir / name).stat().st_size for name in (MASTER, MANIFEST)}
    return tuple(
        file
        if file.immutable
        else PackagedFile(name=file.name, content_type=file.content_type, size_bytes=sizes[file.name], immutable=False)
        for file in files
    )


def grown_master(ladder: str, made: str, group: Group) -> str:
    """A master playlist with the variants of another one at its end."""
    kept = _VARIANT.sub(lambda found: "" if _is_of(found[0].splitlines()[1], group) else found[0], ladder)
    added = "".join(_VARIANT.findall(made))
    if not added or not _VARIANT.search(kept):
        raise MediaToolFailed("packager", problem="wrote a master playlist without variants")
    return kept.rstrip("\n") + "\n" + added


def grown_manifest(ladder: str, made: str, group: Group) -> str:
    """A DASH manifest with the adaptation sets of pictures of another one at the end of its only period."""
    kept = _SET.sub(lambda found: "" if _is_set_of(found[0], group) else found[0], ladder)
    added = [text for text in _SET.findall(made) if _is_set_of(text, group)]
    ends = list(_PERIOD_END.finditer(kept))
    if not added or len(ends) != 1:
        raise MediaToolFailed("packager", problem="wrote a manifest without adaptation sets, or with several periods")
    first = _IDS_APART * list(Group).index(group)
    numbered = "".join(_renamed(text, first + at, group) for at, text in enumerate(added))
    return kept[: ends[0].start()] + numbered + kept[ends[0].start() :]


def _renamed(text: str, number: int, group: Group) -> str:
    """With ids that nothing else in the period has."""
    text = re.sub(r'(<AdaptationSet id=)"\d+"', rf'\1"{number}"', text)
    return re.sub(r'(<Representation id=)"(\d+)"', rf'\1"{group.value}-\2"', text)


def _is_set_of(text: str, group: Group) -> bool:
    found = re.search(r'initialization="([^"]+)"', text)
    return found is not None and _is_of(found[1], group)


def _is_of(uri: str, group: Group) -> bool:
    return uri.partition("/")[0].endswith(f"-{group.value}") and not uri.startswith(f"{AUDIO}/")
