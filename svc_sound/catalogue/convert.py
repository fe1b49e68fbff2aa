"""Sounds as messages."""

from __future__ import annotations

from clipmesh.sound.v1 import catalogue_service_pb2 as pb

from svc_sound.catalogue.tables import Sound


def sound_to_proto(sound: Sound, *, video_count: int) -> pb.Sound:
    """The message of a sound; the count comes from usage."""
    return pb.Sound(
        sound_id=sound.sound_id,
        kind=pb.SoundKind.ValueType(sound.kind),
        title=sound.title,
        creator_id=sound.creator_id,
        source_video_id=sound.source_video_id,
        duration_ms=sound.duration_ms,
        video_count=video_count,
        created_at_ms=sound.created_at_ms,
        version=sound.version,
    )
