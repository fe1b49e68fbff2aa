"""Persisted nouns of usage; copies made from video's events, versions are the video's."""

from __future__ import annotations

from dataclasses import dataclass

from mesh.stores.tables.schema import ClusteringDescending, Guard, Partition, table


@table("sound_uses", guard=Guard.PLAIN)
@dataclass(frozen=True, slots=True, kw_only=True)
class SoundUse:
    """One video that uses or used a sound."""

    sound_id: Partition[int]
    video_id: ClusteringDescending[int]
    public: bool = False
    version: int = 0


@table("video_sounds", guard=Guard.PLAIN)
@dataclass(frozen=True, slots=True, kw_only=True)
class VideoSound:
    """Which sound a video uses, so that a withdrawal finds it."""

    video_id: Partition[int]
    sound_id: int = 0
    public: bool = False
    version: int = 0
