"""Persisted nouns of the catalogue."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from mesh.stores.tables.schema import Guard, Partition, table


class SoundKind(enum.IntEnum):
    """Where a sound comes from; numbers equal the proto's."""

    UNSPECIFIED = 0
    ORIGINAL = 1


@table("sounds", guard=Guard.GUARDED)
@dataclass(frozen=True, slots=True, kw_only=True)
class Sound:
    """One sound."""

    sound_id: Partition[int]
    kind: SoundKind = SoundKind.UNSPECIFIED
    title: str = ""
    """Empty: readers compose "original sound" with the creator's name."""
    creator_id: int = 0
    source_video_id: int = 0
    duration_ms: int = 0
    audio_key: str = ""
    """Object of the extracted audio in the blob store; it is the sound's, and stays though its video goes."""
    created_at_ms: int = 0
    version: int = 0


@table("original_sounds", guard=Guard.GUARDED)
@dataclass(frozen=True, slots=True, kw_only=True)
class OriginalSound:
    """Which sound was made of a video: put if absent, so that a video has one original sound for ever."""

    video_id: Partition[int]
    sound_id: int = 0
    version: int = 0
