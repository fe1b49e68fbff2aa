"""What a worker tells of a job that is done: from what the media toolbox made to what the planner and later workers read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from svc_video.processing.media import Group, MediaFacts, PackagedFile, PerceptualFacts, Pieces, Recipe
from svc_video.processing.results import (
    MAX_HASHES,
    PackagedRendition,
    PackageResult,
    PicturesResult,
    PiecesResult,
    PlannedRendition,
    ProbeResult,
)

_TELLING_QUALITY = 50
"""Frames of less detail than this match one another without being the same picture."""


def pieces_result(pieces: Pieces, *, peak_kbps: int, fps: int = 0) -> PiecesResult:
    """What a playlist that grows has to say of the pieces of one job."""
    return PiecesResult(first=pieces.first, lengths_us=pieces.lengths_us, codec=pieces.codec, peak_bps=peak_kbps * 1000, fps=fps)


def probe_result(facts: MediaFacts, recipe: Recipe, *, source_sha256: bytes) -> ProbeResult:
    """What the planner and later workers need."""
    return ProbeResult(
        facts_json=facts.to_json(),
        source_sha256=source_sha256.hex(),
        recipe_version=recipe.version,
        duration_ms=recipe.duration_ms,
        width=facts.width,
        height=facts.height,
        has_audio=recipe.has_audio,
        chunks=len(recipe.chunks),
        renditions=tuple(
            PlannedRendition(name=rendition.name, group=rendition.group.value, width=rendition.width, height=rendition.height)
            for rendition in recipe.renditions
        ),
        has_waveform=recipe.has_audio,
    )


def pictures_result(seen: PerceptualFacts, *, has_storyboard: bool) -> PicturesResult:
    """What the publish gate and players need."""
    telling = sorted((frame for frame in seen.frames if frame.quality >= _TELLING_QUALITY), key=lambda frame: -frame.quality)
    # As they are first: whoever compares only some sees the most telling ones.
    hashes = [frame.hash_hex for frame in telling] + [turned for frame in telling for turned in frame.dihedral_hex[1:]]
    return PicturesResult(
        hashes_hex=tuple(hashes[:MAX_HASHES]),
        findings=(("black_ratio", seen.black_share), ("frozen_ratio", seen.frozen_share)),
        has_storyboard=has_storyboard,
    )


def package_result(recipe: Recipe, group: Group, packaged: Sequence[PackagedFile], codecs: Mapping[str, str]) -> PackageResult:
    """What was published of a group."""
    made = []
    for rendition in recipe.of_group(group):
        folder = f"{rendition.name}/"
        size_bytes = sum(file.size_bytes for file in packaged if file.name.startswith(folder) and not file.name.endswith(".m3u8"))
        bitrate_bps = size_bytes * 8_000 // recipe.duration_ms
        made.append(PackagedRendition(name=rendition.name, codec=codecs[rendition.name], bitrate_bps=bitrate_bps, size_bytes=size_bytes))
    return PackageResult(renditions=tuple(made))
