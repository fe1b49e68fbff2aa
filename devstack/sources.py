"""What a demo uploads: clips that are drawn when their turn comes, or the files of a folder; and what was uploaded before."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from devstack.cast import SIGN_INS, PlannedClip, plan_clips

VIDEO_ENDINGS = frozenset({".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v"})


class NoVideos(Exception):
    """A folder has nothing to upload; the text says what was looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One clip to upload: planned, or a file that stands already."""

    label: str
    creator: str
    caption: str
    hashtags: tuple[str, ...]
    category: str
    request_id: str
    file: Path
    planned: PlannedClip | None = None


def generated_sources(folder: Path) -> list[Source]:
    """The demo's own clips, made below `folder` when their turn comes."""
    folder.mkdir(parents=True, exist_ok=True)
    return [
        Source(
            label=clip.caption.split(" #", 1)[0],
            creator=clip.creator,
            caption=clip.caption,
            hashtags=clip.hashtags,
            category=clip.category,
            request_id=f"demo-clip-{clip.seed}",
            file=folder / f"clip-{clip.seed}.mp4",
            planned=clip,
        )
        for clip in plan_clips()
    ]


def file_sources(folder: Path) -> list[Source]:
    """Every video file of a folder, creators in turn. Raises NoVideos."""
    if not folder.is_dir():
        raise NoVideos(f"{folder} is no folder")
    files = sorted(
        path for path in folder.iterdir() if path.suffix.lower() in VIDEO_ENDINGS and not path.name.startswith(".") and path.is_file()
    )
    if not files:
        raise NoVideos(f"{folder} has no file that ends in {', '.join(sorted(VIDEO_ENDINGS))}")
    return [
        Source(
            label=path.name,
            creator=SIGN_INS[number % len(SIGN_INS)].handle,
            caption=path.stem.replace("_", " ").replace("-", " ").strip() or path.name,
            hashtags=("demo",),
            category="UNSPECIFIED",
            request_id=f"demo-{path.name[:40]}-{path.stat().st_size}",
            file=path,
        )
        for number, path in enumerate(files)
    ]


class Uploaded:
    """Which source became which upload, kept beside the data: request ids are remembered by the system for a day only."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._ids: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}

    def get(self, source: Source) -> str:
        """The upload of a source, empty when there is none yet."""
        return self._ids.get(source.request_id, "")

    def note(self, source: Source, upload_id: str) -> None:
        """Remember an upload."""
        self._ids[source.request_id] = upload_id
        partial = self._file.with_suffix(".partial")
        partial.write_text(json.dumps(self._ids, indent=1))
        partial.rename(self._file)
